"""What a user names as SOURCE: recognised, or refused with what to do."""

import pytest

from scratchgan.datasets.sources import folders
from tests.datasets.sources.making import make_zip, png, refusal, write_files

PNG = png(0)


def write(folder, *names):
    return write_files(folder, dict.fromkeys(names, PNG))


def zip_of(path, *names, **options):
    return make_zip(path, dict.fromkeys(names, PNG), **options)


class TestRefusedSources:
    def test_misspelt(self, tmp_path):
        zip_of(tmp_path / "portraits.zip", "a.png")
        text = refusal(tmp_path / "portrats.zip")
        assert "does not exist; did you mean" in text
        assert "portraits.zip" in text

    def test_missing_altogether(self, tmp_path):
        text = refusal(tmp_path / "no" / "such" / "place")
        assert "give a folder, a zip or tar" in text

    def test_empty_folder(self, tmp_path):
        assert f"no images in {tmp_path}: it is empty" in refusal(tmp_path)

    def test_folder_of_text_files(self, tmp_path):
        for i in range(12):
            (tmp_path / f"{i}.txt").write_text("text")
        (tmp_path / "README").write_text("text")
        text = refusal(tmp_path)
        assert "found 12 .txt, 1 without ending" in text
        assert ".jpg" in text

    def test_folder_around_two_zips(self, tmp_path):
        zip_of(tmp_path / "a.zip", "a.png")
        zip_of(tmp_path / "b.zip", "a.png")
        assert "Give the archive itself" in refusal(tmp_path)

    def test_photographs_of_another_kind(self, tmp_path):
        (tmp_path / "a.HEIC").write_text("x")
        assert "Convert them to JPEG or PNG" in refusal(tmp_path)

    @pytest.mark.parametrize(
        ("name", "content", "hint"),
        [
            ("a.zip", b"<!DOCTYPE html><html>quota</html>", "it is a web page"),
            ("a.zip", b"", "it is empty"),
            ("a.tar.gz", b"\x1f\x8b", "it is damaged"),
            ("a.h5", b"\x89HDF\r\n\x1a\n", "--dataset"),
            ("a.txt", b"text", "found 1 .txt"),
        ],
    )
    def test_other_files(self, tmp_path, name, content, hint):
        (tmp_path / name).write_bytes(content)
        assert hint in refusal(tmp_path / name)

    def test_unreadable_folder(self, tmp_path, monkeypatch):
        write(tmp_path, "a.png")

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(folders.os, "scandir", refuse)
        assert "cannot be read: Permission denied" in refusal(tmp_path)
