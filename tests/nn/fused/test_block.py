"""A block against the same layers one by one, which are its definition."""

import numpy as np
import pytest

from scratchgan.backend import to_host
from scratchgan.functional.conv import strips as conv_strips
from scratchgan.functional.labels import one_hot
from scratchgan.functional.losses import sigmoid
from scratchgan.kernels.counting import counting
from scratchgan.nn import (
    BatchNorm1d,
    BatchNorm2d,
    Block,
    ConcatLabels,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from scratchgan.nn.fused.block import BlockContext
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
    "a layer that learns, conv, leaky, labels": lambda **s: {
        "first": BatchNorm2d(4, dtype=s["dtype"]),
        "conv": Conv2d(4, 6, 4, stride=2, padding=1, **s),
        "act": LeakyReLU(0.2),
        "labels": ConcatLabels(3),
    },
    "reshape, transposed": lambda **s: {
        "reshape": Reshape(4, 8, 6),
        "conv": ConvTranspose2d(4, 3, 4, stride=2, padding=1, **s),
    },
    "transposed with bias, sigmoid": lambda **s: {
        "conv": ConvTranspose2d(4, 3, 4, stride=2, padding=1, bias=True, **s),
        "act": Sigmoid(),
    },
    "conv with bias": lambda **s: {"conv": Conv2d(4, 3, 3, bias=True, **s)},
    "conv, norm, unknown activation": lambda **s: {
        "conv": Conv2d(4, 6, 3, stride=2, padding=1, **s),
        "norm": BatchNorm2d(6, dtype=s["dtype"]),
        "act": Swish(),
    },
    "conv, leaky, flatten, linear": lambda **s: {
        "conv": Conv2d(4, 6, 4, stride=2, padding=1, **s),
        "act": LeakyReLU(0.2),
        "flatten": Flatten(),
        "linear": Linear(6 * 4 * 3, 2, dtype=s["dtype"]),
    },
    "reshape, linear, norm, relu, reshape": lambda **s: {
        "flatten": Flatten(),
        "linear": Linear(4 * 8 * 6, 12, dtype=s["dtype"]),
        "norm": BatchNorm1d(12, dtype=s["dtype"]),
        "act": ReLU(),
        "reshape": Reshape(3, 2, 2),
    },
    "reshape, linear with bias, tanh": lambda **s: {
        "flatten": Flatten(),
        "linear": Linear(4 * 8 * 6, 5, bias=True, dtype=s["dtype"]),
        "act": Tanh(),
    },
}
BEHIND_A_BIAS = {
    "conv with bias, norm, leaky": lambda **s: {
        "conv": Conv2d(4, 6, 4, stride=2, padding=1, bias=True, **s),
        "norm": BatchNorm2d(6, dtype=s["dtype"]),
        "act": LeakyReLU(0.2),
    },
    "reshape, linear with bias, norm": lambda **s: {
        "flatten": Flatten(),
        "linear": Linear(4 * 8 * 6, 12, bias=True, dtype=s["dtype"]),
        "norm": BatchNorm1d(12, dtype=s["dtype"]),
    },
}
"""A mean that is subtracted takes the bias with it: its gradient is zero."""


class Swish(Layer):
    """An activation that no fusion knows, and whose derivative wants x."""

    def forward(self, x):
        return x * sigmoid(x), x

    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        s = sigmoid(ctx)
        return dy * (s + ctx * s * (1 - s)) if need_dx else None


def build(name, dtype="float64", impl="fast", **settings):
    """Return a block and a Sequential of the same layers, with random parameters."""
    rng = np.random.default_rng(5)
    block, plain = (
        kind(
            **(BLOCKS | BEHIND_A_BIAS)[name](
                rng=np.random.default_rng(3), dtype=dtype, impl=i
            )
        )
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
@pytest.mark.parametrize("name", BLOCKS | BEHIND_A_BIAS)
def test_block_computes_what_its_layers_do(name, dtype, impl):
    block, plain, x, labels = build(name, dtype, impl)
    (got, ctx), (expected, _) = (results(n, x, labels) for n in (block, plain))
    in_chunks = "conv" not in block.layers or impl in ("fast", "matmul")
    assert isinstance(ctx, BlockContext) == in_chunks
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        assert got[key].dtype == value.dtype, key
        scale = max(1, abs(value).max())
        np.testing.assert_allclose(
            got[key], value, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=key
        )


@pytest.mark.parametrize("impl", ["fast", "matmul", "strips", "reference"])
@pytest.mark.parametrize("name", BLOCKS | BEHIND_A_BIAS)
def test_a_call_computes_y_alone(name, impl):
    block, plain, x, labels = build(name, impl=impl)
    rng = np.random.default_rng(2)
    for value in block.buffers().values():
        value[...] = rng.uniform(0.5, 2, value.shape)
    plain.load_state_dict(block.state_dict())
    for mode in (True, False):
        block.train(mode)
        plain.train(mode)
        np.testing.assert_allclose(block(x, labels), plain(x, labels), 0, 1e-11)
    for key, value in plain.buffers().items():  # followed in training mode alone
        np.testing.assert_allclose(block.buffers()[key], value, 0, 1e-11, err_msg=key)


def with_its_norm_alone_in_eval_mode(network):
    """Freeze the statistics that it normalises with, as one does for a fine-tuning."""
    rng = np.random.default_rng(2)
    for value in network.buffers().values():
        value[...] = rng.uniform(0.5, 2, value.shape)
    network.train().layers["norm"].eval()


@pytest.mark.parametrize("name", [name for name in BLOCKS if "norm" in name])
def test_a_norm_alone_may_be_in_eval_mode(name):
    block, plain, x, labels = build(name)
    for network in (block, plain):
        with_its_norm_alone_in_eval_mode(network)
    (got, ctx), (expected, _) = (results(n, x, labels) for n in (block, plain))
    assert not isinstance(ctx, BlockContext)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, atol=1e-11, err_msg=key)
    np.testing.assert_allclose(block(x, labels), expected["y"], 0, 1e-11)


@pytest.mark.gpu
def test_a_norm_alone_may_be_in_eval_mode_on_a_gpu(gpu):
    block, plain, x, _ = build("conv, norm, leaky")
    for network in (block, plain):
        with_its_norm_alone_in_eval_mode(network)
    block.to(gpu.device)
    there = gpu.device.put(x)
    y, ctx = block.forward(there)
    assert not isinstance(ctx, BlockContext)
    for got in (y, block(there)):
        np.testing.assert_allclose(to_host(got), plain(x), 0, 1e-11)


@pytest.mark.gpu
@pytest.mark.parametrize("impl", ["matmul", "reference"])
def test_implementations_without_kernels_run_one_by_one_on_a_gpu(impl, gpu):
    block, plain, x, _ = build("conv, norm, leaky", impl=impl)
    y, ctx = block.to(gpu.device).forward(gpu.device.put(x))
    assert not isinstance(ctx, BlockContext)
    np.testing.assert_allclose(to_host(y), plain(x), 0, 1e-11)


@pytest.mark.gpu
@pytest.mark.parametrize("name", BLOCKS)
def test_only_what_is_needed_is_computed_on_a_gpu(name, gpu):
    block, _, x, labels = build(name)
    block.to(gpu.device)
    x, labels = (None if a is None else gpu.device.put(a) for a in (x, labels))
    dy = gpu.device.put(np.random.default_rng(1).normal(size=block(x, labels).shape))
    whole, _ = results(block, x, labels, dy)
    inputs, _ = results(block, x, labels, dy, need_dparams=False)
    weights, _ = results(block, x, labels, dy, need_dx=False)
    np.testing.assert_array_equal(to_host(inputs["dx"]), to_host(whole["dx"]))
    assert weights["dx"] is None
    for key in block.parameters():
        assert not to_host(inputs[key]).any()
        np.testing.assert_array_equal(to_host(weights[key]), to_host(whole[key]))


@pytest.mark.gpu
@pytest.mark.parametrize("name", BLOCKS | BEHIND_A_BIAS)
def test_a_call_on_a_gpu_computes_y_alone(name, gpu):
    block, plain, x, labels = build(name)
    block.to(gpu.device).eval()
    plain.eval()
    there = gpu.device.put(x), labels if labels is None else gpu.device.put(labels)
    np.testing.assert_allclose(to_host(block(*there)), plain(x, labels), 0, 1e-11)


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


def test_layers_in_front_learn_where_nobody_wants_dx(rng):
    double = {"dtype": "float64"}
    block = Block(first=BatchNorm2d(2, **double), conv=Conv2d(2, 3, 2, **double))
    x = rng.normal(size=(3, 2, 4, 4))
    y, ctx = block.forward(x)
    assert isinstance(ctx, BlockContext)
    assert block.backward(np.ones_like(y), ctx, need_dx=False) is None
    assert block.parameters()["first.beta"].grad.any()


def test_a_block_without_an_operation_is_refused():
    with pytest.raises(ValueError, match=r"Block\(norm, act\).*use Sequential"):
        Block(norm=BatchNorm2d(3), act=ReLU())


@pytest.mark.parametrize("name", BLOCKS)
def test_what_can_be_made_again_may_be_freed(name):
    block, _, x, labels = build(name)
    expected, _ = results(block, x, labels)
    y, ctx = block.forward(x, labels)
    made = ctx.ctx.weight._made
    # Transformed weights; neither a matrix product nor a single map has them.
    assert made or "conv" not in block.layers or name == "conv alone"
    ctx.shrink()
    assert not made
    dy = np.random.default_rng(1).normal(size=y.shape)
    np.testing.assert_array_equal(block.backward(dy, ctx), expected["dx"])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", BLOCKS | BEHIND_A_BIAS)
def test_block_on_a_gpu_computes_what_its_layers_do(name, dtype, gpu):
    block, plain, x, labels = build(name, dtype)
    block.to(gpu.device)
    there = gpu.device.put(x), labels if labels is None else gpu.device.put(labels)
    expected, _ = results(plain, x, labels)
    dy = np.random.default_rng(1).normal(size=expected["y"].shape).astype(dtype)
    got, ctx = results(block, *there, gpu.device.put(dy))
    assert isinstance(ctx, BlockContext)
    for key, value in expected.items():
        atol = TOLERANCE[dtype] * max(1, abs(value).max())
        np.testing.assert_allclose(to_host(got[key]), value, 0, atol, err_msg=key)


@pytest.mark.parametrize("kind", [Sequential, Block])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("norm", "error"),
    [
        (BatchNorm2d(1, dtype="float64"), ValueError),  # would be broadcast
        (BatchNorm2d(5, dtype="float64"), ValueError),
        (BatchNorm1d(3, dtype="float64"), ValueError),
        (BatchNorm2d(3), TypeError),
    ],
)
def test_a_norm_that_does_not_fit_refuses_what_it_is_given(kind, training, norm, error):
    network = kind(conv=Conv2d(2, 3, 2, dtype="float64"), norm=norm, act=ReLU())
    network.train(training)
    for compute in (network, network.forward):
        with pytest.raises(error, match=r"^BatchNorm..\(.\): x "):
            compute(np.ones((2, 2, 4, 4)))


@pytest.mark.parametrize("training", [True, False])
def test_a_subclass_is_not_taken_for_the_layer_that_it_changes(training):
    class Halved(BatchNorm2d):
        def forward(self, x):
            y, ctx = super().forward(x)
            return y / 2, ctx

    class Negative(LeakyReLU):
        def forward(self, x):
            y, ctx = super().forward(x)
            return -y, ctx

    class Doubled(Conv2d):
        def forward(self, x):
            y, ctx = super().forward(x)
            return 2 * y, ctx

    x = np.random.default_rng(1).normal(size=(2, 2, 4, 4)).astype("float32")
    for norm, act in ((Halved(3), ReLU()), (BatchNorm2d(3), Negative())):
        block = Block(conv=Conv2d(2, 3, 2), norm=norm, act=act).train(training)
        plain = Sequential(**block.layers)
        expected = plain(x)
        for got in (block(x), block.forward(x)[0]):
            np.testing.assert_allclose(got, expected, 1e-5, 1e-6)
    with pytest.raises(ValueError, match="use Sequential"):
        Block(conv=Doubled(2, 3, 2), act=ReLU())


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


@pytest.mark.parametrize("name", ["conv, leaky", "reshape, linear with bias, tanh"])
def test_a_gradient_of_another_shape_is_refused(name):
    block, _, x, labels = build(name)
    y, ctx = block.forward(x, labels)
    with pytest.raises(ValueError, match=r"dy has shape \(1, .*expected that of y"):
        block.backward(y[:1], ctx)
    with pytest.raises(TypeError, match="dy is float32, expected float64"):
        block.backward(y.astype("float32"), ctx)


@pytest.mark.gpu
def test_strips_are_kept_for_backward_where_they_are_small(gpu, monkeypatch, rng):
    block = Block(conv=Conv2d(4, 6, 4, stride=2, padding=1), act=ReLU()).to(gpu.device)
    x = gpu.device.put(rng.standard_normal((3, 4, 8, 8)).astype("float32"))
    made, gradients = [], []
    for share in (0.0, 1.0):
        monkeypatch.setattr(conv_strips, "KEPT_SHARE", share)
        block.zero_grad()
        with counting() as work:
            y, ctx = block.forward(x)
            block.backward(y, ctx, need_dx=False)
        made.append(work.launches["to_strips"] + work.launches["to_strips_by_fours"])
        gradients.append(to_host(block.parameters()["conv.weight"].grad))
    assert made == [2, 1]
    np.testing.assert_array_equal(*gradients)
