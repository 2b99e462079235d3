"""Additions and copies of whole arrays, and the orders they have in memory."""

from functools import lru_cache

from scratchgan.backend import (
    Array,
    get_array_module,
    inverse_order,
    memory_order,
    order_of,
)
from scratchgan.kernels.launch import has_kernels, launch_each


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
    # In C order with like's axes as they lie in memory, seen with its axes in place.
    order = memory_order(like)
    packed = packed_copy(x.transpose(order))
    return packed.transpose(inverse_order(order))


def packed_copy(x: Array) -> Array:
    """Return x in C order; x itself if it is already."""
    if x.flags.c_contiguous:
        return x
    xp = get_array_module(x)
    if not has_kernels(x):
        return xp.array(x, order="C")
    # The kernel counts four axes.
    four = x.reshape((1,) * (4 - x.ndim) + x.shape) if x.ndim < 4 else x
    out = xp.empty(x.shape, x.dtype)
    strides = [stride // x.itemsize for stride in four.strides]  # in elements
    launch_each("pack", x, x.size, x, out, *four.shape[1:], *strides)
    return out


def empty_dense_like(x: Array) -> Array:
    """Return an uninitialised array of x's shape, dtype and order of memory."""
    shape, places = _in_order(x.shape, x.strides)
    return get_array_module(x).empty(shape, x.dtype).transpose(places)


def dense(x: Array) -> Array:
    """Return x if its elements fill their memory, in whatever order, else a copy."""
    return x if is_dense(x) else packed_copy(x)


def is_dense(x: Array) -> bool:
    """Return whether the elements fill their memory, in whatever order."""
    return _is_dense(x.shape, x.strides, x.itemsize)


@lru_cache(maxsize=1 << 12)
def _in_order(
    shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of the axes as they lie in memory, and each axis's place."""
    order = order_of(strides)
    return tuple(shape[axis] for axis in order), inverse_order(order)


@lru_cache(maxsize=1 << 12)
def _is_dense(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    step = itemsize
    for axis in reversed(order_of(strides)):
        if shape[axis] != 1 and strides[axis] != step:
            return 0 in shape
        step *= shape[axis]
    return True
