"""The squared error: formula and gradient, on every device."""

import numpy as np
import pytest

from scratchgan.functional.squared_error import squared_error
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


def test_a_target_that_would_be_broadcast_is_refused():
    with pytest.raises(ValueError, match=r"y has shape \(4, 1\), target \(4,\)"):
        squared_error(np.ones((4, 1)), np.ones(4))
