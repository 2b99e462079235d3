"""How features are judged: which labels a linear classifier learns from, and how often.

Every protocol fits on training images, chooses C on validation images, and looks at
test images once, after C is chosen.

Radford et al. 2016 use all labels or 400 of each class for CIFAR-10 (section 5.1) and
1,000 labels for SVHN (section 5.2). The authors' code for SVHN draws the 1,000 labels
10 times for each C, takes the C with the best mean on the validation images, draws 100
times more and prints the mean and 1.96 standard deviations. Neither C nor the number of
draws is published for CIFAR-10: the same rules are used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.paper.features.features import Features
from scratchgan.paper.labelled_split import LabelledSplit, draw_per_class
from scratchgan.progress import Progress

AUTHORS_GRID = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
"""Values of C in the authors' code for SVHN."""
FIRST_C = 1e-4
"""Where the search begins for protocols without a published grid."""
STRIDE = 4
"""While the best C is at an end of the grid, one beyond it by this factor is tried."""
MOST_EXTENSIONS = 8

Fit = Callable[[np.ndarray, np.ndarray, int, float], Any]
"""Called with features (N, ...), labels (N,), the number of classes and the setting;
returns what has ``accuracy(x, labels)``, such as a `LinearSVM`."""


@dataclass(frozen=True)
class Method:
    """A way to learn labels from features, with one setting to be chosen.

    Attributes
    ----------
    fit : callable
    symbol : str
        Of the setting, such as "C".
    settings : tuple of float
        All that are tried; empty for the protocol's grid of C, which may be extended.
    """

    fit: Fit
    symbol: str = "C"
    settings: tuple[float, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """Labels to learn from.

    Attributes
    ----------
    name : str
    per_class : int or None
        Labels of each class; None for all training images, without any draw.
    total : int or None
        Labels in all, the same number of each class.
    draws_to_choose : int
        Draws for each C.
    draws : int
        Draws that are reported.
    grid : tuple of float
        Values of C, ascending; it is extended where the best one is at an end.
    """

    name: str
    per_class: int | None = None
    total: int | None = None
    draws_to_choose: int = 10
    draws: int = 100
    grid: tuple[float, ...] = (FIRST_C,)

    def labels_per_class(self, classes: int) -> int | None:
        """Return how many labels of each class there are; None for all.

        Raises
        ------
        ConfigError
            The total is no multiple of the classes.
        """
        if self.total is None:
            return self.per_class
        if self.total % classes or self.total < classes:
            raise ConfigError(
                f"{self.total} labels are not the same number of each of {classes} "
                f"classes; the nearest is {max(1, self.total // classes) * classes}"
            )
        return self.total // classes


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("full"),
        Protocol("400-per-class", per_class=400),
        Protocol("1000-labels", total=1000, grid=AUTHORS_GRID),
    )
}


@dataclass(frozen=True)
class Score:
    """What a protocol found for some features.

    Attributes
    ----------
    protocol : str
    symbol : str
    setting : float
        Chosen on validation images.
    labels : int
        Learnt from at a time.
    accuracy, validation_accuracy : float
        On test and on validation images; means over the draws.
    interval, validation_interval : float or None
        1.96 standard deviations of the draws; None for fewer than two.
    tried : dict of float
        Accuracy on validation images for each setting.
    draws : list of float
        Accuracy on test images in each draw.
    """

    protocol: str
    symbol: str
    setting: float
    labels: int
    accuracy: float
    validation_accuracy: float
    interval: float | None
    validation_interval: float | None
    tried: dict[float, float]
    draws: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"{100 * self.accuracy:.1f} %"
        return text if self.interval is None else f"{text} ± {100 * self.interval:.1f}"


def missing_images(protocol: Protocol, split: LabelledSplit) -> str | None:
    """Return why a protocol cannot be followed on a split, or None."""
    wanted = protocol.labels_per_class(len(split.class_names))
    if wanted is None:
        return None
    counts = np.bincount(split.labels[_pool(split)], minlength=len(split.class_names))
    # What a draw leaves over has to choose C, if there are no other images for that.
    needed = wanted + 1 if split.validation_is_drawn else wanted
    if counts.min() < needed:
        return (
            f"{protocol.name} needs {needed} labelled training images of each class, "
            f"{split.class_names[counts.argmin()]} has {counts.min()}"
        )
    return None


def score_features(
    features: Features,
    split: LabelledSplit,
    protocol: Protocol,
    method: Method,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Score:
    """Return how well labels can be read off the features.

    Where the dataset has no validation images of its own, protocols with draws choose C
    on the training images that a draw leaves over.

    Parameters
    ----------
    features : Features
    split : LabelledSplit
    protocol : Protocol
    method : Method
    seed : int
        Draws the labels.
    progress : callable, optional
        Called with fits done and fits in all, as far as they are known.

    Raises
    ------
    ConfigError
        There are too few images of a class, see `missing_images`.
    """
    if reason := missing_images(protocol, split):
        raise ConfigError(reason)
    learning = _Learning(features, split, protocol, method, progress)
    choose, report = np.random.default_rng(seed).spawn(2)
    tried = learning.choose(choose)
    setting = best_setting(tried)
    scores = learning.report(setting, report)
    validation, test = np.array(scores).T
    drawn = learning.per_class is not None
    return Score(
        protocol=protocol.name,
        symbol=method.symbol,
        setting=setting,
        labels=learning.labels_learnt,
        accuracy=float(test.mean()),
        validation_accuracy=float(validation.mean()),
        interval=_interval(test),
        validation_interval=_interval(validation),
        tried=tried,
        draws=test.tolist() if drawn else [],
    )


def best_setting(tried: dict[float, float]) -> float:
    """Return the setting with the highest accuracy; of equal ones the smallest.

    >>> best_setting({0.1: 0.6, 0.01: 0.7, 0.001: 0.7})
    0.001
    """
    return max(tried, key=lambda setting: (tried[setting], -setting))


class _Learning:
    """The images of one protocol: those to draw from, those that choose, and the test.

    Test features are read when `report` asks for them, and not before.
    """

    def __init__(
        self,
        features: Features,
        split: LabelledSplit,
        protocol: Protocol,
        method: Method,
        progress: Progress | None,
    ) -> None:
        self.classes = len(split.class_names)
        self.per_class = protocol.labels_per_class(self.classes)
        self._protocol = protocol
        self._features = features
        self._split = split
        self._method = method
        self._progress = progress
        self._fits = 0
        self._machines: dict[float, Any] = {}
        self._x = features.part("train")
        self._y = split.labels[split.train]
        self._held_x = features.part("validation")
        self._held_y = split.labels[split.validation]
        self._draws_rest = self.per_class is not None and split.validation_is_drawn
        if self._draws_rest:
            self._x = np.concatenate([self._x, self._held_x])
            self._y = np.concatenate([self._y, self._held_y])

    @property
    def labels_learnt(self) -> int:
        if self.per_class is None:
            return len(self._y)
        return self.per_class * self.classes

    def choose(self, rng: np.random.Generator) -> dict[float, float]:
        """Return the accuracy on validation images for each setting that was tried."""
        draws = self._draw(self._protocol.draws_to_choose, rng)
        grid = self._method.settings or self._protocol.grid
        extensions = 0 if self._method.settings else MOST_EXTENSIONS
        self._planned = len(grid) * len(draws) + self._reported
        tried: dict[float, float] = {}
        for setting in grid:
            tried[setting] = self._validated(setting, draws)
        for _ in range(extensions):
            best = best_setting(tried)
            if min(tried) < best < max(tried):
                break
            # Downwards first: a fit with a smaller C is quicker.
            beyond = best / STRIDE if best == min(tried) else best * STRIDE
            self._planned += len(draws)
            tried[beyond] = self._validated(beyond, draws)
        return dict(sorted(tried.items()))

    def report(
        self, setting: float, rng: np.random.Generator
    ) -> list[tuple[float, float]]:
        """Return the accuracy on validation and test images, for each fresh draw."""
        test_x = self._features.part("test")
        test_y = self._split.labels[self._split.test]
        scores = []
        for rows in self._draw(self._protocol.draws, rng):
            machine = self._learn(setting, rows)
            scores.append(
                (self._validate(machine, rows), machine.accuracy(test_x, test_y))
            )
        return scores

    @property
    def _reported(self) -> int:
        return 0 if self.per_class is None else self._protocol.draws

    def _draw(self, count: int, rng: np.random.Generator) -> list:
        if self.per_class is None:
            return [slice(None)]  # a view: the features are not copied
        everything = np.arange(len(self._y))
        return [
            draw_per_class(self._y, everything, self.per_class, rng)
            for _ in range(count)
        ]

    def _validated(self, setting: float, draws: list) -> float:
        return float(
            np.mean(
                [self._validate(self._learn(setting, rows), rows) for rows in draws]
            )
        )

    def _learn(self, setting: float, rows: np.ndarray | slice) -> Any:
        if self.per_class is None and setting in self._machines:
            return self._machines[setting]
        x, y = self._x[rows], self._y[rows]
        machine = self._method.fit(x, y, self.classes, setting)
        if self.per_class is None:
            self._machines[setting] = machine
        self._fits += 1
        if self._progress:
            self._progress(self._fits, self._planned)
        return machine

    def _validate(self, machine: Any, rows: np.ndarray | slice) -> float:
        if not self._draws_rest:
            return machine.accuracy(self._held_x, self._held_y)
        rest = np.ones(len(self._y), bool)
        rest[rows] = False
        return machine.accuracy(self._x[rest], self._y[rest])


def _pool(split: LabelledSplit) -> np.ndarray:
    """Return the rows that labels are drawn from."""
    if split.validation_is_drawn:
        return np.concatenate([split.train, split.validation])
    return split.train


def _interval(accuracies: np.ndarray) -> float | None:
    """Return 1.96 standard deviations of the draws, as the authors print."""
    return float(1.96 * accuracies.std()) if len(accuracies) > 1 else None
