"""How alike images of equal code are: an estimate without labels, and a sheet."""

from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import reduce_images
from scratchgan.paper.dedup.buckets import Buckets
from scratchgan.paper.dedup.thumbnails import read_rows
from scratchgan.storage.pictures import captioned_grid

FALSE_DISTANCE = 0.35
"""Images with equal codes that are further apart count as different pictures."""
MOST_COMPARED = 2000
SHEET_PAIRS = 100
SHEET_COLUMNS = 10
"""Pairs beside each other on the sheet."""
SHEET_PIXELS = (64, 96)
"""Least and largest height of a tile."""


@dataclass(frozen=True)
class Collisions:
    """Removed images, each with the kept one of its bucket, and how far apart they are.

    Attributes
    ----------
    removed, kept : ndarray of shape (M,), int64
        Rows; all that were removed, or a random sample of `MOST_COMPARED`.
    distance : ndarray of shape (M,), float64
        See `normalised_distance`.
    random_distance : ndarray of shape (K,), float64
        The same between random pairs of kept images, to compare with.
    """

    removed: np.ndarray
    kept: np.ndarray
    distance: np.ndarray
    random_distance: np.ndarray

    def facts(self) -> dict:
        """Return the figures of the report; shares are None where nothing is there."""
        return {
            "compared": len(self.removed),
            "false_distance": FALSE_DISTANCE,
            "estimated_false_share": _share(self.distance > FALSE_DISTANCE),
            "median_distance": _median(self.distance),
            "largest_distance": float(self.distance.max(initial=0)),
            "random_pairs": len(self.random_distance),
            "random_pairs_nearer": _share(self.random_distance <= FALSE_DISTANCE),
        }


def _share(true: np.ndarray) -> float | None:
    return float(true.mean()) if len(true) else None


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None


def compare_collisions(dataset: Dataset, buckets: Buckets, seed: int) -> Collisions:
    """Compare removed images with what is kept of them, and random images."""
    rng = np.random.default_rng([seed, 0xC0111])
    removed = buckets.removed_rows
    if len(removed) > MOST_COMPARED:
        removed = np.sort(rng.choice(removed, MOST_COMPARED, replace=False))
    kept = buckets.first[removed]
    everyone = np.flatnonzero(buckets.kept)
    count = min(MOST_COMPARED, len(everyone) // 2)
    pairs = rng.choice(everyone, (2, count), replace=False)
    return Collisions(
        removed,
        kept,
        _distances(dataset, kept, removed),
        _distances(dataset, *pairs),
    )


def normalised_distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far apart pictures are, brightness and contrast set aside.

    Each picture becomes a vector of length 1 with mean 0; the distance between two is
    0 for equal ones, √2 for unrelated ones and 2 for a picture and its negative. With
    their correlation r it is √(2 - 2r). Pictures of one single grey are all equal, and
    1 from any other.

    Parameters
    ----------
    one, other : ndarray of shape (N, H, W, C), uint8

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> picture = np.array([0, 10, 20, 40], np.uint8).reshape(1, 2, 2, 1)
    >>> normalised_distance(picture, 3 * picture + 5).round(6)
    array([0.])
    """
    return np.linalg.norm(_normalised(one) - _normalised(other), axis=1)


def _normalised(pictures: np.ndarray) -> np.ndarray:
    vectors = pictures.reshape(len(pictures), -1).astype(np.float64)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _distances(dataset: Dataset, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if not len(one):
        return np.empty(0)
    return normalised_distance(read_rows(dataset, one), read_rows(dataset, other))


def collision_sheet(
    dataset: Dataset, collisions: Collisions, seed: int
) -> np.ndarray | None:
    """Return up to `SHEET_PAIRS` random collisions as one picture, furthest first.

    Each pair is the kept image and the removed one beside it, with their rows and
    their distance below. None where nothing was removed.
    """
    count = min(SHEET_PAIRS, len(collisions.removed))
    if not count:
        return None
    rng = np.random.default_rng([seed, 0x5EE7])
    chosen = rng.choice(len(collisions.removed), count, replace=False)
    chosen = chosen[np.argsort(-collisions.distance[chosen], kind="stable")]
    tiles, captions = [], []
    for number in chosen:
        kept, removed = collisions.kept[number], collisions.removed[number]
        tiles += [_tile(dataset, kept), _tile(dataset, removed)]
        captions += [f"{kept}", f"{removed} d{collisions.distance[number]:.2f}"]
    columns = 2 * min(SHEET_COLUMNS, count)
    return captioned_grid(np.stack(tiles), captions, columns)


def _tile(dataset: Dataset, row: int) -> np.ndarray:
    """Return an image in the size of the sheet's tiles, uint8 (height, width, C)."""
    with dataset.reading():
        pixels = dataset.images[row : row + 1]
    least, most = SHEET_PIXELS
    height = min(dataset.height, most)
    enlarged = -(-least // height)
    width = max(1, round(dataset.width * height / dataset.height))
    tile = reduce_images(pixels, height, width)[0]
    return tile.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
