"""Walks through G's input: neighbouring z should give neighbouring pictures.

A network that had learnt its training images by heart would jump from one to the next
(Radford et al. 2016, section 6.1 and figure 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.paper.trained_networks import TrainedNetworks

PATHS = ("auto", "linear", "great-circle")
SHARP = 3.0
"""A step this many times the row's median step is a sharp transition, if ..."""
FAR = 0.5
"""... it is also at least this share of the distance between unrelated images."""
UNRELATED = 64
"""Pairs of unrelated images that are compared."""


@dataclass(frozen=True)
class Walk:
    """A walk in rows.

    Attributes
    ----------
    z : ndarray of shape (rows, tiles, latent_dim), float32
    images : ndarray of shape (rows, tiles, H, W, C), uint8
    """

    z: np.ndarray
    images: np.ndarray


def chained_rows(points: np.ndarray, tiles: int, path: str) -> np.ndarray:
    """Return rows of z from each point to the next, both ends included.

    So the last tile of a row is the first of the next one.

    Parameters
    ----------
    points : ndarray of shape (rows + 1, latent_dim)
    tiles : int
        In a row, at least 2.
    path : {"linear", "great-circle"}
        See `between`.

    Returns
    -------
    ndarray of shape (rows, tiles, latent_dim), float32
    """
    return np.stack([between(*pair, tiles, path) for pair in pairwise(points)])


def between(start: np.ndarray, end: np.ndarray, tiles: int, path: str) -> np.ndarray:
    """Return z from start to end, float32 (tiles, latent_dim).

    On a line; or on a great circle, with the length of z going evenly from one to the
    other. Between two Gaussian z of many dimensions, which all have nearly the same
    length, the middle of a line is a z such as G has hardly ever seen (White 2016,
    arXiv 1609.04468).

    Examples
    --------
    >>> between(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3, "great-circle").round(2)
    array([[1.  , 0.  ],
           [0.71, 0.71],
           [0.  , 1.  ]], dtype=float32)
    """
    share = np.linspace(0, 1, tiles)[:, None]
    if path == "linear":
        return ((1 - share) * start + share * end).astype(np.float32)
    start_length, end_length = np.linalg.norm(start), np.linalg.norm(end)
    cosine = np.dot(start, end) / (start_length * end_length)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:  # on one line through 0: there is no one circle
        return between(start, end, tiles, "linear")
    direction = np.sin((1 - share) * angle) * start / start_length
    direction = direction + np.sin(share * angle) * end / end_length
    length = (1 - share) * start_length + share * end_length
    return (length * direction / np.sin(angle)).astype(np.float32)


def swept_rows(
    points: np.ndarray, coordinate: int, reach: float, tiles: int
) -> np.ndarray:
    """Return each point with one component going from -reach to reach.

    Returns
    -------
    ndarray of shape (points, tiles, latent_dim), float32
    """
    z = np.repeat(points[:, None], tiles, axis=1)
    z[:, :, coordinate] = np.linspace(-reach, reach, tiles)
    return z


def make_walk(
    networks: TrainedNetworks,
    seed: int,
    rows: int,
    tiles: int,
    path: str = "auto",
    coordinate: int | None = None,
    label: int | None = None,
) -> Walk:
    """Walk between the z of consecutive seeds, or along one component of each.

    Parameters
    ----------
    networks : TrainedNetworks
    seed : int
        The first; ``rows + 1`` seeds are chained, or ``rows`` are swept.
    rows, tiles : int
        The paper's figure is 10 x 10.
    path : str
        One of `PATHS`; "auto" is a great circle for a Gaussian z and a line else.
    coordinate : int, optional
        The component to sweep, over [-1, 1], or [-2, 2] for a Gaussian z.
    label : int, optional
        Class of all images, for a conditional network; 0 by default.

    Raises
    ------
    ConfigError
        z has no such component.
    """
    network = networks.config.network
    gaussian = network.latent != "uniform"
    if coordinate is None:
        points = networks.latent(range(seed, seed + rows + 1))
        if path == "auto":
            path = "great-circle" if gaussian else "linear"
        z = chained_rows(points, tiles, path)
    else:
        _check_coordinate(network, coordinate)
        points = networks.latent(range(seed, seed + rows))
        z = swept_rows(points, coordinate, 2.0 if gaussian else 1.0, tiles)
    images = networks.images(z.reshape(rows * tiles, -1), label)
    return Walk(z, images.reshape(rows, tiles, *images.shape[1:]))


def measure_smoothness(
    networks: TrainedNetworks, walk: Walk, seed: int, label: int | None = None
) -> dict:
    """Return how even the steps of each row are, in pixels and in D's features.

    Returns
    -------
    dict
        For each of "pixels" and "features": ``unrelated``, the median distance between
        images of unrelated seeds, and ``rows``, each with ``steps``, ``largest``,
        ``median``, ``ratio`` of the two and whether it is ``sharp``. Distances are root
        mean squares, those of pixels in [0, 255]. ``sharp_rows`` lists rows, counted
        from 1, with a transition that is sharp in both.
    """
    rows, tiles = walk.images.shape[:2]
    # Far from the seeds of the walk.
    others = range(seed + 1_000_000, seed + 1_000_000 + 2 * UNRELATED)
    unrelated = networks.images(networks.latent(others), label)
    flat = walk.images.reshape(rows * tiles, *walk.images.shape[2:])
    spaces = {
        "pixels": (_as_rows(flat), _as_rows(unrelated)),
        "features": (
            networks.features(flat, label),
            networks.features(unrelated, label),
        ),
    }
    report: dict = {}
    for name, (of_walk, of_others) in spaces.items():
        typical = float(np.median(_distance(of_others[::2], of_others[1::2])))
        lines = of_walk.reshape(rows, tiles, -1)
        report[name] = {
            "unrelated": typical,
            "rows": [_evenness(line, typical) for line in lines],
        }
    report["sharp_rows"] = [
        row + 1
        for row in range(rows)
        if all(report[name]["rows"][row]["sharp"] for name in spaces)
    ]
    return report


def verdict(report: dict) -> str:
    """Say in words what `measure_smoothness` found."""
    sharp = report["sharp_rows"]
    if not sharp:
        return "no sharp transitions: neighbouring z give neighbouring pictures"
    rows = ", ".join(map(str, sharp))
    return (
        f"sharp transitions in row {rows}: a sign that images were learnt by heart, "
        "or of too little training"
    )


def _check_coordinate(network: NetworkConfig, coordinate: int) -> None:
    if not 0 <= coordinate < network.latent_dim:
        raise ConfigError(
            f"--coordinate {coordinate}: z has {network.latent_dim} components, "
            "counted from 0"
        )


def _as_rows(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the root mean square difference of each pair of rows."""
    return np.sqrt(((one - other) ** 2).mean(axis=-1))


def _evenness(line: np.ndarray, unrelated: float) -> dict:
    steps = _distance(line[1:], line[:-1])
    largest, median = float(steps.max()), float(np.median(steps))
    return {
        "steps": [float(step) for step in steps],
        "largest": largest,
        "median": median,
        "ratio": largest / median if median else None,
        "sharp": bool(largest > SHARP * median and largest > FAR * unrelated),
    }


def frames(
    networks: TrainedNetworks, walk: Walk, between_tiles: int, label: int | None = None
) -> Sequence[np.ndarray]:
    """Return the walk as frames of an animation, with more images between its tiles.

    Parameters
    ----------
    networks : TrainedNetworks
    walk : Walk
    between_tiles : int
        Frames from one tile to the next.
    label : int, optional
        Class of all images, for a conditional network.

    Returns
    -------
    list of ndarray of shape (H, W, C), uint8
    """
    z = walk.z.reshape(-1, walk.z.shape[-1])
    parts = [
        between(start, end, between_tiles + 1, "linear")[:-1]
        for start, end in pairwise(z)
    ]
    fine = np.concatenate([*parts, z[-1:]])
    return list(networks.images(fine, label))
