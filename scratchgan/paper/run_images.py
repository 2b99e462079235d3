"""The images that a run learnt from, read again as its networks see them."""

from collections.abc import Iterator

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
    dataset: Dataset, rows: np.ndarray, sized: NetworkConfig | Dataset
) -> np.ndarray:
    """Return images of the size of networks, or of a dataset, for any rows.

    They are read in blocks, so that no more is in memory than what comes out.

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
    for start in range(0, len(wanted), BLOCK):
        block = wanted[start : start + BLOCK]
        pixels = _read_block(dataset, block)
        images[start : start + len(block)] = reduce_images(pixels, *shape[1:3])
    return images if np.array_equal(wanted, rows) else images[places]


def _read_block(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return the images of some ascending rows, as they are in the file."""
    with dataset.reading():
        # One stretch is read many times faster than row by row.
        if rows[-1] - rows[0] < 4 * len(rows):
            stretch = dataset.images[rows[0] : rows[-1] + 1]
            return stretch[rows - rows[0]]
        return dataset.images[rows]


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
