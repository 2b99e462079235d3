"""Writing files so that a reader never sees half of one."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

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
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        # After success the temporary name is gone already.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the error in plain words: which file, why, what to do."""
    if error.errno == errno.ENOSPC or "No space left" in str(error):
        return OutputError(
            f"cannot write {path}: the disk is full; free some space and try again, "
            "or write to another disk"
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return OutputError(
            f"cannot write {path}: the folder is read-only; choose another one"
        )
    return OutputError(f"cannot write {path}: {error.strerror or error}")


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


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where folders can be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
