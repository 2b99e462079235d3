"""The same code on every backend: nothing in it may be hard-coded NumPy.

Results on the strict stand-in for CuPy must equal NumPy's, which computes them; a GPU
adds up in another order, where 1e-10 is far above float64 rounding.
"""

import sys

import numpy as np
import pytest

from scratchgan.backend import get_array_module
from scratchgan.functional.losses import (
    bce_with_logits,
    real_probability,
    sigmoid,
    softmax_cross_entropy,
)
from scratchgan.nn import Layer, Linear, Parameter
from scratchgan.optim.adam import Adam
from scratchgan.testing import check_layer
from tests.oracles import (
    LAYERS,
    TRAININGS,
    build_gan,
    build_layer,
    our_results,
    our_training,
)
from tests.strict import StrictArray, make_namespace

TOLERANCE = 1e-10


def assert_close(backend, got, expected, what=""):
    assert isinstance(got, StrictArray) == (backend.name == "strict"), what
    np.testing.assert_allclose(
        backend.host(got), expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=what
    )


@pytest.mark.parametrize("name", LAYERS)
def test_layer_computes_the_same_on_every_backend(name, backend):
    expected = our_results(name, *build_layer(name))
    layer, x, labels = build_layer(name)
    layer.to(backend.device)
    labels = None if labels is None else backend.put(labels)
    results = our_results(name, layer, backend.put(x), labels, place=backend.put)
    assert results.keys() == expected.keys()
    for key in expected:
        assert_close(backend, results[key], expected[key], key)


@pytest.mark.parametrize(
    "name", ["conv k4 s2 p1", "transposed k4 s2 p1", "batch norm 2d", "sequential"]
)
def test_gradient_checker_works_on_every_backend(name, backend):
    layer, x, labels = build_layer(name)
    layer.to(backend.device)
    labels = None if labels is None else backend.put(labels)
    check_layer(layer, backend.put(x), labels=labels)


def test_losses_compute_the_same_on_every_backend(backend, rng):
    one, two = rng.normal(0, 3, (6, 1)), rng.normal(0, 3, (6, 2))
    for function, logits, rest in (
        (bce_with_logits, one, (1.0,)),
        (bce_with_logits, one, (0.0,)),
        (softmax_cross_entropy, two, (1,)),
    ):
        loss, dlogits = function(backend.put(logits), *rest)
        expected_loss, expected = function(logits, *rest)
        assert_close(backend, dlogits, expected)
        assert float(loss) == pytest.approx(float(expected_loss), rel=TOLERANCE)
        assert_close(backend, loss, expected_loss)
    for function, logits in (
        (sigmoid, one),
        (real_probability, one),
        (real_probability, two),
    ):
        assert_close(backend, function(backend.put(logits)), function(logits))


def test_adam_computes_the_same_on_every_backend(backend, rng):
    data, gradients = rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    ours, expected = Parameter(backend.put(data.copy())), Parameter(data.copy())
    adam = Adam({"theta": ours}, lr=0.1, l2=0.1)
    adam_expected = Adam({"theta": expected}, lr=0.1, l2=0.1)
    for gradient in gradients:
        ours.grad[...] = backend.put(gradient)
        expected.grad[...] = gradient
        adam.step()
        adam_expected.step()
    assert_close(backend, ours.data, expected.data)
    state = adam.state_dict()
    assert all(type(array) is np.ndarray for array in state.values())
    adam.load_state_dict(state, 5)
    assert_close(backend, adam.m["theta"], adam_expected.m["theta"])


@pytest.mark.parametrize("name", TRAININGS)
def test_training_steps_compute_the_same_on_every_backend(name, backend):
    gan = build_gan(name)
    for network in (gan.generator, gan.discriminator):
        network.to(backend.device)
    for adam in (gan.adam_g, gan.adam_d):
        adam.load_state_dict(adam.state_dict(), 0)  # NumPy's zeros are still there
        for moments in (adam.m, adam.v):
            moments.update({key: backend.put(m) for key, m in moments.items()})
    # Three steps: the second works with moments that are no longer zero.
    for ours, expected, _ in zip(
        our_training(name, gan, place=backend.put),
        our_training(name),
        range(3),
        strict=False,
    ):
        assert ours[:2] == pytest.approx(expected[:2], rel=TOLERANCE)
    state, expected_state = (
        {**g.generator.state_dict(), **g.discriminator.state_dict()}
        for g in (ours[2], expected[2])
    )
    for key in state:
        np.testing.assert_allclose(
            state[key], expected_state[key], rtol=1e-8, atol=1e-8, err_msg=key
        )


def test_state_dict_comes_to_the_host_and_goes_back_to_the_device(backend):
    layer, x, _ = build_layer("batch norm 2d")
    layer.to(backend.device)
    state = layer.state_dict()
    assert all(type(array) is np.ndarray for array in state.values())
    layer.forward(backend.put(x))
    assert not np.allclose(layer.state_dict()["running_mean"], state["running_mean"])
    gamma, running_mean = layer.gamma.data, layer.running_mean
    layer.load_state_dict(state)
    assert layer.gamma.data is gamma
    assert layer.running_mean is running_mean
    for key, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, state[key])


# --- the strict backend must catch -------------------------------------------------


@pytest.fixture
def xp(monkeypatch):
    namespace = make_namespace()
    monkeypatch.setitem(sys.modules, "cupy", namespace)
    return namespace


class HardCoded(Layer):
    """A layer whose forward is one expression that forgot where x lives."""

    def __init__(self, expression):
        self.expression = expression
        self.mean = np.ones(3)

    def forward(self, x):
        return self.expression(self, x), None


MISTAKES = {
    "np.sqrt(x)": lambda self, x: np.sqrt(x),
    "np.tanh of a method's result": lambda self, x: np.tanh(x.sum(axis=0)),
    "np.where": lambda self, x: np.where(x > 0, x, 0.0),
    "np.where with a device condition only": lambda self, x: np.where(x > 0, 1, 0),
    "np.zeros + x": lambda self, x: np.zeros(x.shape) + x,
    "x + np.zeros": lambda self, x: x + np.zeros(x.shape),
    "x times a NumPy scalar": lambda self, x: x * np.float64(2.0),
    "a NumPy scalar times x": lambda self, x: np.float32(2.0) * x,
    "x minus a buffer left on the host": lambda self, x: x - self.mean,
    "x @ host matrix": lambda self, x: x @ np.ones((3, 3)),
    "host matrix @ x": lambda self, x: np.ones((2, 2)) @ x,
    "np.asarray(x)": lambda self, x: np.asarray(x),
    "np.array([x])": lambda self, x: np.array([x]),
    "np.zeros_like(x)": lambda self, x: np.zeros_like(x),
    "np.concatenate": lambda self, x: np.concatenate([x, x]),
    "np.einsum": lambda self, x: np.einsum("ij->i", x),
    "np.sum": lambda self, x: np.sum(x),
    "comparison with a host array": lambda self, x: x > np.zeros(3),
    "writing into a host array": lambda self, x: np.zeros((2, 3)).__setitem__(..., x),
    "adding to a host array": lambda self, x: np.zeros((2, 3)).__iadd__(x),
    "writing a host array into x": lambda self, x: x.__setitem__(..., np.zeros((2, 3))),
    "adding a host array to x": lambda self, x: x.__iadd__(np.zeros((2, 3))),
    "masking with a host array": lambda self, x: x[np.array([True, False])],
    "its own functions with host arrays": lambda self, x: get_array_module(x).where(
        x > 0, x, np.zeros(3)
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_strict_backend_catches(mistake, xp):
    layer = HardCoded(MISTAKES[mistake])
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    layer.forward(x)  # right on NumPy, which is why nobody notices
    with pytest.raises(TypeError):
        layer.forward(xp.asarray(x))


def test_strict_backend_catches_a_layer_left_on_the_host(xp, rng):
    layer = Linear(3, 2, dtype="float64")
    x = xp.asarray(rng.normal(size=(2, 3)))
    with pytest.raises(TypeError):
        layer.forward(x)


def test_strict_backend_allows_what_cupy_allows(xp):
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert get_array_module(x) is xp
    assert get_array_module(np.ones(2)) is np
    y = 2 * x + 1 - x / 2.0
    y += x
    y[0, np.int64(1)] = 7.0
    np.testing.assert_array_equal(y.get(), [[3.5, 7.0], [8.5, 11.0]])
    assert isinstance(x.sum(), StrictArray)
    assert x.sum().shape == ()
    assert float(x.sum()) == 10.0
    assert len(x) == 2
    assert x.dtype == np.float64
    with pytest.raises(AttributeError):
        getattr(xp, "no_such_function")  # noqa: B009
