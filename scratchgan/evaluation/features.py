"""Features of a labelled dataset, part by part, in memory only while they are used."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from scratchgan.datasets.loader import reduce_images, scale_images
from scratchgan.datasets.schema import Dataset
from scratchgan.evaluation.labelled_split import LabelledSplit
from scratchgan.models.architecture import NetworkConfig

PARTS = ("train", "validation", "test")


class Features(ABC):
    """What a classifier sees of the images of a split.

    Attributes
    ----------
    name : str
        For people.
    length : int
        F, features of an image.
    """

    name: str
    length: int

    @abstractmethod
    def part(self, name: str) -> np.ndarray:
        """Return the features of "train", "validation" or "test", float32 (N, F).

        Rows are in the order of the split's rows.
        """


def read_part(dataset: Dataset, split: LabelledSplit, name: str) -> np.ndarray:
    """Return the images of a part in the order of its rows, uint8 (N, H, W, C)."""
    rows = getattr(split, name)
    with dataset.reading():
        # Rows are ascending; one stretch is read many times faster than rows.
        return dataset.images[rows[0] : rows[-1] + 1][rows - rows[0]]


class RawPixels(Features):
    """Pixels as D sees them, scaled to [-1, 1] and in a row: the simplest control.

    Parameters
    ----------
    dataset : Dataset
    split : LabelledSplit
    network : NetworkConfig, optional
        To whose size the images are reduced.
    """

    name = "raw pixels"

    def __init__(
        self,
        dataset: Dataset,
        split: LabelledSplit,
        network: NetworkConfig | None = None,
    ) -> None:
        sized = network or dataset
        self._size = sized.height, sized.width
        self.length = dataset.channels * sized.height * sized.width
        self._dataset = dataset
        self._split = split

    def part(self, name: str) -> np.ndarray:
        """Return the pixels of a part, in [-1, 1]."""
        pixels = reduce_images(read_part(self._dataset, self._split, name), *self._size)
        return scale_images(pixels, "tanh").reshape(len(pixels), -1)
