"""Initial values: distribution and reproducibility.

With 100,000 draws a mean is right to 0.3 % of the deviation and a deviation to 0.25 %
(one standard error); bounds are four times as wide.
"""

import numpy as np
import pytest

from scratchgan.nn import init

SHAPE = (100, 1000)


def test_normal_has_its_mean_and_deviation(rng):
    values = init.normal(0.02, mean=1.0)(rng, SHAPE, 7, 8)
    assert values.shape == SHAPE
    assert values.mean() == pytest.approx(1.0, abs=0.013 * 0.02)
    assert values.std() == pytest.approx(0.02, rel=0.01)
    kurtosis = ((values - 1) ** 4).mean() / values.var() ** 2
    assert kurtosis == pytest.approx(3, rel=0.05)  # of a normal distribution
    assert abs(init.normal(0.02)(rng, SHAPE, 7, 8).mean()) < 0.013 * 0.02


def test_constant_is_one_value(rng):
    np.testing.assert_array_equal(
        init.constant(0.5)(rng, (2, 3), 1, 1), np.full((2, 3), 0.5)
    )


@pytest.mark.parametrize(("fan_in", "fan_out"), [(100, 1000), (25, 800)])
def test_glorot_uniform_fills_its_bounds(fan_in, fan_out, rng):
    bound = (6 / (fan_in + fan_out)) ** 0.5
    values = init.glorot_uniform()(rng, SHAPE, fan_in, fan_out)
    assert abs(values).max() <= bound
    assert values.max() == pytest.approx(bound, rel=1e-3)
    assert values.min() == pytest.approx(-bound, rel=1e-3)
    assert values.var() == pytest.approx(2 / (fan_in + fan_out), rel=0.02)


@pytest.mark.parametrize("draw", [init.normal(0.02), init.glorot_uniform()])
def test_same_generator_state_gives_the_same_values(draw):
    one, two = (draw(np.random.default_rng(3), (4, 5), 4, 5) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.dtype == np.float64
