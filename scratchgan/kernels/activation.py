"""Activations of single elements, forward and back.

Their definition is `scratchgan.nn.activations`.
"""

from typing import NamedTuple

from scratchgan.backend import Array
from scratchgan.kernels.arrays import dense, empty_dense_like, in_order_of
from scratchgan.kernels.launch import launch_each

IDENTITY, LEAKY_RELU, TANH, SIGMOID = range(4)
"""As in common.cu."""


class ActivationCode(NamedTuple):
    """An activation as the kernels know it: its number, and a leaky rectifier's slope.

    A plain rectifier is a leaky one with slope 0.
    """

    number: int = IDENTITY
    slope: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether there is nothing to compute."""
        return self.number == IDENTITY


def activate(x: Array, code: ActivationCode) -> Array:
    """Return f(x), in x's order of memory. x must be on a GPU."""
    x = dense(x)
    y = empty_dense_like(x)  # element i of both is the same one, whatever the shape
    launch_each("activate", x, x.size, x, y, code.number, code.slope)
    return y


def activate_back(dy: Array, y: Array, code: ActivationCode) -> Array:
    """Return dy · f'(x) where f(x) is y. Both must be on a GPU."""
    y = dense(y)
    dx = empty_dense_like(y)
    dy = in_order_of(y, dy)  # a copy if its elements lie in another order
    launch_each("activate_back", y, y.size, dy, y, dx, code.number, code.slope)
    return dx
