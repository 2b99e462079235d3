"""Forgetting windows: which of G's feature maps draw them, and G without those.

Radford et al. 2016, section 6.3.1 and figure 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.paper.forget.logistic_regression import fit_logistic_regression


@dataclass(frozen=True)
class Positions:
    """Positions of a layer, inside and outside boxes.

    Attributes
    ----------
    image, row, column : ndarray of shape (P,), int64
    inside : ndarray of shape (P,), bool
    """

    image: np.ndarray
    row: np.ndarray
    column: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True)
class Forgetting:
    """Which feature maps of a layer stand for what was boxed.

    Attributes
    ----------
    weight : ndarray of shape (C,), float64
        Of the regression, a map each.
    dropped : ndarray of shape (C,), bool
        Maps whose weight is above the threshold.
    accuracy : float
        Share of the positions, fitted themselves, that the regression tells right.
    positives, negatives : int
        Positions inside and outside boxes.
    """

    weight: np.ndarray
    dropped: np.ndarray
    accuracy: float
    positives: int
    negatives: int


def positions_inside(
    boxes: np.ndarray, grid: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Return which positions of a layer lie in boxes of the image, bool (h, w).

    A position stands for the rectangle of pixels that is its share of the image, and
    is inside a box if the rectangle's centre is. A box too small to hold any centre
    has the position that its own centre lies in.

    Parameters
    ----------
    boxes : ndarray of shape (B, 4)
        Left, top, right, bottom in pixels, right and bottom exclusive.
    grid, size : (int, int)
        Height and width of the layer's maps, and of the image.

    Examples
    --------
    >>> box = np.array([[4, 0, 8, 4]])
    >>> positions_inside(box, (2, 4), (8, 16)).astype(int)
    array([[0, 1, 0, 0],
           [0, 0, 0, 0]])
    """
    inside = np.zeros(grid, bool)
    down, across = size[0] / grid[0], size[1] / grid[1]
    y = (np.arange(grid[0]) + 0.5) * down
    x = (np.arange(grid[1]) + 0.5) * across
    for left, top, right, bottom in boxes:
        rows, columns = (top <= y) & (y < bottom), (left <= x) & (x < right)
        if not rows.any():
            rows[int((top + bottom) / 2 / down)] = True
        if not columns.any():
            columns[int((left + right) / 2 / across)] = True
        inside |= rows[:, None] & columns
    return inside


def choose_positions(
    boxes: Mapping[int, np.ndarray],
    grid: tuple[int, int],
    size: tuple[int, int],
    seed: int,
) -> Positions:
    """Return all positions inside boxes, and as many random ones of the same images.

    Parameters
    ----------
    boxes : mapping from int to ndarray of shape (B, 4)
        Boxes by the number of the image; images without boxes take no part.
    grid, size : (int, int)
        As in `positions_inside`.
    seed : int
        Draws the positions outside.

    Raises
    ------
    ConfigError
        There is no position inside, or none outside.
    """
    images = np.array(sorted(boxes), np.int64)
    inside = np.array([positions_inside(boxes[i], grid, size) for i in images])
    positives, outside = np.argwhere(inside), np.argwhere(~inside)
    if not len(positives) or not len(outside):
        raise ConfigError(
            f"the boxes leave {len(positives)} positions of the layer inside and "
            f"{len(outside)} outside, expected some of both"
        )
    rng = np.random.default_rng(seed)
    count = min(len(positives), len(outside))
    negatives = outside[np.sort(rng.choice(len(outside), count, replace=False))]
    chosen = np.concatenate([positives, negatives])
    return Positions(
        images[chosen[:, 0]],
        chosen[:, 1],
        chosen[:, 2],
        np.arange(len(chosen)) < len(positives),
    )


def find_maps(
    features: np.ndarray,
    positions: Positions,
    strength: float = 1.0,
    threshold: float = 0.0,
) -> Forgetting:
    """Fit the regression at the positions, and choose the maps to drop.

    Parameters
    ----------
    features : ndarray of shape (N, C, h, w)
        The layer's output for all images.
    positions : Positions
    strength : float, default=1
        Of the L2 penalty; see `fit_logistic_regression`.
    threshold : float, default=0
        A map is dropped if its weight is above.
    """
    x = features[positions.image, :, positions.row, positions.column]  # (P, C)
    fit = fit_logistic_regression(x, positions.inside, strength)
    inside = fit.probabilities(x) > 0.5
    positives = int(positions.inside.sum())
    return Forgetting(
        fit.weight,
        fit.weight > threshold,
        float((inside == positions.inside).mean()),
        positives,
        len(positions.inside) - positives,
    )


def random_choices(dropped: np.ndarray, draws: int, seed: int) -> list[np.ndarray]:
    """Return choices of as many maps at random, each bool (C,): the control."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(dropped) for _ in range(draws)]


def likeliest_boxes(
    probabilities: np.ndarray, size: tuple[int, int], most: int
) -> dict[int, np.ndarray]:
    """Return one box in each of the images where a window is likeliest.

    For a G that draws nothing which the judge takes for a window: the box is around the
    cells of at least half the image's highest probability, in its row and column, and
    takes half of either at most.

    Parameters
    ----------
    probabilities : ndarray of shape (N, GH, GW)
        What `WindowJudge.probabilities` says.
    size : (int, int)
        Height and width of the images in pixels.
    most : int
        Images to choose.

    Returns
    -------
    dict from int to ndarray of shape (1, 4)
        By number of the image.
    """
    grid = probabilities.shape[1:]
    highest = probabilities.max(axis=(1, 2))
    boxes = {}
    for image in sorted(np.argsort(-highest, kind="stable")[:most].tolist()):
        cells = probabilities[image] >= highest[image] / 2
        row, column = divmod(int(probabilities[image].argmax()), grid[1])
        top, bottom = _stretch(cells[:, column], row)
        left, right = _stretch(cells[row], column)
        cell = np.array([[left, top, right, bottom]])
        scale = np.array([size[1] / grid[1], size[0] / grid[0]] * 2)
        boxes[image] = np.rint(cell * scale).astype(np.int64)
    return boxes


def _stretch(line: np.ndarray, at: int) -> tuple[int, int]:
    """Return [start, stop) of the True values around a position."""
    start = stop = at
    reach = max(1, len(line) // 4)
    while start > max(0, at - reach) and line[start - 1]:
        start -= 1
    while stop < min(len(line), at + reach) and line[stop]:
        stop += 1
    return start, stop
