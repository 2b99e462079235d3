"""Conditions: how they are read, what meets them, and intervals of shares."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.paper.judges.conditions import (
    Condition,
    binomial_interval,
    counted,
    find_attribute,
    meets,
    parse_conditions,
    probability,
)
from tests.paper.labelled import PixelJudge

judge = PixelJudge()


def test_reading():
    made = parse_conditions(" smile=1, turn>-2.5,sex = 0", judge)
    assert made == (
        Condition("smile", "=", 1),
        Condition("turn", ">", -2.5),
        Condition("sex", "=", 0),
    )
    assert ",".join(map(str, made)) == "smile=1,turn>-2.5,sex=0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smile", "write seeds as 7,12,30, or conditions as smile=1"),
        ("smile=1,,sex=0", "write seeds"),
        ("", "write seeds"),
        ("1,2,x", "write seeds"),
        ("smile=2", "smile is 0 or 1; write smile=1"),
        ("smile>0", "smile is 0 or 1"),
        ("turn=10", "turn is measured; write turn>10 or turn<10"),
        ("beard=1", r"pixels has no attribute 'beard'; it has smile \(0 or 1\), .*"),
    ],
)
def test_one_plain_line(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_conditions(text, judge)
    assert "\n" not in str(error.value)


def test_names_of_another_dataset():
    class CelebA(PixelJudge):
        names = ("Smiling", "Male", "Eyeglasses", "turn")

    assert find_attribute("smile", CelebA()) == "Smiling"
    assert find_attribute("Male", CelebA()) == "Male"


def test_probability_and_meeting():
    judged = {
        "smile": np.array([0.9, 0.2, 0.6]),
        "turn": np.array([10.0, 10.0, 12.0]),
    }
    conditions = (Condition("smile", "=", 1), Condition("turn", "<", 11.0))
    below = 1 / (1 + np.exp(-1.0))  # a mean error of 1 degree below 11
    expected = [0.9 * below, 0.2 * below, 0.6 * (1 - below)]
    np.testing.assert_allclose(probability(conditions, judged, judge), expected)
    assert list(meets(conditions, judged, judge)) == [True, False, False]
    extreme = {"turn": np.array([-1e9, 1e9])}
    likely = probability(conditions[1:], extreme, judge)
    np.testing.assert_allclose(likely, [1, 0], atol=1e-12)


# From Newcombe 1998, "Two-sided confidence intervals for the single proportion",
# table I, the score method.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_the_published_ones(successes, trials, low, high):
    interval = binomial_interval(successes, trials)
    np.testing.assert_allclose(interval, (low, high), atol=5e-5)
    mirrored = binomial_interval(trials - successes, trials)
    np.testing.assert_allclose(mirrored, (1 - high, 1 - low), atol=5e-5)


def test_counted():
    facts = counted(np.array([True, False, True, True]))
    assert (facts["met"], facts["of"], facts["fraction"]) == (3, 4, 0.75)
