"""What a long preparation has done so far, so that it can go on after a break.

Beside the dataset that is being written, ``.NAME.h5.journal`` has one line of JSON
that says what is prepared and how, and then one for each checkpoint: what became of the
files since the last one, and the name of the last of them. Only the outcome is kept,
the modes of a file's pictures or a reason; names and labels come from the source again.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from scratchgan.errors import OutputError
from scratchgan.storage.files import TEMPORARY_SUFFIX, lock_file, output_error

Outcomes = list[list[str] | str]
"""For each file: the modes of its pictures, or the reason why there is none."""


class Journal:
    """The journal of one preparation; a context manager.

    Leaving it without an exception, or with one that is no interruption, removes it:
    the work is done, or wants to be done anew.

    Parameters
    ----------
    path : Path
        The dataset to be written.
    task : dict
        All that decides what is written, as plain JSON values; a journal of another
        task is not continued.

    Attributes
    ----------
    partial : Path
        Where the dataset is until it is whole.
    earlier : list
        `Outcomes` of an interrupted preparation of the same task; empty for a new one.
    earlier_name : str
        The file that the last of them belongs to.

    Raises
    ------
    OutputError
        Another process prepares the same dataset; or the folder cannot be written.
    """

    def __init__(self, path: Path, task: dict[str, Any]) -> None:
        self.path = path.with_name(f".{path.name}.journal")
        self.partial = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
        self._target = path
        self._header = json.dumps(task) + "\n"
        self.earlier: Outcomes = []
        self.earlier_name = ""
        self._new: Outcomes = []
        self._last_name = ""
        self._is_current = False  # the file holds this task's lines, and whole ones

    def __enter__(self) -> "Journal":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+", encoding="utf-8")
        except OSError as error:
            raise output_error(self._target, error) from error
        if not self._locked():
            self._file.close()
            raise OutputError(
                f"{self._target} is being prepared by another process; wait for it, or "
                "choose another name"
            )
        self._read_earlier()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stays = self.keeps(error)
        if not stays:
            # Removed while it is locked: nobody can begin to use it in between.
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._file.close()
        if not stays:
            with contextlib.suppress(OSError):  # Windows removes no open file
                self.path.unlink(missing_ok=True)

    def keeps(self, error: BaseException | None) -> bool:
        """Return whether the work so far is worth keeping after this error, if any."""
        return isinstance(error, KeyboardInterrupt) and self._is_current

    def note(self, outcomes: Iterable[list[str] | str], last_name: str) -> None:
        """Remember outcomes, the last of them of this file, until the next `commit`."""
        self._new.extend(outcomes)
        self._last_name = last_name

    def commit(self) -> None:
        """Write down the outcomes noted; their pictures must be on the disk already.

        Raises
        ------
        OutputError
            The disk refused it.
        """
        try:
            if not self._is_current:
                self._file.truncate(0)
                self._file.write(self._header)
                self._new = self.earlier + self._new
            line = {"outcomes": self._new, "last": self._last_name}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self._target, error) from error
        self._is_current = True
        self._new = []

    def start_anew(self) -> None:
        """Forget the earlier outcomes: the file they speak of is of no use."""
        self.earlier = []
        self._is_current = False

    def _locked(self) -> bool:
        """Take the lock; say whether it is ours, and that of the file at the path."""
        try:
            lock_file(self._file)
            return os.fstat(self._file.fileno()).st_ino == self.path.stat().st_ino
        except OSError:
            return False

    def _read_earlier(self) -> None:
        """Read what an interrupted preparation of this very task has left."""
        self._file.seek(0)
        lines = self._file.readlines()
        if not lines or lines[0] != self._header or not self.partial.is_file():
            return
        for line in lines[1:]:
            try:
                noted = json.loads(line)
                self.earlier.extend(noted["outcomes"])
                self.earlier_name = noted["last"]
            except ValueError:  # torn by a power failure: what came before is whole
                return
        self._is_current = True
