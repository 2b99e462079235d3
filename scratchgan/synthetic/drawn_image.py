"""What the modules that draw built-in sets have in common: `DrawingModule`."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

SMALLEST, LARGEST = 16, 512
"""Sizes that can be drawn, in pixels: below, nothing can be recognised."""


@dataclass(frozen=True)
class DrawnImage:
    """One picture, and what is in it.

    Attributes
    ----------
    image : array of shape (size, size, C), uint8
        Pixels in [0, 255].
    attributes : array of shape (A,), float32, or None
        One value for each of the module's `ATTRIBUTE_NAMES`.
    label : int or None
        The class, an index into the module's `CLASS_NAMES`.
    boxes : array of shape (B, 4), int32, or None
        Left, top, right, bottom in pixels, right and bottom exclusive; an unused one
        is zeros.
    """

    image: np.ndarray
    attributes: np.ndarray | None = None
    label: int | None = None
    boxes: np.ndarray | None = None


class DrawingModule(Protocol):
    """A module that draws one built-in set.

    Attributes
    ----------
    ATTRIBUTE_NAMES, CLASS_NAMES : tuple of str
        Empty where the set has no attributes, or no labels.
    CHANNELS : int
        1 for grey, 3 for RGB.
    DEFAULT_SIZE : int
        Width and height in pixels.
    """

    ATTRIBUTE_NAMES: tuple[str, ...]
    CLASS_NAMES: tuple[str, ...]
    CHANNELS: int
    DEFAULT_SIZE: int

    def draw(self, seed: int, index: int, size: int) -> DrawnImage:
        """Draw picture number `index` of the set that `seed` names.

        The two decide the picture alone; `size` decides how large it is drawn.

        Raises
        ------
        ValueError
            If `seed`, `index` or `size` is out of range.
        """


def drawing_rng(seed: int, index: int) -> np.random.Generator:
    """Return the random numbers that decide one picture.

    Raises
    ------
    ValueError
        If `seed` or `index` is negative.
    """
    for name, value in (("seed", seed), ("index", index)):
        if value < 0:
            raise ValueError(f"draw: {name} = {value}, expected 0 or more")
    return np.random.default_rng([seed, index])


def check_size(size: int) -> None:
    """Raise ValueError unless pictures of that size can be drawn."""
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(
            f"draw: size = {size}, expected {SMALLEST} to {LARGEST} pixels"
        )
