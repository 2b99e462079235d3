"""Activations: values, derivatives, at 0 and far out; what ctx keeps."""

import math

import numpy as np
import pytest

from scratchgan.nn import LeakyReLU, ReLU, Sigmoid, Tanh

X = np.array([-1000.0, -2.0, -0.5, 0.0, 0.5, 2.0, 1000.0])


def s(x):
    return 0.0 if x < -700 else 1 / (1 + math.exp(-x))


CASES = {
    "LeakyReLU(0.2)": (
        LeakyReLU(0.2),
        lambda x: x if x > 0 else 0.2 * x,
        lambda x: 1 if x > 0 else 0.2,
    ),
    "LeakyReLU(0)": (
        LeakyReLU(0),
        lambda x: max(x, 0),
        lambda x: 1 if x > 0 else 0,
    ),
    "ReLU": (ReLU(), lambda x: max(x, 0), lambda x: 1 if x > 0 else 0),
    "Tanh": (Tanh(), math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "Sigmoid": (Sigmoid(), s, lambda x: s(x) * (1 - s(x))),
}
KEEP_Y = ("LeakyReLU(0.2)", "LeakyReLU(0)", "ReLU", "Tanh", "Sigmoid")


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    layer, value, derivative = CASES[name]
    y, ctx = layer.forward(X)
    dy = np.arange(1.0, 8.0)
    np.testing.assert_allclose(y, [value(x) for x in X], rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(
        layer.backward(dy, ctx),
        [g * derivative(x) for x, g in zip(X, dy, strict=True)],
        rtol=1e-14,
        atol=1e-15,
    )


@pytest.mark.parametrize("name", KEEP_Y)
def test_context_is_the_output_itself(name):
    y, ctx = CASES[name][0].forward(X)
    assert ctx is y


@pytest.mark.parametrize("name", CASES)
def test_any_shape_and_order_in_memory(name, rng):
    layer = CASES[name][0]
    x = rng.normal(size=(2, 3, 4, 5))
    y = layer(x)
    np.testing.assert_array_equal(layer(x[:, :, ::-1].T), y[:, :, ::-1].T)


@pytest.mark.parametrize("name", CASES)
def test_nan_is_passed_on(name):
    """A failing network must not look healthy behind a rectifier."""
    assert np.isnan(CASES[name][0](np.array([np.nan]))).all()


def test_sigmoid_and_tanh_stay_in_range_in_float32():
    x = np.linspace(-200, 200, 4001, dtype="float32")
    assert Sigmoid()(x).min() >= 0
    assert Sigmoid()(x).max() <= 1
    assert abs(Tanh()(x)).max() <= 1


@pytest.mark.parametrize("slope", [-0.1, 1, 1.5])
def test_slope_out_of_range_is_refused_with_its_value(slope):
    with pytest.raises(ValueError, match=rf"negative_slope is {slope}, expected"):
        LeakyReLU(slope)


def test_repr_has_the_slope():
    assert repr(LeakyReLU(0.3)) == "LeakyReLU(0.3)"
