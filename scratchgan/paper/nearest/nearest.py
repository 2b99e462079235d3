"""What a conditional G is worth as a training set: runs and images for the search.

Radford et al. 2016, section 8.1, table 3 and figure 9. Nothing is chosen here, so no
test image can leak into a choice: runs, numbers of samples and images are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratchgan.backend import Device
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import CheckpointError, ConfigError, DatasetError
from scratchgan.models.dcgan import Generator
from scratchgan.models.latent import latent_from_seeds
from scratchgan.paper.labelled_split import LabelledSplit, split_labelled
from scratchgan.paper.run_facts import images_seen, training_minutes
from scratchgan.paper.run_images import open_fitting_dataset, read_images
from scratchgan.storage.pictures import (
    GREY,
    captioned_grid,
    enlarge,
    image_grid,
    stack_pictures,
)
from scratchgan.training.config import TrainConfig
from scratchgan.training.preview import images_from_latent
from scratchgan.training.run.checkpoint import read_meta
from scratchgan.training.run.folder import (
    find_checkpoint,
    run_of_checkpoint,
)
from scratchgan.training.run.state import load_generator

SHEET_COLUMNS = 7
"""Of each part of figure 9, as the paper has them, for a row of each class."""
SHEET_TILE_PIXELS = 56


@dataclass(frozen=True)
class ConditionalRun:
    """A conditional generator, and the run it comes from.

    Attributes
    ----------
    name : str
        Of the run's folder, or of the checkpoint file outside one.
    checkpoint : Path
    step : int
        Training steps made.
    minutes : float or None
        Spent on them, if the run's log is there.
    config : TrainConfig
    generator : Generator
        In eval mode.
    """

    name: str
    checkpoint: Path
    step: int
    minutes: float | None
    config: TrainConfig
    generator: Generator


@dataclass(frozen=True)
class NearestImages:
    """Rows of a dataset: those whose class is asked for, and those compared with.

    Attributes
    ----------
    dataset : Dataset
    labels : ndarray of shape (N,), int64
    class_names : list of str
    queries : ndarray of int64
        Test images.
    training : ndarray of int64
        Real references: all training images that are not queries.
    notes : list of str
        What a reader of the results must know.
    """

    dataset: Dataset
    labels: np.ndarray
    class_names: list[str]
    queries: np.ndarray
    training: np.ndarray
    notes: list[str]


def open_conditional_run(run: str, runs: Path, device: Device) -> ConditionalRun:
    """Load the generator of a run.

    Parameters
    ----------
    run : str
        A run folder, its name or number in ``runs``, or a checkpoint file.
    runs : Path
        The folder that holds runs.
    device : Device

    Raises
    ------
    CheckpointError
        There is no such run, or its checkpoint is damaged.
    ConfigError
        It was trained without labels.
    """
    checkpoint = find_checkpoint(run, runs)
    generator, config = load_generator(checkpoint, device)
    if not config.network.classes:
        raise ConfigError(
            f"{run} was trained without labels and its samples have no classes; train "
            "with --preset mnist28c, or another preset with --conditional"
        )
    step = int(read_meta(checkpoint)["step"])
    try:
        name = run_of_checkpoint(checkpoint).path.name
    except CheckpointError:  # a file that was copied elsewhere
        name = checkpoint.stem
    minutes = training_minutes(checkpoint, step)
    return ConditionalRun(name, checkpoint, step, minutes, config, generator)


def check_alike(runs: Sequence[ConditionalRun]) -> None:
    """Raise ConfigError unless all draw images of one shape and as many classes."""
    shapes = [
        (run.config.network.image_shape, run.config.network.classes) for run in runs
    ]
    for run, (shape, classes) in zip(runs, shapes, strict=True):
        if (shape, classes) != shapes[0]:
            raise ConfigError(
                f"{run.name} draws {shape} images of {classes} classes and "
                f"{runs[0].name} {shapes[0][0]} of {shapes[0][1]}; compare them in "
                "commands of their own"
            )


def open_images(
    runs: Sequence[ConditionalRun],
    dataset: str | None,
    data_dir: str | None,
    seed: int = 0,
) -> NearestImages:
    """Open the labelled images to compare with: the first run's own by default.

    Parameters
    ----------
    runs : sequence of ConditionalRun
    dataset : str, optional
        Name or path.
    data_dir : str, optional
        Folder of prepared files.
    seed : int
        Draws the split where the dataset has none.

    Raises
    ------
    DatasetError
        It is not there, its images do not fit the networks, or it has no labels or
        other classes.
    """
    config = runs[0].config
    data = open_fitting_dataset(dataset or config.dataset, config.network, data_dir)
    try:
        split = _split(data, config.network.classes, seed)
    except DatasetError:
        data.close()
        raise
    notes = [split.note] if split.note else []
    training = np.setdiff1d(data.rows_of_split("train"), split.test)
    for run in runs:
        if remark := _seen(run, data, split.test):
            notes.append(remark)
    return NearestImages(
        data, split.labels, split.class_names, split.test, training, notes
    )


def figure(
    runs: Sequence[ConditionalRun], images: NearestImages, device: Device
) -> np.ndarray:
    """Return figure 9, uint8 (H, W, 3): one class a row, training images first.

    Parameters
    ----------
    runs : sequence of ConditionalRun
    images : NearestImages
    device : Device
        Where the generators live.
    """
    network = runs[0].config.network
    shape = network.height, network.width, network.channels
    real = np.full((network.classes, SHEET_COLUMNS, *shape), GREY, np.uint8)
    for number, row in enumerate(real):
        of_class = images.training[images.labels[images.training] == number]
        shown = of_class[:SHEET_COLUMNS]
        row[: len(shown)] = read_images(images.dataset, shown, network)
    parts, captions = [real], ["real training images"]
    # The first samples of each class among those compared with, in their order.
    seeds = np.arange(network.classes * SHEET_COLUMNS)
    in_rows = seeds.reshape(SHEET_COLUMNS, network.classes).T.ravel()
    for run in runs:
        z = latent_from_seeds(run.config.network, in_rows)
        made = images_from_latent(
            run.generator, z, device, labels=in_rows % network.classes
        )
        parts.append(made.reshape(real.shape))
        captions.append(f"{run.name}, step {run.step:,}")
    factor = max(1, round(SHEET_TILE_PIXELS / network.width))
    grids = [
        image_grid(enlarge(part.reshape(-1, *shape), factor), SHEET_COLUMNS)
        for part in parts
    ]
    pictures = [
        captioned_grid(grid[None], [caption], 1)
        for grid, caption in zip(grids, captions, strict=True)
    ]
    return stack_pictures(pictures, axis=1)


def _split(dataset: Dataset, classes: int, seed: int) -> LabelledSplit:
    labels = dataset.labels
    if labels is None:
        raise DatasetError(
            f"{dataset.path} has no labels to compare with; give a labelled dataset "
            "with --dataset"
        )
    split = split_labelled(dataset, seed=seed)
    found = int(labels.max()) + 1
    if found != classes:
        raise DatasetError(
            f"{dataset.path} has {found} classes and the network was trained on "
            f"{classes}; give data of the same classes with --dataset"
        )
    return split


def _seen(run: ConditionalRun, dataset: Dataset, queries: np.ndarray) -> str | None:
    """Return a note if G was trained on queries, or on quite other images."""
    if run.config.dataset_sha256 != dataset.sha256:
        return (
            f"{run.name} was trained on other images than those in {dataset.path.name} "
            "(their sha256 differs)"
        )
    seen = images_seen(run.config, dataset, queries)
    if not seen:
        return None
    return (
        f"{run.name} was trained on {seen:,} of the {len(queries):,} queries: its "
        "error is not one on new images"
    )
