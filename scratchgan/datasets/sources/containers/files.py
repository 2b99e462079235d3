"""Folders and archives alike: named files, read one at a time, nothing unpacked.

Whatever a name inside an archive says ("../../x", "C:/x", a link), it is text and never
a path to write to or to read from.
"""

import lzma
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.errors import DatasetError

# No photograph needs more; a member of an archive may claim any size and unpack to it.
MAX_FILE_BYTES = 256 * 1024 * 1024

# What goes wrong while a damaged archive is read.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,  # also: a compression method Python does not have
    EOFError,
    OSError,
    ValueError,
)


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
        except DAMAGE as error:
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
            except DAMAGE as error:
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
