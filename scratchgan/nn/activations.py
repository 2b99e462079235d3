"""Activations: functions applied to every element on its own.

Backward is the chain rule, dx = dy · f'(x), element by element. Each of these
derivatives can be told from y = f(x), so the ctx is y, which the next layer keeps
anyway. One that cannot keeps x: the ctx is what the layer likes.
"""

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.losses import sigmoid
from scratchgan.nn.layer import Layer


class LeakyReLU(Layer):
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

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return (y, y) of x's shape."""
        xp = get_array_module(x)
        y = xp.maximum(x, self.negative_slope * x)  # the larger one, as slope < 1
        return y, y

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx = dy where y > 0, slope·dy elsewhere."""
        self._expect_gradient(dy, ctx.shape, ctx.dtype)
        if not need_dx:
            return None
        xp = get_array_module(dy)
        return xp.where(ctx > 0, dy, self.negative_slope * dy)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.negative_slope})"


class ReLU(Layer):
    """Rectifier, y = max(x, 0): G's hidden layers (Radford et al. 2016, section 3).

    The ctx is y. At exactly 0 the derivative is taken as 0.
    """

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return (y, y) of x's shape."""
        y = get_array_module(x).maximum(x, 0)
        return y, y

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx = dy where y > 0, 0 elsewhere."""
        self._expect_gradient(dy, ctx.shape, ctx.dtype)
        return dy * (ctx > 0) if need_dx else None


class Tanh(Layer):
    """Hyperbolic tangent: G's output in [-1, 1] (Radford et al. 2016, section 3).

    The ctx is y, since dy/dx = 1 - y².
    """

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return (y, y) of x's shape."""
        y = get_array_module(x).tanh(x)
        return y, y

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx = dy · (1 - y²)."""
        self._expect_gradient(dy, ctx.shape, ctx.dtype)
        return dy * (1 - ctx * ctx) if need_dx else None


class Sigmoid(Layer):
    """Logistic function, y = 1 / (1 + exp(-x)): G's output in [0, 1] for MNIST.

    The ctx is y, since dy/dx = y(1 - y). D's own sigmoid is inside the loss, which
    works on logits. Source: Radford et al. 2016, section 8.1 and authors' code.
    """

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return (y, y) of x's shape."""
        y = sigmoid(x)
        return y, y

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx = dy · y · (1 - y)."""
        self._expect_gradient(dy, ctx.shape, ctx.dtype)
        return dy * ctx * (1 - ctx) if need_dx else None


ACTIVATIONS: dict[str, type[Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}
"""By the names that plans of networks have for them."""
