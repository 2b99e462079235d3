"""An HDF5 file that appears whole under its name, or not at all.

The file is written under a temporary name in the same folder, forced to disk,
and only then renamed. Whatever stops the writing (a full disk, Ctrl-C, a bug)
removes the temporary file and leaves an older file of that name untouched.

HDF5 does not survive a failed write. Measured with h5py 3.16 and HDF5 2.0 on a
full disk: the error comes at any later call, ``close`` fails too, and the
process ends in a segmentation fault. So HDF5 never gets to see the failure: it
writes through `_CarefulFile`, which keeps the first error for us and from then
on only pretends to write, so that HDF5 closes in peace.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py

from scratchgan.errors import OutputError
from scratchgan.storage.files import TEMPORARY_SUFFIX, output_error, sync_folder

FILE_LAYOUT = "v110"
"""HDF5's layout of 2016: the first that has checksums over its own structures.

A flipped byte there is an error on reading. In the layouts before, which h5py takes
by default, it crashed HDF5 now and then.
"""


class _CarefulFile:
    """The file object HDF5 writes through; see the top of this module.

    Every exception is kept, not only OSError: Ctrl-C arrives as KeyboardInterrupt
    in whatever Python code runs at that moment, which may be a method of this class.
    """

    def __init__(self, path: Path, mode: str) -> None:
        self._file = open(path, mode)
        self.error: BaseException | None = None

    def _attempt(self, action: Callable[..., Any], *args: Any) -> Any:
        """Return the action's result, or 0 if it or an earlier one has failed."""
        if self.error is not None:
            return 0
        try:
            return action(*args)
        except BaseException as error:
            self.error = error
            return 0

    def read(self, size: int = -1) -> bytes:
        """Never called: h5py takes an object with this method for a file."""
        raise NotImplementedError

    def readinto(self, buffer: memoryview) -> int:
        count = self._attempt(self._file.readinto, buffer)
        buffer[count:] = bytes(len(buffer) - count)
        return len(buffer)

    def write(self, data: memoryview) -> int:
        self._attempt(self._file.write, data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._attempt(self._file.seek, offset, whence)

    def tell(self) -> int:
        return self._attempt(self._file.tell)

    def truncate(self, size: int | None = None) -> int:
        return self._attempt(self._file.truncate, size)

    def flush(self) -> None:
        self._attempt(self._file.flush)

    def sync(self) -> None:
        """Force what was written to the disk itself."""
        self.flush()
        self._attempt(os.fsync, self._file.fileno())

    def close(self) -> None:
        """Close the file; Python closes it even where the last flush fails."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error


class Hdf5Output:
    """Write an HDF5 file under a temporary name and rename it when it is whole.

    Use as a context manager that gives the open ``h5py.File``. Leaving it without
    an exception finishes the file; leaving it with one removes what was written.
    Calls into h5py that write belong inside ``with output.writing():``.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder is made where it is missing.
    needed_bytes : int, default=0
        The size of the file as far as it is known. Where less is free, nothing is
        written.
    partial : Path, optional
        The temporary name. By default one of its own, so that two programs can write
        the same file side by side; a name that is given is for one at a time.
    continued : bool, default=False
        Go on with the file of that temporary name.

    Attributes
    ----------
    keep_partial : bool
        Whether the temporary file stays where it is, as of the last `checkpoint`, when
        the writing is broken off; at first false.

    Raises
    ------
    OutputError
        The folder or disk cannot take the file; one line says why.
    """

    def __init__(
        self,
        path: Path,
        needed_bytes: int = 0,
        *,
        partial: Path | None = None,
        continued: bool = False,
    ) -> None:
        self.path = Path(path)
        self._needed_bytes = needed_bytes
        self._temporary = partial or self.path.with_name(
            f".{self.path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
        )
        self._continued = continued
        self.keep_partial = False
        self._raw: _CarefulFile | None = None
        self._hdf5: h5py.File | None = None

    def __enter__(self) -> h5py.File:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._continued:
                self._raw = _CarefulFile(self._temporary, "r+b")
            else:
                self._check_free_space()
                self._raw = _CarefulFile(self._temporary, "w+b")
            mode = "r+" if self._continued else "w"
            self._hdf5 = h5py.File(self._raw, mode, libver=FILE_LAYOUT)
            self._check()
        except BaseException as error:
            self._abandon()
            if isinstance(error, OSError | RuntimeError):
                raise output_error(self.path, error) from error
            raise
        return self._hdf5

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._abandon()
            return
        try:
            self._close_hdf5()
            self._check()
            self._raw.sync()
            self._raw.close()
            self._check()
            os.replace(self._temporary, self.path)
            sync_folder(self.path.parent)
        except BaseException as failure:
            self._abandon()
            if isinstance(failure, OSError | RuntimeError):
                raise output_error(self.path, failure) from failure
            raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Surround calls into h5py that write: what goes wrong becomes one plain line.

        Raises
        ------
        OutputError
            The disk refused a write.
        """
        try:
            yield
        except (OSError, RuntimeError) as error:
            self._check()  # the first cause says more than what HDF5 made of it
            raise output_error(self.path, error) from error
        self._check()

    def checkpoint(self) -> None:
        """Force all that was written so far to the disk.

        Raises
        ------
        OutputError
            The disk refused a write.
        """
        with self.writing():
            self._hdf5.flush()
            self._raw.sync()

    def _check(self) -> None:
        """Raise the error that the file has kept, if there is one."""
        error = self._raw.error
        if isinstance(error, OSError):
            raise output_error(self.path, error) from error
        if error is not None:
            raise error

    def _check_free_space(self) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < self._needed_bytes:
            raise OutputError(
                f"{self.path} needs {megabytes(self._needed_bytes)} and "
                f"{megabytes(free)} is free on its disk; make room, or choose "
                "another folder"
            )

    def _close_hdf5(self) -> None:
        if self._hdf5 is not None:
            hdf5, self._hdf5 = self._hdf5, None
            hdf5.close()

    def _abandon(self) -> None:
        """Close everything, and remove the temporary file unless it is to stay."""
        if self._raw is not None:
            # Nothing more reaches the disk, so HDF5 has nothing to fail on.
            self._raw.error = self._raw.error or InterruptedError("abandoned")
            with contextlib.suppress(OSError, RuntimeError):
                self._close_hdf5()
            self._raw.close()
            if not self.keep_partial:
                with contextlib.suppress(OSError):
                    self._temporary.unlink()


def megabytes(size: int) -> str:
    """Return a size in bytes as text in MB (10^6 bytes).

    >>> megabytes(245_760_000)
    '246 MB'
    """
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"
