"""Ratings of a judge against their definitions."""

import numpy as np
import pytest

from scratchgan.paper.judges.rating import rate_presence, rate_values


def test_auc_is_how_often_a_one_is_above_a_zero(rng):
    probabilities = rng.integers(0, 8, 60) / 8  # with many equal ones
    truth = (rng.random(60) < 0.3).astype(float)
    ones, zeros = probabilities[truth == 1], probabilities[truth == 0]
    pairs = [(a > b) + (a == b) / 2 for a in ones for b in zeros]
    assert rate_presence(probabilities, truth)["auc"] == pytest.approx(np.mean(pairs))
    assert rate_presence(-probabilities, truth)["auc"] == pytest.approx(
        1 - np.mean(pairs)
    )


def test_a_constant_answer_is_right_mostly_and_worth_nothing():
    truth = np.repeat([1.0, 0.0], [95, 5])
    facts = rate_presence(np.full(100, 0.95), truth, 0.9)
    assert facts["accuracy"] == facts["majority"] == 0.95
    assert facts["balanced_accuracy"] == facts["auc"] == 0.5


def test_balanced_accuracy_weighs_both_kinds_alike():
    """Of four ones 3 are above the share, of two zeros 1 is below: 3/4 and 1/2."""
    probabilities = np.array([0.9, 0.8, 0.7, 0.2, 0.65, 0.1])
    truth = np.array([1, 1, 1, 1, 0, 0.0])
    facts = rate_presence(probabilities, truth, 0.6)
    assert facts["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert facts["images"] == 6


@pytest.mark.parametrize("kind", [0.0, 1.0])
def test_images_of_one_kind_leave_it_unsaid(kind):
    facts = rate_presence(np.array([0.3, 0.6]), np.full(2, kind))
    assert facts["majority"] == 1
    assert facts["balanced_accuracy"] is facts["auc"] is None


def test_values():
    facts = rate_values(np.array([1.0, 2, 3, 5]), np.array([1.0, 1, 1, 9]))
    assert facts["mean_absolute_error"] == (0 + 1 + 2 + 4) / 4
    assert facts["spread"] == 2
