"""What a random search came to: the numbers for JSON, and the row of the paper."""

from dataclasses import dataclass
from typing import Any

from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.published_results import SUPERVISED, SVHN, Published
from scratchgan.paper.result_table import ResultTable, Row
from scratchgan.paper.supervised.random_search import Search
from scratchgan.paper.supervised.trial_files import Trial


@dataclass(frozen=True)
class SearchResult:
    """The best of many trials.

    Attributes
    ----------
    network : str
        The run or preset whose D it is.
    search : Search
    split : LabelledSplit
    trials : list of Trial
        Those that were made.
    asked : int
        How many were to be made.
    best : Trial
    accuracy : float
        Of its network on the test images.
    """

    network: str
    search: Search
    split: LabelledSplit
    trials: list[Trial]
    asked: int
    best: Trial
    accuracy: float

    def facts(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        return {
            "classes": self.split.class_names,
            "network": self.network,
            "labels": len(self.search.train.labels),
            "validation_images": len(self.split.validation),
            "test_images": len(self.split.test),
            "accuracy": self.accuracy,
            "validation_accuracy": self.best.validation_accuracy,
            "best": self.best.record(),
            "trials": [trial.record() for trial in self.trials],
            "trials_asked": self.asked,
            "seed": self.search.seed,
        }

    def table(self, data: str, paper: tuple[Published, ...]) -> ResultTable:
        """Return the errors, beside the paper's table 2 where that is of these images.

        The other tables have no network that was trained with labels alone.

        Parameters
        ----------
        data : str
            Which images, see `describe_split`.
        paper : tuple of Published
            The paper's table for this dataset.
        """
        columns = "validation error", "test error"
        measured = 1 - self.best.validation_accuracy, 1 - self.accuracy
        here = {
            name: f"{100 * error:.2f} %"
            for name, error in zip(columns, measured, strict=True)
        }
        rows = []
        for row in paper if paper is SVHN else ():
            own = row.model == SUPERVISED
            figure = {columns[0] if own else columns[1]: row.figures["1000-labels"]}
            source = f"{row.source}; 1,000 labels"
            rows.append(Row(row.model, here if own else {}, figure, source))
        rows = rows or [Row(SUPERVISED, here)]
        title = "Trained with labels alone"
        return ResultTable(title, columns, rows, {"data": data, **self._made_with()})

    def _made_with(self) -> dict[str, str]:
        """Return what was run, in words."""
        made, labels = len(self.trials), len(self.search.train.labels)
        fewer = f"; {self.asked} were asked for" if made < self.asked else ""
        seconds = sum(trial.seconds for trial in self.trials)
        return {
            "network": f"D of {self.network}, {self.search.classes} outputs, trained "
            f"on {labels:,} labels",
            "search": f"best of {made} trials{fewer}",
            "seed": str(self.search.seed),
            "time": f"{seconds / 60:.1f} minutes",
        }
