"""Selectivity: definitions, against direct counting of pairs."""

import numpy as np

from scratchgan.paper.filters.selectivity import (
    FEW,
    attribute_contrast,
    binary_attributes,
    compare,
    lifetime_sparseness,
)


def test_sparseness_by_its_formula(rng):
    r = rng.exponential(size=(30, 4))
    expected = (1 - r.mean(0) ** 2 / (r**2).mean(0)) / (1 - 1 / 30)
    np.testing.assert_allclose(lifetime_sparseness(r), expected)
    np.testing.assert_allclose(lifetime_sparseness(3 * r), expected)  # no unit


def test_sparseness_at_its_ends():
    alike, one, none = np.ones(50), np.zeros(50), np.full(50, -2.0)
    one[7] = 4
    found = lifetime_sparseness(np.stack([alike, one, none], axis=1))
    np.testing.assert_allclose(found, [0, 1, 0], atol=1e-12)


def auc_by_counting(responses, with_it):
    yes, no = responses[with_it], responses[~with_it]
    wins = (yes[:, None] > no).mean() + 0.5 * (yes[:, None] == no).mean()
    return abs(2 * wins - 1)


def test_contrast_counts_pairs(rng):
    responses = rng.integers(0, 6, (40, 3)).astype(float)  # many ties
    attributes = rng.random((40, 2)) < 0.3
    found = attribute_contrast(responses, attributes)
    for f in range(3):
        for a in range(2):
            expected = auc_by_counting(responses[:, f], attributes[:, a])
            np.testing.assert_allclose(found[f, a], expected, atol=1e-12)


def test_contrast_of_a_perfect_feature_of_either_sign(rng):
    attribute = rng.random((60, 1)) < 0.5
    responses = np.concatenate([attribute, ~attribute], axis=1) + 0.1 * rng.random(
        (60, 2)
    )
    np.testing.assert_allclose(attribute_contrast(responses, attribute), 1)


def test_share_of_pairs(rng):
    trained, control = rng.integers(0, 9, 13), rng.integers(0, 7, 8)
    found = compare(trained, control)["share"]
    pairs = (trained[:, None] > control) + 0.5 * (trained[:, None] == control)
    np.testing.assert_allclose(found, pairs.mean())


def test_attributes_that_an_image_has_or_has_not():
    count = 4 * FEW
    values = np.zeros((count, 4), np.float32)
    values[: 2 * FEW, 0] = 1  # of two values
    values[:, 1] = np.linspace(0, 1, count)  # measured
    values[: FEW - 1, 2] = 1  # too few have it
    values[FEW - 1 :, 3] = 1  # too few lack it
    binary, names = binary_attributes(values, ["a", "b", "c", "d"])
    assert names == ["a"]
    np.testing.assert_array_equal(binary[:, 0], values[:, 0] == 1)
    assert binary_attributes(values[:, :0], [])[1] == []
