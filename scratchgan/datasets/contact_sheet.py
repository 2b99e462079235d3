"""A contact sheet: some images of a dataset, chosen at random, in one picture."""

import math

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import reduce_images
from scratchgan.storage.pictures import captioned_grid, image_grid

# A tile's longer side in pixels: readable captions at least, a bounded sheet at most.
_SMALLEST = 64
_LARGEST = 256


def contact_sheet(dataset: Dataset, count: int = 64, seed: int = 0) -> np.ndarray:
    """Return images chosen at random as a grid near a square, in the file's order.

    Small images are enlarged by a whole number, large ones averaged down. Where the
    dataset has labels, the name of the class stands under each image, or its number.

    Parameters
    ----------
    dataset : Dataset
        An open dataset.
    count : int, default=64
        Images; all, where there are fewer.
    seed : int, default=0
        Chooses the images.

    Returns
    -------
    ndarray of shape (rows, columns, C), uint8
        C is 1 for grey images without captions, else 3.

    Raises
    ------
    DatasetError
        The pixels cannot be read.
    """
    count = min(count, len(dataset))
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(dataset), count, replace=False))
    with dataset.reading():
        # One by one, as each may be large and its tile is small.
        tiles = np.concatenate([_tile(dataset.images[row : row + 1]) for row in rows])
    columns = math.ceil(math.sqrt(count))
    labels = dataset.labels
    if labels is None:
        return image_grid(tiles, columns)
    names = dict(enumerate(dataset.class_names or ()))
    captions = [names.get(label, str(label)) for label in labels[rows].tolist()]
    return captioned_grid(tiles, captions, columns)


def _tile(image: np.ndarray) -> np.ndarray:
    """Bring an image, uint8 (1, H, W, C), to a size for looking at."""
    _, height, width, _ = image.shape
    longer = max(height, width)
    if longer > _LARGEST:
        scale = _LARGEST / longer
        size = max(1, round(height * scale)), max(1, round(width * scale))
        return reduce_images(image, *size)
    factor = max(1, _SMALLEST // longer)
    return image.repeat(factor, axis=1).repeat(factor, axis=2)
