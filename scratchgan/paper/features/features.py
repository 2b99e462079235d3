"""Features of a labelled dataset, part by part, in memory only while they are used."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import scale_images
from scratchgan.models.architecture import NetworkConfig
from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.run_images import read_images

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
        self._sized = sized = network or dataset
        self.length = dataset.channels * sized.height * sized.width
        self._dataset = dataset
        self._split = split

    def part(self, name: str) -> np.ndarray:
        """Return the pixels of a part, in [-1, 1]."""
        rows = getattr(self._split, name)
        pixels = read_images(self._dataset, rows, self._sized)
        return scale_images(pixels, "tanh").reshape(len(pixels), -1)
