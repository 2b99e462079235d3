"""What all ``inspect`` commands have in common: a run comes in, a figure goes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.options import (
    data_dir_option,
    device_option,
    json_option,
)
from scratchgan.commands.progress import note, progress_bar

if TYPE_CHECKING:
    import numpy as np

    from scratchgan.datasets.format.dataset import Dataset
    from scratchgan.paper.judges.judge import Judge
    from scratchgan.paper.trained_networks import TrainedNetworks

FEW_STEPS = 1000
"""After fewer training steps, a figure says more about the start than about the run."""

# fmt: off
RUN_OPTIONS = (
    click.argument("run"),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed; seed k always means the same z."),
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"), show_default=True, help="Folder for the figure and its numbers."),
    click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder in which names and numbers of runs are looked up."),
    device_option,
    json_option,
)
JUDGE_OPTIONS = (
    click.option("--judge", metavar="DATASET", help="Labelled dataset that the judge learns from, by name or path.  [default: the run's own]"),
    data_dir_option,
)
LABEL_OPTION = click.option("--label", type=click.IntRange(min=0), help="Class of all images, for a conditional network.  [default: 0]")
# fmt: on


def open_run(run: str, runs: Path, device: str) -> TrainedNetworks:
    """Load a run's networks, with a note on stderr where it was trained little."""
    from scratchgan.backend import resolve_device
    from scratchgan.paper.trained_networks import load_networks

    networks = load_networks(run, runs, resolve_device(device))
    if networks.step < FEW_STEPS:
        click.echo(
            f"note: {networks.checkpoint} has made {networks.step:,} steps only; more "
            "training shows more",
            err=True,
        )
    return networks


def drawing(
    networks: TrainedNetworks, label: int | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from z to images, all of one class in a conditional network.

    Raises
    ------
    ConfigError
        The network has no such class.
    """
    from scratchgan.paper.trained_networks import check_label

    check_label(networks, label)
    return lambda z: networks.images(z, label)


def open_judge(
    networks: TrainedNetworks, dataset: str | None, data_dir: str | None
) -> Judge:
    """Return the judge of a dataset, the run's own by default, for its images.

    It is trained if none is kept, with a bar on stderr; then a line says how good it is.
    """
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.paper.judges.judge import load_judge

    path = find_dataset(dataset or networks.config.dataset, data_dir)
    network = networks.config.network
    trained = False

    with progress_bar("training the judge", "batches") as show:

        def progress(done: int, total: int) -> None:
            nonlocal trained
            trained = True
            show(done, total)

        judge = load_judge(
            path,
            network.height,
            network.width,
            networks.device,
            progress=progress,
            note=note,
        )
    if trained:
        note(judge.summary())
    return judge


def open_run_images(networks: TrainedNetworks, data_dir: str | None) -> Dataset:
    """Open the dataset of a run, with a note on stderr where it is another by now."""
    from scratchgan.paper.run_images import open_run_dataset, other_images

    dataset = open_run_dataset(networks.config, data_dir)
    if remark := other_images(networks.config, dataset):
        note(f"note: {remark}")
    return dataset


def freeze_statistics(networks: TrainedNetworks, dataset: Dataset) -> TrainedNetworks:
    """Return the networks with D's batch-norm statistics frozen, showing progress."""
    from scratchgan.paper.frozen_statistics import freeze

    with progress_bar("batch-norm statistics", "batches") as progress:
        return freeze(networks, dataset, progress)


def freeze_if_possible(
    networks: TrainedNetworks, data_dir: str | None
) -> TrainedNetworks:
    """Return the networks with D's statistics frozen on the run's dataset.

    Where that is not there, a note on stderr says so, and D keeps the running averages
    of its checkpoint.
    """
    from scratchgan.errors import DatasetError

    try:
        with open_run_images(networks, data_dir) as dataset:
            return freeze_statistics(networks, dataset)
    except DatasetError as error:
        click.echo(
            f"note: {error}; D's features are taken with the running averages of the "
            "checkpoint",
            err=True,
        )
        return networks


def write_results(
    networks: TrainedNetworks,
    out: Path,
    name: str,
    figure: np.ndarray,
    facts: dict[str, Any],
    as_json: bool,
    lines: list[str],
) -> None:
    """Write NAME.png and NAME.json, and say what was found.

    Parameters
    ----------
    networks : TrainedNetworks
    out : Path
        The folder; made if it is missing.
    name : str
    figure : ndarray of shape (H, W, C), uint8
    facts : dict
        The numbers, as plain values for JSON.
    as_json : bool
        Print the numbers instead of ``lines``.
    lines : list of str
        What they mean, for people.
    """
    from scratchgan.storage.files import complete_file, make_folder
    from scratchgan.storage.pictures import save_png

    make_folder(out)
    files = [out / f"{name}.png", out / f"{name}.json"]
    record = {
        "checkpoint": str(networks.checkpoint),
        "step": networks.step,
        "figure": str(files[0]),
        **facts,
    }
    save_png(figure, files[0])
    with complete_file(files[1]) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(record))
    else:
        for line in [*lines, *map(str, files)]:
            click.echo(line)
