"""What a random search keeps in a folder, so that it can be stopped and go on."""

import dataclasses
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scratchgan.paper.supervised.classifier import SupervisedClassifier
from scratchgan.paper.supervised.training import SupervisedSettings
from scratchgan.storage.files import make_folder, output_error
from scratchgan.storage.kept_arrays import UnusableFileError, kept_arrays, write_arrays

TRIALS_FILE = "supervised-trials.jsonl"
NETWORK_FILE = "supervised-network.npz"


@dataclass(frozen=True)
class Trial:
    """What came of one draw.

    Attributes
    ----------
    number : int
        From 0.
    settings : SupervisedSettings
    validation_accuracy : float or None
        Of its best network; None where it failed.
    epochs : int
        Passes over the training images which that network had made.
    failed : str
        Why it came to nothing; empty where it did not.
    seconds : float
        It took; trials may be equal that differ in this.
    """

    number: int
    settings: SupervisedSettings
    validation_accuracy: float | None
    epochs: int
    failed: str = ""
    seconds: float = field(default=0.0, compare=False)

    def record(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)


class TrialFiles:
    """What a search keeps in a folder: a line a trial, and the best one's network.

    Other searches may keep their lines in the same file; each line has the key of its
    search.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    key : str
        `Search.key`.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.key = key
        self.lines = make_folder(folder) / TRIALS_FILE
        self.network = folder / NETWORK_FILE

    def trials(self) -> dict[int, Trial]:
        """Return the finished trials by number, without lines that a kill spoilt."""
        found = {}
        for record in self._records():
            if "trial" in record:
                values = record["trial"]
                settings = SupervisedSettings(**values["settings"])
                trial = Trial(**{**values, "settings": settings})
                found[trial.number] = trial
        return found

    def add_trial(self, trial: Trial) -> None:
        """Append a finished trial."""
        self._append({"trial": trial.record()})

    def test_accuracy(self, trial: Trial, test: str) -> float | None:
        """Return what a trial's network reached on test images, if it was tested.

        Parameters
        ----------
        trial : Trial
        test : str
            Says which images these are.
        """
        for record in self._records():
            if (record.get("tested"), record.get("test")) == (trial.number, test):
                return record["accuracy"]
        return None

    def add_test(self, trial: Trial, test: str, reached: float) -> None:
        """Append what a trial's network reached on the test images."""
        self._append({"tested": trial.number, "test": test, "accuracy": reached})

    def keep_network(self, trial: Trial, network: SupervisedClassifier) -> None:
        """Write a trial's weights and statistics, in place of those kept before."""
        write_arrays(self.network, self._network_key(trial), network.state_dict())

    def load_network(self, trial: Trial, network: SupervisedClassifier) -> bool:
        """Give a network the kept weights of a trial; False where there are none."""
        key = self._network_key(trial)
        with suppress(UnusableFileError), kept_arrays(self.network, key) as (arrays, _):
            network.load_state_dict(arrays)
            return True
        return False

    def _network_key(self, trial: Trial) -> str:
        return f"{self.key} {trial.number}"

    def _records(self) -> list[dict[str, Any]]:
        if not self.lines.is_file():
            return []
        text = self.lines.read_text(encoding="utf-8", errors="replace")
        records = []
        for line in text.splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict) and record.get("key") == self.key:
                records.append(record)
        return records

    def _append(self, record: dict[str, Any]) -> None:
        try:
            with open(self.lines, "ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # a kill cut the last line short
                        file.write(b"\n")
                file.write(json.dumps({"key": self.key, **record}).encode() + b"\n")
        except OSError as error:
            raise output_error(self.lines, error) from error
