"""Weights at the points of minimal filtering, and their gradients back.

As in `minimal.tiles`, for weights: C and O are the channels of images and of outputs,
a and b groups of row and of column phases. The taps of a phase are every stride-th of
the kernel; `filters.FILTER` takes them to the points, rows first and then columns, and
its transpose takes gradients back, columns first and then rows. Channels do not mix,
so the threads share out C: c of them at a time below.
"""

from collections.abc import Iterator

import numpy as np

from scratchgan.functional.conv.minimal.filters import (
    FILTER,
    AxisPlan,
    PhaseGroup,
    transposed,
)
from scratchgan.functional.conv.minimal.plan import AtPoints, Plan
from scratchgan.functional.conv.minimal.planned_sums import (
    Operation,
    run_planned,
    sum_into,
    sum_of,
)
from scratchgan.functional.parallel import empty, run_chunks, scratch

WEIGHT_CHUNK = 1 << 20
"""Weights transformed together: more leave the caches, fewer pay for Python."""


def weights_at_points(plan: Plan, weight: np.ndarray) -> AtPoints:
    """Return U of weights (O, C, KH, KW): new matrices (K, O)."""
    O, C = weight.shape[:2]  # noqa: E741
    U = empty_at_points(plan, weight.dtype)  # new: they outlast the call
    taps = weight.transpose(2, 3, 1, 0)  # (KH, KW, C, O)

    def work(worker: int, start: int, stop: int) -> None:
        operations: list[Operation] = []
        for i, row_point, a, row_phase, row_taps in _phases(plan.rows):
            values = [taps[tap, :, start:stop] for tap in row_taps]  # (KW, c, O) each
            terms = FILTER[a.taps][row_point]
            # Scratch memory for the next row point, too: used up before it is reached.
            at_row = sum_of(operations, values, terms, "at row point")  # (KW, c, O)
            for j, column_point, b, column_phase, column_taps in _phases(plan.columns):
                u = plan.part(U, i, j)[plan.channels[i, j, a, b]]
                u = u.reshape(a.count, b.count, C, O)  # a view of U
                operations += sum_into(
                    u[row_phase, column_phase, start:stop],  # (c, O)
                    [at_row[tap] for tap in column_taps],
                    FILTER[b.taps][column_point],
                )
        run_planned(operations)

    run_chunks(work, C, _weight_chunk(plan))
    return U


def weights_of(plan: Plan, dU: AtPoints) -> np.ndarray:
    """Return dweight (O, C, KH, KW): `weights_at_points` transposed."""
    KH, KW = plan.kernel_size
    C, O = plan.in_channels, plan.out_channels  # noqa: E741
    dtype = dU[0].dtype
    dtaps = empty((KH, KW, C, O), dtype)  # channels last, as the layers' weights

    def work(worker: int, start: int, stop: int) -> None:
        operations: list[Operation] = []
        # By tap of the kernel's rows, by row point: (KW, c, O).
        rows: dict[int, dict[str, np.ndarray]] = {}
        for i, row_point, a, row_phase, row_taps in _phases(plan.rows):
            # By tap of the kernel's columns, by column point: (c, O).
            columns: dict[int, dict[str, np.ndarray]] = {}
            for j, column_point, b, column_phase, column_taps in _phases(plan.columns):
                du = plan.part(dU, i, j)[plan.channels[i, j, a, b]]
                du = du.reshape(a.count, b.count, C, O)
                du = du[row_phase, column_phase, start:stop]  # (c, O)
                # A tap is in the weights at several points, and collects from each.
                for tap in column_taps:
                    columns.setdefault(tap, {})[column_point] = du
            # A name for each: the sums over rows below need them all.
            name = f"at row point{i}{a.first + row_phase}"
            at_row = scratch(name, (KW, stop - start, O), dtype)
            for tap, values in columns.items():
                operations += _to_tap(at_row[tap], values, tap, plan.columns)
            for tap in row_taps:
                rows.setdefault(tap, {})[row_point] = at_row
        for tap, values in rows.items():
            operations += _to_tap(dtaps[tap, :, start:stop], values, tap, plan.rows)
        run_planned(operations)

    run_chunks(work, C, _weight_chunk(plan))
    return dtaps.transpose(3, 2, 0, 1)  # (O, C, KH, KW)


def empty_at_points(plan: Plan, dtype: np.dtype) -> AtPoints:
    """Return uninitialised matrices (K, O) for U or dU, in stacks (points, K, O)."""
    return [
        empty(((i2 - i) * (j2 - j), plan.summed(i, j), plan.out_channels), dtype)
        for i, i2, j, j2 in plan.stacks
    ]


def _phases(axis: AxisPlan) -> Iterator[tuple[int, str, PhaseGroup, int, range]]:
    """Yield each point with each phase that has it.

    As the point's number and name, the phase's group and its number there, and its
    taps: which rows (columns) of the kernel they are.
    """
    for i, point in enumerate(axis.points):
        for group in axis.groups:
            if group.has(point):
                for phase in range(group.count):
                    first = group.first + phase  # the first tap of phase f is tap f
                    last = first + group.taps * axis.stride
                    yield i, point, group, phase, range(first, last, axis.stride)


def _weight_chunk(plan: Plan) -> int:
    """Return how many input channels' weights fit in a core's cache."""
    KH, KW = plan.kernel_size
    return max(1, WEIGHT_CHUNK // (plan.out_channels * KH * KW))


def _to_tap(
    out: np.ndarray, values: dict[str, np.ndarray], tap: int, axis: AxisPlan
) -> list[Operation]:
    """Return what sets the gradient of one tap from those at the points."""
    # Tap k is number k // stride of phase k % stride, which is in one of the groups.
    (group,) = (
        group
        for group in axis.groups
        if 0 <= tap % axis.stride - group.first < group.count
    )
    sums = transposed(FILTER[group.taps], tuple(values))
    return sum_into(out, list(values.values()), sums[tap // axis.stride])
