"""Where images come from: a folder or a zip, read one file at a time.

A source knows the names of its images, sorted, and reads a file only when it is
asked to, so that any number of images passes through little memory. Nothing is ever
unpacked to disk, and names inside a zip are text, never paths to write to.

A new kind of source is a subclass of `Source`, listed in `SOURCE_KINDS`.
"""

import difflib
import os
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from types import TracebackType

from scratchgan.datasets.images import EXTENSIONS, UnreadableImage
from scratchgan.errors import DatasetError

# No photograph needs more; a zip member may claim any size and unpack to it.
MAX_FILE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class SourceImage:
    """One image of a source, not read yet.

    Attributes
    ----------
    name : str
        Its path inside the source, with "/".
    label : int or None
        Its class, where the source has classes.
    read : callable
        Returns the file's bytes, or raises `UnreadableImage`.
    """

    name: str
    label: int | None
    read: Callable[[], bytes]


class Source(ABC):
    """A collection of image files, iterated in the order of their names.

    Attributes
    ----------
    path : Path
        The folder or file.
    class_names : list of str or None
        The folders that hold the images, where there are two or more and no image
        lies beside them.
    """

    path: Path
    class_names: list[str] | None

    @staticmethod
    @abstractmethod
    def recognises(path: Path) -> bool:
        """Return whether this kind of source can be made from an existing path."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[SourceImage]: ...

    def close(self) -> None:  # noqa: B027  a folder has nothing to close
        """Release what is open."""

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class FolderSource(Source):
    """All images in a folder and the folders below it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names, others = [], Counter()
        for name in _files_below(path):
            if _is_image(name):
                names.append(name)
            else:
                others[PurePosixPath(name).suffix.lower()] += 1
        if not names:
            raise DatasetError(_nothing_found(path, others))
        self._names = sorted(names)
        self.class_names, self._labels = class_folders(self._names)

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether the path is a folder."""
        return path.is_dir()

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[SourceImage]:
        for name, label in zip(self._names, self._labels, strict=True):
            yield SourceImage(name, label, partial(_read_file, self.path / name))


class ZipSource(Source):
    """All images in a zip file, read without unpacking it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DatasetError(
                f"{path} is not a whole zip file ({error}); download or copy it again"
            ) from error
        members, others = [], Counter()
        for member in self._zip.infolist():
            name = plain_name(member.filename)
            if member.is_dir() or _is_hidden(name):
                continue
            if _is_image(name):
                members.append((name, member))
            else:
                others[PurePosixPath(name).suffix.lower()] += 1
        try:
            if not members:
                raise DatasetError(_nothing_found(path, others))
            if any(member.flag_bits & 1 for _, member in members):
                raise DatasetError(
                    f"{path} is protected by a password; unpack it and give the folder"
                )
        except DatasetError:
            self.close()
            raise
        # Names can occur twice in a zip; their place in it decides then.
        members.sort(key=lambda pair: (pair[0], pair[1].header_offset))
        self._members = members
        self.class_names, self._labels = class_folders([name for name, _ in members])

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether the file begins or ends as a zip does."""
        return _first_bytes(path).startswith(b"PK\x03\x04") or zipfile.is_zipfile(path)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[SourceImage]:
        for (name, member), label in zip(self._members, self._labels, strict=True):
            yield SourceImage(name, label, partial(self._read, member))

    def close(self) -> None:
        """Close the zip file."""
        self._zip.close()

    def _read(self, member: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(member) as file:
                return _read_bounded(file.read, member.file_size)
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,  # a compression method Python does not have
            RuntimeError,
            EOFError,
            OSError,
            ValueError,
        ) as error:
            raise UnreadableImage(f"damaged in the zip: {error}") from error


SOURCE_KINDS: tuple[type[Source], ...] = (FolderSource, ZipSource)


def open_source(path: str | Path) -> Source:
    """Open a folder or zip of images.

    Parameters
    ----------
    path : str or Path
        What the user names as SOURCE.

    Returns
    -------
    Source
        With at least one image; also a context manager that closes it.

    Raises
    ------
    DatasetError
        There is nothing at that path, nothing this program reads, or no image; the
        message says what was found and what to do.
    """
    path = Path(path).expanduser()
    try:
        if not path.exists():
            raise DatasetError(_missing(path))
        for kind in SOURCE_KINDS:
            if kind.recognises(path):
                return kind(path)
        raise DatasetError(_not_a_source(path))
    except OSError as error:
        raise DatasetError(
            f"{error.filename or path} cannot be read: {error.strerror or error}"
        ) from error


def class_folders(
    names: Sequence[str],
) -> tuple[list[str] | None, list[int | None]]:
    """Return class names and labels where images are sorted into folders.

    They are where every image lies in one of at least two folders at the top. Folders
    around all images (a zip often has one) do not count.

    Parameters
    ----------
    names : sequence of str
        Paths of the images with "/".

    Returns
    -------
    class_names : list of str or None
        The folders, sorted; None where images are not sorted into folders.
    labels : list of int or None
        One for each name: an index into `class_names`, or None.

    Examples
    --------
    >>> class_folders(["all/cat/1.png", "all/dog/1.png", "all/dog/more/2.png"])
    (['cat', 'dog'], [0, 1, 1])
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    # The folders common to the least and the greatest are common to all between.
    pairs = zip(min(folders), max(folders), strict=False)
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    tops = [folder[common] if len(folder) > common else None for folder in folders]
    class_names = sorted({top for top in tops if top is not None})
    if None in tops or len(class_names) < 2:
        return None, [None] * len(names)
    index = {name: label for label, name in enumerate(class_names)}
    return class_names, [index[top] for top in tops]


def plain_name(name: str) -> str:
    r"""Return a zip member's name as a relative path that leads nowhere else.

    >>> plain_name("..\\..\\C:/secret/./a.png")
    'C_/secret/a.png'
    """
    parts = name.replace("\\", "/").replace(":", "_").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _files_below(top: Path) -> Iterator[str]:
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
            if _is_hidden(entry.name):
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


def _is_hidden(name: str) -> bool:
    """Return whether a part is hidden, or the extra files of macOS."""
    parts = name.split("/")
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def _read_file(path: Path) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe could wait for ever
            raise UnreadableImage("not a regular file")
        with open(path, "rb") as file:
            return _read_bounded(file.read, status.st_size)
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error


def _read_bounded(read: Callable[[int], bytes], claimed: int) -> bytes:
    """Read all bytes; refuse more than `MAX_FILE_BYTES`, whatever size is claimed."""
    if claimed <= MAX_FILE_BYTES:
        data = read(MAX_FILE_BYTES + 1)
        if len(data) <= MAX_FILE_BYTES:
            return data
    raise UnreadableImage(f"larger than {MAX_FILE_BYTES // 2**20} MiB")


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(512)


def _nothing_found(path: Path, others: Counter[str]) -> str:
    """Say what a source without images holds."""
    found = ", ".join(
        f"{count} {suffix or 'without ending'}"
        for suffix, count in others.most_common(5)
    )
    if not found:
        return f"no images in {path}: it is empty; name the folder or zip that has them"
    hint = "name the folder or zip that has them"
    if ".zip" in others:
        hint = "give the zip file itself as SOURCE"
    elif others.keys() & {".heic", ".heif", ".avif"}:
        hint = "convert them to JPEG or PNG first"
    return (
        f"no images in {path} or below: found {found}; images end in "
        f"{_enumerate(sorted(EXTENSIONS))}; {hint}"
    )


def _missing(path: Path) -> str:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    if near:
        return f"{path} does not exist; did you mean {path.with_name(near[0])}?"
    return f"{path} does not exist; give a folder or a zip file with images"


def _not_a_source(path: Path) -> str:
    """Say what a file is that is neither folder nor zip."""
    start = _first_bytes(path)
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        hint = "it is a web page, so the download went wrong; download it again"
    elif start.startswith(b"\x89HDF"):
        hint = "it is an HDF5 file; use it as it is, with --dataset"
    elif path.suffix.lower() in (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"):
        hint = "unpack it and give the folder"
    elif _is_image(path.name):
        hint = "give the folder that holds it"
    else:
        hint = "give a folder or a zip file with images"
    return f"{path} is not a folder or zip file with images: {hint}"


def _enumerate(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
