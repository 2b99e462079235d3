"""Stuffs: two colours and a pattern on a plane."""

from dataclasses import dataclass

import numpy as np

from scratchgan.synthetic.colours import Colour

# How light the boards of a floor are, one after another, and where each ends.
_BOARDS = np.random.default_rng(7).uniform(0, 1, 64).astype(np.float32)


@dataclass(frozen=True)
class Fabric:
    """A colour with a pattern of a second one.

    Attributes
    ----------
    colour, other : Colour
        The ground and the pattern.
    kind : str
        "plain", "stripes", "checks", "dots", "planks", "tiles" or "panels".
    scale : float
        Period in metres.
    """

    colour: Colour
    other: Colour
    kind: str
    scale: float

    def paint(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the colours (3, n) at the places (a, b) in metres, (n,) each."""
        weight = _PATTERNS[self.kind](a / self.scale, b / self.scale)
        ground = np.array(self.colour, np.float32)[:, None]
        other = np.array(self.other, np.float32)[:, None]
        return ground + weight * (other - ground)


def wave(x: np.ndarray, share: float = 0.5, soft: float = 0.08) -> np.ndarray:
    """Return a square wave of period 1 with soft edges, in [0, 1].

    `share` of a period is 1.
    """
    distance = np.abs(x - np.floor(x) - 0.5)
    return np.clip((share / 2 - distance) / soft + 0.5, 0, 1)


def _plain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # A weave that is too fine to be seen leaves a slight unevenness.
    return 0.06 * np.sin(1.1 * a + 1.3 * np.sin(0.8 * b)) * np.sin(0.9 * b)


def _stripes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return wave(a, 0.45)


def _checks(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 0.5 * (wave(a) + wave(b))


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # In rows that are shifted by half a period.
    row = np.floor(b)
    x = a + 0.5 * (row % 2)
    squared = (x - np.floor(x) - 0.5) ** 2 + (b - row - 0.5) ** 2
    return np.clip((0.09 - squared) / 0.05 + 0.5, 0, 1)


def _planks(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    row = np.floor(a)
    tone = _BOARDS[row.astype(np.int32) & 63]
    length = b / 8 + 5 * tone
    tone = _BOARDS[(row.astype(np.int32) * 7 + np.floor(length).astype(np.int32)) & 63]
    return 0.55 * tone + 0.35 * wave(a + 0.5, 0.1) + 0.25 * wave(length, 0.02)


def _tiles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum(wave(a, 0.08), wave(b, 0.08))


def _panels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 0.8 * wave(a, 0.06, 0.04)


_PATTERNS = {
    "plain": _plain,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "planks": _planks,
    "tiles": _tiles,
    "panels": _panels,
}
