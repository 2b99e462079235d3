"""Counting what is asked of a GPU: launches, operations, bytes. Only when asked to."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Work:
    """What was asked of the GPU while it was counted.

    Attributes
    ----------
    launches : Counter
        Kernels by name, and ``product`` and ``fill``.
    bytes : int
        That kernels and products read and write, each array of each counted once.
    operations : int
        Of products, two for a multiplication with its addition.
    """

    launches: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    operations: int = 0

    def add(self, name: str, *arrays: Any, operations: int = 0) -> None:
        """Count one launch that touches these arrays; numbers among them do not count.

        One that is read and written is given twice.
        """
        self.launches[name] += 1
        self.bytes += sum(getattr(array, "nbytes", 0) for array in arrays)
        self.operations += operations


active: Work | None = None
"""Where the current `counting` counts; None most of the time."""


@contextmanager
def counting() -> Iterator[Work]:
    """Return a context inside which all work on a GPU is counted."""
    global active
    before, active = active, Work()
    try:
        yield active
    finally:
        active = before
