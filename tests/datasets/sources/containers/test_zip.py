"""Zips: which members are images, in which order, and what is refused."""

import stat
import struct
import zipfile

import numpy as np
import pytest

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.sources import open_source
from scratchgan.datasets.sources.containers import files as files_module
from tests.datasets.sources.making import (
    make_tar,
    make_zip,
    names_of,
    outcomes_of,
    png,
    prepared,
    refusal,
)

PNG = png(0)


def zip_of(path, *names, **options):
    return make_zip(path, dict.fromkeys(names, PNG), **options)


class TestZip:
    def test_members_sorted_and_read(self, tmp_path):
        path = zip_of(tmp_path / "a.zip", "b/2.png", "b/1.PNG", "a.png", "x.txt")
        with open_source(path) as source:
            assert len(source) == 3
            assert [image.name for image in source] == ["a.png", "b/1.PNG", "b/2.png"]
            assert all(image.read() == PNG for image in source)

    def test_same_order_as_the_folder(self, tmp_path):
        names = ["x/b.png", "x/a.png", "x-1/c.png", "X/d.png", "x.png"]
        path = zip_of(tmp_path / "a.zip", *names)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "folder")
        assert names_of(path) == names_of(tmp_path / "folder")

    def test_ending_does_not_matter(self, tmp_path):
        assert names_of(zip_of(tmp_path / "download", "a.png")) == ["a.png"]

    @pytest.mark.parametrize(
        "compression",
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    )
    def test_compressions(self, tmp_path, compression):
        path = zip_of(tmp_path / "a.zip", "a.png", compression=compression)
        with open_source(path) as source:
            assert [image.read() for image in source] == [PNG]

    def test_hidden_and_macos_members_are_left_out(self, tmp_path):
        names = ["a.png", "__MACOSX/._a.png", ".hidden/b.png", "._c.png"]
        assert names_of(zip_of(tmp_path / "a.zip", *names)) == ["a.png"]

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_duplicate_names_are_kept(self, tmp_path):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", png(1))
            archive.writestr("a.png", png(2))
        with open_source(path) as source:
            assert [image.name for image in source] == ["a.png", "a.png"]
            assert [image.read() for image in source] == [png(1), png(2)]

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
        path = zip_of(
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
        path = zip_of(tmp_path / "a.zip", "a.png")
        data = bytearray(path.read_bytes())
        data[6] |= 1  # the local header's flags
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
        assert "protected by a password; unpack it" in refusal(path)

    def test_truncated(self, tmp_path):
        path = zip_of(tmp_path / "a.zip", *(f"{i}.png" for i in range(50)))
        path.write_bytes(path.read_bytes()[:2000])
        assert "is not a whole zip file" in refusal(path)

    def test_no_images(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.txt", "text")
        assert "found 1 .txt" in refusal(tmp_path / "a.zip")

    def test_empty(self, tmp_path):
        zipfile.ZipFile(tmp_path / "a.zip", "w").close()
        assert "it is empty" in refusal(tmp_path / "a.zip")

    def test_links_are_refused(self, tmp_path):
        link = zipfile.ZipInfo("b.png")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.png", PNG)
            archive.writestr(link, "/etc/passwd")
        result = prepared(tmp_path / "a.zip", tmp_path)
        assert result.source_files == ["a.png"]
        assert result.skipped == [("b.png", "a link inside an archive")]

    def test_method_that_python_does_not_have(self, tmp_path):
        path = zip_of(
            tmp_path / "a.zip", "a.png", "b.png", compression=zipfile.ZIP_STORED
        )
        data = bytearray(path.read_bytes())
        for start in (data.index(b"PK\x03\x04") + 8, data.index(b"PK\x01\x02") + 10):
            data[start : start + 2] = struct.pack("<H", 93)  # Zstandard
        path.write_bytes(data)
        with open_source(path) as source:
            other, whole = source
            with pytest.raises(UnreadableImage, match="compression"):
                other.read()
            assert whole.read() == PNG

    def test_zip_inside_is_no_bomb(self, tmp_path):
        inner = zip_of(tmp_path / "inner.zip", "a.png").read_bytes()
        make_zip(tmp_path / "a.zip", {"inner.zip": inner})
        text = refusal(tmp_path / "a.zip")
        assert "found 1 .zip. Unpack it, and give the archive inside" in text

    def test_cut_and_flipped_anywhere(self, tmp_path):
        """One line, or images that are left out; never another exception."""
        data = zip_of(tmp_path / "a.zip", "a.png", "b/c.png").read_bytes()
        rng = np.random.default_rng(0)
        damaged = [data[:stop] for stop in range(0, len(data), 37)]
        for _ in range(300):
            copy = bytearray(data)
            copy[rng.integers(len(copy))] ^= 1 << rng.integers(8)
            damaged.append(bytes(copy))
        assert outcomes_of(damaged, tmp_path / "b.zip") >= {"refused", "unreadable"}


def test_nothing_is_written_elsewhere(tmp_path):
    """Names that point out of the data folder: all are read, and none is obeyed."""
    names = ["../../evil1.png", "/evil2.png", "..\\evil3.png", "C:\\evil4.png"]
    names += ["//server/evil5.png", "a/../../../evil6.png", "C:evil7.png"]
    files = {name: png(i) for i, name in enumerate(names)}
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    before = everything_below(tmp_path)
    for path in (make_zip(place / "a.zip", files), make_tar(place / "a.tar", files)):
        result = prepared(path, place)
        assert len(result.images) == len(names)
        for name in result.source_files:
            assert not name.startswith(("/", "\\"))
            assert not {"..", "C:"} & set(name.split("/"))
    assert everything_below(tmp_path) - before == {
        place / "a.zip",
        place / "a.tar",
        place / "data",
        place / "data" / "set.h5",
    }


def everything_below(folder):
    return set(folder.rglob("*"))
