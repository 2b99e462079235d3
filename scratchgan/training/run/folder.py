"""The folder of a run: ``runs/00007-faces-dcgan64/`` and what is where in it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scratchgan.errors import CheckpointError
from scratchgan.storage.files import (
    TEMPORARY_SUFFIX,
    complete_file,
    lock_file,
    make_folder,
    output_error,
)

DEFAULT_RUNS = Path("runs")
_NAME = re.compile(r"(\d{5,})-.+")
_CHECKPOINT = re.compile(r"step-(\d{6,})\.h5")


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """Settings, as JSON."""
        return self.path / "config.json"

    @property
    def log_file(self) -> Path:
        """One JSON object per logged step."""
        return self.path / "log.jsonl"

    @property
    def samples(self) -> Path:
        """Folder of sample pictures."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    def checkpoint_file(self, step: int) -> Path:
        """Return the path of the checkpoint after this step."""
        return self.checkpoints / f"step-{step:06d}.h5"

    def checkpoint_steps(self) -> list[int]:
        """Return the steps that have a checkpoint, ascending."""
        if not self.checkpoints.is_dir():
            return []
        matches = (_CHECKPOINT.fullmatch(p.name) for p in self.checkpoints.iterdir())
        return sorted(int(match.group(1)) for match in matches if match)

    def remove_old_checkpoints(self, keep_last: int, keep_every: int) -> None:
        """Keep the newest ``keep_last`` and the multiples of ``keep_every``."""
        for step in self.checkpoint_steps()[:-keep_last]:
            if not (keep_every and step % keep_every == 0):
                _remove(self.checkpoint_file(step))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder.

        The lock is the system's and ends with the process, however it ends.

        Raises
        ------
        CheckpointError
            If another process has it.
        """
        make_folder(self.path)
        try:
            file = open(self.path / ".lock", "ab")
        except OSError as error:
            raise output_error(self.path / ".lock", error) from error
        with file:
            try:
                lock_file(file)
            except OSError:
                raise CheckpointError(
                    f"{self.path} is in use: another process is training this run; "
                    "wait for it, or stop it"
                ) from None
            yield

    def set_aside_later_checkpoints(self, step: int) -> None:
        """Move checkpoints after a step to ``superseded-1/``, or the next free number.

        A run that goes on from an older checkpoint leaves the later ones behind: the
        newest file must be the newest state. They are kept for whoever wants them.

        Raises
        ------
        OutputError
            If they cannot be moved.
        """
        later = [s for s in self.checkpoint_steps() if s > step]
        if not later:
            return
        number = 1
        while (self.checkpoints / f"superseded-{number}").exists():
            number += 1
        folder = make_folder(self.checkpoints / f"superseded-{number}")
        for file in map(self.checkpoint_file, later):
            try:
                file.replace(folder / file.name)
            except OSError as error:
                raise output_error(folder / file.name, error) from error

    def remove_leftovers(self) -> None:
        """Delete half-written files of a run that was killed."""
        for leftover in self.path.glob(f"**/.*{TEMPORARY_SUFFIX}"):
            _remove(leftover)

    def write_config(self, values: dict[str, Any]) -> None:
        """Write the settings."""
        with complete_file(self.config_file) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def create_run(runs: Path, dataset: str, preset: str) -> RunFolder:
    """Make the next numbered folder, with its subfolders.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    make_folder(runs)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(dataset).stem)
    number = 1 + max((n for n, _ in _numbered(runs)), default=0)
    while True:
        run = RunFolder(runs / f"{number:05d}-{name}-{preset}")
        try:
            make_folder(run.path, exist_ok=False)
        except FileExistsError:  # another process took the number
            number += 1
            continue
        make_folder(run.samples)
        make_folder(run.checkpoints)
        return run


def find_checkpoint(run: str | None, runs: Path = DEFAULT_RUNS) -> Path:
    """Return the checkpoint file that RUN means.

    Parameters
    ----------
    run : str or None
        A run folder (its newest checkpoint), a checkpoint file, the name or number of
        a folder in ``runs``, or None for the newest run there.
    runs : Path
        Folder of runs.

    Raises
    ------
    CheckpointError
        If there is no such run, or it has no checkpoint yet; the message lists runs.
    """
    folder = _find_run(run, runs)
    if folder.is_file():
        return folder
    steps = RunFolder(folder).checkpoint_steps()
    if not steps:
        raise CheckpointError(
            f"{folder} has no checkpoint to go on from; start a new run"
        )
    return RunFolder(folder).checkpoint_file(steps[-1])


def _find_run(run: str | None, runs: Path) -> Path:
    known = [path for _, path in sorted(_numbered(runs))]
    if run is None:
        # Not one that ended before its first checkpoint: nothing to go on from.
        begun = [path for path in known if RunFolder(path).checkpoint_steps()]
        if begun:
            return begun[-1]
        raise CheckpointError(
            f"there is no run with a checkpoint in {runs.absolute()}; start one with: "
            "scratchgan train"
        )
    for candidate in (Path(run), runs / run):
        if candidate.is_file() or candidate.is_dir():
            return candidate
    by_number = [
        path for path in known if run.isdecimal() and _number(path) == int(run)
    ]
    if by_number:
        return by_number[-1]
    names = ", ".join(path.name for path in known[-5:]) or "none"
    raise CheckpointError(
        f"there is no run or checkpoint {run!r}; the newest runs in {runs} are: {names}"
    )


def run_of_checkpoint(checkpoint: Path) -> RunFolder:
    """Return the run that a checkpoint file belongs to.

    Raises
    ------
    CheckpointError
        If the file does not lie in a run's folder.
    """
    folders = checkpoint.absolute().parents
    for folder in folders[1:3]:  # runs/X/checkpoints/, or superseded-N/ inside it
        run = RunFolder(folder)
        if run.config_file.is_file():
            return run
    raise CheckpointError(
        f"{checkpoint} does not lie in a run folder; a run is continued where its "
        "config.json and log.jsonl are"
    )


def read_log(run: RunFolder) -> list[dict[str, Any]]:
    """Return the records of the log, without lines that a kill or a disk spoilt."""
    if not run.log_file.is_file():
        return []
    records = []
    text = run.log_file.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


def append_log(run: RunFolder, record: dict[str, Any]) -> None:
    """Append one record to the log."""
    try:
        with open(run.log_file, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError as error:
        raise output_error(run.log_file, error) from error


def trim_log(run: RunFolder, step: int) -> None:
    """Drop the records after a step: they are about to be computed again."""
    kept = [record for record in read_log(run) if record["step"] <= step]
    with complete_file(run.log_file) as temporary:
        lines = (json.dumps(record) + "\n" for record in kept)
        temporary.write_text("".join(lines), encoding="utf-8")


def _remove(file: Path) -> None:
    """Delete a file that is no longer needed; one that is held open elsewhere stays."""
    with suppress(OSError):
        file.unlink(missing_ok=True)


def _numbered(runs: Path) -> list[tuple[int, Path]]:
    if not runs.is_dir():
        return []
    return [(_number(p), p) for p in runs.iterdir() if p.is_dir() and _number(p)]


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match.group(1)) if match else 0
