"""Datasets of given arrays, for tests of what is evaluated on them."""

from pathlib import Path

import numpy as np

from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.datasets.format.writer import DatasetWriter


def dataset_of(
    path: Path,
    images: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    attributes: np.ndarray | None = None,
    attribute_names: list[str] | None = None,
    class_names: list[str] | None = None,
    split: np.ndarray | None = None,
) -> Dataset:
    """Write the images (N, H, W, C) with their columns, and open the file."""
    columns = {"labels": labels, "attributes": attributes}
    with DatasetWriter(
        path,
        *images.shape[1:],
        name=path.stem,
        title="arrays",
        source="the tests",
        licence="none",
        class_names=class_names,
        attribute_names=attribute_names,
    ) as writer:
        writer.append(images, **{k: v for k, v in columns.items() if v is not None})
        if split is not None:
            writer.set_split(split)
    return open_dataset(path)


def coloured(count=120, size=8, seed=0):
    """Return images whose class, 0 to 2, is the channel that is brightest."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 156, (count, size, size, 3))
    images[np.arange(count), :, :, labels] += 60
    return images.astype(np.uint8), labels
