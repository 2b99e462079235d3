"""Conditions on attributes, such as ``smile=1,sex=0``, and what meets them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.paper.judges.judge import Judge

# What an attribute is called in another dataset: CelebA's names for those of faces.
ALIASES = {"smile": "Smiling", "sex": "Male", "glasses": "Eyeglasses"}


@dataclass(frozen=True)
class Condition:
    """One attribute, how it compares, and with what.

    Attributes
    ----------
    name : str
        Of the attribute.
    sign : {"=", "<", ">"}
    value : float
    """

    name: str
    sign: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.value:g}"


def parse_conditions(text: str, judge: Judge) -> tuple[Condition, ...]:
    """Read ``smile=1,sex=0`` or ``turn>15``.

    A 0/1 attribute is compared by ``=``, a measured one by ``<`` or ``>``.

    Raises
    ------
    ConfigError
        It is not that, or the judge does not know the attribute; the message names
        those it knows.
    """
    made = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w.*?)\s*([=<>])\s*(-?\d+(?:\.\d+)?)\s*", part)
        if match is None:
            raise ConfigError(
                f"{text!r}: write seeds as 7,12,30, or conditions as smile=1,sex=0 "
                f"with these attributes: {known(judge)}"
            )
        name, sign, value = find_attribute(match[1], judge), match[2], float(match[3])
        binary = judge.binary[judge.names.index(name)]
        if binary and (sign != "=" or value not in (0, 1)):
            raise ConfigError(f"{part.strip()!r}: {name} is 0 or 1; write {name}=1")
        if not binary and sign == "=":
            raise ConfigError(
                f"{part.strip()!r}: {name} is measured; write {name}>{value:g} or "
                f"{name}<{value:g}"
            )
        made.append(Condition(name, sign, value))
    return tuple(made)


def find_attribute(name: str, judge: Judge) -> str:
    """Return the judge's name of an attribute.

    Raises
    ------
    ConfigError
        It knows no such attribute; the message names those it knows.
    """
    for candidate in (name, ALIASES.get(name, name)):
        if candidate in judge.names:
            return candidate
    raise ConfigError(
        f"{judge.about['dataset']} has no attribute {name!r}; it has {known(judge)}"
    )


def known(judge: Judge) -> str:
    """Return the judge's attributes as text, each with what it can be."""
    kinds = zip(judge.names, judge.binary, strict=True)
    return ", ".join(f"{n} (0 or 1)" if b else f"{n} (measured)" for n, b in kinds)


def probability(
    conditions: Sequence[Condition], judged: Mapping[str, np.ndarray], judge: Judge
) -> np.ndarray:
    """Return how likely each image meets all conditions, as if they were independent.

    That a measured value is above v is taken to have probability s((value - v) / e), s
    being the logistic function and e the judge's mean error on held-out images.

    Parameters
    ----------
    conditions : sequence of Condition
    judged : dict of ndarray of shape (N,)
        From `Judge.probabilities`.
    judge : Judge

    Returns
    -------
    ndarray of shape (N,), float64
    """
    return np.prod([_single(c, judged[c.name], judge) for c in conditions], axis=0)


def meets(
    conditions: Sequence[Condition], judged: Mapping[str, np.ndarray], judge: Judge
) -> np.ndarray:
    """Return which images meet each condition more likely than not, bool (N,)."""
    single = [_single(c, judged[c.name], judge) > 0.5 for c in conditions]
    return np.logical_and.reduce(single)


def _single(condition: Condition, judged: np.ndarray, judge: Judge) -> np.ndarray:
    judged = np.asarray(judged, np.float64)
    if condition.sign == "=":
        return judged if condition.value else 1 - judged
    error = max(judge.held_out[condition.name]["mean_absolute_error"], 1e-6)
    margin = (judged - condition.value) / error
    margin = np.clip(margin if condition.sign == ">" else -margin, -500, 500)
    return 1 / (1 + np.exp(-margin))


def binomial_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, by Wilson's score.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical
    inference". Unlike the normal interval it is right near 0 and 1.

    Examples
    --------
    >>> [round(bound, 3) for bound in binomial_interval(9, 10)]
    [0.596, 0.982]
    """
    z = 1.959963984540054
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    half *= z / (1 + z * z / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def counted(met: np.ndarray) -> dict[str, Any]:
    """Return how many are met, their share and its interval, as values for JSON."""
    successes, trials = int(np.sum(met)), len(met)
    return {
        "met": successes,
        "of": trials,
        "fraction": successes / trials,
        "interval_95": list(binomial_interval(successes, trials)),
    }
