"""``scratchgan evaluate supervised``: the paper's baseline trained with labels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scratchgan.commands.evaluate.shared import (
    OUTPUT_OPTIONS,
    RUNS_OPTION,
    SEED_OPTION,
    describe_split,
    write_table,
)
from scratchgan.commands.options import options
from scratchgan.commands.progress import note, progress_bar
from scratchgan.training.presets import PRESETS

if TYPE_CHECKING:
    from scratchgan.backend import Device
    from scratchgan.datasets.format.dataset import Dataset
    from scratchgan.models.architecture import NetworkConfig
    from scratchgan.paper.labelled_split import LabelledSplit
    from scratchgan.paper.published_results import Published
    from scratchgan.paper.result_table import ResultTable
    from scratchgan.paper.supervised.random_search import Search
    from scratchgan.paper.supervised.trial_files import Trial, TrialFiles
    from scratchgan.training.config import TrainConfig

_EXAMPLES = """\b
Examples:
  scratchgan evaluate supervised --preset svhn32 --dataset svhn --labels 1000
  scratchgan evaluate supervised runs/00001-faces-quick32 --attribute glasses
  scratchgan evaluate supervised 1 --dataset digits --labels 1000 --trials 8
"""

# fmt: off
OPTIONS = (
    click.argument("run", required=False),
    click.option("--preset", type=click.Choice(list(PRESETS)), help="The D of a preset, instead of a run's."),
    click.option("--dataset", metavar="NAME|PATH", help="Labelled dataset.  [default: the run's own]"),
    click.option("--attribute", metavar="NAME", help="Take this 0/1 attribute as the class, instead of the labels."),
    click.option("--labels", type=click.IntRange(min=2), help="Labelled training images, the same number of each class.  [default: all]"),
    click.option("--trials", type=click.IntRange(min=1), default=64, show_default=True, help="Draws of learning rate, l2, batch size and dropout."),
    click.option("--epochs", type=click.IntRange(min=1), default=100, show_default=True, help="The most of one trial; it ends when validation images say so."),
    click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Begin no other trial after this time."),
    SEED_OPTION,
    *OUTPUT_OPTIONS,
    RUNS_OPTION,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def supervised(
    run: str | None,
    preset: str | None,
    dataset: str | None,
    attribute: str | None,
    labels: int | None,
    trials: int,
    epochs: int,
    max_minutes: float | None,
    seed: int,
    out: Path,
    data_dir: str | None,
    device: str,
    as_json: bool,
    runs: Path,
) -> None:
    """Train a run's D as a classifier, with labels alone: the paper's baseline.

    The network is D's with an output for each class, made anew: a run's weights are
    not used. Settings are drawn by lot; the best on the validation images is measured
    on the test images, which are read for that only. Finished trials are kept in the
    folder of the results: the same command goes on after Ctrl-C.
    """
    from scratchgan.backend import resolve_device
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.format.dataset import open_dataset
    from scratchgan.paper.labelled_split import split_labelled
    from scratchgan.paper.published_results import papers_table
    from scratchgan.paper.supervised.random_search import measure_best
    from scratchgan.paper.supervised.training import read_labelled
    from scratchgan.paper.supervised.trial_files import TrialFiles

    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    settings = find_settings(run, preset, runs)
    if run is None and dataset is None:
        raise click.UsageError("--preset wants a --dataset NAME")
    config, place = settings.network, resolve_device(device)
    with open_dataset(find_dataset(dataset or settings.dataset, data_dir)) as data:
        split = split_labelled(data, seed=seed, attribute=attribute)
        if split.note:
            note(f"note: {split.note}")
        search = prepare_search(config, data, split, labels, epochs, seed, place)
        files = TrialFiles(out, search.key())
        made = search_with_progress(search, trials, files, deadline)
        best, reached = measure_best(
            search,
            made,
            files,
            key_of_test_images(data, split),
            lambda: read_labelled(data, split.test, split.labels, search.config),
        )
        made_with = describe_search(search, made, trials, seed, run or preset)
        made_with = {"data": describe_split(data, split), **made_with}
        paper = papers_table(data.info()["kind"], split.class_names)
    facts = {
        "dataset": str(data.path),
        "classes": split.class_names,
        "network": run or preset,
        "labels": len(search.train.labels),
        "validation_images": len(split.validation),
        "test_images": len(split.test),
        "accuracy": reached,
        "validation_accuracy": best.validation_accuracy,
        "best": best.record(),
        "trials": [trial.record() for trial in made],
        "trials_asked": trials,
        "seed": seed,
        "network_file": str(files.network),
    }
    table = make_table(best, reached, made_with, paper)
    write_table(out, "supervised", table, facts, as_json)


def find_settings(run: str | None, preset: str | None, runs: Path) -> TrainConfig:
    """Return the settings of a run or of a preset; exactly one is given."""
    if (run is None) == (preset is None):
        raise click.UsageError("give a RUN or --preset NAME, one of both")
    if preset is not None:
        return PRESETS[preset]
    from scratchgan.training.run.folder import find_checkpoint
    from scratchgan.training.run.state import read_config

    return read_config(find_checkpoint(run, runs))


def prepare_search(
    config: NetworkConfig,
    data: Dataset,
    split: LabelledSplit,
    labels: int | None,
    epochs: int,
    seed: int,
    device: Device,
) -> Search:
    """Read the images to train and to choose on, those to test on not yet."""
    from dataclasses import replace

    from scratchgan.datasets.loader import check_size
    from scratchgan.paper.supervised.random_search import Search
    from scratchgan.paper.supervised.training import choose_rows, read_labelled

    check_size(data, config.height, config.width)
    if config.classes:
        note("note: D of a conditional network is built without its labels")
    config = replace(config, channels=data.channels)
    rows = choose_rows(split, labels, seed)
    with progress_bar("reading", "images", scaled=True) as progress:
        train = read_labelled(data, rows, split.labels, config, progress)
    with progress_bar("reading", "images", scaled=True) as progress:
        validation = read_labelled(
            data, split.validation, split.labels, config, progress
        )
    return Search(
        config, len(split.class_names), train, validation, epochs, seed, device
    )


def search_with_progress(
    search: Search, trials: int, files: TrialFiles, deadline: float | None
) -> list[Trial]:
    """Make the trials with a bar, and say on Ctrl-C what is kept."""
    from scratchgan.paper.supervised.random_search import run_search

    def is_time_up() -> bool:
        return deadline is not None and time.monotonic() >= deadline

    try:
        with progress_bar("random search", "trials") as progress:
            return run_search(
                search,
                trials,
                files,
                is_time_up=is_time_up,
                progress=progress,
                note=note,
            )
    except KeyboardInterrupt:
        kept = sum(number < trials for number in files.trials())
        raise KeyboardInterrupt(
            f"{kept} of {trials} trials are kept; the same command goes on"
        ) from None


def describe_search(
    search: Search, made: list[Trial], asked: int, seed: int, name: str
) -> dict[str, str]:
    """Return what was run, in words."""
    fewer = f"; {asked} were asked for" if len(made) < asked else ""
    return {
        "network": f"D of {name}, {search.classes} outputs, trained on "
        f"{len(search.train.labels):,} labels",
        "search": f"best of {len(made)} trials{fewer}",
        "seed": str(seed),
        "time": f"{sum(trial.seconds for trial in made) / 60:.1f} minutes",
    }


def key_of_test_images(data: Dataset, split: LabelledSplit) -> str:
    """Return a hash of which images are tested on, without reading them."""
    import hashlib

    digest = hashlib.sha256(data.sha256.encode())
    digest.update(split.test)
    digest.update(split.labels[split.test])
    return digest.hexdigest()[:16]


def make_table(
    best: Trial,
    reached: float,
    made_with: dict[str, str],
    paper: tuple[Published, ...],
) -> ResultTable:
    """Return the result, beside the paper's table 2 where that is of the same images.

    The other tables have no network that was trained with labels alone.
    """
    from scratchgan.paper.published_results import SUPERVISED, SVHN
    from scratchgan.paper.result_table import ResultTable, Row

    columns = "validation error", "test error"
    measured = 1 - best.validation_accuracy, 1 - reached
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
    return ResultTable("Trained with labels alone", columns, rows, made_with)
