"""What a dataset looks like in numbers: columns counted, pixels read once."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchgan.datasets.format.dataset import SPLITS, Dataset, images_per_chunk
from scratchgan.progress import Progress

# Bytes of an image's hash: of a million different images, two have the same one with
# a chance of 1e-27.
_HASH_BYTES = 16

GROUP_SHOWN = 20
"""Rows of the largest group of duplicates that are named."""


@dataclass(frozen=True)
class PixelStatistics:
    """What one pass over all pixels finds.

    Attributes
    ----------
    minimum, maximum : int
        The range of the values, within [0, 255].
    mean, std : list of float
        For each channel, over all pixels of all images, in [0, 255].
    black, white : float
        Share of pixels with all channels 0, and with all channels 255.
    constant_images : int
        Images of a single colour.
    duplicates : int
        Images whose pixels occur before, in a lower row.
    duplicate_groups : int
        Different images that occur more than once.
    largest_group : int
        How often the most frequent image occurs, 0 if none occurs twice.
    largest_rows : list of int
        The first `GROUP_SHOWN` rows of that image.
    largest_files : list of str
        Their source files, where they are known.
    """

    minimum: int
    maximum: int
    mean: list[float]
    std: list[float]
    black: float
    white: float
    constant_images: int
    duplicates: int
    duplicate_groups: int
    largest_group: int
    largest_rows: list[int]
    largest_files: list[str]


def pixel_statistics(
    dataset: Dataset, progress: Progress | None = None
) -> PixelStatistics:
    """Read all pixels once, block by block, and describe them.

    Memory does not grow with the number of images but for 16 bytes of hash each;
    finding duplicates takes some 100 bytes each at the end.

    Parameters
    ----------
    dataset : Dataset
        An open dataset.
    progress : callable, optional
        Called with (images done, N).

    Raises
    ------
    DatasetError
        The pixels cannot be read.
    """
    N, height, width, channels = dataset.images.shape
    histogram = np.zeros((channels, 256), np.int64)
    hashes = np.empty(N, f"V{_HASH_BYTES}")
    black = white = constant = 0
    rows = images_per_chunk(height, width, channels)
    for start in range(0, N, rows):
        with dataset.reading():
            block = dataset.images[start : start + rows]  # (n, H, W, C)
        for channel in range(channels):
            values = block[..., channel].ravel()
            histogram[channel] += np.bincount(values, minlength=256)
        bits = [block[..., channel] for channel in range(channels)]
        black += np.count_nonzero(np.bitwise_or.reduce(bits) == 0)
        white += np.count_nonzero(np.bitwise_and.reduce(bits) == 255)
        for row, image in enumerate(block, start):
            pixels = image.tobytes()
            hashes[row] = hashlib.blake2b(pixels, digest_size=_HASH_BYTES).digest()
            constant += pixels == pixels[:channels] * (height * width)
        if progress is not None:
            progress(start + len(block), N)
    present = np.flatnonzero(histogram.sum(axis=0))
    mean, std = _moments(histogram)
    return PixelStatistics(
        minimum=int(present[0]),
        maximum=int(present[-1]),
        mean=mean,
        std=std,
        black=int(black) / (N * height * width),
        white=int(white) / (N * height * width),
        constant_images=int(constant),
        **_duplicates(dataset, hashes),
    )


def _moments(histogram: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel from its histogram.

    Both are those of all values, without the rounding errors of a sum over millions.
    """
    values = np.arange(256.0)
    share = histogram / histogram.sum(axis=1, keepdims=True)  # (C, 256)
    mean = share @ values  # (C,)
    variance = (share * (values - mean[:, None]) ** 2).sum(axis=1)
    return mean.tolist(), np.sqrt(variance).tolist()


def _duplicates(dataset: Dataset, hashes: np.ndarray) -> dict[str, Any]:
    """Count equal images by their hashes, an array of shape (N,)."""
    _, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    largest = int(counts.max())
    rows = np.zeros(0, np.int64)
    if largest > 1:
        # Of several groups of that size, the one that comes first in the file.
        head = first[counts == largest].min()
        rows = np.flatnonzero(hashes == hashes[head])[:GROUP_SHOWN]
    return {
        "duplicates": len(hashes) - len(first),
        "duplicate_groups": int(np.count_nonzero(counts > 1)),
        "largest_group": largest if largest > 1 else 0,
        "largest_rows": rows.tolist(),
        "largest_files": dataset.source_files_at(rows) or [],
    }


def class_counts(dataset: Dataset) -> list[dict[str, Any]] | None:
    """Return how many images each class has, in all and by split.

    Returns
    -------
    list of dict, or None
        In the order of the labels: ``label``, ``name`` (None where classes have no
        names), ``count``, and ``split`` with a count for each split that the file
        uses (None without splits). Classes with names and no image are listed. None
        where there are no labels.
    """
    labels, split = dataset.labels, dataset.split
    if labels is None:
        return None
    names = dict(enumerate(dataset.class_names or ()))
    total = _count(labels)
    used = {}
    if split is not None:
        used = {name: labels[split == value] for name, value in SPLITS.items()}
        used = {name: _count(part) for name, part in used.items() if len(part)}
    return [
        {
            "label": label,
            "name": names.get(label),
            "count": total.get(label, 0),
            "split": {name: counts.get(label, 0) for name, counts in used.items()}
            if used
            else None,
        }
        for label in sorted({*names, *total})
    ]


def _count(labels: np.ndarray) -> dict[int, int]:
    """Return how often each label occurs."""
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def attribute_summary(dataset: Dataset) -> list[dict[str, Any]] | None:
    """Return what each attribute holds, or None where there are none.

    Returns
    -------
    list of dict, or None
        In the order of the columns: ``name``, and ``ones``, the share of ones, where
        all values are 0 or 1; else ``min``, ``mean``, ``max`` of the finite values,
        each None where there are none.
    """
    values = dataset.attributes
    if values is None:
        return None
    summary = []
    for name, column in zip(dataset.attribute_names, values.T, strict=True):
        facts: dict[str, Any] = {"name": name}
        if np.isin(column, (0, 1)).all():
            facts["ones"] = float(column.mean(dtype=np.float64))
        else:
            known = column[np.isfinite(column)].astype(np.float64)
            for key in ("min", "mean", "max"):
                facts[key] = float(getattr(known, key)()) if len(known) else None
        summary.append(facts)
    return summary
