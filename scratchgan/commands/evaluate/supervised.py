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
    not used. Settings are drawn at random; the best on the validation images is measured
    on the test images, which are read for that only. Finished trials are kept in the
    folder of the results: the same command goes on after Ctrl-C.
    """
    from scratchgan.backend import resolve_device
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.format.dataset import open_dataset
    from scratchgan.paper.labelled_split import describe_split, split_labelled
    from scratchgan.paper.published_results import papers_table
    from scratchgan.paper.supervised.random_search import (
        key_of_test_images,
        measure_best,
    )
    from scratchgan.paper.supervised.results import SearchResult
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
        paper = papers_table(data.info()["kind"], split.class_names)
    result = SearchResult(run or preset, search, split, made, trials, best, reached)
    facts = {
        "dataset": str(data.path),
        **result.facts(),
        "network_file": str(files.network),
    }
    table = result.table(describe_split(data, split), paper)
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
