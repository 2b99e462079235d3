"""Writing files so that a reader never sees half of one."""

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from scratchgan.errors import OutputError

TEMPORARY_SUFFIX = ".partial"


@contextlib.contextmanager
def complete_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it there when all is written.

    The file is flushed to the disk before it takes the name, so that a crash or a
    power cut leaves either the old file or the whole new one. On any error, an
    interrupt included, the temporary file is removed and ``path`` is as it was.

    Raises
    ------
    OutputError
        If the system refuses: read-only folder, full disk.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        move_into_place(temporary, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        # After success the temporary name is gone already.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, path: Path) -> None:
    """Give a written file its name, once all of it is on the disk.

    Raises
    ------
    OSError
        If the system refuses.
    """
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def output_error(path: Path, error: OSError | RuntimeError) -> OutputError:
    """Return the error in plain words: which file, why, what to do.

    HDF5 reports some failed writes as RuntimeError.
    """
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    if getattr(error, "errno", None) in full:
        reason = "the disk is full; make room"
    else:
        reason = f"{getattr(error, 'strerror', None) or error}; check the folder"
    return OutputError(f"cannot write {path}: {reason}, or choose another folder")


def make_folder(path: Path, *, exist_ok: bool = True) -> Path:
    """Make a folder and its parents; as `Path.mkdir`, with a plain error.

    Raises
    ------
    FileExistsError
        If it exists and ``exist_ok`` is false.
    OutputError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        if not exist_ok:
            raise
        raise OutputError(f"{path} is a file, expected a folder") from None
    except OSError as error:
        raise output_error(path, error) from error
    return path


def check_writable(folder: Path) -> None:
    """Make a folder if it is missing, and see that a file can be written in it.

    Hours of work should not end in a folder that could never take the result.

    Raises
    ------
    OutputError
        If the system refuses.
    """
    trial = make_folder(folder) / f".{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def _remove(folder: Path) -> None:
    """Remove a folder in which a thread may still finish a file.

    Ctrl-C while a pool starts a thread leaves that thread unknown to the pool, which
    then does not wait for it.
    """
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def lock_file(file: IO[bytes]) -> None:
    """Take the system's lock on an open file, until it is closed or the process ends.

    Raises
    ------
    OSError
        If another process, or another opening of the file, has it.
    """
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def complete_contents(folder: Path) -> Iterator[Path]:
    """Give a hidden folder in ``folder``; move what it holds up when all is written.

    What is in ``folder`` under the same names is replaced, the rest stays. On any
    error, an interrupt included, ``folder`` is as it was, or gone if it was made here.
    The files are not forced to disk one by one, which would take hours for a million.

    Raises
    ------
    OutputError
        If the system refuses: read-only folder, full disk.
    """
    is_new = not folder.exists()
    make_folder(folder)
    hidden = folder / f".{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    moves: list[tuple[Path, Path]] = []  # done so far: from, to
    try:
        new, old = hidden / "new", hidden / "old"
        for part in (hidden, new, old):
            part.mkdir()
        yield new
        for entry in sorted(new.iterdir()):
            target = folder / entry.name
            if target.exists():
                moves.append((target, old / entry.name))
                target.rename(old / entry.name)
            moves.append((entry, target))
            entry.rename(target)
    except BaseException as error:
        for source, target in reversed(moves):
            if not source.exists():  # the last one may not have come to be
                target.rename(source)
        _remove(hidden)
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise output_error(folder, error) from error
        raise
    _remove(hidden)


def sync_folder(folder: Path) -> None:
    """Force the renaming itself to disk, where the system has a way to ask for it."""
    if os.name != "posix":
        return
    # The data is safe and in place: a file system without folder sync is no failure.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
