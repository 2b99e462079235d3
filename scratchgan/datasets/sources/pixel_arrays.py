"""Sources that hold pixels themselves, in blocks, instead of image files."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.source import Source, SourceImage


@dataclass(frozen=True)
class PixelBlock:
    """Some images of one file, in memory.

    Attributes
    ----------
    names : sequence of str
        One for each image.
    pixels : ndarray of shape (n, H, W) or (n, H, W, C), uint8
        A view in any memory order will do.
    labels : ndarray of shape (n,), int64, or None
    splits : ndarray of shape (n,), uint8, or int
        Values of `SPLITS`, or one for all.
    """

    names: list[str]
    pixels: np.ndarray
    labels: np.ndarray | None = None
    splits: np.ndarray | int = SPLITS["train"]


class PixelArrays(Source):
    """A source whose subclass yields `PixelBlock`s, one in memory at a time."""

    @abstractmethod
    def blocks(self) -> Iterator[PixelBlock]:
        """Yield all images in order, in blocks small enough for the memory."""

    def __iter__(self) -> Iterator[SourceImage]:
        for block in self.blocks():
            splits = np.broadcast_to(block.splits, len(block.names))
            for i, name in enumerate(block.names):
                label = None if block.labels is None else int(block.labels[i])
                read = _Pixels(block.pixels[i])
                yield SourceImage(name, read, label, int(splits[i]))


class _Pixels:
    """Pixels that are read already."""

    __slots__ = ("_pixels",)

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    def __call__(self) -> np.ndarray:
        return self._pixels
