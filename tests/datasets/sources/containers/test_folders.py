"""Folders: which files are there, in which order, and what is not read."""

import os

import pytest

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.sources import open_source
from scratchgan.datasets.sources.containers import files as files_module
from tests.datasets.sources.making import names_of, png, write_files

PNG = png(0)


def write(folder, *names):
    return write_files(folder, dict.fromkeys(names, PNG))


class TestFolder:
    def test_flat_and_nested_sorted(self, tmp_path):
        write(tmp_path, "b.png", "a/2.png", "a/deep/down/1.png", "c.png", "a.png")
        assert names_of(tmp_path) == [
            "a.png",
            "a/2.png",
            "a/deep/down/1.png",
            "b.png",
            "c.png",
        ]

    def test_any_common_ending_in_any_case(self, tmp_path):
        names = ["a.JPG", "b.Jpeg", "c.PNG", "d.webp", "e.bmp", "f.gif", "g.TIF"]
        names += ["h.tiff", "i.ppm", "j.pgm"]
        write(tmp_path, *names, "notes.txt", "noending", "x.png.part")
        assert names_of(tmp_path) == names

    def test_hidden_and_macos_files_are_left_out(self, tmp_path):
        write(tmp_path, "a.png", ".b.png", "._a.png", ".cache/c.png")
        write(tmp_path, "__MACOSX/a.png")
        assert names_of(tmp_path) == ["a.png"]

    def test_hidden_folder_as_source_itself(self, tmp_path):
        write(tmp_path / ".photos", "a.png")
        assert names_of(tmp_path / ".photos") == ["a.png"]

    def test_odd_names(self, tmp_path):
        odd = ["żółw 🐢.png", "a b;c$(d).png", "-rf.png", "%s.png", "a.b.c.png"]
        write(tmp_path, *odd)
        assert names_of(tmp_path) == sorted(odd)

    @pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
    def test_names_only_posix_has(self, tmp_path):
        odd = [b"line\nbreak.png", b"\xff\xfe.png"]
        for name in odd:
            try:
                with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
                    file.write(PNG)
            except OSError:
                pytest.skip("this file system refuses such names")
        with open_source(tmp_path) as source:
            assert len(source) == 2
            assert [image.read() for image in source] == [PNG, PNG]

    def test_symlink_loops_end(self, tmp_path):
        write(tmp_path, "a/1.png", "b/2.png")
        try:
            (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
            (tmp_path / "a" / "b").symlink_to(tmp_path / "b", target_is_directory=True)
            (tmp_path / "b" / "a").symlink_to(tmp_path / "a", target_is_directory=True)
            (tmp_path / "self").symlink_to(tmp_path / "self")
        except OSError:
            pytest.skip("no symbolic links here")
        assert sorted(names_of(tmp_path)) == ["a/1.png", "b/2.png"]

    def test_links_out_of_the_folder_are_followed(self, tmp_path):
        write(tmp_path / "far", "1.png")
        (tmp_path / "here").mkdir()
        try:
            (tmp_path / "here" / "cats").symlink_to(
                tmp_path / "far", target_is_directory=True
            )
            (tmp_path / "here" / "x.png").symlink_to(tmp_path / "nowhere.png")
        except OSError:
            pytest.skip("no symbolic links here")
        with open_source(tmp_path / "here") as source:
            linked, broken = source
        assert linked.name == "cats/1.png"
        assert linked.read() == PNG
        with pytest.raises(UnreadableImage, match="No such file"):
            broken.read()

    def test_file_that_vanishes(self, tmp_path):
        write(tmp_path, "a.png")
        with open_source(tmp_path) as source:
            (tmp_path / "a.png").unlink()
            (image,) = source
            with pytest.raises(UnreadableImage, match="No such file"):
                image.read()

    def test_file_too_large(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files_module, "MAX_FILE_BYTES", len(PNG) - 1)
        write(tmp_path, "a.png")
        with open_source(tmp_path) as source:
            (image,) = source
            with pytest.raises(UnreadableImage, match="larger than"):
                image.read()
