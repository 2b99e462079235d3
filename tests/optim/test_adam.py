"""Adam against Algorithm 1 written out, and the learning rate epoch by epoch."""

import numpy as np
import pytest

from scratchgan.nn import Parameter
from scratchgan.optim.adam import Adam

STEPS = 10


def algorithm_1(theta, gradients, lr, beta1, beta2, eps, l2=0.0):
    """Return θ after every step: Kingma and Ba 2015, Algorithm 1, line by line."""
    theta = theta.copy()
    m = np.zeros_like(theta)  # m_0 ← 0
    v = np.zeros_like(theta)  # v_0 ← 0
    results = []
    for t, g in enumerate(gradients, 1):
        g = g + l2 * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        results.append(theta)
    return results


def ours(theta, gradients, **settings):
    """Return θ after every step of `Adam`."""
    parameter = Parameter(theta.copy())
    adam = Adam({"theta": parameter}, **settings)
    results = []
    for gradient in gradients:
        parameter.grad[...] = gradient
        adam.step()
        results.append(parameter.data.copy())
    return results


SETTINGS = pytest.mark.parametrize(
    ("lr", "betas", "eps", "l2", "size"),
    [
        (2e-4, (0.5, 0.999), 1e-8, 0.0, 1.0),
        (2e-4, (0.5, 0.999), 1e-8, 0.0, 1e-6),  # eps must not be rescaled
        (2e-4, (0.5, 0.999), 1e-8, 0.0, 1e-9),
        (0.1, (0.9, 0.99), 1e-3, 0.0, 1.0),
        (2e-4, (0.5, 0.999), 1e-8, 1e-2, 1e-3),
        (2e-3, (0.0, 0.9), 1e-8, 2.5e-5, 1.0),
    ],
)


@SETTINGS
def test_adam_is_algorithm_1(lr, betas, eps, l2, size, rng):
    theta = rng.normal(size=(3, 4))
    gradients = size * rng.normal(size=(STEPS, 3, 4))
    got = ours(theta, gradients, lr=lr, betas=betas, eps=eps, l2=l2)
    expected = algorithm_1(theta, gradients, lr, *betas, eps, l2)
    for a, b in zip(got, expected, strict=True):
        # Ten steps of float64 rounding, 1e-16 each, on θ of about 1.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)
    # The tolerance is far below one step, even below one wrong by a thousandth.
    smallest = abs(expected[0] - theta).max()
    assert smallest > 1e-14 * 1000


@pytest.mark.oracle
@SETTINGS
def test_adam_is_torchs_adam(lr, betas, eps, l2, size, rng):
    torch = pytest.importorskip("torch")
    theta = rng.normal(size=(3, 4))
    gradients = size * rng.normal(size=(STEPS, 3, 4))
    leaf = torch.tensor(theta, requires_grad=True)
    adam = torch.optim.Adam([leaf], lr=lr, betas=betas, eps=eps, weight_decay=l2)
    got = ours(theta, gradients, lr=lr, betas=betas, eps=eps, l2=l2)
    for gradient, result in zip(gradients, got, strict=True):
        leaf.grad = torch.tensor(gradient)
        adam.step()
        np.testing.assert_allclose(result, leaf.detach().numpy(), rtol=0, atol=1e-14)


def test_eps_added_before_the_correction_would_be_noticed(rng):
    """The efficient form, sqrt(v) + eps, is off by whole steps where g is small."""
    theta, gradients = rng.normal(size=20), 1e-6 * rng.normal(size=(STEPS, 20))
    expected = algorithm_1(theta, gradients, 2e-4, 0.5, 0.999, 1e-8)[-1]
    m = v = np.zeros(20)
    efficient = theta
    for t, g in enumerate(gradients, 1):
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
        step_size = 2e-4 * np.sqrt(1 - 0.999**t) / (1 - 0.5**t)
        efficient = efficient - step_size * m / (np.sqrt(v) + 1e-8)
    assert abs(efficient - expected).max() > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("l2", [0.0, 1e-5])
def test_dtype_of_parameters_and_moments_is_kept(dtype, l2, rng):
    """Under NumPy 2 one NumPy scalar in the step would make all of it float64."""
    parameter = Parameter(rng.normal(size=(3, 4)).astype(dtype))
    adam = Adam({"theta": parameter}, l2=l2)
    data, m, v = parameter.data, adam.m["theta"], adam.v["theta"]
    for _ in range(3):
        parameter.grad[...] = 1
        adam.step()
    assert parameter.data is data
    assert adam.m["theta"] is m
    assert adam.v["theta"] is v
    assert data.dtype == m.dtype == v.dtype == parameter.grad.dtype == dtype


def test_float32_steps_are_the_float64_ones_rounded(rng):
    """Gradients of 1e-6 have squares of 1e-12, which float32 can hold."""
    theta = rng.normal(size=50).astype("float32")
    gradients = (1e-6 * rng.normal(size=(STEPS, 50))).astype("float32")
    settings = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-8}
    single = ours(theta, gradients, **settings)[-1]
    double = ours(theta.astype("float64"), gradients.astype("float64"), **settings)[-1]
    # Ten roundings of θ at 6e-8 relative.
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-6 * 3)
    assert abs(double - theta).max() > 1e-4


def test_step_leaves_gradients_alone_and_updates_every_parameter(rng):
    parameters = {name: Parameter(rng.normal(size=3)) for name in ("a", "b.weight")}
    before = {name: p.data.copy() for name, p in parameters.items()}
    for parameter in parameters.values():
        parameter.grad[...] = [1.0, -2.0, 3.0]
    Adam(parameters, lr=0.1, l2=0.5).step()
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.grad, [1.0, -2.0, 3.0])
        assert (parameter.data != before[name]).all()


def test_zero_gradient_moves_nothing():
    parameter = Parameter(np.array([1.0, -2.0]))
    Adam({"theta": parameter}).step()
    np.testing.assert_array_equal(parameter.data, [1.0, -2.0])


def test_l2_alone_pulls_towards_zero():
    parameter = Parameter(np.array([1.0, -2.0]))
    Adam({"theta": parameter}, lr=0.1, l2=1e-3).step()
    np.testing.assert_allclose(parameter.data, [0.9, -1.9], atol=1e-4)


def test_learning_rate_may_change_between_steps(rng):
    parameter = Parameter(np.array([1.0]))
    adam = Adam({"theta": parameter}, lr=0.1)
    parameter.grad[...] = 1.0
    adam.step()
    after_first = parameter.data.copy()
    adam.lr = 0.0
    adam.step()
    np.testing.assert_array_equal(parameter.data, after_first)


def test_state_dict_round_trip_continues_the_same_path(rng):
    gradients = rng.normal(size=(STEPS, 4))
    theta = rng.normal(size=4)
    whole = ours(theta, gradients, lr=0.1, l2=0.01)
    first = Parameter(theta.copy())
    adam = Adam({"up1.conv.weight": first}, lr=0.1, l2=0.01)
    for gradient in gradients[:5]:
        first.grad[...] = gradient
        adam.step()
    state = adam.state_dict()
    assert list(state) == ["m/up1.conv.weight", "v/up1.conv.weight"]
    second = Parameter(first.data.copy())
    other = Adam({"up1.conv.weight": second}, lr=0.1, l2=0.01)
    other.load_state_dict(state, adam.steps)
    for array in state.values():
        array[...] = np.nan  # neither side shares memory with the state
    for gradient in gradients[5:]:
        second.grad[...] = gradient
        other.step()
    np.testing.assert_array_equal(second.data, whole[-1])
    assert np.isfinite(adam.m["up1.conv.weight"]).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s.pop("m/a"), "m/a"),
        (lambda s: s.pop("v/b"), "v/b"),
        (lambda s: s.update({"v/a": np.zeros(3)}), "v/a"),
        (lambda s: s.update({"m/c": np.zeros(2)}), "m/c"),
    ],
)
def test_state_that_does_not_fit_is_refused_whole(change, named):
    adam = Adam({"a": Parameter(np.ones(2)), "b": Parameter(np.ones(2))})
    state = {name: array + 7 for name, array in adam.state_dict().items()}
    change(state)
    with pytest.raises(ValueError, match=f"moments do not fit: {named}$"):
        adam.load_state_dict(state, 3)
    assert adam.steps == 0
    assert not any(array.any() for array in adam.state_dict().values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1e-3}, r"lr is -0\.001"),
        ({"eps": 0}, "eps is 0"),
        ({"l2": -1}, "l2 is -1"),
        ({"betas": (0.5, 1.0)}, r"betas are \(0\.5, 1\.0\)"),
        ({"betas": (-0.1, 0.9)}, r"betas are \(-0\.1, 0\.9\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Adam({}, **settings)


def test_defaults_are_the_papers():
    adam = Adam({})
    assert (adam.lr, adam.betas, adam.eps, adam.l2) == (2e-4, (0.5, 0.999), 1e-8, 0.0)
