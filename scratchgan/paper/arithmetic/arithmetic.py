"""Arithmetic with concepts: smiling woman - neutral woman + neutral man.

A concept is the mean z of three samples that show it; single samples were unstable
(Radford et al. 2016, section 6.3.2 and figure 7).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.paper.combining import as_pixels, combine, combine_pixels
from scratchgan.paper.judges.conditions import (
    Condition,
    counted,
    meets,
    parse_conditions,
    probability,
)
from scratchgan.paper.judges.judge import Judge
from scratchgan.paper.trained_networks import TrainedNetworks

EXEMPLARS = 3
"""Samples that a concept is averaged from."""
NOISE = 0.25
"""The eight neighbours of the result are up to this far in each component."""
POOL = 32
"""Candidates of a concept that random triples are drawn from, at most."""

# Name -> A, B and C in terms of attributes, for A - B + C.
CONCEPTS = {
    "smile": ("smile=1,sex=0", "smile=0,sex=0", "smile=0,sex=1"),
    "glasses": ("glasses=1,sex=1", "glasses=0,sex=1", "glasses=0,sex=0"),
}

Draw = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Candidates:
    """Samples of consecutive seeds, and what the judge says of them.

    Attributes
    ----------
    seeds : ndarray of shape (N,), int64
    z : ndarray of shape (N, latent_dim), float32
    images : ndarray of shape (N, H, W, C), uint8
    judged : dict of ndarray of shape (N,)
        From `Judge.probabilities`; empty without a judge.
    """

    seeds: np.ndarray
    z: np.ndarray
    images: np.ndarray
    judged: dict[str, np.ndarray]


@dataclass(frozen=True)
class Term:
    """One of A, B and C.

    Attributes
    ----------
    text : str
        As it was asked for.
    conditions : tuple of Condition
        Empty where seeds were given.
    seeds : tuple of int
        The exemplars.
    z : ndarray of shape (M, latent_dim), float32
    images : ndarray of shape (M, H, W, C), uint8
    """

    text: str
    conditions: tuple[Condition, ...]
    seeds: tuple[int, ...]
    z: np.ndarray
    images: np.ndarray


def draw_candidates(
    networks: TrainedNetworks, judge: Judge | None, seed: int, count: int, draw: Draw
) -> Candidates:
    """Return the samples of ``count`` seeds from the first on."""
    seeds = np.arange(seed, seed + count)
    z = networks.latent(seeds)
    images = draw(z)
    return Candidates(seeds, z, images, judge.probabilities(images) if judge else {})


def best(
    conditions: Sequence[Condition], candidates: Candidates, judge: Judge, count: int
) -> np.ndarray:
    """Return the positions of the best candidates, the best first."""
    score = probability(conditions, candidates.judged, judge)
    return np.argsort(-score, kind="stable")[:count]  # of equals the lowest seed


def make_term(
    text: str,
    networks: TrainedNetworks,
    judge: Judge | None,
    candidates: Candidates,
    draw: Draw,
) -> Term:
    """Return the exemplars of seeds, ``7,12,30``, or of conditions, ``smile=1,sex=0``.

    Raises
    ------
    ConfigError
        It is neither, or there is no judge for conditions.
    """
    seeds = parse_seeds(text)
    if seeds:
        z = networks.latent(seeds)
        return Term(text, (), seeds, z, draw(z))
    if judge is None:
        raise ConfigError(
            f"{text!r}: conditions need a judge; name seeds, or a labelled dataset "
            "with --judge"
        )
    conditions = parse_conditions(text, judge)
    chosen = best(conditions, candidates, judge, EXEMPLARS)
    return Term(
        text,
        conditions,
        tuple(int(seed) for seed in candidates.seeds[chosen]),
        candidates.z[chosen],
        candidates.images[chosen],
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of ``7,12,30``; none where it is something else.

    Raises
    ------
    ConfigError
        A seed is too large to be one.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        return ()
    if any(len(part) > 18 for part in parts):
        raise ConfigError(f"{text!r}: seeds have at most 18 digits")
    return tuple(map(int, parts))


def target_of(
    a: Sequence[Condition], b: Sequence[Condition], c: Sequence[Condition]
) -> tuple[Condition, ...]:
    """Return what A - B + C should show: C, with what A has and B has not.

    Examples
    --------
    >>> smile, neutral = Condition("smile", "=", 1), Condition("smile", "=", 0)
    >>> woman, man = Condition("sex", "=", 0), Condition("sex", "=", 1)
    >>> target = target_of((smile, woman), (neutral, woman), (neutral, man))
    >>> print(*target)
    smile=1 sex=1
    """
    if not (a and b and c):
        return ()
    gained = {condition.name: condition for condition in a if condition not in b}
    kept = {condition.name: condition for condition in c}
    return tuple({**kept, **gained}[name] for name in {**gained, **kept})


def find_target(
    text: str | None, terms: Sequence[Term], judge: Judge | None
) -> tuple[Condition, ...]:
    """Return what the result should show: as a text has it, or by `target_of`."""
    if text and judge:
        return parse_conditions(text, judge)
    return target_of(*(term.conditions for term in terms))


def neighbours(y: np.ndarray, seed: int) -> np.ndarray:
    """Return y with eight neighbours around it, float32 (9, latent_dim), y the fifth.

    Each is y + u, with u drawn from U(-0.25, 0.25) in every component.
    """
    rng = np.random.default_rng(seed)
    z = y + rng.uniform(-NOISE, NOISE, (9, len(y))).astype(np.float32)
    z[4] = y
    return z


def make_result(terms: Sequence[Term], seed: int, draw: Draw) -> np.ndarray:
    """Return G(Y) among its eight neighbours, uint8 (9, H, W, C), G(Y) the fifth."""
    return draw(neighbours(combine(*(term.z for term in terms)), seed))


@dataclass(frozen=True)
class Control:
    """What the result is set beside.

    Attributes
    ----------
    of_mean_z : ndarray of shape (3, H, W, C), uint8
        G of the mean z of A, B and C.
    pixel_means : ndarray of shape (3, H, W, C), uint8
        The mean pixels of A, B and C.
    pixels : ndarray of shape (H, W, C), uint8
        The same arithmetic with pixels.
    """

    of_mean_z: np.ndarray
    pixel_means: np.ndarray
    pixels: np.ndarray


def make_control(terms: Sequence[Term], draw: Draw) -> Control:
    """Return the means of each term, and the arithmetic with pixels."""
    return Control(
        draw(np.stack([term.z.mean(axis=0) for term in terms])),
        np.stack([as_pixels(term.images.mean(axis=0)) for term in terms]),
        combine_pixels(*(term.images for term in terms)),
    )


def describe(
    terms: Sequence[Term],
    target: Sequence[Condition],
    result: np.ndarray,
    judge: Judge | None,
) -> dict[str, Any]:
    """Return who was chosen, what the result was judged to show, and by whom."""
    facts: dict[str, Any] = {
        name: {"asked": term.text, "seeds": list(term.seeds)}
        for name, term in zip("abc", terms, strict=True)
    }
    facts["target"] = [str(condition) for condition in target]
    if judge is None:
        return facts
    judged = judge.probabilities(result)
    facts["result"] = {name: float(values[4]) for name, values in judged.items()}
    if target:
        facts["nine_tiles"] = counted(meets(target, judged, judge))
    facts["judge"] = {**judge.about, "held_out": judge.held_out}
    return facts


def describe_result(judged: dict[str, float]) -> list[str]:
    """Say in words what G(Y) is judged to show; nothing without a judge."""
    values = ", ".join(f"{name} {value:.2g}" for name, value in judged.items())
    return [f"G(Y) is judged: {values}"] if judged else []


def score(
    terms: Sequence[Term],
    target: Sequence[Condition],
    candidates: Candidates,
    judge: Judge,
    draw: Draw,
    *,
    triples: int,
    seed: int,
) -> dict[str, Any]:
    """Return how often the result shows the target, beside what it would be by chance.

    Each time three exemplars of each concept are drawn at random from its better
    candidates.

    Returns
    -------
    dict
        ``arithmetic``: of G(Y); ``pixels``: of the same arithmetic with the pixels of
        the same exemplars; ``mean_c``: of G(mean z of C), nothing added; ``chance``: of
        random samples. Each as `counted` returns it, with those results left out that
        are judged to be an overlay of several pictures, and as ``attributes_only`` with
        them. ``pools``: how many candidates were drawn from, and how many of them show
        their concept.
    """
    rng = np.random.default_rng(seed)
    pools = [best(term.conditions, candidates, judge, POOL) for term in terms]
    pools = [
        _those_that_show(pool, term, candidates, judge)
        for pool, term in zip(pools, terms, strict=True)
    ]
    y, mean_c, control = [], [], []
    for _ in range(triples):
        drawn = [rng.choice(pool, EXEMPLARS, replace=False) for pool in pools]
        y.append(combine(*(candidates.z[rows] for rows in drawn)))
        mean_c.append(candidates.z[drawn[2]].mean(axis=0))
        control.append(combine_pixels(*(candidates.images[rows] for rows in drawn)))
    shown = {
        "arithmetic": draw(np.stack(y)),
        "pixels": np.stack(control),
        "mean_c": draw(np.stack(mean_c)),
        "chance": candidates.images,
    }
    report: dict[str, Any] = {}
    for name, images in shown.items():
        met = meets(target, judge.probabilities(images), judge)
        report[name] = counted(met & (judge.single(images) > 0.5))
        report[name]["attributes_only"] = counted(met)
    report["pools"] = [
        {
            "candidates": len(pool),
            "showing": int(_showing(pool, term, candidates, judge).sum()),
        }
        for pool, term in zip(pools, terms, strict=True)
    ]
    return report


def _showing(
    pool: np.ndarray, term: Term, candidates: Candidates, judge: Judge
) -> np.ndarray:
    judged = {name: values[pool] for name, values in candidates.judged.items()}
    return meets(term.conditions, judged, judge)


def _those_that_show(
    pool: np.ndarray, term: Term, candidates: Candidates, judge: Judge
) -> np.ndarray:
    """Return those of the pool that show the concept, or its best twice three."""
    showing = pool[_showing(pool, term, candidates, judge)]
    return showing if len(showing) >= 2 * EXEMPLARS else pool[: 2 * EXEMPLARS]


def verdict(report: dict[str, Any], target: Sequence[Condition]) -> list[str]:
    """Say in words what `score` found."""
    wanted = " and ".join(map(str, target))
    lines = [
        f"judged {wanted} in one picture, not an overlay (in brackets: overlays too):"
    ]
    for name, what in (
        ("arithmetic", "G(mean A - mean B + mean C)"),
        ("pixels", "the same with pixels"),
        ("mean_c", "G(mean C), nothing added"),
        ("chance", "random samples"),
    ):
        low, high = report[name]["interval_95"]
        alone = report[name]["attributes_only"]["fraction"]
        lines.append(
            f"  {report[name]['fraction']:6.1%}, {low:.1%} to {high:.1%} "
            f"({alone:.1%})  {what}"
        )
    others = max(report[name]["interval_95"][1] for name in ("pixels", "chance"))
    if report["arithmetic"]["interval_95"][0] > others:
        lines.append(
            "the arithmetic works: clearly more often than with pixels and by chance"
        )
        alone = [
            report[name]["attributes_only"]["fraction"]
            for name in ("arithmetic", "pixels")
        ]
        if alone[1] > alone[0]:
            lines.append(
                "with pixels the attributes are seen more often, but in overlays of "
                "several pictures"
            )
    else:
        lines.append(
            "no clear effect: not clearly more often than with pixels or by chance; "
            "more training may show one"
        )
    return lines
