"""Element-wise activations, additions and copies, a kernel each."""

from typing import NamedTuple

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels.launch import has_kernels, launch_each

IDENTITY, LEAKY_RELU, TANH, SIGMOID = range(4)
"""As in common.cu."""


class ActivationCode(NamedTuple):
    """An activation as the kernels know it: its number, and a leaky rectifier's slope.

    A plain rectifier is a leaky one with slope 0.
    """

    number: int = IDENTITY
    slope: float = 0.0


def activate(x: Array, code: ActivationCode) -> Array:
    """Return f(x), in x's order of memory. x must be on a GPU."""
    x = dense(x)
    y = empty_dense_like(x)
    launch_each("activate", x, x.size, x, y, code.number, code.slope)
    return y


def activate_back(dy: Array, y: Array, code: ActivationCode) -> Array:
    """Return dy · f'(x) where f(x) is y. Both must be on a GPU."""
    y = dense(y)
    dx = empty_dense_like(y)
    dy = in_order_of(y, dy)
    launch_each("activate_back", y, y.size, dy, y, dx, code.number, code.slope)
    return dx


def add_to(total: Array, term: Array) -> None:
    """Add ``term`` to ``total`` in place; both of one shape."""
    if not has_kernels(total):
        total += term
        return
    term = in_order_of(total, term)
    launch_each("add_to", total, total.size, total, term, in_place=(total,))


def in_order_of(like: Array, x: Array) -> Array:
    """Return x dense, its elements in memory in the order of ``like``."""
    if x.strides == like.strides:
        return x
    order = memory_order(like)
    packed = packed_copy(x.transpose(order))
    return packed.transpose(inverse(order))


def packed_copy(x: Array) -> Array:
    """Return x in C order; x itself if it is already."""
    if x.flags.c_contiguous:
        return x
    xp = get_array_module(x)
    if not has_kernels(x) or x.ndim > 4:
        return xp.array(x, order="C")
    four = x.reshape((1,) * (4 - x.ndim) + x.shape) if x.ndim < 4 else x
    out = xp.empty(x.shape, x.dtype)
    strides = [stride // x.itemsize for stride in four.strides]
    launch_each("pack", x, x.size, x, out, *four.shape[1:], *strides)
    return out


def empty_dense_like(x: Array) -> Array:
    """Return an uninitialised array of x's shape, dtype and order of memory."""
    order = memory_order(x)
    shape = tuple(x.shape[axis] for axis in order)
    out = get_array_module(x).empty(shape, x.dtype)
    return out.transpose(inverse(order))


def memory_order(x: Array) -> tuple[int, ...]:
    """Return the axes of x from the largest step in memory to the smallest."""
    return tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes ``order``."""
    return tuple(order.index(axis) for axis in range(len(order)))


def dense(x: Array) -> Array:
    """Return x if its elements fill their memory, in whatever order, else a copy."""
    return x if x.transpose(memory_order(x)).flags.c_contiguous else packed_copy(x)
