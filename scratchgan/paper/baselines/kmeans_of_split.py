"""K-means features of a labelled split, as a classifier wants them."""

from __future__ import annotations

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.paper.baselines.kmeans import learn_kmeans
from scratchgan.paper.features.features import Features
from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.run_images import read_images
from scratchgan.progress import Progress

SMALLEST_DEVIATION = 1e-3
"""Of a feature, to divide by: one that hardly varies is not blown up."""
ROWS = 256
"""At a time for their squares: those of all would be as large as the features."""


class KMeansBaseline(Features):
    """The 4K features of Coates et al. 2011, standardised.

    Centroids, means and standard deviations are those of the training images, which
    are used without their labels.

    Parameters
    ----------
    dataset : Dataset
    split : LabelledSplit
    centroids : int
        K.
    seed : int
        Draws patches and first centroids.
    learning, transforming : callable, optional
        Called with iterations, or images, done and all.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: LabelledSplit,
        centroids: int,
        seed: int,
        learning: Progress | None = None,
        transforming: Progress | None = None,
    ) -> None:
        images = read_images(dataset, split.train, dataset)
        self._machine = learn_kmeans(images, centroids, seed=seed, progress=learning)
        self._dataset = dataset
        self._split = split
        self._transforming = transforming
        self._train = self._machine.transform(images, transforming)
        self._mean, deviation = mean_and_deviation(self._train)
        self._deviation = np.maximum(deviation, SMALLEST_DEVIATION)
        self._standardise(self._train)
        self.name = f"1-layer K-means, {centroids} centroids"
        self.length = self._machine.length

    def part(self, name: str) -> np.ndarray:
        """Return the standardised features of a part."""
        if name == "train":
            return self._train
        rows = getattr(self._split, name)
        images = read_images(self._dataset, rows, self._dataset)
        features = self._machine.transform(images, self._transforming)
        self._standardise(features)
        return features

    def _standardise(self, features: np.ndarray) -> None:
        features -= self._mean
        features /= self._deviation


def mean_and_deviation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of each column, float32 (F,).

    Parameters
    ----------
    features : ndarray of shape (N, F), float32
    """
    mean = features.mean(axis=0, dtype=np.float64)
    squares = np.zeros(features.shape[1])
    for start in range(0, len(features), ROWS):
        squares += ((features[start : start + ROWS] - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / len(features))
    return mean.astype(np.float32), deviation.astype(np.float32)
