"""Checks of a layer: its rules, and whether backward is the derivative of forward.

For readers' own layers, for the tests and for ``scratchgan gradcheck``. Everything is
computed in float64 by central differences, (f(θ + ε) - f(θ - ε)) / 2ε, whose error is
about 1e-9 of the gradient's size for smooth layers; a wrong formula is off by far more.

The upstream gradient is random on purpose. With ones, the input gradient of batch
normalisation is zero and a ``backward`` that returns zeros would pass.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scratchgan.backend import Array, get_array_module, to_host
from scratchgan.nn.layer import Layer

STEPS = (1e-5, 1e-7)
"""ε: the first balances the error of the difference, ε², against rounding, 1e-16 / ε.

The second is tried where the first disagrees. Deep in a network some rectifier may
have its kink between θ - ε and θ + ε, which a smaller step avoids; a wrong formula is
wrong at every step.
"""
TOLERANCE = 1e-6
"""Largest |analytic - numeric| allowed, relative to the largest gradient."""
SMALLEST_GRADIENT = 1e-7
"""Below this a numeric gradient is rounding noise and proves nothing."""
EVERY_ELEMENT_UP_TO = 300
"""Arrays up to this size are checked element by element, larger ones by samples."""
DIRECTIONS = 4


class RepeatedDraws:
    """A generator whose every draw of a shape is the same.

    Dropout with it is a fixed function, which has a derivative to be checked; with a
    real generator every forward pass computes another one.

    Parameters
    ----------
    seed : int, default=0
        Chooses the numbers.

    Examples
    --------
    >>> from scratchgan.nn import Dropout
    >>> x = np.random.default_rng(1).normal(0, 1, (4, 5))
    >>> check_layer(Dropout(0.3, rng=RepeatedDraws()), x)
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def random(
        self, size: tuple[int, ...], dtype: type[np.floating] = np.float64
    ) -> np.ndarray:
        """Return numbers in [0, 1), the same for the same size and dtype."""
        return np.random.default_rng(self.seed).random(size, dtype=dtype)


def check_layer(
    layer: Layer,
    x: Array,
    *,
    labels: Array | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> None:
    """Check that a layer keeps the rules of the layer protocol, and its gradients.

    The rules come first, see `check_protocol`: with one of them broken, numbers would
    differ for a reason that they do not tell. Then dx and every parameter's gradient
    are compared with numeric ones under a random upstream gradient.

    Parameters
    ----------
    layer : Layer
        Built with ``dtype="float64"``; afterwards its parameters and buffers are as
        before and its gradients zero.
    x : array of float64
        Input, away from kinks: |x| > 1e-3 for rectifiers, and of both signs.
    labels : array, optional
        One-hot labels for layers that take them.
    tolerance : float, default=1e-6
        Largest error allowed, relative to the largest element of the gradient.
    seed : int, default=0
        Of the upstream gradient and of the elements and directions that are tried.

    Raises
    ------
    AssertionError
        Naming the rule and what to do, or the array with both numbers.
    ValueError
        If x or a parameter is not float64.
    """
    state = layer.state_dict()
    try:
        check_protocol(layer, x, labels, seed)
        errors = layer_gradient_errors(layer, x, labels=labels, seed=seed)
        for name, error in errors.items():
            assert error <= tolerance, (
                f"{layer}: gradient of {name} differs from the numeric one by "
                f"{error:.2e} of its largest element, more than {tolerance:.0e}"
            )
    finally:
        layer.load_state_dict(state)
        layer.zero_grad()


def layer_gradient_errors(
    layer: Layer, x: Array, *, labels: Array | None = None, seed: int = 0
) -> dict[str, float]:
    """Return the relative error of dx (``"x"``) and of every parameter's gradient.

    The second half of `check_layer`, which has the parameters; a large error is
    returned, not raised.
    """
    _require_float64(layer, x)
    rng = _generator(seed)
    arguments = () if labels is None else (labels,)
    x = x.copy()
    y, ctx = layer.forward(x, *arguments)
    dy = _random_like(y, rng)
    layer.zero_grad()
    dx = layer.backward(dy, ctx)
    _expect_array(layer, "dx", dx, x)
    arrays = {"x": x} | {n: p.data for n, p in layer.parameters().items()}
    gradients = {"x": dx} | {n: p.grad for n, p in layer.parameters().items()}

    def weighted_output() -> Array:
        return (layer.forward(x, *arguments)[0] * dy).sum()

    return gradient_errors(weighted_output, arrays, gradients, seed=seed)


def gradient_errors(
    function: Callable[[], Array],
    arrays: dict[str, Array],
    gradients: dict[str, Array],
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Return how far gradients are from numeric ones, relative to the largest element.

    Small arrays are compared element by element; large ones in a sample of elements
    and along random directions v, where the derivative is Σ gradient·v.

    Parameters
    ----------
    function : callable
        Returns the loss, a scalar, from the arrays as they are now.
    arrays : dict of arrays
        What it depends on; changed in place and put back.
    gradients : dict of arrays
        Of the loss with respect to each.
    seed : int, default=0
        Of samples and directions.

    Raises
    ------
    AssertionError
        If a numeric gradient is nearly zero everywhere: then the comparison would
        accept any analytic gradient that is small.
    """
    errors = {}
    for name, array in arrays.items():
        errors[name] = math.inf
        for step in STEPS:
            if errors[name] <= TOLERANCE:
                break
            analytic, numeric = _derivatives(
                function, array, gradients[name], step, _generator(seed)
            )
            largest = float(np.abs(numeric).max())
            assert largest > SMALLEST_GRADIENT, (
                f"the numeric gradient of {name} is nearly zero (at most "
                f"{largest:.1e}); the check would prove nothing; choose another input "
                "or loss"
            )
            largest = max(largest, float(np.abs(analytic).max()))
            error = float(np.abs(analytic - numeric).max()) / largest
            errors[name] = min(errors[name], error)
    return errors


def _derivatives(
    function: Callable[[], Array],
    array: Array,
    gradient: Array,
    step: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return analytic and numeric derivatives along elements and directions."""
    positions = np.arange(array.size)
    if array.size > EVERY_ELEMENT_UP_TO:
        positions = rng.choice(array.size, 20, replace=False)
    host_gradient = to_host(gradient)
    analytic, numeric = [], []
    for position in positions:
        index = np.unravel_index(position, array.shape)
        value = float(array[index])
        array[index] = value + step
        above = float(function())
        array[index] = value - step
        below = float(function())
        array[index] = value
        analytic.append(float(host_gradient[index]))
        numeric.append((above - below) / (2 * step))
    if array.size > EVERY_ELEMENT_UP_TO:
        original = array.copy()
        for _ in range(DIRECTIONS):
            # Unit length keeps the step of every element far from the kinks.
            direction = _random_like(array, rng)
            direction /= float((direction * direction).sum()) ** 0.5
            array[...] = original + step * direction
            above = float(function())
            array[...] = original - step * direction
            below = float(function())
            array[...] = original
            analytic.append(float((gradient * direction).sum()))
            numeric.append((above - below) / (2 * step))
    return np.array(analytic), np.array(numeric)


def check_protocol(
    layer: Layer, x: Array, labels: Array | None = None, seed: int = 0
) -> None:
    """Check that a layer keeps the rules of `scratchgan.nn.layer`.

    The first half of `check_layer`, which has the parameters. ``forward`` returns
    (y, ctx), ``backward`` has both flags, labels are there where they are wanted;
    nobody's arrays are changed; gradients are added; a ctx is all that a backward
    needs, and may be used again, and after other passes; both flags do what they say;
    images in channels-last memory give the same results.

    Raises
    ------
    AssertionError
        Naming the first rule that is broken, and what to do.
    ValueError
        If x or a parameter is not float64.
    """
    _require_float64(layer, x)
    arguments = () if labels is None else (labels,)
    _check_signatures(layer, x, arguments)
    x, rng = x.copy(), _generator(seed)
    parameters = layer.parameters()
    arrays = {"x": x} | {f"parameter {n}": p.data for n, p in parameters.items()}
    given = {name: array.copy() for name, array in arrays.items()}

    def expect_unchanged(by: str) -> None:
        for name, array in arrays.items():
            assert np.array_equal(to_host(array), to_host(given[name])), (
                f"{layer}: {by} changed {name}; arguments and parameters are only "
                "read: work on a copy"
            )

    result = layer.forward(x, *arguments)
    is_pair = isinstance(result, tuple) and len(result) == 2
    assert is_pair, (
        f"{layer}: forward returned {type(result).__name__}, expected (y, ctx): "
        "return beside y what backward will need, or None"
    )
    y, ctx = result
    expect_unchanged("forward")
    _expect_array(layer, "y", y)
    y = y.copy()
    _assert_same(
        layer, layer.forward(x, *arguments)[0], y, "y of the same x",
        "forward must be a function of x; give a layer that draws at random "
        "RepeatedDraws as its rng",
    )  # fmt: skip
    dy = _random_like(y, rng)
    arrays["dy"], given["dy"] = dy, dy.copy()

    def backward(context: Any, **flags: bool) -> tuple[Array | None, dict[str, Array]]:
        layer.zero_grad()
        dx = layer.backward(dy, context, **flags)
        return dx, {name: p.grad.copy() for name, p in parameters.items()}

    dx, grads = backward(ctx)
    expect_unchanged("backward")
    _expect_array(layer, "dx", dx, x)
    dx = dx.copy()

    again = layer.backward(dy, ctx)
    rule = "a ctx may be used any number of times: backward must not change or empty it"
    _assert_same(layer, again, dx, "dx of a second backward", rule)
    for name, parameter in parameters.items():
        _assert_same(
            layer, parameter.grad, 2 * grads[name], f"second d{name}",
            "backward adds to what is in grad, grad += ..., and never sets it",
        )  # fmt: skip

    layer.forward(_random_like(x, rng), *arguments)
    again, grads_again = backward(ctx)
    rule = "what backward needs belongs into ctx; self is shared by all passes"
    _assert_same(layer, again, dx, "dx after another forward", rule)
    for name in parameters:
        what = f"d{name} after another forward"
        _assert_same(layer, grads_again[name], grads[name], what, rule)

    nothing, only_grads = backward(ctx, need_dx=False)
    assert nothing is None, (
        f"{layer}: need_dx=False returned {type(nothing).__name__}, expected None"
    )
    only_dx, untouched = backward(ctx, need_dparams=False)
    rule = "a flag leaves out work and changes nothing else"
    _assert_same(layer, only_dx, dx, "dx with need_dparams=False", rule)
    for name in parameters:
        what = f"d{name} with need_dx=False"
        _assert_same(layer, only_grads[name], grads[name], what, rule)
        assert not to_host(untouched[name]).any(), (
            f"{layer}: need_dparams=False changed d{name}, expected grad left alone"
        )
    expect_unchanged("backward")

    if x.ndim == 4:
        channels_last = x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
        y_last, ctx_last = layer.forward(channels_last, *arguments)
        dx_last, grads_last = backward(ctx_last)
        rule = "shapes are NCHW, but the order in memory is free: assume none"
        _assert_same(layer, y_last, y, "y of channels-last x", rule)
        _assert_same(layer, dx_last, dx, "dx of channels-last x", rule)
        for name in parameters:
            what = f"channels-last d{name}"
            _assert_same(layer, grads_last[name], grads[name], what, rule)


def _check_signatures(layer: Layer, x: Array, arguments: tuple[Array, ...]) -> None:
    """Raise where forward does not take these arguments, or backward no flags."""
    problem = "takes_labels is False" if arguments and not layer.takes_labels else ""
    try:
        inspect.signature(layer.forward).bind(x, *arguments)
    except TypeError as error:
        problem = str(error)
    given = "x and labels" if arguments else "x alone"
    assert not problem, (
        f"{layer}: forward does not take {given}: {problem}; a layer that takes labels "
        "has takes_labels = True and forward(self, x, labels), and is checked with "
        "labels=one_hot(...); others have and get none"
    )
    for one in _with_layers_inside(layer):
        flags = inspect.signature(one.backward).parameters
        takes_any = any(flag.kind is flag.VAR_KEYWORD for flag in flags.values())
        missing = [
            name
            for name in ("need_dx", "need_dparams")
            if not takes_any and (name not in flags or flags[name].default is not True)
        ]
        assert not missing, (
            f"{one}: backward has no keyword {' and no '.join(missing)}; write "
            "def backward(self, dy, ctx, *, need_dx=True, need_dparams=True)"
        )


def _with_layers_inside(layer: Layer) -> Iterator[Layer]:
    yield layer
    for child in layer.children().values():
        yield from _with_layers_inside(child)


def _expect_array(layer: Layer, name: str, got: Any, x: Array | None = None) -> None:
    """Raise unless it is an array of float64, and of x's shape if x is given."""
    assert hasattr(got, "dtype"), (
        f"{layer}: {name} is {type(got).__name__}, expected an array"
    )
    assert x is None or got.shape == x.shape, (
        f"{layer}: {name} has shape {got.shape}, expected that of x, {x.shape}"
    )
    assert got.dtype == np.float64, (
        f"{layer}: {name} is {got.dtype} for an x of float64; results keep the dtype: "
        "use Python's numbers, and no dtype of your own"
    )


def _assert_same(
    layer: Layer, got: Array, expected: Array, what: str, rule: str
) -> None:
    """Raise unless both are equal up to the order of summation."""
    assert got.shape == expected.shape, (
        f"{layer}: {what} has shape {got.shape}, expected {expected.shape}; {rule}"
    )
    got, expected = to_host(got), to_host(expected)
    difference = float(np.abs(got - expected).max()) if got.size else 0.0
    scale = float(np.abs(expected).max()) if got.size else 0.0
    assert difference <= 1e-10 * (1 + scale), (
        f"{layer}: {what} is not what it was, it differs by {difference:.2e}; {rule}"
    )


def _generator(seed: int) -> np.random.Generator:
    """Return a generator that callers' own do not coincide with.

    An upstream gradient equal to x, as two generators of seed 0 would give, is no
    longer random: batch normalisation's dx nearly vanishes for it.
    """
    return np.random.default_rng([seed, 0x67726164])


def _random_like(array: Array, rng: np.random.Generator) -> Array:
    """Return standard normal numbers, drawn on the host, of the array's kind."""
    xp = get_array_module(array)
    return xp.asarray(rng.standard_normal(array.shape)).astype(array.dtype)


def _require_float64(layer: Layer, x: Array) -> None:
    dtypes = {"x": x.dtype} | {n: p.data.dtype for n, p in layer.parameters().items()}
    for name, dtype in dtypes.items():
        if dtype != np.float64:
            cure = "x.astype" if name == "x" else "the layer's dtype="
            raise ValueError(
                f"{layer}: {name} is {dtype}, gradient checks need float64 in x and in "
                f'all parameters; use {cure}("float64")'
            )
