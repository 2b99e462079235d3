"""What the autoencoder sees of an image: its centre, 32x32 pixels in RGB."""

from collections.abc import Iterator

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import reduce_images
from scratchgan.progress import Progress

SIDE = 32
BLOCK_BYTES = 16 << 20
"""Pixels of the file that are in memory at a time."""


def blocks(dataset: Dataset) -> Iterator[slice]:
    """Yield slices of neighbouring rows, in order, of about `BLOCK_BYTES` each."""
    image_bytes = dataset.height * dataset.width * dataset.channels
    rows = max(1, BLOCK_BYTES // image_bytes)
    for start in range(0, len(dataset), rows):
        yield slice(start, min(start + rows, len(dataset)))


def read_thumbnails(dataset: Dataset, rows: slice) -> np.ndarray:
    """Return images centre-cropped to a square and resized, uint8 (n, 32, 32, 3).

    Every new pixel is the mean of the area it covers, also where the images are
    smaller than 32 pixels. Grey images get three equal channels.
    """
    side = min(dataset.height, dataset.width)
    top, left = (dataset.height - side) // 2, (dataset.width - side) // 2
    with dataset.reading():
        pixels = dataset.images[rows, top : top + side, left : left + side]
    small = reduce_images(pixels, SIDE, SIDE)
    return np.broadcast_to(small, (*small.shape[:3], 3))


def read_rows(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return the thumbnails of single rows in the order given; each is read alone."""
    found = {
        row: read_thumbnails(dataset, slice(row, row + 1)) for row in np.unique(rows)
    }
    return np.concatenate([found[row] for row in rows])


def sample_thumbnails(
    dataset: Dataset, most: int, rng: np.random.Generator, progress: Progress
) -> np.ndarray:
    """Return the thumbnails of about ``most`` images, or of all if they are fewer.

    They come in blocks of neighbours chosen at random, in the order of the file:
    reading single rows from all over a large file would take far longer.
    """
    stretches = list(blocks(dataset))
    chosen, count = [], 0
    for number in rng.permutation(len(stretches)):
        if count >= most:
            break
        chosen.append(number)
        count += stretches[number].stop - stretches[number].start
    parts = []
    for number in sorted(chosen):
        parts.append(read_thumbnails(dataset, stretches[number]))
        progress(len(parts), len(chosen))
    return np.concatenate(parts)
