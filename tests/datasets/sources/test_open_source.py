"""What a user names as SOURCE: recognised, or refused with what to do."""

import os

import pytest

from scratchgan.commands.data.prepare import KINDS as COMMAND_KINDS
from scratchgan.datasets.sources import KINDS, open_source
from scratchgan.datasets.sources.containers import folders
from scratchgan.datasets.sources.containers.archives import Tar
from tests.datasets.sources.making import (
    make_tar,
    make_zip,
    names_of,
    png,
    refusal,
    tar_bytes,
    write_files,
)

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

    def test_every_kind_says_what_it_needs(self, tmp_path):
        (tmp_path / "a.txt").write_text("text")
        text = refusal(tmp_path)
        for known in KINDS:
            assert f"{known.kind}: {known.needs}" in text

    @pytest.mark.parametrize("kind", COMMAND_KINDS)
    def test_forced_kind_that_does_not_fit(self, tmp_path, kind):
        write(tmp_path, "a.png" if kind != "images" else "a.txt")
        text = refusal(tmp_path, kind)
        assert f"no files of --kind {kind} in {tmp_path}: found 1 ." in text
        for known in KINDS:
            assert (f"{known.kind}: {known.needs}" in text) == (known.kind == kind)

    def test_unknown_kind(self, tmp_path):
        write(tmp_path, "a.png")
        text = refusal(tmp_path, "cifar100")
        assert "--kind cifar100: choose from celeba, cifar10" in text

    def test_pipe(self, tmp_path):
        """Opening it could wait for ever."""
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(tmp_path / "pipe")
        assert "neither a folder nor a regular file" in refusal(tmp_path / "pipe")

    @pytest.mark.parametrize("name", ["a\0b", "x" * 300, "~nobody-at-all/x", ""])
    def test_names_that_cannot_be(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        refusal(name)

    def test_two_archives_inside_an_archive(self, tmp_path):
        inner = zip_of(tmp_path / "a.zip", "a.png").read_bytes()
        make_zip(tmp_path / "b.zip", {"1.zip": inner, "2.zip": inner})
        text = refusal(tmp_path / "b.zip")
        assert "found 2 .zip. Unpack it, and give the archive inside" in text

    def test_parquet(self, tmp_path):
        (tmp_path / "a.parquet").write_bytes(b"PAR1")
        assert "Export the table's images" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["a.7z", "a.rar", "a.zst"])
    def test_archives_of_other_kinds(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"7z\xbc\xaf")
        assert "unpack it, and give the folder" in refusal(tmp_path / name)

    @pytest.mark.parametrize("length", [1, 100, 511])
    def test_start_of_a_tar(self, tmp_path, length):
        data = tar_bytes({"a.png": PNG})[:length]
        (tmp_path / "a.tar").write_bytes(data)
        assert "it is damaged, or no archive" in refusal(tmp_path / "a.tar")

    def test_unreadable_folder(self, tmp_path, monkeypatch):
        write(tmp_path, "a.png")

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(folders.os, "scandir", refuse)
        assert "cannot be read: Permission denied" in refusal(tmp_path)


class TestArchiveAloneInAFolder:
    @pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz", "a.tar.gz", "a.xz"])
    def test_it_is_opened(self, tmp_path, name):
        files = {"b.png": PNG, "a.png": PNG}
        if name == "a.zip":
            make_zip(tmp_path / name, files)
        else:
            make_tar(tmp_path / name, files, "w" if name == "a.tar" else "w:gz")
        (tmp_path / "readme.txt").write_text("text")
        assert sorted(names_of(tmp_path)) == ["a.png", "b.png"]

    def test_images_beside_it_come_first(self, tmp_path):
        make_zip(tmp_path / "a.zip", {"a.png": PNG})
        write(tmp_path, "b.png")
        assert names_of(tmp_path) == ["b.png"]

    def test_it_is_no_archive(self, tmp_path):
        (tmp_path / "a.zip").write_text("text")
        assert "a.zip is no archive: it is damaged" in refusal(tmp_path)

    def test_it_holds_no_images(self, tmp_path):
        make_zip(tmp_path / "a.zip", {"a.txt": b""})
        assert "a.zip: found 1 .txt" in refusal(tmp_path)


def test_what_is_open_is_closed(tmp_path, monkeypatch):
    """With the source, and where opening fails."""
    make_tar(tmp_path / "a.tar", {"a.png": PNG})
    with open_source(tmp_path / "a.tar") as source:
        assert isinstance(source.files, Tar)
    with pytest.raises(ValueError, match="closed"):
        source.files._file.read()
    closed = []
    monkeypatch.setattr(Tar, "close", lambda tar: closed.append(tar._file.close()))
    (tmp_path / "b").mkdir()
    make_tar(tmp_path / "b" / "b.tar", {"a.txt": b""})
    refusal(tmp_path / "b" / "b.tar")
    assert len(closed) == 1
    refusal(tmp_path / "b")
    assert len(closed) == 2
