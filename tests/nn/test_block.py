"""A block against the same layers one by one, which are its definition."""

import numpy as np
import pytest

from scratchgan.functional.labels import one_hot
from scratchgan.nn import (
    BatchNorm2d,
    Block,
    ConcatLabels,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from scratchgan.nn.block import BlockContext
from scratchgan.testing import check_layer

pytestmark = pytest.mark.usefixtures("fast_everywhere")
TOLERANCE = {"float64": 1e-11, "float32": 2e-4}

BLOCKS = {
    "conv, norm, leaky": lambda **s: {
        "conv": Conv2d(4, 6, 4, stride=2, padding=1, **s),
        "norm": BatchNorm2d(6, dtype=s["dtype"]),
        "act": LeakyReLU(0.2),
    },
    "transposed, norm, relu": lambda **s: {
        "conv": ConvTranspose2d(4, 6, 5, stride=2, padding=((2, 1), (2, 1)), **s),
        "norm": BatchNorm2d(6, dtype=s["dtype"]),
        "act": ReLU(),
    },
    "norm without gains": lambda **s: {
        "conv": Conv2d(4, 6, 3, padding=1, **s),
        "norm": BatchNorm2d(6, affine=False, dtype=s["dtype"]),
        "act": ReLU(),
    },
    "norm without activation": lambda **s: {
        "conv": Conv2d(4, 6, 3, stride=2, padding=1, **s),
        "norm": BatchNorm2d(6, dtype=s["dtype"]),
    },
    "conv, leaky": lambda **s: {
        "conv": Conv2d(4, 6, 4, stride=2, padding=1, **s),
        "act": LeakyReLU(0.2),
    },
    "transposed, tanh": lambda **s: {
        "conv": ConvTranspose2d(4, 3, 4, stride=2, padding=1, **s),
        "act": Tanh(),
    },
    "conv alone": lambda **s: {"conv": Conv2d(4, 1, 4, **s)},
    "labels, conv, norm, leaky": lambda **s: {
        "labels": ConcatLabels(3),
        "conv": Conv2d(7, 6, 4, stride=2, padding=1, **s),
        "norm": BatchNorm2d(6, dtype=s["dtype"]),
        "act": LeakyReLU(0.2),
    },
    "reshape, transposed": lambda **s: {
        "reshape": Reshape(4, 8, 6),
        "conv": ConvTranspose2d(4, 3, 4, stride=2, padding=1, **s),
    },
}


def build(name, dtype="float64", impl="fast", **settings):
    """Return a block and a Sequential of the same layers, with random parameters."""
    rng = np.random.default_rng(5)
    block, plain = (
        kind(**BLOCKS[name](rng=np.random.default_rng(3), dtype=dtype, impl=i))
        for kind, i in ((Block, impl), (Sequential, "reference"))
    )
    for parameter in block.parameters().values():
        parameter.data[...] = rng.normal(0.3, 0.5, parameter.data.shape)
    plain.load_state_dict(block.state_dict())
    shape = (7, 4 * 8 * 6) if "reshape" in name else (7, 4, 8, 6)
    x = rng.normal(size=shape).astype(dtype)
    labels = one_hot(np.arange(7) % 3, 3).astype(dtype) if "labels" in name else None
    return block, plain, x, labels


def results(layer, x, labels, dy=None, **needs):
    y, ctx = layer.forward(x, labels)
    if dy is None:
        dy = np.random.default_rng(1).normal(size=y.shape).astype(y.dtype)
    layer.zero_grad()
    dx = layer.backward(dy, ctx, **needs)
    gradients = {name: p.grad.copy() for name, p in layer.parameters().items()}
    return {"y": y, "dx": dx, **gradients, **layer.buffers()}, ctx


@pytest.mark.parametrize("impl", ["fast", "matmul", "strips", "reference"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", BLOCKS)
def test_block_computes_what_its_layers_do(name, dtype, impl):
    block, plain, x, labels = build(name, dtype, impl)
    (got, ctx), (expected, _) = (results(n, x, labels) for n in (block, plain))
    assert isinstance(ctx, BlockContext) == (impl in ("fast", "matmul"))
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        assert got[key].dtype == value.dtype, key
        scale = max(1, abs(value).max())
        np.testing.assert_allclose(
            got[key], value, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=key
        )


@pytest.mark.parametrize("name", BLOCKS)
def test_gradients_of_a_block_are_the_numeric_ones(name):
    block, _, x, labels = build(name)
    check_layer(block, x + 0.01 * np.sign(x), labels=labels)


@pytest.mark.parametrize("name", BLOCKS)
def test_only_what_is_needed_is_computed(name):
    block, _, x, labels = build(name)
    whole, _ = results(block, x, labels)
    inputs, _ = results(block, x, labels, need_dparams=False)
    weights, _ = results(block, x, labels, need_dx=False)
    np.testing.assert_array_equal(inputs["dx"], whole["dx"])
    assert weights["dx"] is None
    for key in block.parameters():
        assert not inputs[key].any()
        np.testing.assert_array_equal(weights[key], whole[key])


def test_context_may_be_used_again_and_several_at_a_time():
    block, _, x, _ = build("conv, norm, leaky")
    _, one = block.forward(x)
    y, two = block.forward(2 * x + 1)
    dy = np.random.default_rng(1).normal(size=y.shape)
    first = block.backward(dy, one)
    other = block.backward(dy, two)
    np.testing.assert_array_equal(block.backward(dy, one), first)
    assert abs(first - other).max() > 1e-3


@pytest.mark.parametrize("impl", ["fast", "reference"])
def test_layers_run_one_by_one_where_nothing_is_merged(impl):
    block, plain, x, _ = build("conv, norm, leaky", impl=impl)
    if impl == "fast":
        block.eval()
        plain.eval()
    (got, ctx), (expected, _) = (results(n, x, None) for n in (block, plain))
    assert not isinstance(ctx, BlockContext)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, atol=1e-11, err_msg=key)


def test_bias_and_layers_after_the_activation_run_one_by_one(rng):
    x = rng.normal(size=(3, 4, 8, 8))
    for layers in (
        {"conv": Conv2d(4, 2, 4, bias=True, dtype="float64"), "act": ReLU()},
        {"conv": Conv2d(4, 2, 4, dtype="float64"), "flatten": Flatten()},
    ):
        block = Block(**layers)
        y, ctx = block.forward(x)
        assert not isinstance(ctx, BlockContext)
        np.testing.assert_array_equal(y, Sequential(**layers)(x))


def test_one_value_a_channel_is_refused_and_leaves_the_averages():
    block = Block(
        conv=Conv2d(2, 3, 4, dtype="float64"), norm=BatchNorm2d(3, dtype="float64")
    )
    before = block.state_dict()
    with pytest.raises(ValueError, match="batch statistics need two values"):
        block.forward(np.ones((1, 2, 4, 4)))
    for key, value in block.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_block_is_the_same_from_run_to_run_with_any_number_of_threads(
    threads, monkeypatch
):
    from scratchgan.functional import parallel

    monkeypatch.setattr(parallel, "_threads", threads)
    runs = []
    for _ in range(2):
        block, _, x, labels = build("conv, norm, leaky", "float32")
        runs.append(results(block, x, labels)[0])
    for key in runs[0]:
        np.testing.assert_array_equal(runs[0][key], runs[1][key], err_msg=key)
