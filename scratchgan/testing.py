"""Gradient checks: whether ``backward`` really is the derivative of ``forward``.

For readers' own layers, for the tests and for ``scratchgan gradcheck``. Everything is
computed in float64 by central differences, (f(θ + ε) - f(θ - ε)) / 2ε, whose error is
about 1e-9 of the gradient's size for smooth layers; a wrong formula is off by far more.

The upstream gradient is random on purpose. With ones, the input gradient of batch
normalisation is zero and a ``backward`` that returns zeros would pass.
"""

import math
from collections.abc import Callable
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
    """Check a layer's backward and that it keeps the rules of the layer protocol.

    Compares dx and every parameter's gradient with numeric ones under a random
    upstream gradient; then that arguments and parameters are not modified, that a
    second backward from the same ctx gives the same dx and adds the same gradients
    again, that a forward in between changes nothing, that both flags do what they say,
    and that images in channels-last memory give the same results.

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
        Naming the array or rule, with both numbers.
    """
    state = layer.state_dict()
    try:
        errors = layer_gradient_errors(layer, x, labels=labels, seed=seed)
        for name, error in errors.items():
            assert error <= tolerance, (
                f"{layer}: gradient of {name} differs from the numeric one by "
                f"{error:.2e} of its largest element, more than {tolerance:.0e}"
            )
        check_protocol(layer, x, labels, seed)
    finally:
        layer.load_state_dict(state)
        layer.zero_grad()


def layer_gradient_errors(
    layer: Layer, x: Array, *, labels: Array | None = None, seed: int = 0
) -> dict[str, float]:
    """Return the relative error of dx (``"x"``) and of every parameter's gradient.

    Parameters and raises as `check_layer`, but a large error is returned, not raised.
    """
    _require_float64(layer, x)
    rng = _generator(seed)
    arguments = () if labels is None else (labels,)
    x = x.copy()
    y, ctx = layer.forward(x, *arguments)
    dy = _random_like(y, rng)
    layer.zero_grad()
    dx = layer.backward(dy, ctx)
    dx_shape = getattr(dx, "shape", None)
    assert dx_shape == x.shape, f"{layer}: dx has shape {dx_shape}, x has {x.shape}"
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


def check_protocol(layer: Layer, x: Array, labels: Array | None, seed: int) -> None:
    """Raise AssertionError where a layer breaks a rule of `scratchgan.nn.layer`.

    The second half of `check_layer`, which has the parameters and the rules.
    """
    arguments = () if labels is None else (labels,)
    rng = _generator(seed)
    parameters = layer.parameters()
    given_x = x.copy()
    given = {name: p.data.copy() for name, p in parameters.items()}
    y, ctx = layer.forward(x, *arguments)
    dy = _random_like(y, rng)
    given_dy = dy.copy()

    def backward(context: Any, **flags: bool) -> tuple[Array | None, dict[str, Array]]:
        layer.zero_grad()
        dx = layer.backward(dy, context, **flags)
        return dx, {name: p.grad.copy() for name, p in parameters.items()}

    dx, grads = backward(ctx)
    layer.backward(dy, ctx)
    for name, parameter in parameters.items():
        _assert_same(layer, parameter.grad, 2 * grads[name], f"second d{name}")

    layer.forward(_random_like(x, rng), *arguments)
    again, grads_again = backward(ctx)
    _assert_same(layer, again, dx, "dx after another forward")
    for name in parameters:
        _assert_same(layer, grads_again[name], grads[name], f"d{name} after a forward")

    nothing, only_grads = backward(ctx, need_dx=False)
    assert nothing is None, f"{layer}: need_dx=False returned {type(nothing).__name__}"
    only_dx, untouched = backward(ctx, need_dparams=False)
    _assert_same(layer, only_dx, dx, "dx with need_dparams=False")
    for name in parameters:
        _assert_same(layer, only_grads[name], grads[name], f"d{name}, need_dx=False")
        assert not to_host(untouched[name]).any(), (
            f"{layer}: need_dparams=False changed d{name}"
        )

    _assert_same(layer, x, given_x, "the caller's x")
    _assert_same(layer, dy, given_dy, "the caller's dy")
    for name, parameter in parameters.items():
        _assert_same(layer, parameter.data, given[name], f"parameter {name}")

    if x.ndim == 4:
        channels_last = x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
        y_last, ctx_last = layer.forward(channels_last, *arguments)
        dx_last, grads_last = backward(ctx_last)
        _assert_same(layer, y_last, y, "y of channels-last x")
        _assert_same(layer, dx_last, dx, "dx of channels-last x")
        for name in parameters:
            _assert_same(layer, grads_last[name], grads[name], f"channels-last d{name}")


def _assert_same(layer: Layer, got: Array, expected: Array, what: str) -> None:
    """Equal up to the order of summation."""
    assert got.shape == expected.shape, (
        f"{layer}: {what} has shape {got.shape}, expected {expected.shape}"
    )
    got, expected = to_host(got), to_host(expected)
    difference = float(np.abs(got - expected).max()) if got.size else 0.0
    scale = float(np.abs(expected).max()) if got.size else 0.0
    assert difference <= 1e-10 * (1 + scale), (
        f"{layer}: {what} is not what it was: it differs by {difference:.2e}"
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
            raise ValueError(
                f"{layer}: {name} is {dtype}, gradient checks need float64; "
                'build the layer with dtype="float64"'
            )
