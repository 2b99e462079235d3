"""K nearest neighbours on pixels: the simplest baseline, as protocols want it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.functional.nearest.pixels import nearest_images
from scratchgan.paper.features.features import Features
from scratchgan.paper.features.protocols import Method
from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.run_images import read_images
from scratchgan.progress import Progress

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


def knn_classify(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    queries: np.ndarray,
    k: int,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the class that most of the k nearest training images have.

    See `nearest_images` and `vote` for what becomes of ties.

    Parameters
    ----------
    train_images : ndarray of shape (N, H, W, C), uint8
    train_labels : ndarray of shape (N,), int64
        From 0.
    queries : ndarray of shape (Q, H, W, C), uint8
    k : int
        From 1 to N.
    progress : callable, optional
        Called with queries done and all queries.

    Returns
    -------
    ndarray of shape (Q,), int64

    Raises
    ------
    ConfigError
        There are fewer training images than k, or the images differ in shape.
    """
    rows, distances = nearest_images(train_images, queries, k, progress)
    return vote(train_labels[rows], distances)


def vote(labels: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the class that occurs most often in each row.

    Of classes that occur equally often, the one with the smaller sum of squared
    distances; if these are equal too, the smaller one.

    Parameters
    ----------
    labels : ndarray of shape (Q, k), int64
        Classes of the neighbours, from 0.
    distances : ndarray of shape (Q, k), int64
        Squared.

    Returns
    -------
    ndarray of shape (Q,), int64

    Examples
    --------
    >>> vote(np.array([[2, 0, 0], [2, 0, 1]]), np.array([[1, 5, 6], [1, 5, 6]]))
    array([0, 2])
    """
    count = labels.max() + 1
    rows = np.arange(len(labels))[:, None]
    votes = np.zeros((len(labels), count), np.int64)
    sums = np.zeros((len(labels), count), np.int64)
    np.add.at(votes, (rows, labels), 1)
    np.add.at(sums, (rows, labels), distances)
    sums[votes < votes.max(axis=1, keepdims=True)] = np.iinfo(np.int64).max
    return sums.argmin(axis=1)  # the first of equals
