"""Activations: functions applied to every element on its own."""

from collections.abc import Callable

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.losses import sigmoid
from scratchgan.functional.parallel import map_images
from scratchgan.kernels import activation as kernels
from scratchgan.kernels.launch import has_kernels
from scratchgan.nn.layer import Layer


class Activation(Layer):
    """Base of activations: a function of one number, and its derivative.

    The ctx is y: each derivative here can be told from the function's value.

    Attributes
    ----------
    code : ActivationCode
        What a GPU's kernels know it by.
    """

    code: kernels.ActivationCode

    def apply(self, x: Array, out: Array) -> None:
        """Set ``out`` to the function of x."""
        raise NotImplementedError(f"{type(self).__name__} is abstract")

    def pull_back(self, dy: Array, y: Array, out: Array) -> None:
        """Set ``out`` to dy times the derivative where the function is y."""
        raise NotImplementedError(f"{type(self).__name__} is abstract")

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return (y, y)."""
        if has_kernels(x):
            y = kernels.activate(x, self.code)
        else:
            y = map_images(lambda x: _set_by(self.apply, x), x)
        return y, y

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx = dy · f'(x)."""
        if not need_dx:
            return None
        if has_kernels(ctx):
            return kernels.activate_back(dy, ctx, self.code)
        return map_images(lambda dy, y: _set_by(self.pull_back, dy, y), dy, ctx)


def _set_by(function: Callable[..., None], *arrays: Array) -> Array:
    """Return what ``function(*arrays, out)`` sets."""
    out = get_array_module(arrays[0]).empty_like(arrays[0])
    function(*arrays, out)
    return out


class LeakyReLU(Activation):
    """Leaky rectifier, y = x for x > 0, slope·x otherwise.

    All of D's hidden layers use it with slope 0.2 (Radford et al. 2016, section 3).
    The ctx is y: its sign is the sign of x, which is all that the derivative, 1 or
    slope, depends on. At exactly 0 the derivative is taken as slope.

    Parameters
    ----------
    negative_slope : float, default=0.2
        Derivative for negative x, in [0, 1).

    Raises
    ------
    ValueError
        If the slope is outside [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> layer = LeakyReLU(0.5)
    >>> y, ctx = layer.forward(np.array([-2.0, 3.0]))
    >>> y, layer.backward(np.array([1.0, 1.0]), ctx)
    (array([-1.,  3.]), array([0.5, 1. ]))
    """

    def __init__(self, negative_slope: float = 0.2) -> None:
        if not 0 <= negative_slope < 1:
            raise ValueError(f"negative_slope is {negative_slope}, expected [0, 1)")
        self.negative_slope = negative_slope
        self.code = kernels.ActivationCode(kernels.LEAKY_RELU, negative_slope)

    def apply(self, x: Array, out: Array) -> None:
        """Set ``out`` to max(x, slope·x)."""
        xp = get_array_module(x)
        xp.multiply(x, self.negative_slope, out=out)
        xp.maximum(x, out, out=out)

    def pull_back(self, dy: Array, y: Array, out: Array) -> None:
        """Set ``out`` to dy where y > 0, slope·dy elsewhere."""
        xp = get_array_module(dy)
        out[...] = y > 0  # 1 or 0; choosing with `where` takes ten times as long
        xp.maximum(out, self.negative_slope, out=out)
        out *= dy

    def __repr__(self) -> str:
        return f"LeakyReLU({self.negative_slope})"


class ReLU(Activation):
    """Rectifier, y = max(x, 0): G's hidden layers (Radford et al. 2016, section 3).

    The ctx is y. At exactly 0 the derivative is taken as 0.
    """

    code = kernels.ActivationCode(kernels.LEAKY_RELU, 0.0)

    def apply(self, x: Array, out: Array) -> None:
        """Set ``out`` to max(x, 0)."""
        get_array_module(x).maximum(x, 0, out=out)

    def pull_back(self, dy: Array, y: Array, out: Array) -> None:
        """Set ``out`` to dy where y > 0, 0 elsewhere."""
        out[...] = y > 0
        out *= dy


class Tanh(Activation):
    """Hyperbolic tangent: G's output in [-1, 1] (Radford et al. 2016, section 3).

    The ctx is y, since dy/dx = 1 - y².
    """

    code = kernels.ActivationCode(kernels.TANH)

    def apply(self, x: Array, out: Array) -> None:
        """Set ``out`` to tanh(x)."""
        get_array_module(x).tanh(x, out=out)

    def pull_back(self, dy: Array, y: Array, out: Array) -> None:
        """Set ``out`` to dy · (1 - y²)."""
        xp = get_array_module(dy)
        xp.multiply(y, y, out=out)
        xp.subtract(1, out, out=out)
        out *= dy


class Sigmoid(Activation):
    """Logistic function, y = 1 / (1 + exp(-x)): G's output in [0, 1] for MNIST.

    The ctx is y, since dy/dx = y(1 - y). D's own sigmoid is inside the loss, which
    works on logits. Source: Radford et al. 2016, section 8.1 and authors' code.
    """

    code = kernels.ActivationCode(kernels.SIGMOID)

    def apply(self, x: Array, out: Array) -> None:
        """Set ``out`` to 1 / (1 + exp(-x))."""
        out[...] = sigmoid(x)

    def pull_back(self, dy: Array, y: Array, out: Array) -> None:
        """Set ``out`` to dy · y · (1 - y)."""
        xp = get_array_module(dy)
        xp.subtract(1, y, out=out)
        out *= y
        out *= dy
