"""Sums of arrays planned once, as a list of NumPy operations to be run again and again.

Each operation holds its arrays, on memory that stays the same. Python would otherwise
need a third of the time of a chunk's additions, and more on two threads, which wait
for each other's interpreter lock.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from scratchgan.functional.conv.minimal.filters import Terms
from scratchgan.functional.parallel import scratch

Operation = Callable[[], Any]
"""A NumPy operation with its arrays."""


def sum_of(
    operations: list[Operation], values: list[np.ndarray], terms: Terms, name: str
) -> np.ndarray:
    """Return Σ coefficient·values[index]: one of them, or scratch memory to be set."""
    (index, coefficient), *rest = terms
    if coefficient == 1 and not rest:
        return values[index]
    out = scratch(name, values[index].shape, values[index].dtype)
    operations += sum_into(out, values, terms)
    return out


def sum_into(
    out: np.ndarray, values: list[np.ndarray], terms: Terms
) -> list[Operation]:
    """Return the operations that set ``out`` to Σ coefficient·values[index].

    Coefficients are 1 and, in the filters of three taps, a half: such terms are summed
    first. Of equal ones a positive term comes first, so that others can be added to or
    subtracted from it.
    """
    (first, factor), *rest = sorted(terms, key=lambda term: (abs(term[1]), term[1] < 0))
    operations: list[Operation] = []
    so_far = values[first]
    for index, coefficient in rest:
        if abs(coefficient) != abs(factor):
            operations.append(partial(np.multiply, so_far, factor, out=out))
            so_far, factor = out, 1
        combine = np.add if coefficient > 0 else np.subtract
        operations.append(partial(combine, so_far, values[index], out=out))
        so_far = out
    if abs(factor) != 1:
        operations.append(partial(np.multiply, so_far, abs(factor), out=out))
    elif not rest and not _is_same(out, so_far):
        operations.append(partial(np.copyto, out, so_far))
    return operations


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are one memory, so that setting is done."""
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides


def run_planned(operations: list[Operation]) -> None:
    """Do the operations in their order."""
    for operation in operations:
        operation()
