"""Folders and zips: which files are images, in which order, and what is refused."""

import io
import os
import struct
import zipfile

import pytest
from PIL import Image

from scratchgan.datasets.images import UnreadableImage
from scratchgan.datasets.sources import files as files_module
from scratchgan.datasets.sources import folders, open_source
from scratchgan.datasets.sources.files import plain_name
from scratchgan.datasets.sources.image_files import class_folders
from scratchgan.errors import DatasetError


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(buffer, "PNG")
    return buffer.getvalue()


PNG = png()


def make_files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)


def make_zip(path, *names, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in names:
            archive.writestr(name, PNG)
    return path


def names_of(path):
    with open_source(path) as source:
        return [image.name for image in source]


def refusal(path):
    with pytest.raises(DatasetError) as caught:
        open_source(path)
    return str(caught.value)


class TestFolder:
    def test_flat_and_nested_sorted(self, tmp_path):
        make_files(tmp_path, "b.png", "a/2.png", "a/deep/down/1.png", "c.png", "a.png")
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
        make_files(tmp_path, *names, "notes.txt", "noending", "x.png.part")
        assert names_of(tmp_path) == names

    def test_hidden_and_macos_files_are_left_out(self, tmp_path):
        make_files(tmp_path, "a.png", ".b.png", "._a.png", ".cache/c.png")
        make_files(tmp_path, "__MACOSX/a.png")
        assert names_of(tmp_path) == ["a.png"]

    def test_hidden_folder_as_source_itself(self, tmp_path):
        make_files(tmp_path / ".photos", "a.png")
        assert names_of(tmp_path / ".photos") == ["a.png"]

    def test_odd_names(self, tmp_path):
        odd = ["żółw 🐢.png", "a b;c$(d).png", "-rf.png", "%s.png", "a.b.c.png"]
        make_files(tmp_path, *odd)
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
        make_files(tmp_path, "a/1.png", "b/2.png")
        try:
            (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
            (tmp_path / "a" / "b").symlink_to(tmp_path / "b", target_is_directory=True)
            (tmp_path / "b" / "a").symlink_to(tmp_path / "a", target_is_directory=True)
            (tmp_path / "self").symlink_to(tmp_path / "self")
        except OSError:
            pytest.skip("no symbolic links here")
        assert sorted(names_of(tmp_path)) == ["a/1.png", "b/2.png"]

    def test_links_out_of_the_folder_are_followed(self, tmp_path):
        make_files(tmp_path / "far", "1.png")
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
        make_files(tmp_path, "a.png")
        with open_source(tmp_path) as source:
            (tmp_path / "a.png").unlink()
            (image,) = source
            with pytest.raises(UnreadableImage, match="No such file"):
                image.read()

    def test_file_too_large(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files_module, "MAX_FILE_BYTES", len(PNG) - 1)
        make_files(tmp_path, "a.png")
        with open_source(tmp_path) as source:
            (image,) = source
            with pytest.raises(UnreadableImage, match="larger than"):
                image.read()

    def test_archive_alone_in_a_folder(self, tmp_path):
        make_zip(tmp_path / "a.zip", "b.png", "a.png")
        assert names_of(tmp_path) == ["a.png", "b.png"]


class TestZip:
    def test_members_sorted_and_read(self, tmp_path):
        path = make_zip(tmp_path / "a.zip", "b/2.png", "b/1.PNG", "a.png", "x.txt")
        with open_source(path) as source:
            assert len(source) == 3
            assert [image.name for image in source] == ["a.png", "b/1.PNG", "b/2.png"]
            assert all(image.read() == PNG for image in source)

    def test_same_order_as_the_folder(self, tmp_path):
        names = ["x/b.png", "x/a.png", "x-1/c.png", "X/d.png", "x.png"]
        path = make_zip(tmp_path / "a.zip", *names)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "folder")
        assert names_of(path) == names_of(tmp_path / "folder")

    def test_ending_does_not_matter(self, tmp_path):
        assert names_of(make_zip(tmp_path / "download", "a.png")) == ["a.png"]

    @pytest.mark.parametrize(
        "compression",
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    )
    def test_compressions(self, tmp_path, compression):
        path = make_zip(tmp_path / "a.zip", "a.png", compression=compression)
        with open_source(path) as source:
            assert [image.read() for image in source] == [PNG]

    def test_hidden_and_macos_members_are_left_out(self, tmp_path):
        names = ["a.png", "__MACOSX/._a.png", ".hidden/b.png", "._c.png"]
        assert names_of(make_zip(tmp_path / "a.zip", *names)) == ["a.png"]

    def test_evil_names_lead_nowhere(self, tmp_path):
        names = ["../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png"]
        before = {path for path in tmp_path.parent.rglob("*") if "evil" in path.name}
        path = make_zip(tmp_path / "a.zip", *names)
        with open_source(path) as source:
            found = [image.name for image in source]
            assert all(image.read() == PNG for image in source)
        assert sorted(found) == sorted(
            ["evil.png", "etc/evil.png", "evil.png", "C_/evil.png"]
        )
        after = {path for path in tmp_path.parent.rglob("*") if "evil" in path.name}
        assert after == before

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_duplicate_names_are_kept(self, tmp_path):
        path = make_zip(tmp_path / "a.zip", "a.png", "a.png")
        assert names_of(path) == ["a.png", "a.png"]

    def test_zip_bomb_is_bounded(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files_module, "MAX_FILE_BYTES", 10_000)
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.png", bytes(10_000_000))
        with open_source(tmp_path / "a.zip") as source:
            (image,) = source
            with pytest.raises(UnreadableImage, match="larger than"):
                image.read()

    def test_zip_bomb_with_a_false_size(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files_module, "MAX_FILE_BYTES", 10_000)
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.png", bytes(10_000_000))
        data = (tmp_path / "a.zip").read_bytes()
        lie = data.replace(struct.pack("<I", 10_000_000), struct.pack("<I", 500))
        (tmp_path / "a.zip").write_bytes(lie)
        with open_source(tmp_path / "a.zip") as source:
            (image,) = source
            with pytest.raises(UnreadableImage):
                image.read()

    def test_damaged_member_is_one_unreadable_image(self, tmp_path):
        path = make_zip(
            tmp_path / "a.zip", "a.png", "b.png", compression=zipfile.ZIP_STORED
        )
        data = bytearray(path.read_bytes())
        data[data.index(PNG) + 40] ^= 255
        path.write_bytes(data)
        with open_source(path) as source:
            damaged, whole = source
            with pytest.raises(UnreadableImage, match=r"damaged in a\.zip: Bad CRC"):
                damaged.read()
            assert whole.read() == PNG

    def test_password(self, tmp_path):
        path = make_zip(tmp_path / "a.zip", "a.png")
        data = bytearray(path.read_bytes())
        data[6] |= 1  # the local header's flags
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
        assert "protected by a password; unpack it" in refusal(path)

    def test_truncated(self, tmp_path):
        path = make_zip(tmp_path / "a.zip", *(f"{i}.png" for i in range(50)))
        path.write_bytes(path.read_bytes()[:2000])
        assert "is not a whole zip file" in refusal(path)

    def test_no_images(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.txt", "text")
        assert "found 1 .txt" in refusal(tmp_path / "a.zip")

    def test_empty(self, tmp_path):
        zipfile.ZipFile(tmp_path / "a.zip", "w").close()
        assert "it is empty" in refusal(tmp_path / "a.zip")


class TestClasses:
    def test_folders_become_labels(self, tmp_path):
        make_files(tmp_path, "dog/1.png", "cat/1.png", "cat/more/2.png")
        with open_source(tmp_path) as source:
            assert source.class_names == ["cat", "dog"]
            assert [(i.name, i.label) for i in source] == [
                ("cat/1.png", 0),
                ("cat/more/2.png", 0),
                ("dog/1.png", 1),
            ]

    def test_zip_with_a_folder_around(self, tmp_path):
        path = make_zip(tmp_path / "a.zip", "pets/dog/1.png", "pets/cat/1.png")
        with open_source(path) as source:
            assert source.class_names == ["cat", "dog"]
            assert [image.label for image in source] == [0, 1]

    @pytest.mark.parametrize(
        "names",
        [
            ["1.png", "2.png"],
            ["all/1.png", "all/2.png"],
            ["cat/1.png", "dog/1.png", "3.png"],
            ["all/1.png", "all/cat/1.png", "all/dog/1.png"],
            ["one.png"],
        ],
    )
    def test_no_classes(self, names):
        assert class_folders(names) == (None, [None] * len(names))


class TestRefusedSources:
    def test_misspelt(self, tmp_path):
        make_zip(tmp_path / "portraits.zip", "a.png")
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
        make_zip(tmp_path / "a.zip", "a.png")
        make_zip(tmp_path / "b.zip", "a.png")
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
        make_files(tmp_path, "a.png")

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(folders.os, "scandir", refuse)
        assert "cannot be read: Permission denied" in refusal(tmp_path)


def test_plain_name_is_relative():
    assert plain_name("/a//b/../c.png") == "a/b/c.png"
