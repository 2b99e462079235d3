"""K nearest neighbours on pixels, as a method that a protocol can follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.paper.baselines.pixel_neighbours import knn_classify
from scratchgan.paper.features.features import Features
from scratchgan.paper.features.protocols import Method
from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.run_images import read_images

NUMBERS = (1, 3, 5, 9, 15, 25)
"""Values of k that are tried."""


class Images(Features):
    """The images themselves, uint8 (N, H, W, C), so that distances are exact."""

    name = "KNN on pixels"

    def __init__(self, dataset: Dataset, split: LabelledSplit) -> None:
        self.length = dataset.height * dataset.width * dataset.channels
        self._dataset = dataset
        self._split = split

    def part(self, name: str) -> np.ndarray:
        """Return the images of a part."""
        rows = getattr(self._split, name)
        return read_images(self._dataset, rows, self._dataset)


@dataclass(frozen=True)
class Neighbours:
    """Labelled images, to the nearest of which others are compared."""

    images: np.ndarray
    labels: np.ndarray
    k: int

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the share of images whose neighbours' class is the label."""
        found = knn_classify(self.images, self.labels, images, self.k)
        return float((found == labels).mean())


def neighbours_method(labels_learnt: int) -> Method:
    """Return the method, for so many labelled images at a time."""
    return Method(
        lambda images, labels, _classes, k: Neighbours(images, labels, int(k)),
        "k",
        tuple(k for k in NUMBERS if k <= labels_learnt),
    )
