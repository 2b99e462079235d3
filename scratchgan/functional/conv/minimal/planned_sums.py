"""Sums of arrays planned once, as a list of NumPy operations to be run again and again.

Each operation holds its arrays, views of memory that stays where it is: a chunk only
changes what is in them. To slice and look up everything again for every chunk would
take a third of the time of its additions, and more on two threads, which wait for each
other's interpreter lock.
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
    """Return Σ coefficient·values[index], in scratch memory of this name.

    It is there when the operations that this adds to the list have been run. A sum of
    one term with coefficient 1 is that array itself, and takes no operation.
    """
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

    Each is one pass over memory, so they are to be few. Coefficients are ±1 and, in
    filters of three taps, ±1/2: halves are summed first and halved together. Of equal
    ones a positive term, which every table has, comes first, so that the others can be
    added to it or subtracted::

        values[0] + values[1]/2 - values[2]/2
        out = values[1] - values[2];  out = out · 0.5;  out = out + values[0]
    """
    (first, factor), *rest = sorted(terms, key=lambda term: (abs(term[1]), term[1] < 0))
    operations: list[Operation] = []
    so_far = values[first]
    for index, coefficient in rest:
        if abs(coefficient) != abs(factor):  # the halves are complete
            operations.append(partial(np.multiply, so_far, factor, out=out))
            so_far, factor = out, 1
        combine = np.add if coefficient > 0 else np.subtract
        operations.append(partial(combine, so_far, values[index], out=out))
        so_far = out
    if abs(factor) != 1:
        operations.append(partial(np.multiply, so_far, abs(factor), out=out))
    elif not rest and not _is_same(out, so_far):  # one term: nothing was computed
        operations.append(partial(np.copyto, out, so_far))
    return operations


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are one memory, so that setting is done."""
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides


def run_planned(operations: list[Operation]) -> None:
    """Do the operations in their order."""
    for operation in operations:
        operation()
