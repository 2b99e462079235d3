"""Small datasets for the tests of de-duplication."""

import numpy as np

from scratchgan.datasets.format.writer import DatasetWriter

TEXTS = {"title": "A set", "source": "the tests", "licence": "MIT"}


def write_set(path, images, **columns):
    """Write a dataset with these columns and return its path."""
    names = {
        name: columns.pop(name)
        for name in ("class_names", "attribute_names")
        if name in columns
    }
    split = columns.pop("split", None)
    with DatasetWriter(
        path, *images.shape[1:], name=path.stem, **TEXTS, **names
    ) as writer:
        writer.append(images, **columns)
        if split is not None:
            writer.set_split(split)
    return path


def landscapes(count, size=32, seed=0):
    """Return smooth random pictures, uint8 (count, size, size, 3), all unlike."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 4, 3))
    places = np.linspace(0, 3, size)
    left = np.minimum(places.astype(int), 2)
    share = (places - left)[:, None, None]
    rows = coarse[:, left] * (1 - share) + coarse[:, left + 1] * share
    share = share[:, 0]
    pictures = rows[:, :, left] * (1 - share) + rows[:, :, left + 1] * share
    return np.rint(pictures).astype(np.uint8)
