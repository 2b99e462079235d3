"""What every layer keeps of the protocol, and what the base class does."""

import numpy as np
import pytest

from scratchgan.backend import CPU
from scratchgan.nn import (
    BatchNorm1d,
    BatchNorm2d,
    ConcatLabels,
    Conv2d,
    ConvTranspose2d,
    Layer,
    LeakyReLU,
    Linear,
    Parameter,
    Sequential,
)
from scratchgan.testing import check_layer
from tests.oracles import LAYERS, build_layer, call, our_results, upstream

every_layer = pytest.mark.parametrize("name", LAYERS)
with_state = pytest.mark.parametrize(
    "name", [name for name in LAYERS if build_layer(name)[0].state_dict()]
)


@every_layer
def test_gradients_and_protocol(name):
    layer, x, labels = build_layer(name)
    check_layer(layer, x, labels=labels)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_of_the_parameters_is_kept(name, dtype):
    layer, x, labels = build_layer(name, dtype)
    results = our_results(name, layer, x, labels)
    assert {key: a.dtype for key, a in results.items()} == dict.fromkeys(
        results, np.dtype(dtype)
    )
    _, ctx = call(layer, x, labels)
    fields = ctx if isinstance(ctx, tuple) else (ctx,)
    kept = [field for field in fields if isinstance(field, np.ndarray)]
    assert all(array.dtype == dtype for array in kept)


@every_layer
def test_float32_results_are_the_float64_ones_rounded(name):
    """Float32 rounds at 6e-8; sums of some hundred terms stay within 1e-5."""
    double = our_results(name, *build_layer(name))
    single = our_results(name, *build_layer(name, "float32"))
    for key, expected in double.items():
        scale = max(1.0, abs(expected).max())
        np.testing.assert_allclose(
            single[key], expected, rtol=0, atol=1e-5 * scale, err_msg=key
        )


@every_layer
def test_read_only_arguments_are_accepted_and_left_alone(name):
    layer, x, labels = build_layer(name)
    given = x.copy()
    x.setflags(write=False)
    if labels is not None:
        labels.setflags(write=False)
    for parameter in layer.parameters().values():
        parameter.data.setflags(write=False)
    y, ctx = call(layer, x, labels)
    dy = upstream(name, y)
    given_dy = dy.copy()
    dy.setflags(write=False)
    y.setflags(write=False)
    layer.backward(dy, ctx)
    np.testing.assert_array_equal(x, given)
    np.testing.assert_array_equal(dy, given_dy)


@every_layer
def test_results_of_one_forward_survive_the_next(name):
    """Outputs never lie in memory that a later call writes to."""
    layer, x, labels = build_layer(name)
    y, ctx = call(layer, x, labels)
    dx = layer.backward(upstream(name, y), ctx)
    kept_y, kept_dx = y.copy(), dx.copy()
    other, other_ctx = call(layer, -3 * x, labels)
    layer.backward(upstream("another", other), other_ctx)
    np.testing.assert_array_equal(y, kept_y)
    np.testing.assert_array_equal(dx, kept_dx)


@every_layer
def test_calling_a_layer_gives_y_alone(name):
    layer, x, labels = build_layer(name)
    y, _ = call(layer, x, labels)
    arguments = () if labels is None else (labels,)
    np.testing.assert_array_equal(layer(x, *arguments), y)


@every_layer
@pytest.mark.parametrize("need_dx", [True, False])
@pytest.mark.parametrize("need_dparams", [True, False])
def test_flags_choose_what_backward_computes(name, need_dx, need_dparams):
    layer, x, labels = build_layer(name)
    y, ctx = call(layer, x, labels)
    layer.zero_grad()
    dx = layer.backward(
        upstream(name, y), ctx, need_dx=need_dx, need_dparams=need_dparams
    )
    assert (dx is not None) == need_dx
    for key, parameter in layer.parameters().items():
        assert parameter.grad.any() == need_dparams, key


@with_state
def test_state_dict_round_trip(name):
    layer, x, labels = build_layer(name)
    layer.eval()
    state = layer.state_dict()
    twin = LAYERS[name][0](rng=np.random.default_rng(1), dtype="float64").eval()
    assert not np.allclose(call(twin, x, labels)[0], call(layer, x, labels)[0])
    own_arrays = {key: p.data for key, p in twin.parameters().items()}
    twin.load_state_dict(state)
    np.testing.assert_array_equal(call(twin, x, labels)[0], call(layer, x, labels)[0])
    for key, parameter in twin.parameters().items():
        assert parameter.data is own_arrays[key], f"{key} was replaced, not filled"
    for array in state.values():  # neither side shares memory with the state
        array[...] = np.nan
    assert np.isfinite(call(layer, x, labels)[0]).all()
    assert np.isfinite(call(twin, x, labels)[0]).all()


@with_state
def test_state_that_does_not_fit_is_refused_whole(name):
    layer, _, _ = build_layer(name)
    before = layer.state_dict()
    state = {key: array + 1 for key, array in before.items()}
    missing, *others = state
    expected = [f"missing {missing}", "unexpected extra"]
    del state[missing]
    state["extra"] = np.zeros(1)
    if others:
        wrong = others[-1]
        shape = (*before[wrong].shape, 2)
        state[wrong] = np.zeros(shape)
        expected.append(f"{wrong} has shape {shape}, expected {before[wrong].shape}")
    with pytest.raises(ValueError, match="state does not fit") as error:
        layer.load_state_dict(state)
    for problem in expected:
        assert problem in str(error.value)
    for key, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


MAPS, VECTORS = (2, 4, 8, 8), (2, 8)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2d(3, 2, 4), MAPS, "x has shape (2, 4, 8, 8), expected (N, 3, H, W)"),
        (Conv2d(8, 2, 4), VECTORS, "x has shape (2, 8), expected (N, 8, H, W)"),
        (
            ConvTranspose2d(3, 2, 4),
            MAPS,
            "x has shape (2, 4, 8, 8), expected (N, 3, H, W)",
        ),
        (BatchNorm2d(3), MAPS, "x has shape (2, 4, 8, 8), expected (N, 3, H, W)"),
        (BatchNorm1d(4), MAPS, "x has shape (2, 4, 8, 8), expected (N, 4)"),
        (Linear(7, 2), VECTORS, "x has shape (2, 8), expected (N, 7)"),
        (Linear(8, 2), MAPS, "x has shape (2, 4, 8, 8), expected (N, 8)"),
    ],
)
def test_another_shape_is_refused_by_name_with_both_shapes(layer, shape, message):
    with pytest.raises(ValueError, match="expected") as error:
        layer.forward(np.zeros(shape, "float32"))
    assert str(error.value) == f"{layer}: {message}"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d(4, 2, 4), MAPS),
        (ConvTranspose2d(4, 2, 4), MAPS),
        (BatchNorm2d(4), MAPS),
        (BatchNorm1d(8, affine=False), VECTORS),
        (Linear(8, 2), VECTORS),
    ],
)
def test_another_dtype_is_refused_by_name_with_both_dtypes(layer, shape):
    with pytest.raises(TypeError) as error:
        layer.forward(np.zeros(shape, "float64"))
    assert str(error.value) == f"{layer}: x is float64, expected float32"


def test_parameter_starts_with_a_zero_gradient_of_its_own():
    data = np.array([1.0, 2.0], "float32")
    parameter = Parameter(data)
    assert parameter.grad.dtype == np.float32
    np.testing.assert_array_equal(parameter.grad, [0.0, 0.0])
    assert not np.shares_memory(parameter.data, parameter.grad)


def test_zero_grad_writes_zeros_in_place():
    network = Sequential(a=Linear(2, 3, bias=True), b=Sequential(c=Linear(3, 1)))
    gradients = [p.grad for p in network.parameters().values()]
    for gradient in gradients:
        gradient += 1
    network.zero_grad()
    for parameter, gradient in zip(
        network.parameters().values(), gradients, strict=True
    ):
        assert parameter.grad is gradient
    assert not any(gradient.any() for gradient in gradients)


def test_names_join_with_dots_in_order_of_computation():
    network = Sequential(
        up1=Sequential(
            conv=Conv2d(1, 2, 3, bias=True), norm=BatchNorm2d(2), act=LeakyReLU()
        ),
        head=Linear(2, 1),
    )
    assert list(network.parameters()) == [
        "up1.conv.weight",
        "up1.conv.bias",
        "up1.norm.gamma",
        "up1.norm.beta",
        "head.weight",
    ]
    assert list(network.buffers()) == ["up1.norm.running_mean", "up1.norm.running_var"]
    assert list(network.state_dict()) == [*network.parameters(), *network.buffers()]


def test_train_and_eval_reach_every_layer_and_return_the_network():
    norm = BatchNorm2d(2)
    network = Sequential(a=Sequential(b=Sequential(norm=norm)))
    assert norm.training
    assert network.eval() is network
    assert not norm.training
    assert network.train() is network
    assert norm.training


def test_moving_to_the_cpu_keeps_the_arrays():
    network = Sequential(a=Sequential(norm=BatchNorm2d(2)))
    arrays = [p.data for p in network.parameters().values()]
    assert network.to(CPU) is network
    for parameter, array in zip(network.parameters().values(), arrays, strict=True):
        assert parameter.data is array


def test_base_layer_is_abstract():
    with pytest.raises(NotImplementedError, match="Layer is abstract"):
        Layer().forward(np.zeros(1))
    with pytest.raises(NotImplementedError, match="Layer is abstract"):
        Layer().backward(np.zeros(1), None)


def test_layers_without_state_have_an_empty_state_dict():
    assert LeakyReLU().state_dict() == ConcatLabels(2).state_dict() == {}
