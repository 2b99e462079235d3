"""The gradient checker: it rejects every layer broken on purpose, and no right one."""

import numpy as np
import pytest

from scratchgan import testing
from scratchgan.nn import (
    BatchNorm2d,
    ConcatLabels,
    Conv2d,
    Dropout,
    Layer,
    LeakyReLU,
    Linear,
    Parameter,
    ReLU,
    Sequential,
    Tanh,
)
from scratchgan.testing import (
    check_layer,
    check_protocol,
    gradient_errors,
    layer_gradient_errors,
)
from tests.oracles import LAYERS, build_layer, randomise

DOUBLE = {"dtype": "float64"}


def maps(rng, shape=(3, 4, 5, 3)):
    x = rng.standard_normal(shape)
    return x + 0.01 * np.sign(x)


# Broken on purpose; each differs from a right layer in one thing.


class WrongFactor(Tanh):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        return None if dx is None else 1.0001 * dx


class ZeroGradient(Tanh):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        return None if dx is None else 0 * dx


class NoVarianceTerm(BatchNorm2d):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        super().backward(dy, ctx, need_dx=False, need_dparams=need_dparams)
        if not need_dx:
            return None
        m = dy.size // self.features
        dx = dy - self._along(self._sum(dy)) / m
        return dx * ctx.inv_std * self._along(self.gamma.data)


class ConstantStatistics(BatchNorm2d):
    """Treats this batch's mean and variance as constants."""

    def backward(self, dy, ctx, **flags):
        return super().backward(dy, ctx._replace(batch_statistics=False), **flags)


class ZeroBatchNorm(BatchNorm2d):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        return None if dx is None else 0 * dx


class MissingParameterGradient(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        kept = self.bias.grad.copy()
        dx = super().backward(dy, ctx, need_dx=need_dx, need_dparams=need_dparams)
        self.bias.grad[...] = kept
        return dx


class OneWrongSign(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        before = self.weight.grad[1, 2]
        dx = super().backward(dy, ctx, need_dx=need_dx, need_dparams=need_dparams)
        self.weight.grad[1, 2] = before - (self.weight.grad[1, 2] - before)
        return dx


class ForgetsOneImage(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        if need_dparams:
            self.weight.grad += dy[1:].T @ ctx[1:]
            self.bias.grad += dy.sum(axis=0)
        return dy @ self.weight.data if need_dx else None


class ModifiesX(Linear):
    """Clips its input in place, which changes nothing the second time."""

    def forward(self, x):
        np.clip(x, -1, 1, out=x)
        return super().forward(x)


class ModifiesXInBackward(Linear):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        ctx += 1e-3
        return dx


class ModifiesDy(Linear):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        dy *= 1.001
        return dx


class ModifiesParameter(Linear):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        self.weight.data[0, 0] += 1e-3
        return dx


class ModifiesParameterInForward(Linear):
    def forward(self, x):
        result = super().forward(x)
        self.bias.data *= 1.001
        return result


class ModifiesSomethingInTheEnd(Linear):
    """Modifies an array only where need_dparams is false; no gradient shows it."""

    def __init__(self, *args, modify, **settings):
        super().__init__(*args, **settings)
        self.modify = modify

    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        dx = super().backward(dy, ctx, need_dx=need_dx, need_dparams=need_dparams)
        if not need_dparams:
            array = {"x": ctx, "dy": dy, "weight": self.weight.data}[self.modify]
            array *= 1 + 1e-6
        return dx


class AlwaysReturnsDx(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        return super().backward(dy, ctx, need_dparams=need_dparams)


class AlwaysAddsGradients(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        return super().backward(dy, ctx, need_dx=need_dx)


class NoDxWithoutParameterGradients(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        dx = super().backward(dy, ctx, need_dx=need_dx, need_dparams=need_dparams)
        return dx if need_dparams or dx is None else 0 * dx


class NoGradientsWithoutDx(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        return super().backward(
            dy, ctx, need_dx=need_dx, need_dparams=need_dparams and need_dx
        )


class OverwritesGradients(Linear):
    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        if need_dparams:
            self.zero_grad()
        return super().backward(dy, ctx, need_dx=need_dx, need_dparams=need_dparams)


class KeepsStateOnSelf(Tanh):
    def forward(self, x):
        self.y, _ = super().forward(x)
        return self.y, None

    def backward(self, dy, ctx, **flags):
        return super().backward(dy, self.y, **flags)


class KeepsInputOnSelf(Linear):
    """Wrong for the weights only: dx does not depend on x."""

    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dy, ctx, **flags):
        return super().backward(dy, self.x, **flags)


class UsesItsContextUp(Tanh):
    def forward(self, x):
        y, _ = super().forward(x)
        return y, [y]

    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        y = ctx.pop() if ctx else 0 * dy
        return super().backward(dy, y, need_dx=need_dx)


class AssumesMemoryOrder(Layer):
    """Takes memory as it lies, which is C order only as a rule."""

    def forward(self, x):
        weights = np.arange(1.0, x.size + 1)
        flat = x.ravel(order="K")
        return (flat * weights).reshape(x.shape), None

    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        weights = np.arange(1.0, dy.size + 1).reshape(dy.shape)
        return dy * weights if need_dx else None


class AssumesMemoryOrderInWeightGradient(Conv2d):
    def backward(self, dy, ctx, **flags):
        if not ctx.flags.c_contiguous:
            dy = 1.01 * dy
        return super().backward(dy, ctx, **flags)


class WrongShape(Tanh):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        return None if dx is None else dx[:1]


class NothingReturned(Tanh):
    def backward(self, dy, ctx, **flags):
        return None


class ForgetsContext(Tanh):
    def forward(self, x):
        return super().forward(x)[0]


class ReturnsThree(Tanh):
    def forward(self, x):
        return *super().forward(x), x


class ReturnsANumber(Tanh):
    def forward(self, x):
        return float(x.sum()), None


class SingleY(Tanh):
    def forward(self, x):
        y, ctx = super().forward(x)
        return y.astype("float32"), ctx


class SingleDx(Tanh):
    def backward(self, dy, ctx, **flags):
        dx = super().backward(dy, ctx, **flags)
        return None if dx is None else dx.astype("float32")


class NoFlags(Tanh):
    def backward(self, dy, ctx):
        return super().backward(dy, ctx)


class OneFlag(Tanh):
    def backward(self, dy, ctx, *, need_dx=True):
        return super().backward(dy, ctx, need_dx=need_dx)


class FlagsWithoutDefaults(Tanh):
    def backward(self, dy, ctx, need_dx, need_dparams):
        return super().backward(dy, ctx, need_dx=need_dx)


class WantsLabels(Tanh):
    def forward(self, x, labels):
        return super().forward(x)


class AnnouncesLabels(Tanh):
    takes_labels = True


class CountsItsCalls(Tanh):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x * self.calls)


class StepFunction(Layer):
    """Its derivative is zero, so that a comparison of gradients proves nothing."""

    def forward(self, x):
        return np.sign(x), None

    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        return 0 * dy if need_dx else None


class UnusedParameter(Tanh):
    def __init__(self):
        self.unused = Parameter(np.ones(3))


def linear(kind, features=4, out=3):
    return lambda: kind(features, out, bias=True, **DOUBLE)


BROKEN = {
    "wrong factor": (WrongFactor, maps, "gradient of x differs"),
    "zeros": (ZeroGradient, maps, "gradient of x differs"),
    "batch norm without the variance term": (
        lambda: NoVarianceTerm(4, **DOUBLE),
        maps,
        "gradient of x differs",
    ),
    "batch norm with constant statistics": (
        lambda: ConstantStatistics(4, **DOUBLE),
        maps,
        "gradient of x differs",
    ),
    "batch norm returning zeros": (
        lambda: ZeroBatchNorm(4, **DOUBLE),
        maps,
        "gradient of x differs",
    ),
    "one parameter's gradient missing": (
        linear(MissingParameterGradient),
        (5, 4),
        "gradient of bias differs",
    ),
    "wrong sign in one weight": (
        linear(OneWrongSign),
        (5, 4),
        "gradient of weight differs",
    ),
    "wrong sign in one weight of 2000": (
        linear(OneWrongSign, 40, 50),
        (5, 40),
        "gradient of weight differs",
    ),
    "one image forgotten": (
        linear(ForgetsOneImage),
        (5, 4),
        "gradient of weight differs",
    ),
    "x modified in forward": (
        linear(ModifiesX),
        (5, 4),
        "forward changed x; arguments",
    ),
    "x modified in backward": (
        linear(ModifiesXInBackward),
        (5, 4),
        "backward changed x; arguments",
    ),
    "dy modified": (linear(ModifiesDy), (5, 4), "backward changed dy"),
    "parameter modified in backward": (
        linear(ModifiesParameter),
        (5, 4),
        "backward changed parameter weight",
    ),
    "parameter modified in forward": (
        linear(ModifiesParameterInForward),
        (5, 4),
        "forward changed parameter bias",
    ),
    **{
        f"{array} modified where nothing else shows it": (
            lambda array=array: ModifiesSomethingInTheEnd(4, 3, modify=array, **DOUBLE),
            (5, 4),
            message,
        )
        for array, message in (
            ("x", "backward changed x"),
            ("dy", "backward changed dy"),
            ("weight", "backward changed parameter weight"),
        )
    },
    "dx although need_dx=False": (
        linear(AlwaysReturnsDx),
        (5, 4),
        "need_dx=False returned",
    ),
    "gradients although need_dparams=False": (
        linear(AlwaysAddsGradients),
        (5, 4),
        "need_dparams=False changed dweight",
    ),
    "wrong dx with need_dparams=False": (
        linear(NoDxWithoutParameterGradients),
        (5, 4),
        "dx with need_dparams=False",
    ),
    "no gradients with need_dx=False": (
        linear(NoGradientsWithoutDx),
        (5, 4),
        "dweight with need_dx=False",
    ),
    "gradients overwritten": (
        linear(OverwritesGradients),
        (5, 4),
        r"second dweight.*grad \+= ...",
    ),
    "state kept on self": (KeepsStateOnSelf, maps, "dx after another forward.*ctx"),
    "input kept on self": (
        linear(KeepsInputOnSelf),
        (5, 4),
        "dweight after another forward",
    ),
    "context used up": (UsesItsContextUp, maps, "dx of a second backward.*ctx"),
    "memory order assumed": (AssumesMemoryOrder, maps, "channels-last"),
    "memory order assumed for weights": (
        lambda: AssumesMemoryOrderInWeightGradient(4, 2, 3, **DOUBLE),
        maps,
        "channels-last",
    ),
    "dx of another shape": (
        WrongShape,
        maps,
        r"dx has shape \(1, 4, 5, 3\), expected that of x, \(3, 4, 5, 3\)",
    ),
    "context forgotten": (
        ForgetsContext,
        maps,
        r"forward returned ndarray, expected \(y, ctx\)",
    ),
    "context forgotten, two images": (
        ForgetsContext,
        (2, 4),
        r"forward returned ndarray, expected \(y, ctx\)",
    ),
    "three things returned": (
        ReturnsThree,
        maps,
        r"forward returned tuple, expected \(y, ctx\)",
    ),
    "y is no array": (ReturnsANumber, maps, "y is float, expected an array"),
    "y of another dtype": (SingleY, maps, "y is float32 for an x of float64"),
    "dx of another dtype": (SingleDx, maps, "dx is float32 for an x of float64"),
    "backward without flags": (
        NoFlags,
        maps,
        r"backward has no keyword need_dx and no need_dparams; write def backward\(",
    ),
    "backward with one flag": (
        OneFlag,
        maps,
        "backward has no keyword need_dparams; write",
    ),
    "flags that must be given": (
        FlagsWithoutDefaults,
        maps,
        "backward has no keyword need_dx and no need_dparams; write",
    ),
    "backward without flags deep inside": (
        lambda: Sequential(a=Sequential(b=Tanh(), c=NoFlags())),
        maps,
        r"^NoFlags\(\): backward has no keyword need_dx",
    ),
    "labels wanted and not announced": (
        WantsLabels,
        maps,
        "forward does not take x alone: missing a required argument: 'labels'; "
        "a layer that takes labels has takes_labels = True",
    ),
    "labels announced and not taken": (
        AnnouncesLabels,
        maps,
        "forward does not take x and labels: too many positional arguments",
    ),
    "another y each time": (
        CountsItsCalls,
        maps,
        "y of the same x is not what it was.*RepeatedDraws",
    ),
    "drawn at random": (
        lambda: Dropout(0.5, rng=np.random.default_rng(0)),
        maps,
        "y of the same x is not what it was.*RepeatedDraws",
    ),
    "nothing returned": (NothingReturned, maps, "dx is NoneType, expected an array"),
    "zero derivative": (StepFunction, maps, "numeric gradient of x is nearly zero"),
    "parameter without effect": (
        UnusedParameter,
        maps,
        "numeric gradient of unused is nearly zero",
    ),
    "broken deep inside": (
        lambda: Sequential(
            conv=Conv2d(4, 3, 3, **DOUBLE),
            norm=NoVarianceTerm(3, **DOUBLE),
            act=LeakyReLU(),
        ),
        maps,
        "gradient of x differs",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("seed", [0, 1])
def test_broken_layer_is_rejected(fault, seed, rng):
    build, x, message = BROKEN[fault]
    layer = build()
    randomise(layer, rng)
    x = x(rng) if callable(x) else maps(rng, x)
    labels = np.eye(len(x)) if isinstance(layer, AnnouncesLabels) else None
    with pytest.raises(AssertionError, match=message):
        check_layer(layer, x, labels=labels, seed=seed)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_right_layer_is_accepted_whatever_the_seed(name, seed):
    layer, x, labels = build_layer(name)
    check_layer(layer, x, labels=labels, seed=seed)


@pytest.mark.parametrize(
    ("layer", "labels", "message"),
    [
        (ConcatLabels(3), None, "does not take x alone: missing .*labels=one_hot"),
        (Tanh(), np.eye(3), "does not take x and labels: "),
        (Sequential(a=Tanh()), np.eye(3), None),  # hands them to nobody
        (Sequential(a=Tanh()), None, None),
    ],
)
def test_labels_are_asked_for_where_they_are_wanted(layer, labels, message, rng):
    if message is None:
        check_layer(layer, maps(rng), labels=labels)
        return
    with pytest.raises(AssertionError, match=message):
        check_layer(layer, maps(rng), labels=labels)


def test_layers_by_position_are_refused_before_they_are_checked():
    with pytest.raises(TypeError, match=r"as in Sequential\(conv=Conv2d"):
        Sequential(Tanh(), Linear(3, 2))


def test_protocol_alone_says_nothing_of_gradients(rng):
    check_protocol(WrongFactor(), maps(rng))
    with pytest.raises(AssertionError, match="forward changed x"):
        check_protocol(linear(ModifiesX)(), maps(rng, (5, 4)))


@pytest.mark.parametrize("broken", [ModifiesX, ModifiesXInBackward])
def test_the_callers_x_stays_whatever_the_layer_does(broken, rng):
    x = maps(rng, (5, 4))
    given = x.copy()
    with pytest.raises(AssertionError, match="changed x"):
        check_layer(linear(broken)(), x)
    np.testing.assert_array_equal(x, given)


def test_large_arrays_are_sampled_and_still_accepted(rng):
    layer = Linear(40, 50, bias=True, **DOUBLE)
    assert layer.weight.data.size > testing.EVERY_ELEMENT_UP_TO
    check_layer(layer, rng.standard_normal((20, 40)))


@pytest.mark.parametrize("check", [check_layer, layer_gradient_errors])
@pytest.mark.parametrize(
    ("layer", "x", "named"),
    [
        (Linear(3, 2), np.ones((2, 3)), "weight is float32"),
        (Linear(3, 2, **DOUBLE), np.ones((2, 3), "float32"), "x is float32"),
        (Tanh(), np.ones((2, 3), "float32"), "x is float32"),
        (Tanh(), np.ones((2, 3), int), "x is int64"),
    ],
)
def test_float32_is_refused(check, layer, x, named):
    with pytest.raises(ValueError, match=f"{named}, gradient checks need float64"):
        check(layer, x)


@pytest.mark.parametrize("broken", [False, True])
def test_layer_and_input_are_as_before_afterwards(broken, rng):
    norm = (NoVarianceTerm if broken else BatchNorm2d)(4, **DOUBLE)
    layer = Sequential(norm=norm, conv=Conv2d(4, 2, 3, **DOUBLE))
    randomise(layer, rng)
    before = layer.state_dict()
    x = maps(rng)
    given = x.copy()
    try:
        check_layer(layer, x)
    except AssertionError:
        assert broken
    else:
        assert not broken
    np.testing.assert_array_equal(x, given)
    for key, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    for parameter in layer.parameters().values():
        assert not parameter.grad.any()


def test_mode_of_the_layer_is_kept(rng):
    layer = BatchNorm2d(4, **DOUBLE).eval()
    check_layer(layer, maps(rng))
    assert not layer.training


def test_tolerance_can_be_chosen(rng):
    x = maps(rng)
    check_layer(WrongFactor(), x, tolerance=1e-3)
    with pytest.raises(AssertionError, match=r"more than 1e-05"):
        check_layer(WrongFactor(), x, tolerance=1e-5)


def test_errors_are_relative_to_the_largest_element(rng):
    errors = layer_gradient_errors(WrongFactor(), maps(rng))
    assert errors.keys() == {"x"}
    assert 0.5e-4 < errors["x"] < 1.1e-4
    errors = layer_gradient_errors(Linear(4, 3, bias=True, **DOUBLE), maps(rng, (5, 4)))
    assert errors.keys() == {"x", "weight", "bias"}
    assert max(errors.values()) < 1e-8


def test_kink_between_the_two_points_is_no_error(rng):
    """|x| of 5e-6 is inside the first step and outside the second."""
    x = maps(rng)
    x[0, 0, 0, 0] = 5e-6
    check_layer(ReLU(), x)


def test_gradient_errors_of_any_function(rng):
    a, b = rng.normal(size=(2, 5))
    given = a.copy(), b.copy()
    right = {"a": 2 * a * b, "b": a * a}
    wrong = {"a": 2 * a * b, "b": -a * a}

    def loss():
        return (a * a * b).sum()

    errors = gradient_errors(loss, {"a": a, "b": b}, right)
    assert max(errors.values()) < 1e-8
    errors = gradient_errors(loss, {"a": a, "b": b}, wrong)
    assert errors["a"] < 1e-8
    assert errors["b"] == pytest.approx(2, rel=1e-6)
    np.testing.assert_array_equal(a, given[0])
    np.testing.assert_array_equal(b, given[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_upstream_gradient_is_not_the_callers_own_random_numbers(seed):
    """With dy equal to x batch normalisation's dx would vanish and prove nothing."""
    x = np.random.default_rng(seed).standard_normal((3, 4, 5, 3))
    check_layer(BatchNorm2d(4, **DOUBLE), x, seed=seed)
