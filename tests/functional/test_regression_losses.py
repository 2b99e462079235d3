"""Losses with a target for each value: formulas and gradients, on every device."""

import numpy as np
import pytest

from scratchgan.functional.regression_losses import (
    binary_cross_entropy,
    squared_error,
)
from scratchgan.testing import gradient_errors


def test_squared_error_is_the_mean_and_its_gradient(rng):
    y, target = rng.standard_normal((2, 5, 6))
    loss, dy = squared_error(y, target)
    assert float(loss) == pytest.approx(np.mean((y - target) ** 2), rel=1e-14)
    errors = gradient_errors(lambda: squared_error(y, target)[0], {"y": y}, {"y": dy})
    assert errors["y"] < 1e-8


def test_squared_error_keeps_float32_and_the_device(backend):
    y = backend.put(np.ones((2, 3), np.float32))
    loss, dy = squared_error(y, y * 0)
    assert loss.dtype == dy.dtype == np.float32
    assert float(loss) == 1
    np.testing.assert_allclose(backend.host(dy), 1 / 3, rtol=1e-6)


def test_binary_cross_entropy_is_its_formula_and_gradient(rng):
    logits, targets = rng.normal(0, 3, (2, 1, 3, 4)), rng.random((2, 1, 3, 4))
    loss, dlogits = binary_cross_entropy(logits, targets)
    p = 1 / (1 + np.exp(-logits))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-12)
    errors = gradient_errors(
        lambda: binary_cross_entropy(logits, targets)[0],
        {"logits": logits},
        {"logits": dlogits},
    )
    assert errors["logits"] < 1e-8


def test_binary_cross_entropy_where_the_probability_rounds_to_0_or_1():
    logits = np.array([[-1000.0, 1000.0, -1000.0, 1000.0]])
    loss, dlogits = binary_cross_entropy(logits, np.array([[0.0, 1.0, 1.0, 0.0]]))
    assert float(loss) == 500  # (0 + 0 + 1000 + 1000) / 4
    np.testing.assert_array_equal(dlogits, [[0, 0, -0.25, 0.25]])


def test_binary_cross_entropy_keeps_float32_and_the_device(rng, backend):
    logits, targets = rng.random((2, 3, 4)).astype(np.float32)
    expected = binary_cross_entropy(logits, targets)
    got = binary_cross_entropy(backend.put(logits), backend.put(targets))
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(backend.host(one), other, rtol=1e-5)
