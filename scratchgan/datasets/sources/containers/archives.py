"""Zip and tar files, read in place: nothing is unpacked."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import BinaryIO

from scratchgan.datasets.sources.containers.files import (
    DAMAGE,
    File,
    Files,
    first_bytes,
    is_hidden,
    plain_name,
)
from scratchgan.errors import DatasetError

# A tar's header may say that a name of any length follows; tarfile reads it whole.
_MOST_HEADER_BYTES = 1024 * 1024

_CHUNK = 1024 * 1024

_LINK = "a link inside an archive"


class Zip(Files):
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise _not_whole(path, "zip", error) from error
        self.files, self.refused = [], []
        for member in self._zip.infolist():
            name = plain_name(member.filename)
            if member.is_dir() or is_hidden(name):
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                self.refused.append((name, _LINK))
            else:
                self.files.append(File(name, member.file_size, member))
        if any(file.place.flag_bits & 1 for file in self.files):
            self.close()
            raise DatasetError(
                f"{path} is protected by a password; unpack it and give the folder"
            )
        # Names can occur twice in a zip; their place in it decides then.
        self.files.sort(key=lambda file: (file.name, file.place.header_offset))

    def _open(self, file: File) -> BinaryIO:
        return self._zip.open(file.place)

    def close(self) -> None:
        """Close the zip file."""
        self._zip.close()


class Tar(Files):
    """The members of a tar file, compressed or not; of a tar in it, its members.

    ImageNet comes as one tar that holds a tar for each class: "n01440764.tar" inside
    counts as a folder "n01440764".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file, compressed = _open_decompressed(path)
        self.files, self.refused = [], []
        try:
            self._list(0, None, "")
            while compressed and self._file.read(_CHUNK):
                pass  # its checksum is compared at its very end
        except DAMAGE as error:
            self.close()
            raise _not_whole(path, "tar", error) from error
        if not compressed:
            self.files.sort(key=lambda file: (file.name, file.place))

    def _list(self, start: int, end: int | None, folder: str) -> None:
        """Note the members of a tar that begins and ends at these bytes."""
        self._file.seek(start)
        with tarfile.open(fileobj=_Headers(self._file), mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # or a million of them would fill the memory
                place, size = member.offset_data, member.size
                if end is not None and place + size > end:
                    raise tarfile.ReadError(f"{folder[:-1]}.tar in it is cut short")
                if size < 0:
                    raise tarfile.ReadError(f"{member.name} has {size} bytes")
                name = plain_name(folder + member.name)
                if member.isdir() or is_hidden(name):
                    continue
                if not member.isreg() or member.issparse():
                    is_link = member.issym() or member.islnk()
                    self.refused.append((name, _LINK if is_link else "no plain file"))
                elif name.endswith(".tar") and not folder:
                    self._list(place, place + size, name[: -len(".tar")] + "/")
                else:
                    self.files.append(File(name, size, place))
            # tarfile takes anything that is no header for the end. That is a block of
            # zeros; without it, what came after has been lost.
            self._file.seek(tar.offset)
            if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"no header and no end at byte {tar.offset:,}")

    def _open(self, file: File) -> BinaryIO:
        return io.BufferedReader(_Stretch(self._file, file.place, file.size))

    def close(self) -> None:
        """Close the tar file."""
        self._file.close()


class _Headers:
    """A file as tarfile reads it, without more memory than headers need."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


class _Stretch(io.RawIOBase):
    """Some consecutive bytes of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._end = start + size
        self._at = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origins = {
            os.SEEK_SET: self._start,
            os.SEEK_CUR: self._at,
            os.SEEK_END: self._end,
        }
        self._at = max(self._start, origins[whence] + offset)
        return self._at - self._start

    def readinto(self, buffer: memoryview) -> int:
        wanted = max(0, min(len(buffer), self._end - self._at))
        self._file.seek(self._at)
        data = self._file.read(wanted)
        if wanted and not data:
            raise EOFError("the file is cut short")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_archive(path: Path) -> Files | None:
    """Open a zip or a tar by its content, whatever its name; None for other files.

    Raises
    ------
    DatasetError
        The archive is damaged or protected by a password.
    """
    if first_bytes(path).startswith(b"PK\x03\x04"):
        return Zip(path)
    if _begins_as_tar(path):
        return Tar(path)
    # Last: this looks for the end of a zip, which a zip in a tar has as well.
    return Zip(path) if zipfile.is_zipfile(path) else None


def _begins_as_tar(path: Path) -> bool:
    """Return whether a file begins with the header of a tar's first member."""
    try:
        with _open_decompressed(path)[0] as file:
            tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "replace")
    except DAMAGE:
        return False
    return True


def _open_decompressed(path: Path) -> tuple[BinaryIO, bool]:
    """Open a file through the decompressor its first bytes ask for, if any."""
    start = first_bytes(path)
    for magic, opener in (
        (b"\x1f\x8b", gzip.open),
        (b"BZh", bz2.open),
        (b"\xfd7zXZ\x00", lzma.open),
    ):
        if start.startswith(magic):
            return opener(path, "rb"), True
    return open(path, "rb"), False


def _not_whole(path: Path, what: str, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path} is not a whole {what} file ({error or type(error).__name__}); "
        "download or copy it again"
    )
