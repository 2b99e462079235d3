"""Folders, and files that are no archive."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scratchgan.datasets.sources.containers.archives import open_archive
from scratchgan.datasets.sources.containers.files import (
    File,
    Files,
    first_bytes,
    is_hidden,
)
from scratchgan.errors import DatasetError

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".npz")
"""Endings of files that may hold images; what they are is seen by their content."""


class Folder(Files):
    """All files in a folder and in the folders below it; links are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names = sorted(_names_below(path))
        # Texts, as a million Paths take twice the memory.
        self.files = [File(name, 0, os.path.join(path, name)) for name in names]
        self.refused = []
        self._archives: list[Files] = []

    def _open(self, file: File) -> BinaryIO:
        if not stat.S_ISREG(os.stat(file.place).st_mode):
            raise OSError("not a regular file")  # opening a pipe could wait for ever
        return open(file.place, "rb")

    def inside(self, file: File) -> Files:
        """Open an archive in the folder; it is closed with the folder."""
        path = Path(file.place)
        archive = open_archive(path)
        if archive is None:
            raise DatasetError(f"{path} is no archive: {hint_of(path)}")
        self._archives.append(archive)
        return archive

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
        self.files = [File(path.name, 0, str(path))]
        self.refused = []
        self._archives = []


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
    return open_archive(path) or SingleFile(path)


def hint_of(path: Path) -> str:
    """Say what a file is that is no archive, and what to do; "" if nothing is known."""
    start = first_bytes(path)
    if not start:
        return "it is empty"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page, so the download went wrong; download it again"
    if start.startswith(b"\x89HDF"):
        return "it is an HDF5 file; use it as it is, with --dataset"
    if path.suffix.lower() in (".7z", ".rar", ".zst"):
        return "unpack it, and give the folder"
    packed = start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
    if packed or path.suffix.lower() in ARCHIVES:
        return "it is damaged, or no archive of images; download it again"
    return ""


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
