"""The images that a run learnt from, read again as its networks see them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scratchgan.datasets.catalogue import find_dataset
from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.datasets.loader import check_size, reduce_images
from scratchgan.errors import DatasetError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.progress import Progress
from scratchgan.training.config import TrainConfig

BLOCK = 256
"""Images in memory at a time."""


class ImageSize(NamedTuple):
    """In pixels."""

    height: int
    width: int


def open_run_dataset(config: TrainConfig, data_dir: str | None = None) -> Dataset:
    """Open the dataset that a run was trained on, wherever it lies now.

    Raises
    ------
    DatasetError
        It is not there, or its images do not fit the networks.
    """
    return open_fitting_dataset(config.dataset, config.network, data_dir)


def open_fitting_dataset(
    name: str, network: NetworkConfig, data_dir: str | None = None
) -> Dataset:
    """Open a dataset, by name or path, whose images fit networks.

    Raises
    ------
    DatasetError
        It is not there, or its images do not fit.
    """
    dataset = open_dataset(find_dataset(name, data_dir))
    try:
        check_size(dataset, network.height, network.width)
        if dataset.channels != network.channels:
            raise DatasetError(
                f"{dataset.path} holds images of {dataset.channels} channels and the "
                f"networks are for {network.channels}; give other data, or prepare it "
                f"with --channels {network.channels}"
            )
    except DatasetError:
        dataset.close()
        raise
    return dataset


def other_images(config: TrainConfig, dataset: Dataset) -> str | None:
    """Return a note if these are not the very images that the run was trained on."""
    if config.dataset_sha256 == dataset.sha256:
        return None
    return (
        f"{dataset.path} does not hold the images this run was trained on (its sha256 "
        "differs); numbers are of the images there"
    )


def spread_rows(rows: np.ndarray, count: int | None) -> np.ndarray:
    """Return ``count`` of the ascending rows, evenly spread; all where there are fewer.

    Examples
    --------
    >>> spread_rows(np.arange(10), 4)
    array([0, 2, 5, 7])
    """
    if count is None or count >= len(rows):
        return rows
    return rows[np.arange(count) * len(rows) // count]


def read_images(
    dataset: Dataset, rows: np.ndarray, sized: NetworkConfig | Dataset | ImageSize
) -> np.ndarray:
    """Return images of the size of networks, or of a dataset, for any rows.

    They are read in stretches of the file, so that no more is in memory than what comes
    out and one stretch. HDF5 takes longer for single rows: a millisecond each, at 64x64
    pixels, 20 times what the whole stretch takes by the row that is wanted.

    Returns
    -------
    ndarray of shape (N, H, W, C), uint8

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    wanted, places = np.unique(rows, return_inverse=True)
    shape = len(wanted), sized.height, sized.width, dataset.channels
    images = np.empty(shape, np.uint8)
    done = 0
    for block in _file_blocks(wanted):
        with dataset.reading():
            stretch = dataset.images[block[0] : block[-1] + 1]
        pixels = stretch[block - block[0]]
        images[done : done + len(block)] = reduce_images(pixels, *shape[1:3])
        done += len(block)
    return images if np.array_equal(wanted, rows) else images[places]


def _file_blocks(rows: np.ndarray) -> list[np.ndarray]:
    """Return ascending rows in groups that lie in the same `BLOCK` rows of the file."""
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows // BLOCK)) + 1)


def stream_images(
    dataset: Dataset,
    rows: np.ndarray,
    network: NetworkConfig,
    progress: Progress | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Yield blocks of rows, their images (N, H, W, C) and their classes.

    The classes are None unless the network is conditional.
    """
    labels = dataset.labels if network.classes else None
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        pixels = read_images(dataset, block, network)
        yield block, pixels, None if labels is None else labels[block]
        if progress:
            progress(start + len(block), len(rows))
