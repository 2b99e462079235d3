"""Folders and archives alike: named files, read one at a time, nothing unpacked.

Whatever a name inside an archive says ("../../x", "C:/x", a link), it is text and never
a path to write to or to read from.
"""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO

from scratchgan.datasets.images import UnreadableImage
from scratchgan.errors import DatasetError

# No photograph needs more; a member of an archive may claim any size and unpack to it.
MAX_FILE_BYTES = 256 * 1024 * 1024

# What goes wrong while a damaged archive is read.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a compression method Python does not have
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
_LINK = "a link inside an archive"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a folder or an archive.

    Attributes
    ----------
    name : str
        Its path inside, with "/"; relative, without "..".
    size : int
        Bytes, as the archive claims; 0 where it is not known before reading.
    place : object
        Where the container finds it.
    """

    name: str
    size: int
    place: Any

    @property
    def base(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def ending(self) -> str:
        """The ending in small letters with its dot, or ""."""
        return PurePosixPath(self.name).suffix.lower()


class Files(ABC):
    """The visible files of a folder, an archive, or one file alone.

    A context manager that closes what is open.

    Attributes
    ----------
    path : Path
        The folder or the file.
    files : list of File
        By name; those of a compressed tar as they lie in it, since it can only be
        read from front to back.
    refused : list of (str, str)
        Members that are no plain files, such as links, each with the reason.
    """

    path: Path
    files: list[File]
    refused: list[tuple[str, str]]

    @abstractmethod
    def _open(self, file: File) -> BinaryIO: ...

    def open(self, file: File) -> BinaryIO:
        """Open a file for reading.

        Raises
        ------
        UnreadableImage
            It is gone, damaged, or no regular file.
        """
        try:
            return self._open(file)
        except _DAMAGE as error:
            raise UnreadableImage(self._reason(error)) from error

    def read(self, file: File) -> bytes:
        """Return the bytes of a file, whatever size it claims to have.

        Raises
        ------
        UnreadableImage
            As `open`; or there are more than `MAX_FILE_BYTES`.
        """
        if file.size <= MAX_FILE_BYTES:
            try:
                with self._open(file) as stream:
                    data = stream.read(MAX_FILE_BYTES + 1)
            except _DAMAGE as error:
                raise UnreadableImage(self._reason(error)) from error
            if len(data) <= MAX_FILE_BYTES:
                return data
        raise UnreadableImage(f"larger than {MAX_FILE_BYTES // 2**20} MiB")

    def read_text(self, file: File) -> str:
        """Return a text file that describes images.

        Raises
        ------
        DatasetError
            It cannot be read, or is no UTF-8 text.
        """
        try:
            return self.read(file).decode("utf-8-sig")
        except (UnreadableImage, UnicodeDecodeError) as error:
            raise DatasetError(f"{file.name} in {self.path}: {error}") from error

    def named(self, *bases: str) -> list[File]:
        """Return the files with one of these last parts of a name, in any folder."""
        return [file for file in self.files if file.base in bases]

    def inside(self, file: File) -> "Files":
        """Open an archive that lies in a folder.

        Raises
        ------
        DatasetError
            It lies in an archive itself, or is damaged.
        """
        raise DatasetError(
            f"{file.name} lies inside {self.path}: unpack that, and give the folder"
        )

    def close(self) -> None:  # noqa: B027  a folder has nothing to close
        """Release what is open."""

    def _reason(self, error: Exception) -> str:
        return f"damaged in {self.path.name}: {error or type(error).__name__}"

    def __enter__(self) -> "Files":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Folder(Files):
    """All files in a folder and in the folders below it; links are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names = sorted(_names_below(path))
        self.files = [File(name, 0, path / name) for name in names]
        self.refused = []
        self._archives: list[Files] = []

    def _open(self, file: File) -> BinaryIO:
        if not stat.S_ISREG(os.stat(file.place).st_mode):
            raise OSError("not a regular file")  # opening a pipe could wait for ever
        return open(file.place, "rb")

    def inside(self, file: File) -> Files:
        """Open an archive in the folder; it is closed with the folder."""
        self._archives.append(open_files(file.place))
        return self._archives[-1]

    def close(self) -> None:
        """Close the archives that were opened."""
        for archive in self._archives:
            archive.close()

    def _reason(self, error: Exception) -> str:
        return getattr(error, "strerror", None) or str(error)


class SingleFile(Folder):
    """One file that is no archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = [File(path.name, 0, path)]
        self.refused = []
        self._archives = []


class Zip(Files):
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DatasetError(
                f"{path} is not a whole zip file ({error}); download or copy it again"
            ) from error
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
        except _DAMAGE as error:
            self.close()
            raise DatasetError(
                f"{path} is not a whole tar file ({error}); download or copy it again"
            ) from error
        if not compressed:
            self.files.sort(key=lambda file: (file.name, file.place))

    def _list(self, start: int, end: int | None, folder: str) -> None:
        self._file.seek(start)
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # or a million of them would fill the memory
                if end is not None and member.offset >= end:
                    break
                name = plain_name(folder + member.name)
                if member.isdir() or is_hidden(name):
                    continue
                place, size = member.offset_data, member.size
                if not member.isreg() or member.issparse():
                    is_link = member.issym() or member.islnk()
                    self.refused.append((name, _LINK if is_link else "no plain file"))
                elif name.endswith(".tar") and not folder:
                    self._list(place, place + size, name[: -len(".tar")] + "/")
                else:
                    self.files.append(File(name, size, place))

    def _open(self, file: File) -> BinaryIO:
        return io.BufferedReader(_Stretch(self._file, file.place, file.size))

    def close(self) -> None:
        """Close the tar file."""
        self._file.close()


class _Stretch(io.RawIOBase):
    """Some consecutive bytes of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._at = start
        self._end = start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        wanted = min(len(buffer), self._end - self._at)
        self._file.seek(self._at)
        data = self._file.read(wanted)
        if len(data) < wanted and not data:
            raise EOFError("the file is cut short")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_files(path: Path) -> Files:
    """Open a folder, a zip, a tar, or any other file by itself.

    Parameters
    ----------
    path : Path
        Of something that exists.

    Raises
    ------
    DatasetError
        An archive is damaged or protected by a password.
    """
    if path.is_dir():
        return Folder(path)
    if first_bytes(path).startswith(b"PK\x03\x04") or zipfile.is_zipfile(path):
        return Zip(path)
    try:
        # A tar begins with the header of its first member.
        with _open_decompressed(path)[0] as file:
            tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "replace")
    except _DAMAGE:
        return SingleFile(path)
    return Tar(path)


def plain_name(name: str) -> str:
    r"""Return an archive member's name as a relative path that leads nowhere else.

    >>> plain_name("..\\..\\C:/secret/./a.png")
    'C_/secret/a.png'
    """
    parts = name.replace("\\", "/").replace(":", "_").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def is_hidden(name: str) -> bool:
    """Return whether a part of the name is hidden, or the extra files of macOS."""
    parts = name.split("/")
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def first_bytes(path: Path) -> bytes:
    """Return the first 512 bytes of a file."""
    with open(path, "rb") as file:
        return file.read(512)


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


def _names_below(top: Path) -> Iterator[str]:
    """Yield the paths of all visible files below a folder, relative and with "/".

    Links to folders are followed, and each real folder is read once, so that a link
    back to a folder above does no harm.
    """
    visited = {top.resolve()}
    waiting = [(top, "")]
    while waiting:
        folder, prefix = waiting.pop()
        # Sorted with links last: what a folder is called does not depend on the disk.
        entries = sorted(
            os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name)
        )
        for entry in entries:
            name = prefix + entry.name
            if is_hidden(entry.name):
                continue
            is_link = entry.is_symlink()
            # A link to itself makes entry.is_dir() raise; isdir() says False.
            if os.path.isdir(entry.path) if is_link else entry.is_dir():
                real = Path(entry.path).resolve()
                if real not in visited:
                    visited.add(real)
                    waiting.append((Path(entry.path), f"{name}/"))
            # A broken link is listed, and skipped with its reason when it is read.
            elif is_link or entry.is_file():
                yield name
