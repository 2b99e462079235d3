"""Where images come from: every published layout, recognised by its files.

A source knows its images in a fixed order and reads one only when it is asked to, so
that any number passes through little memory. Nothing is ever unpacked to disk.

A new layout is a subclass of `Source`, listed in `KINDS`.
"""

import difflib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from scratchgan.datasets.sources.celeba import CelebA
from scratchgan.datasets.sources.cifar10 import Cifar10, Cifar10Png
from scratchgan.datasets.sources.containers.files import Files
from scratchgan.datasets.sources.containers.folders import (
    ARCHIVES,
    Folder,
    SingleFile,
    hint_of,
    open_files,
)
from scratchgan.datasets.sources.image_files import ImageFiles
from scratchgan.datasets.sources.imagenet import ImageNet
from scratchgan.datasets.sources.lsun import Lsun
from scratchgan.datasets.sources.metadata import MetadataFolder
from scratchgan.datasets.sources.mnist import Mnist
from scratchgan.datasets.sources.npz import Npz
from scratchgan.datasets.sources.source import Source
from scratchgan.datasets.sources.svhn import Svhn
from scratchgan.errors import DatasetError

KINDS: tuple[type[Source], ...] = (
    CelebA,
    Lsun,
    Cifar10,
    Cifar10Png,
    Svhn,
    Mnist,
    Npz,
    MetadataFolder,
    ImageNet,
    ImageFiles,  # last: it takes anything with an image in it
)
"""All layouts, in the order in which they are tried."""


def open_source(path: str | Path, kind: str | None = None) -> Source:
    """Open the images that a user names as SOURCE.

    Parameters
    ----------
    path : str or Path
        A folder, an archive or a file.
    kind : str, optional
        `Source.kind` of the layout; by default the first that recognises the files.

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
    path = Path(os.path.expanduser(path))
    try:
        if not path.exists():
            raise DatasetError(_missing(path))
        if not (path.is_dir() or path.is_file()):
            raise DatasetError(f"{path} is neither a folder nor a regular file")
        files = open_files(path)
        try:
            source = _of_kind(files, kind)
            if not len(source):
                raise DatasetError(f"{path} holds no images; it is empty")
            return source
        except BaseException:
            files.close()
            raise
    except OSError as error:
        raise DatasetError(
            f"{error.filename or path} cannot be read: {error.strerror or error}"
        ) from error


def _of_kind(files: Files, kind: str | None) -> Source:
    candidates = [known for known in KINDS if kind in (None, known.kind)]
    if not candidates:
        kinds = sorted({known.kind for known in KINDS})
        raise DatasetError(f"--kind {kind}: choose from {', '.join(kinds)}")
    for candidate in candidates:
        if candidate.recognises(files):
            return candidate(files)
    archives = [file for file in files.files if file.ending in ARCHIVES]
    if isinstance(files, Folder) and len(archives) == 1 and files.path.is_dir():
        return _of_kind(files.inside(archives[0]), kind)
    raise DatasetError(_nothing_fits(files, kind, candidates))


def _nothing_fits(
    files: Files, kind: str | None, candidates: Iterable[type[Source]]
) -> str:
    """Say what was found and what each kind needs."""
    path = files.path
    if isinstance(files, SingleFile) and (hint := hint_of(path)):
        return f"{path} is not a source of images: {hint}"
    if not files.files:
        return f"no images in {path}: it is empty; name the folder or archive with them"
    endings = Counter(file.ending or "without ending" for file in files.files)
    found = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))
    needs = "; ".join(f"{known.kind}: {known.needs}" for known in candidates)
    what = "images" if kind is None else f"files of --kind {kind}"
    return f"no {what} in {path}: found {found}.{_advice(files, endings)} {needs}"


def _advice(files: Files, endings: Counter[str]) -> str:
    """Return a sentence for what people often have."""
    if endings.keys() & {".heic", ".heif", ".avif"}:
        return " Convert them to JPEG or PNG first."
    if endings.keys() & set(ARCHIVES):
        if files.path.is_file():
            return " Unpack it, and give the archive inside as SOURCE."
        return " Give the archive itself as SOURCE."
    if endings.keys() & {".parquet", ".arrow"}:
        return " Export the table's images to files first."
    return ""


def _missing(path: Path) -> str:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    if near:
        return f"{path} does not exist; did you mean {path.with_name(near[0])}?"
    return f"{path} does not exist; give a folder, a zip or tar, or another file"
