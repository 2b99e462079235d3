"""Download a published dataset: every file of it, checked, into one folder."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scratchgan.datasets.catalogue import data_folder
from scratchgan.datasets.download.published import PublishedFile, PublishedSet
from scratchgan.errors import DownloadError, OutputError
from scratchgan.progress import Note, Progress
from scratchgan.storage.files import lock_file, make_folder, output_error
from scratchgan.storage.hdf5_output import megabytes

if TYPE_CHECKING:
    from scratchgan.datasets.download.transfer import Patience, Transfer


_LOCK = ".download.lock"


@dataclass(frozen=True)
class DownloadedFile:
    """One file of a downloaded set.

    Attributes
    ----------
    name : str
        Its name.
    path : Path
        Where it is.
    size : int
        Bytes.
    sha256 : str
        Of its content, checked in this run.
    url : str or None
        Where it came from; None if it was there already.
    """

    name: str
    path: Path
    size: int
    sha256: str
    url: str | None


@dataclass(frozen=True)
class DownloadReport:
    """What a download brought.

    Attributes
    ----------
    name : str
        The set.
    folder : Path
        The folder of its files.
    files : list of DownloadedFile
        All of them, those that were there already too.
    seconds : float
        Time it took.
    """

    name: str
    folder: Path
    files: list[DownloadedFile]
    seconds: float


def download_folder(name: str, data_dir: str | Path | None = None) -> Path:
    """Return the folder of a set's files, ``downloads/NAME`` in the data folder."""
    return data_folder(data_dir) / "downloads" / name


def missing_files(published: PublishedSet, folder: Path) -> list[str]:
    """Return the names of the files that are not in a folder with their full size."""
    missing = []
    for file in published.files:
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            missing.append(file.name)
    return missing


def download(
    published: PublishedSet,
    folder: Path,
    skip: tuple[str, ...] = (),
    progress: Progress | None = None,
    note: Note | None = None,
    patience: "Patience | None" = None,
) -> DownloadReport:
    """Fetch the files of a set into a folder.

    A file that is there and has the right SHA-256 is not fetched again. What an
    interrupted download has received is kept, hidden, and the next one goes on.

    Parameters
    ----------
    published : PublishedSet
        The set.
    folder : Path
        Where to; it is made.
    skip : tuple of str
        Names of files to leave out.
    progress : callable, optional
        Called with (bytes done, bytes in all).
    note : callable, optional
        Called with a line when an attempt failed or was broken off.
    patience : Patience, optional
        Timeouts and attempts, see `Transfer`.

    Raises
    ------
    DownloadError
        Another download works in the folder, a file is there that is not the
        published one, no mirror has a file, or the extra is not installed.
    OutputError
        The disk is full or the folder cannot be written.
    """
    _check_installed()
    files = _wanted(published, skip)
    note = note or (lambda line: None)
    started = time.perf_counter()
    make_folder(folder)
    with _only_one(folder):
        done = {
            file.name: DownloadedFile(
                file.name, folder / file.name, file.size, file.sha256, None
            )
            for file in files
            if _is_there(file, folder)
        }
        missing = [file for file in files if file.name not in done]
        try:
            for file, url in _fetch_all(missing, folder, progress, note, patience):
                done[file.name] = DownloadedFile(
                    file.name, folder / file.name, file.size, file.sha256, url
                )
        except DownloadError as error:
            raise DownloadError(
                f"{error}; try later, or fetch it by hand from {published.home} into "
                f"{folder}"
            ) from None
    report = [done[file.name] for file in files]
    return DownloadReport(published.name, folder, report, time.perf_counter() - started)


def _check_installed() -> None:
    try:
        import requests  # noqa: F401
    except ImportError:
        raise DownloadError(
            "downloading needs requests: pip install 'scratchgan[download]'"
        ) from None


def _wanted(
    published: PublishedSet, skip: tuple[str, ...]
) -> tuple[PublishedFile, ...]:
    names = [file.name for file in published.files]
    for name in skip:
        if name not in names:
            raise DownloadError(
                f"{published.name} has no file {name!r} to skip; it has "
                f"{', '.join(names)}"
            )
    return tuple(file for file in published.files if file.name not in skip)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep a second download out of a folder; the system frees it at any end."""
    path = folder / _LOCK
    try:
        file = open(path, "ab")
    except OSError as error:
        raise output_error(path, error) from error
    with file:
        try:
            lock_file(file)
        except OSError:
            raise DownloadError(
                f"another download works in {folder}; wait for its end, or choose "
                "another folder with --out"
            ) from None
        yield


def _is_there(file: PublishedFile, folder: Path) -> bool:
    """Return whether a file is there already; refuse another one of its name."""
    from scratchgan.datasets.download.transfer import sha256_of

    path = folder / file.name
    if not path.exists():
        return False
    if path.is_file() and path.stat().st_size == file.size:
        if sha256_of(path) == file.sha256:
            return True
        problem = "its sha256 is another"
    else:
        problem = f"it does not have {file.size:,} bytes"
    raise DownloadError(
        f"{path} is there and is not the published file ({problem}); remove it, or "
        "choose another folder with --out"
    )


def _fetch_all(
    files: list[PublishedFile],
    folder: Path,
    progress: Progress | None,
    note: Note,
    patience: "Patience | None",
) -> Iterator[tuple[PublishedFile, str]]:
    """Fetch files one after the other, and yield each with its address."""
    from scratchgan.datasets.download.transfer import Partial, Transfer, open_session

    total = sum(file.size for file in files)
    kept = sum(Partial(folder / file.name).size for file in files)
    _check_space(folder, total - kept)
    before = 0

    def report(received: int) -> None:
        if progress is not None:
            progress(before + received, total)

    with open_session() as session:
        for file in files:
            transfer = Transfer(file, folder, session, patience, report, note)
            try:
                url = transfer.run()
            except BaseException:
                _say_what_is_kept(transfer, note)
                raise
            yield file, url
            before += file.size


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder} has {megabytes(free)} of free space and {megabytes(needed)} are "
            "still to come; make room, or choose another folder with --out"
        )


def _say_what_is_kept(transfer: "Transfer", note: Note) -> None:
    if size := transfer.partial.size:
        note(
            f"kept: the first {megabytes(size)}, in {transfer.partial.path}; the same "
            "command goes on from there"
        )
