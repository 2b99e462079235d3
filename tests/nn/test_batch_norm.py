"""Batch normalisation: statistics, running averages, modes, gradients by formula.

Tolerance 1e-12: float64 sums of some hundred numbers of size 1 to 10.
"""

import numpy as np
import pytest

from scratchgan.nn import BatchNorm1d, BatchNorm2d, init

TOLERANCE = 1e-12
FORMS = pytest.mark.parametrize(
    ("kind", "shape", "axes"),
    [(BatchNorm2d, (3, 4, 5, 2), (0, 2, 3)), (BatchNorm1d, (6, 4), (0,))],
)


def draw(rng, shape):
    """Return x whose four features have different means and spreads."""
    along = (1, 4, *(1 for _ in shape[2:]))
    mean = np.array([-3.0, 0.0, 2.0, 10.0]).reshape(along)
    std = np.array([0.1, 1.0, 5.0, 2.0]).reshape(along)
    return rng.normal(mean, std, shape)


@FORMS
def test_every_feature_has_mean_0_and_variance_1(kind, shape, axes, rng):
    y = kind(4, eps=1e-12, dtype="float64")(draw(rng, shape))
    np.testing.assert_allclose(y.mean(axis=axes), np.zeros(4), atol=1e-9)
    np.testing.assert_allclose(y.var(axis=axes), np.ones(4), rtol=1e-9)


@FORMS
def test_output_is_the_formula_with_eps_gamma_and_beta(kind, shape, axes, rng):
    layer = kind(4, eps=0.3, dtype="float64")
    layer.gamma.data[...] = rng.normal(size=4)
    layer.beta.data[...] = rng.normal(size=4)
    x = draw(rng, shape)
    along = (1, 4, *(1 for _ in shape[2:]))
    mean = x.mean(axis=axes, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=axes, keepdims=True)  # biased, divided by m
    expected = (x - mean) / np.sqrt(var + 0.3) * layer.gamma.data.reshape(
        along
    ) + layer.beta.data.reshape(along)
    np.testing.assert_allclose(layer(x), expected, rtol=0, atol=TOLERANCE)


@FORMS
@pytest.mark.parametrize("momentum", [0.1, 0.01, 1.0])
def test_running_averages_weigh_the_new_batch_and_are_unbiased(
    kind, shape, axes, momentum, rng
):
    layer = kind(4, momentum=momentum, dtype="float64")
    mean, var = np.zeros(4), np.ones(4)
    for _ in range(3):
        x = draw(rng, shape)
        layer.forward(x)
        mean = (1 - momentum) * mean + momentum * x.mean(axis=axes)
        var = (1 - momentum) * var + momentum * x.var(axis=axes, ddof=1)
        np.testing.assert_allclose(layer.running_mean, mean, atol=TOLERANCE)
        np.testing.assert_allclose(layer.running_var, var, rtol=TOLERANCE)


@FORMS
def test_eval_mode_uses_the_running_averages_and_leaves_them(kind, shape, axes, rng):
    layer = kind(4, eps=0.1, dtype="float64")
    layer.running_mean[...] = [1.0, -2.0, 0.0, 5.0]
    layer.running_var[...] = [4.0, 0.5, 1.0, 9.0]
    state = layer.state_dict()
    layer.eval()
    x = draw(rng, shape)
    along = (1, 4, *(1 for _ in shape[2:]))
    expected = (x - state["running_mean"].reshape(along)) / np.sqrt(
        state["running_var"].reshape(along) + 0.1
    )
    y, ctx = layer.forward(x)
    np.testing.assert_allclose(y, expected, atol=TOLERANCE)
    dy = rng.normal(size=shape)
    # Statistics are constants: each gradient passes on its own, scaled.
    scale = 1 / np.sqrt(state["running_var"].reshape(along) + 0.1)
    np.testing.assert_allclose(layer.backward(dy, ctx), dy * scale, atol=TOLERANCE)
    for key, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, state[key])


@FORMS
def test_training_mode_never_reads_the_running_averages(kind, shape, axes, rng):
    x = draw(rng, shape)
    plain = kind(4, dtype="float64")
    other = kind(4, dtype="float64")
    other.running_mean[...] = 1e6
    other.running_var[...] = 1e-6
    np.testing.assert_array_equal(plain(x), other(x))


@FORMS
def test_backward_depends_on_the_mode_of_its_own_forward(kind, shape, axes, rng):
    layer = kind(4, dtype="float64")
    x, dy = draw(rng, shape), rng.normal(size=shape)
    _, ctx = layer.forward(x)
    dx = layer.backward(dy, ctx)
    layer.eval()
    np.testing.assert_array_equal(layer.backward(dy, ctx), dx)


@FORMS
def test_gradients_are_the_formula(kind, shape, axes, rng):
    layer = kind(4, eps=0.3, dtype="float64")
    layer.gamma.data[...] = rng.normal(size=4)
    x, dy = draw(rng, shape), rng.normal(size=shape)
    _, ctx = layer.forward(x)
    dx = layer.backward(dy, ctx)
    along = (1, 4, *(1 for _ in shape[2:]))
    mean = x.mean(axis=axes, keepdims=True)
    std = np.sqrt(x.var(axis=axes, keepdims=True) + 0.3)
    x_hat = (x - mean) / std
    expected = (layer.gamma.data.reshape(along) / std) * (
        dy
        - dy.mean(axis=axes, keepdims=True)
        - x_hat * (dy * x_hat).mean(axis=axes, keepdims=True)
    )
    np.testing.assert_allclose(dx, expected, atol=1e-11)
    np.testing.assert_allclose(layer.gamma.grad, (dy * x_hat).sum(axis=axes))
    np.testing.assert_allclose(layer.beta.grad, dy.sum(axis=axes))


def test_upstream_gradient_of_ones_gives_no_input_gradient(rng):
    """Why checks need a random one: the output's sum does not depend on x."""
    layer = BatchNorm2d(4, dtype="float64")
    _, ctx = layer.forward(draw(rng, (3, 4, 5, 2)))
    np.testing.assert_allclose(
        layer.backward(np.ones((3, 4, 5, 2)), ctx), 0, atol=1e-12
    )


@FORMS
def test_without_gain_and_shift_nothing_is_trained(kind, shape, axes, rng):
    plain, gained = kind(4, affine=False, dtype="float64"), kind(4, dtype="float64")
    assert plain.parameters() == {}
    assert plain.gamma is None
    assert list(plain.state_dict()) == ["running_mean", "running_var"]
    x, dy = draw(rng, shape), rng.normal(size=shape)
    (y, ctx), (y_gained, ctx_gained) = plain.forward(x), gained.forward(x)
    np.testing.assert_array_equal(y, y_gained)
    np.testing.assert_allclose(
        plain.backward(dy, ctx), gained.backward(dy, ctx_gained), atol=TOLERANCE
    )


@pytest.mark.parametrize(
    ("layer", "shape"), [(BatchNorm2d(3), (1, 3, 1, 1)), (BatchNorm1d(3), (1, 3))]
)
def test_one_value_a_feature_is_refused_in_training_only(layer, shape):
    x = np.ones(shape, "float32")
    with pytest.raises(ValueError, match="two values a feature") as error:
        layer.forward(x)
    assert str(shape) in str(error.value)
    np.testing.assert_array_equal(layer.running_mean, np.zeros(3))
    layer.eval()
    assert layer(x).shape == shape


def test_one_image_with_several_pixels_is_enough(rng):
    x = rng.normal(size=(1, 2, 2, 1))
    y = BatchNorm2d(2, eps=1e-12, dtype="float64")(x)
    np.testing.assert_allclose(abs(y), 1, rtol=1e-9)


def test_constant_feature_gives_beta_not_nan():
    layer = BatchNorm2d(1, eps=1e-8)
    layer.beta.data[...] = 0.5
    y, ctx = layer.forward(np.full((4, 1, 3, 3), 7.0, "float32"))
    np.testing.assert_array_equal(y, np.full_like(y, 0.5))
    assert np.isfinite(layer.backward(np.ones_like(y), ctx)).all()


def test_large_means_keep_float32_digits(rng):
    """Variance from centred values: E[x²] - E[x]² would lose every digit here."""
    x = (1000 + rng.normal(size=(8, 1, 16, 16))).astype("float32")
    y = BatchNorm2d(1)(x)
    assert y.std() == pytest.approx(1, abs=1e-3)


def test_context_is_the_normalised_input_and_the_deviation_only(rng):
    layer = BatchNorm2d(4, dtype="float64")
    _, ctx = layer.forward(draw(rng, (3, 4, 5, 2)))
    assert ctx._fields == ("x_hat", "inv_std", "batch_statistics")
    assert ctx.x_hat.shape == (3, 4, 5, 2)
    assert ctx.inv_std.shape == (1, 4, 1, 1)
    assert ctx.batch_statistics is True
    assert layer.eval().forward(ctx.x_hat)[1].batch_statistics is False


def test_gains_are_drawn_as_asked_and_shifts_start_at_0():
    layer = BatchNorm1d(
        50_000, gamma_init=init.normal(0.02, mean=1.0), rng=np.random.default_rng(0)
    )
    assert layer.gamma.data.mean() == pytest.approx(1, abs=5e-4)
    assert layer.gamma.data.std() == pytest.approx(0.02, rel=0.02)
    assert not layer.beta.data.any()
    assert (BatchNorm1d(3).gamma.data == 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": 0}, "eps is 0, expected"),
        ({"eps": -1e-5}, "eps is -1e-05, expected"),
        ({"momentum": 0}, "momentum is 0, expected"),
        ({"momentum": 1.5}, r"momentum is 1\.5, expected"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    for kind in (BatchNorm1d, BatchNorm2d):
        with pytest.raises(ValueError, match=message):
            kind(3, **settings)
