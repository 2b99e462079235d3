"""Random search: settings drawn at random, the best on the validation images wins.

Bergstra and Bengio 2012, JMLR 13, "Random search for hyper-parameter optimization".
Every finished trial is a line in a file, so that a search can be stopped at any time
and goes on with the next trial. Test images play no part: they are read when the search
is over, for the one network that won.
"""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scratchgan.backend import Device
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import NonFiniteError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.supervised.classifier import SupervisedClassifier
from scratchgan.paper.supervised.training import (
    PATIENCE,
    LabelledImages,
    SupervisedSettings,
    accuracy,
    train_supervised,
)
from scratchgan.paper.supervised.trial_files import Trial, TrialFiles
from scratchgan.progress import Note, Progress

VERSION = 1
"""Of the procedure; another one makes kept trials out of date."""


@dataclass(frozen=True)
class SearchSpace:
    """Where settings are drawn from. The paper does not publish its ranges.

    Attributes
    ----------
    lr, l2 : (float, float)
        Least and most; the logarithm is drawn evenly.
    batch_sizes : tuple of int
        Each as likely.
    dropout : (float, float)
        Least and most, drawn evenly.
    """

    lr: tuple[float, float] = (1e-4, 1e-2)
    l2: tuple[float, float] = (1e-6, 1e-2)
    batch_sizes: tuple[int, ...] = (16, 32, 64, 128)
    dropout: tuple[float, float] = (0.0, 0.6)

    def draw(self, rng: np.random.Generator) -> SupervisedSettings:
        """Return settings drawn from it.

        Examples
        --------
        >>> SearchSpace().draw(np.random.default_rng(0)).batch_size
        32
        """

        def log_uniform(bounds: tuple[float, float]) -> float:
            return math.exp(rng.uniform(*map(math.log, bounds)))

        return SupervisedSettings(
            lr=log_uniform(self.lr),
            l2=log_uniform(self.l2),
            batch_size=int(rng.choice(self.batch_sizes)),
            dropout=rng.uniform(*self.dropout),
        )


@dataclass(frozen=True)
class Search:
    """All that the trials depend on, besides their number.

    Attributes
    ----------
    config : NetworkConfig
        D's.
    classes : int
        K.
    train, validation : LabelledImages
    epochs : int
        The most of one trial.
    seed : int
        With its number it decides everything in a trial.
    device : Device
        Where to compute; a GPU differs in the last digits.
    space : SearchSpace
    """

    config: NetworkConfig
    classes: int
    train: LabelledImages
    validation: LabelledImages
    epochs: int
    seed: int
    device: Device
    space: SearchSpace = field(default_factory=SearchSpace)

    def key(self) -> str:
        """Return a hash of it: equal keys, equal trials."""
        parts = {
            "version": VERSION,
            "config": dataclasses.asdict(self.config),
            "classes": self.classes,
            "train": _digest(self.train),
            "validation": _digest(self.validation),
            "epochs": self.epochs,
            "patience": PATIENCE,
            "seed": self.seed,
            "device": self.device.kind,
            "space": dataclasses.asdict(self.space),
        }
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def settings(self, trial: int) -> SupervisedSettings:
        """Return the settings of a trial, whatever came before it."""
        return self.space.draw(np.random.default_rng([self.seed, trial]))


def run_search(
    search: Search,
    count: int,
    files: TrialFiles,
    *,
    is_time_up: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
    note: Note | None = None,
) -> list[Trial]:
    """Make the trials 0 to ``count`` - 1 that are not finished yet, and return all.

    A trial that comes to values that are not finite has failed, and the search goes
    on. The best trial's network is kept before its line is written.

    Parameters
    ----------
    search : Search
    count : int
        Trials in all.
    files : TrialFiles
        Where finished ones are kept.
    is_time_up : callable, optional
        Asked before each trial but the first.
    progress : callable, optional
        Called with finished trials and all, after each batch.
    note : callable, optional
        Given a line on each trial made now.

    Returns
    -------
    list of Trial
        In order; fewer than ``count`` where the time was up.
    """
    kept = files.trials()
    trials = [kept[number] for number in range(count) if number in kept]
    for number in range(count):
        if number in kept:
            continue
        if trials and is_time_up():
            break

        def tick() -> None:
            if progress is not None:
                progress(len(trials), count)

        trial, network = make_trial(search, number, tick)
        before = best_trial(trials)
        if network is not None and best_trial([*trials, trial]) is not before:
            files.keep_network(trial, network)
        files.add_trial(trial)
        trials.append(trial)
        tick()
        if note is not None:
            note(describe_trial(trial, count))
    return sorted(trials, key=lambda trial: trial.number)


def make_trial(
    search: Search, number: int, tick: Callable[[], None]
) -> tuple[Trial, SupervisedClassifier | None]:
    """Train the network of a trial; None in its place where it failed."""
    settings = search.settings(number)
    began = time.perf_counter()

    def trial(reached: float | None, epochs: int, failed: str = "") -> Trial:
        seconds = round(time.perf_counter() - began, 1)
        return Trial(number, settings, reached, epochs, failed, seconds)

    try:
        trained = train_supervised(
            search.config,
            search.classes,
            search.train,
            search.validation,
            settings,
            epochs=search.epochs,
            seed=[search.seed, number],
            device=search.device,
            progress=tick,
        )
    except NonFiniteError as error:
        return trial(None, 0, str(error)), None
    return trial(trained.validation_accuracy, trained.epochs), trained.network


def best_trial(trials: list[Trial]) -> Trial | None:
    """Return the one of the highest validation accuracy, the earlier of equal ones."""
    whole = [trial for trial in trials if not trial.failed]
    return max(
        whole,
        key=lambda trial: (trial.validation_accuracy, -trial.number),
        default=None,
    )


def measure_best(
    search: Search,
    trials: list[Trial],
    files: TrialFiles,
    test: str,
    read_test: Callable[[], LabelledImages],
    tick: Callable[[], None] = lambda: None,
) -> tuple[Trial, float]:
    """Return the best trial and its network's accuracy on the test images.

    Parameters
    ----------
    search : Search
    trials : list of Trial
        As `run_search` returned them.
    files : TrialFiles
        The accuracy is kept there too, and read from there the next time.
    test : str
        Says which images these are.
    read_test : callable
        Reads them; called when the network is there.
    tick : callable, optional
        Called after each batch, where the network has to be trained again.

    Raises
    ------
    NonFiniteError
        All trials failed.
    """
    best = best_trial(trials)
    if best is None:
        raise NonFiniteError(
            f"all {len(trials)} trials failed, the first as {trials[0].failed}; more "
            "--trials draw other settings"
        )
    reached = files.test_accuracy(best, test)
    if reached is None:
        network = SupervisedClassifier(search.config, search.classes).eval()
        if not files.load_network(best, network):
            _, network = make_trial(search, best.number, tick)
            files.keep_network(best, network)
        network.to(search.device)
        reached = accuracy(network, read_test(), search.device)
        files.add_test(best, test, reached)
    return best, reached


def describe_trial(trial: Trial, count: int) -> str:
    """Say in a line what came of a trial."""
    s = trial.settings
    drawn = (
        f"lr {s.lr:.2g}, l2 {s.l2:.2g}, batch {s.batch_size}, dropout {s.dropout:.2f}"
    )
    result = (
        f"failed, {trial.failed}"
        if trial.failed
        else f"{trial.validation_accuracy:.2%} of the validation images right after "
        f"{trial.epochs} epochs"
    )
    return f"trial {trial.number + 1} of {count}: {result} ({drawn})"


def key_of_test_images(dataset: Dataset, split: LabelledSplit) -> str:
    """Return a hash of which images are tested on, without reading them."""
    digest = hashlib.sha256(dataset.sha256.encode())
    digest.update(split.test)
    digest.update(split.labels[split.test])
    return digest.hexdigest()[:16]


def _digest(data: LabelledImages) -> str:
    digest = hashlib.sha256(str(data.images.shape).encode())
    digest.update(np.ascontiguousarray(data.images))
    digest.update(np.ascontiguousarray(data.labels))
    return digest.hexdigest()
