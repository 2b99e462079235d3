"""Tars: which members are images, tars inside, and damage of every kind."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile

import numpy as np
import pytest

from scratchgan.datasets.sources import open_source
from scratchgan.datasets.sources.containers import files as files_module
from tests.datasets.sources.making import (
    make_tar,
    make_zip,
    names_of,
    outcomes_of,
    pixels,
    png,
    prepared,
    refusal,
    tar_bytes,
)

PNG = png(0)
FILES = {"b/2.png": png(2), "a.png": png(1), "notes.txt": b"text", "b/10.png": png(3)}
SORTED = ["a.png", "b/10.png", "b/2.png"]


class TestTar:
    def test_members_sorted_and_read(self, tmp_path):
        path = make_tar(tmp_path / "a.tar", FILES)
        with open_source(path) as source:
            assert [image.name for image in source] == SORTED
            assert [image.read() for image in source] == [FILES[n] for n in SORTED]

    @pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
    def test_compressed_keeps_its_order(self, tmp_path, mode):
        """It is read from front to back; anything else would begin anew each time."""
        path = make_tar(tmp_path / "a.bin", FILES, mode)
        with open_source(path) as source:
            names = [image.name for image in source]
            assert names == ["b/2.png", "a.png", "b/10.png"]
            assert [image.read() for image in source] == [FILES[n] for n in names]

    @pytest.mark.parametrize(
        "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
    )
    def test_formats(self, tmp_path, form):
        result = prepared(make_tar(tmp_path / "a.tar", FILES, form=form), tmp_path)
        np.testing.assert_array_equal(result.images, [pixels(1), pixels(3), pixels(2)])

    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_long_and_foreign_names(self, tmp_path, form):
        names = ["d" * 300 + "/" + "n" * 200 + ".png", "żółw 🐢.png"]
        path = make_tar(tmp_path / "a.tar", dict.fromkeys(names, PNG), form=form)
        assert names_of(path) == names

    def test_only_plain_files(self, tmp_path):
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            kinds = {
                "device.png": tarfile.CHRTYPE,
                "folder.png": tarfile.DIRTYPE,
                "hard.png": tarfile.LNKTYPE,
                "pipe.png": tarfile.FIFOTYPE,
                "soft.png": tarfile.SYMTYPE,
            }
            for name, kind in kinds.items():
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                archive.addfile(member)
            member = tarfile.TarInfo("a.png")
            member.size = len(PNG)
            archive.addfile(member, io.BytesIO(PNG))
        result = prepared(tmp_path / "a.tar", tmp_path)
        assert result.source_files == ["a.png"]
        assert result.skipped == [
            ("device.png", "no plain file"),
            ("hard.png", "a link inside an archive"),
            ("pipe.png", "no plain file"),
            ("soft.png", "a link inside an archive"),
        ]

    def test_sparse_files_are_refused(self, tmp_path):
        """They would have to be put together from parts."""
        member = tarfile.TarInfo("a.png")
        member.size = 512
        header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
        header[156:157] = tarfile.GNUTYPE_SPARSE
        header[386:410] = b"%011o\0%011o\0" % (0, 512)  # offset and size of a part
        header[483:495] = b"%011o\0" % 10**6  # the real size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        rest = tar_bytes({"b.png": PNG})
        (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(512) + rest)
        with open_source(tmp_path / "a.tar") as source:
            assert [image.name for image in source] == ["b.png"]
            assert source.refused == [("a.png", "no plain file")]

    def test_zip_as_its_last_member(self, tmp_path):
        """The end of that zip is near the end of the tar; it is a tar all the same."""
        inner = make_zip(tmp_path / "inner.zip", {"z.png": PNG}).read_bytes()
        path = make_tar(tmp_path / "a.tar", {"a.png": PNG, "inner.zip": inner})
        assert names_of(path) == ["a.png"]

    def test_tars_in_it_are_folders(self, tmp_path):
        inner = {
            f"{n}.tar": tar_bytes({f"{n}_1.png": png(i), "x.png": PNG})
            for i, n in enumerate("ba")
        }
        result = prepared(make_tar(tmp_path / "a.tar", inner), tmp_path)
        assert result.source_files == ["a/a_1.png", "a/x.png", "b/b_1.png", "b/x.png"]
        assert result.class_names == ["a", "b"]
        np.testing.assert_array_equal(result.images[::2], [pixels(1), pixels(0)])

    def test_tars_in_a_compressed_one(self, tmp_path):
        inner = {f"{n}.tar": tar_bytes({"x.png": png(i)}) for i, n in enumerate("ba")}
        result = prepared(make_tar(tmp_path / "a.tar", inner, "w:gz"), tmp_path)
        assert result.source_files == ["b/x.png", "a/x.png"]
        np.testing.assert_array_equal(result.images, [pixels(0), pixels(1)])

    def test_tar_in_a_tar_in_a_tar_is_left_alone(self, tmp_path):
        middle = tar_bytes({"x.png": PNG, "deep.tar": tar_bytes({"y.png": PNG})})
        path = make_tar(tmp_path / "a.tar", {"b.tar": middle})
        assert names_of(path) == ["b/x.png"]

    def test_inner_tar_cut_short(self, tmp_path):
        for stop in (512, 1024, len(PNG) + 512):
            files = {"b.tar": tar_bytes({"x.png": PNG})[:stop], "c.png": PNG}
            text = refusal(make_tar(tmp_path / "a.tar", files))
            assert "a.tar is not a whole tar file (" in text


class TestDamagedTar:
    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
    def test_cut_anywhere(self, tmp_path, mode):
        """Not even at the end of a member does it pass for a whole one."""
        data = tar_bytes(FILES, mode)
        # Of the blocks of zeros at the end, one is enough.
        end = len(data.rstrip(b"\0")) // 512 * 512 + 1024
        for stop in range(0, len(data), 64):
            (tmp_path / "b").write_bytes(data[:stop])
            if mode == "w" and stop >= end:
                assert names_of(tmp_path / "b") == SORTED
            else:
                refusal(tmp_path / "b")

    def test_flipped_bit_in_the_checksum(self, tmp_path):
        data = bytearray(tar_bytes(FILES, "w:gz"))
        data[-5] ^= 1
        (tmp_path / "a.tgz").write_bytes(data)
        assert "CRC check failed" in refusal(tmp_path / "a.tgz")

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_flipped_bits(self, tmp_path, mode, form):
        long = {"n" * 150 + ".png": png(4), **FILES}
        data = tar_bytes(long, mode, form)
        rng = np.random.default_rng(0)
        damaged = []
        for _ in range(200):
            copy = bytearray(data)
            for _ in range(rng.integers(1, 4)):
                copy[rng.integers(len(copy))] ^= 1 << rng.integers(8)
            damaged.append(bytes(copy))
        assert "refused" in outcomes_of(damaged, tmp_path / "b")

    def test_header_overwritten_in_the_middle(self, tmp_path):
        """tarfile alone would take it for the end, and lose the rest silently."""
        data = bytearray(tar_bytes({f"{i}.png": PNG for i in range(5)}))
        at = data.index(b"3.png")
        data[at : at + 512] = b"x" * 512
        (tmp_path / "a.tar").write_bytes(data)
        assert f"(no header and no end at byte {at:,})" in refusal(tmp_path / "a.tar")

    def test_negative_size(self, tmp_path):
        """It would send the reader back, to read the same member for ever."""
        member = tarfile.TarInfo("a.png")
        header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
        header[124:136] = b"\xff" * 10 + struct.pack(">h", -512)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        first = tar_bytes({"b.png": PNG})[: -10240 + 1536]
        (tmp_path / "a.tar").write_bytes(first + bytes(header) + bytes(1024))
        assert "is not a whole tar file" in refusal(tmp_path / "a.tar")

    @pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
    def test_name_of_many_megabytes(self, tmp_path, kind):
        """A small compressed tar whose name unpacks to all the memory there is."""
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = kind, 64 << 20
        data = member.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20) + tar_bytes(FILES)
        with gzip.open(tmp_path / "a.tgz", "wb", compresslevel=1) as file:
            file.write(data)
        text = refusal(tmp_path / "a.tgz")
        assert "(a header of 67,108,864 bytes)" in text

    def test_names_that_follow_names(self, tmp_path):
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = b"L", 1
        pair = member.tobuf(tarfile.GNU_FORMAT) + bytes(512)
        (tmp_path / "a.tar").write_bytes(pair * 5000 + tar_bytes(FILES))
        assert "is not a whole tar file (maximum recursion" in refusal(
            tmp_path / "a.tar"
        )

    def test_bomb(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files_module, "MAX_FILE_BYTES", 10_000)
        path = make_tar(tmp_path / "a", {"a.png": PNG, "b.png": bytes(20_000)}, "w:xz")
        result = prepared(path, tmp_path)
        assert result.source_files == ["a.png"]
        assert result.skipped == [("b.png", "larger than 0 MiB")]

    def test_empty(self, tmp_path):
        for name, opener in (("a.tar", open), ("a.tgz", gzip.open)):
            with opener(tmp_path / name, "wb") as file:
                file.write(bytes(10240))
            assert "damaged, or no archive of images" in refusal(tmp_path / name)

    @pytest.mark.parametrize("module", [gzip, bz2, lzma])
    def test_compressed_file_that_is_no_tar(self, tmp_path, module):
        (tmp_path / "a.bin").write_bytes(module.compress(b"text" * 1000))
        assert "damaged, or no archive of images" in refusal(tmp_path / "a.bin")
