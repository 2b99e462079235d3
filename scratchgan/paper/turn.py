"""The turn vector: a direction of z that turns heads.

It is the mean z of samples that look right less that of samples that look left, and is
added to random samples (Radford et al. 2016, section 6.3.2 and figure 8). Any other
attribute that a judge knows makes a vector in the same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchgan.paper.arithmetic.arithmetic import Draw, draw_candidates
from scratchgan.paper.figure import Figure
from scratchgan.paper.judges.attributes import UNITS
from scratchgan.paper.judges.judge import Judge
from scratchgan.paper.ranks import spearman
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.progress import Progress

AVERAGED = 4
"""Samples of each side."""
POSITIONS = 11
"""Along the vector; the sixth is the sample itself."""
CONTROLS = 5
"""Random directions that the vector is compared with."""


@dataclass(frozen=True)
class TurnVector:
    """Both ends, and the way from one to the other.

    Attributes
    ----------
    left_seeds, right_seeds : tuple of int
    left, right : ndarray of shape (latent_dim,), float32
        The mean z of each side.
    """

    left_seeds: tuple[int, ...]
    right_seeds: tuple[int, ...]
    left: np.ndarray
    right: np.ndarray

    @property
    def vector(self) -> np.ndarray:
        """The mean z of the right less that of the left."""
        return self.right - self.left


def make_vector(
    networks: TrainedNetworks, left: tuple[int, ...], right: tuple[int, ...]
) -> TurnVector:
    """Return the vector from the seeds that look left to those that look right."""
    means = (networks.latent(seeds).mean(axis=0) for seeds in (left, right))
    return TurnVector(left, right, *means)


def choose_ends(
    seeds: np.ndarray, values: np.ndarray, averaged: int = AVERAGED
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the seeds of the lowest and of the highest values, furthest first.

    Examples
    --------
    >>> choose_ends(np.array([10, 11, 12, 13]), np.array([5.0, -9.0, 0.0, 7.0]), 2)
    ((11, 12), (13, 10))
    """
    order = np.argsort(values, kind="stable")
    low, high = order[:averaged], order[::-1][:averaged]
    return tuple(map(int, seeds[low])), tuple(map(int, seeds[high]))


def find_ends(
    networks: TrainedNetworks,
    judge: Judge,
    attribute: str,
    draw: Draw,
    given: tuple[Sequence[int] | None, Sequence[int] | None],
    seed: int,
    candidates: int,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the seeds of both ends; those that are not given are chosen by the judge.

    Parameters
    ----------
    networks : TrainedNetworks
    judge : Judge
    attribute : str
        What it says of the candidates.
    draw : callable
        Images of z.
    given : pair of sequence of int or None
        Left and right.
    seed, candidates : int
        The first of the seeds to choose from, and how many.
    """
    left, right = given
    if left and right:
        return tuple(left), tuple(right)
    found = draw_candidates(networks, judge, seed, candidates, draw)
    lowest, highest = choose_ends(found.seeds, found.judged[attribute])
    return tuple(left or lowest), tuple(right or highest)


def along(z: np.ndarray, vector: np.ndarray, scale: float) -> np.ndarray:
    """Return each z with the vector added, from -scale/2 to +scale/2 of it.

    Parameters
    ----------
    z : ndarray of shape (N, latent_dim)
    vector : ndarray of shape (latent_dim,)
    scale : float

    Returns
    -------
    ndarray of shape (N, 11, latent_dim), float32
        The sixth of each is z itself.
    """
    share = np.linspace(-scale / 2, scale / 2, POSITIONS)[:, None]  # (11, 1)
    return (z[:, None] + share * vector).astype(np.float32)


def measure_turn(
    z: np.ndarray,
    vector: np.ndarray,
    scale: float,
    value: Callable[[np.ndarray], np.ndarray],
    draw: Draw,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return how the judged value goes along the vector, and along random ones.

    Parameters
    ----------
    z : ndarray of shape (N, latent_dim)
        Of random samples.
    vector : ndarray of shape (latent_dim,)
    scale : float
        See `along`.
    value : callable
        The judged value of each of some images.
    draw : callable
        Images of z.
    seed : int
        Of the random directions, which have the vector's length.
    progress : callable, optional
        Called with (directions done, directions in all).

    Returns
    -------
    dict
        ``vector`` and the list ``random``, each as `describe` returns it.
    """
    rng = np.random.default_rng(seed)
    directions = [vector]
    for _ in range(CONTROLS):
        other = rng.standard_normal(len(vector)).astype(np.float32)
        directions.append(other * (np.linalg.norm(vector) / np.linalg.norm(other)))
    reports = []
    for direction in directions:
        rows = draw_rows(z, direction, scale, draw)
        judged = value(rows.reshape(-1, *rows.shape[2:]))
        reports.append(describe(judged.reshape(len(z), POSITIONS)))
        if progress is not None:
            progress(len(reports), len(directions))
    return {"vector": reports[0], "random": reports[1:]}


def describe(values: np.ndarray) -> dict[str, Any]:
    """Return the mean value at each position, and how steadily it rises.

    Parameters
    ----------
    values : ndarray of shape (N, positions)
        Of N samples.

    Returns
    -------
    dict
        ``mean`` and its ``standard_error`` at each position, ``per_step`` (the slope of
        the straight line through the means), ``spearman`` (rank correlation of mean and
        position), ``decreases`` (steps at which the mean falls), ``monotone`` (there
        are none) and ``samples_rising``, the share of samples that end higher than
        they begin.
    """
    mean = values.mean(axis=0)
    positions = np.arange(len(mean))
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    decreases = int((np.diff(mean) < 0).sum())
    return {
        "mean": [float(each) for each in mean],
        "standard_error": [float(each) for each in error],
        "per_step": float(np.polyfit(positions, mean, 1)[0]),
        "spearman": spearman(positions, mean),
        "decreases": decreases,
        "monotone": bool((np.diff(mean) > 0).all()),
        "samples_rising": float((values[:, -1] > values[:, 0]).mean()),
    }


def draw_rows(
    z: np.ndarray, vector: np.ndarray, scale: float, draw: Draw
) -> np.ndarray:
    """Return the images of `along`, uint8 (N, 11, H, W, C)."""
    images = draw(along(z, vector, scale).reshape(-1, z.shape[1]))
    return images.reshape(len(z), POSITIONS, *images.shape[1:])


def draw_figure(rows: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the paper's figure 8.

    Parameters
    ----------
    rows : ndarray of shape (R, 11, H, W, C), uint8
        Random samples with the vector added; the middle column is framed.
    ends : ndarray of shape (2, H, W, C), uint8
        The images of the mean z of each side, drawn above the outer columns.
    """
    count, positions = rows.shape[:2]
    figure = Figure(count + 1.3, positions, *rows.shape[2:4])
    figure.place(ends[0], 0, 0)
    figure.place(ends[1], 0, positions - 1)
    figure.write("mean of the left", 0.5, 2)
    figure.write("mean of the right", 0.5, positions - 2)
    figure.write("samples, framed, with the vector added", 1.1, positions / 2)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            figure.place(image, 1.3 + row, column, framed=column == positions // 2)
    return figure.pixels()


def turn_facts(
    vector: TurnVector,
    attribute: str,
    settings: dict[str, Any],
    ends: np.ndarray,
    judge: Judge,
    report: dict[str, Any],
) -> dict[str, Any]:
    """Return the numbers as plain values for JSON.

    Parameters
    ----------
    vector : TurnVector
    attribute : str
        What it changes.
    settings : dict
        How it was measured.
    ends : ndarray of shape (2, H, W, C), uint8
        The images of the mean z of each side.
    judge : Judge
    report : dict
        See `measure_turn`.
    """
    return {
        "attribute": attribute,
        "left": list(vector.left_seeds),
        "right": list(vector.right_seeds),
        **settings,
        "vector_length": float(np.linalg.norm(vector.vector)),
        "ends": [float(value) for value in judge.probabilities(ends)[attribute]],
        "judge": {**judge.about, "held_out": judge.held_out},
        "measured": report,
    }


def verdict(report: dict[str, Any], attribute: str) -> list[str]:
    """Say in words what `measure_turn` found."""
    unit = UNITS.get(attribute, f"of {attribute}")
    vector = report["vector"]
    mean, falls = vector["mean"], vector["decreases"]
    steps = len(mean) - 1
    largest = max(abs(other["per_step"]) for other in report["random"])
    lines = [
        f"{attribute} goes from {mean[0]:.3g} to {mean[-1]:.3g}, "
        f"{vector['per_step']:+.3g} {unit} a step "
        f"(random directions: up to {largest:.3g})",
        f"monotone: it rises at each of {steps} steps"
        if vector["monotone"]
        else f"not monotone: it falls at {falls} of {steps} steps "
        f"(Spearman {vector['spearman']:.2f})",
    ]
    if vector["per_step"] <= largest:
        lines.append(
            "no clear effect: a random direction does as much; more training may "
            "show one"
        )
    return lines
