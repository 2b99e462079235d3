"""Images, gradients and weights at the points of minimal filtering, and back.

A chunk of n images is cut into tiles of 2x2 outputs, and every transformation of
`scratchgan.functional.minimal_filter` is made along rows of pixels, then along columns.

===========================  ===================================  =================
method or function           from                                 to
===========================  ===================================  =================
`Tiles.data`                 images (n, C, H, W)                  V
`Tiles.gradient`             output gradients (n, O, OH, OW)      E
`weights_at_points`          weights (O, C, KH, KW)               U
`Tiles.write_outputs`        M = V·U                              outputs
`Tiles.write_images`         P = E·Uᵀ                             input gradients
`weights_of`                 dU = Vᵀ·E                            weight gradients
===========================  ===================================  =================

The lower three are the transposes of the upper three, in another order.

What makes it fast: arrays in between are laid out (tile rows, tile columns, n,
channels), pixels first and images inside them, so that a term of a sum is a run of
n·channels values or more, and the last two axes are, joined with the first two, the
rows of the matrix products. And the additions are planned once, as a list of NumPy
operations on memory that every chunk uses again: Python would otherwise need a third
of the time, and more on two threads, which wait for each other's interpreter lock.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from itertools import product
from threading import get_ident, local
from typing import Any

import numpy as np

from scratchgan.functional.minimal_filter import (
    DATA,
    FILTER,
    OUTPUTS,
    TILE,
    AxisPlan,
    PhaseGroup,
    Terms,
    plan_axis,
    transposed,
)
from scratchgan.functional.parallel import (
    empty,
    run_chunks,
    scratch,
    scratch_growth,
)
from scratchgan.functional.shapes import Padding, Pair, conv_output_size

WEIGHT_CHUNK = 1 << 20
"""Weights transformed together: more leave the caches, fewer pay for Python."""

AtPoints = list[np.ndarray]
"""Matrices for all pairs of points, those of one shape stacked: see `Plan.stacks`."""
Operation = Callable[[], Any]
"""A NumPy operation with its arrays."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Both axes of one convolution, and how the phases of pixels share a product.

    At the points (i, j) the summed axis K of the products runs over the row groups
    that have point i, the column groups that have point j, their phases, and C_in.
    """

    rows: AxisPlan
    columns: AxisPlan
    in_channels: int
    out_channels: int
    kernel_size: Pair

    @property
    def points_shape(self) -> Pair:
        """Number of points in each axis."""
        return len(self.rows.points), len(self.columns.points)

    @property
    def tiles(self) -> int:
        """Tiles of one image."""
        return self.rows.tiles * self.columns.tiles

    @property
    def one_group(self) -> bool:
        """Whether all phases have the same number of taps."""
        return len(self.rows.groups) == len(self.columns.groups) == 1

    def summed(self, i: int, j: int) -> int:
        """Return K at points (i, j)."""
        return (
            self.rows.phases_at(self.rows.points[i])
            * self.columns.phases_at(self.columns.points[j])
            * self.in_channels
        )

    @property
    def weight_values(self) -> int:
        """Number of values of U."""
        rows, columns = self.points_shape
        summed = sum(self.summed(i, j) for i, j in np.ndindex(rows, columns))
        return summed * self.out_channels

    @cached_property
    def stacks(self) -> list[tuple[int, int, int, int]]:
        """Slices of the points (i to i', j to j') whose matrices make up one stack.

        One product of stacks is one call for NumPy. With one group every pair of points
        has the same K, and there is a single stack.
        """
        rows, columns = self.points_shape
        if self.one_group:
            return [(0, rows, 0, columns)]
        return [(i, i + 1, j, j + 1) for i, j in np.ndindex(rows, columns)]

    def part(self, values: AtPoints, i: int, j: int) -> np.ndarray:
        """Return the matrix of points (i, j)."""
        columns = self.points_shape[1]
        if self.one_group:
            return values[0][i * columns + j]
        return values[i * columns + j][0]

    @cached_property
    def channels(self) -> dict[tuple[int, int, PhaseGroup, PhaseGroup], slice]:
        """Which of the summed values are a row and column group's, by (i, j, a, b)."""
        parts = {}
        for i, j in np.ndindex(self.points_shape):
            start = 0
            for a, b in product(self.rows.groups, self.columns.groups):
                if a.has(self.rows.points[i]) and b.has(self.columns.points[j]):
                    size = a.count * b.count * self.in_channels
                    parts[i, j, a, b] = slice(start, start + size)
                    start += size
        return parts


@cache
def make_plan(
    size: Pair,
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
) -> Plan:
    """Return the plan of a convolution of images of ``size`` pixels."""
    outputs = conv_output_size(size, kernel_size, stride, padding)
    rows, columns = (
        plan_axis(*axis)
        for axis in zip(
            size, kernel_size, stride, (padding.top, padding.left), outputs, strict=True
        )
    )
    return Plan(rows, columns, in_channels, out_channels, kernel_size)


def tiles_of(plan: Plan, n: int, dtype: np.dtype) -> "Tiles":
    """Return this thread's `Tiles` for chunks of n images.

    Planned anew when scratch memory has grown: old plans hold the memory that it has
    replaced, at most a hundred megabytes in a large network.
    """
    if _planned.growth != scratch_growth():
        _planned.growth = scratch_growth()
        _tiles_of.cache_clear()
    return _tiles_of(get_ident(), plan, n, dtype)


@lru_cache(maxsize=32)
def _tiles_of(thread: int, plan: Plan, n: int, dtype: np.dtype) -> "Tiles":
    return Tiles(plan, n, dtype)


class _Planned(local):
    growth = 0  # of scratch memory, when this thread last looked


_planned = _Planned()


class Tiles:
    """A chunk of images at the points: the memory, and the additions planned for it.

    For one thread. What a method returns is good until the next chunk.

    Parameters
    ----------
    plan : Plan
    n : int
        Images of a chunk.
    dtype : dtype
        Of images and gradients.
    """

    def __init__(self, plan: Plan, n: int, dtype: np.dtype) -> None:
        self.plan = plan
        self.n = n
        self.dtype = np.dtype(dtype)
        self._shape = (plan.rows.tiles, plan.columns.tiles, n)

    def data(self, x: np.ndarray) -> AtPoints:
        """Return V of images (n, C, H, W): matrices (tiles·n, K)."""
        V, groups = self._data
        image = x.transpose(2, 3, 0, 1)  # (H, W, n, C)
        for places, operations in groups:
            for pixels, block in places:
                np.copyto(block, image[pixels])
            _run(operations)
        return V

    def gradient(self, dy: np.ndarray) -> AtPoints:
        """Return E of output gradients (n, O, OH, OW): matrices (tiles·n, O)."""
        E, tile, operations = self._gradient
        pixels = dy.transpose(2, 3, 0, 1)  # (OH, OW, n, O)
        for (r, c), values in tile.items():
            of_all = pixels[r::TILE, c::TILE]
            height, width = of_all.shape[:2]
            values[:height, :width] = of_all
            if (height, width) != values.shape[:2]:  # half of a last tile is outside
                values[height:] = 0
                values[:, width:] = 0
        _run(operations)
        return E

    @cached_property
    def M(self) -> AtPoints:  # noqa: N802
        """Memory for the products V·U, that of E: no primitive has need of both."""
        return self._stacks_of(self._all_products)

    @cached_property
    def _all_products(self) -> np.ndarray:
        return self._at_all_points("products or gradients")

    def write_outputs(self, y: np.ndarray) -> None:
        """Write the outputs (n, O, OH, OW) of the products in M."""
        operations, last = self._outputs
        _run(operations)
        pixels = y.transpose(2, 3, 0, 1)  # (OH, OW, n, O)
        for (r, c), (combine, first, second) in last.items():
            out = pixels[r::TILE, c::TILE]
            height, width = out.shape[:2]
            combine(first[:height, :width], second[:height, :width], out=out)

    @cached_property
    def P(self) -> AtPoints:  # noqa: N802
        """Memory for the products E·Uᵀ, that of V if possible: needed one by one."""
        return [
            scratch(f"data or products{number}", shape, self.dtype)
            for number, shape in enumerate(self._summed_shapes())
        ]

    def write_images(self, dx: np.ndarray) -> None:
        """Write the input gradients (n, C, H, W) of the products in P."""
        if not (self.plan.rows.reads_all and self.plan.columns.reads_all):
            dx[...] = 0
        image = dx.transpose(2, 3, 0, 1)  # (H, W, n, C)
        for operations, places in self._images:
            _run(operations)
            for pixels, block in places:
                image[pixels] = block

    @cached_property
    def _data(self) -> tuple[AtPoints, list]:
        """V; for each pair of groups the blocks to load and the additions.

        The memory is this object's own: zeros around the images are written once.
        """
        rows, columns = self.plan.rows, self.plan.columns
        # Blocks that are parts of V or of what is before it, see below, keep its zeros.
        in_place = self.plan.one_group and (
            rows.groups[0].taps == columns.groups[0].taps == 2
        )
        V = [
            empty(shape, self.dtype)
            if in_place
            else scratch(f"data or products{number}", shape, self.dtype)
            for number, shape in enumerate(self._summed_shapes())
        ]
        groups = []
        for a, b in product(rows.groups, columns.groups):
            shape = self.n, a.count * b.count * self.plan.in_channels
            across = {}  # (row points, tile rows, columns, n, ·)
            for odd in (0, 1):
                size = (a.taps + 1, rows.tiles, b.blocks[odd], *shape)
                across[odd] = (
                    empty(size, self.dtype)
                    if in_place
                    else scratch(f"across{odd}", size, self.dtype)
                )
            blocks = {
                (parity, odd): empty(
                    (a.blocks[parity], b.blocks[odd], *shape), self.dtype
                )
                for parity, odd in product((0, 1), (0, 1))
            }
            if in_place:
                # At point 1 the data are d1 as it is: make it where it is needed.
                at_1 = columns.points.index("1")
                V_of_all = V[0].reshape(*self.plan.points_shape, *self._shape, -1)
                across[1] = V_of_all[:, at_1]
                for odd in (0, 1):
                    blocks[1, odd] = across[odd][at_1]
            for block in blocks.values():
                block[...] = 0
            operations: list[Operation] = []
            for number, i in enumerate(_points_of(rows, a)):
                for odd in (0, 1):
                    values = _of_tiles(blocks[0, odd], blocks[1, odd], a, rows.tiles)
                    terms = DATA[a.taps][rows.points[i]]
                    operations += _sum_into(across[odd][number], values, terms)
            for first, last in self._sets(a):
                values = _of_tiles(
                    *(across[odd][first:last].swapaxes(0, 2) for odd in (0, 1)),
                    b,
                    columns.tiles,
                )  # (columns, tile rows, row points, n, ·)
                for j in _points_of(columns, b):
                    out = self._of_set(V, a, b, first, last, j).swapaxes(0, 2)
                    operations += _sum_into(
                        out, values, DATA[b.taps][columns.points[j]]
                    )
            groups.append((self._places(a, b, blocks), operations))
        return V, groups

    @cached_property
    def _gradient(self) -> tuple[AtPoints, dict[Pair, np.ndarray], list[Operation]]:
        """E; the four pixels of all tiles; the additions."""
        rows, columns = self.plan.rows.points, self.plan.columns.points
        E = self._at_all_points("products or gradients")
        # A tile's first output is its value at 0, its second that at infinity.
        firsts = [
            (points.index("0"), points.index("inf")) for points in (rows, columns)
        ]
        tile = {
            (r, c): E[firsts[0][r], firsts[1][c]]
            for r, c in product(range(TILE), range(TILE))
        }
        operations: list[Operation] = []
        for i, point in enumerate(rows):
            for c in range(TILE):
                values = [tile[r, c] for r in range(TILE)]
                operations += _sum_into(E[i, firsts[1][c]], values, OUTPUTS[point])
        for j, point in enumerate(columns):
            values = [E[:, firsts[1][c]] for c in range(TILE)]
            operations += _sum_into(E[:, j], values, OUTPUTS[point])
        return self._stacks_of(E), tile, operations

    @cached_property
    def _outputs(self) -> tuple[list[Operation], dict]:
        """Additions, and by pixel of a tile the last one, which writes to y."""
        M = list(self._all_products)
        row_terms = transposed(OUTPUTS, self.plan.rows.points)
        column_terms = transposed(OUTPUTS, self.plan.columns.points)
        operations: list[Operation] = []
        last = {}
        for r in range(TILE):
            across = scratch(f"outputs{r}", M[0].shape, self.dtype)
            operations += _sum_into(across, M, row_terms[r])
            for c in range(TILE):
                *others, (index, sign) = column_terms[c]
                so_far = _sum(operations, list(across), tuple(others), f"partial{r}{c}")
                combine = np.add if sign == 1 else np.subtract
                last[r, c] = combine, so_far, across[index]
        return operations, last

    @cached_property
    def _images(self) -> list[tuple[list[Operation], list]]:
        """For each pair of groups the additions and the blocks to store."""
        rows, columns = self.plan.rows, self.plan.columns
        programme = []
        for a, b in product(rows.groups, columns.groups):
            shape = self.n, a.count * b.count * self.plan.in_channels
            across = {  # (row points, tile rows, columns, n, ·)
                odd: scratch(
                    f"across{odd}",
                    (a.taps + 1, rows.tiles, b.blocks[odd], *shape),
                    self.dtype,
                )
                for odd in (0, 1)
            }
            blocks = {
                (parity, odd): scratch(
                    f"blocks{parity}{odd}",
                    (a.blocks[parity], b.blocks[odd], *shape),
                    self.dtype,
                )
                for parity, odd in product((0, 1), (0, 1))
            }
            operations: list[Operation] = []
            for first, last in self._sets(a):
                values = {
                    columns.points[j]: self._of_set(
                        self.P, a, b, first, last, j
                    ).swapaxes(0, 2)
                    for j in _points_of(columns, b)
                }  # (columns, tile rows, row points, n, ·)
                for odd in (0, 1):
                    out = across[odd][first:last].swapaxes(0, 2)
                    operations += _to_blocks(out, values, b, odd)
            for (parity, odd), out in blocks.items():
                points = (rows.points[i] for i in _points_of(rows, a))
                values = dict(zip(points, across[odd], strict=True))
                operations += _to_blocks(out, values, a, parity)
            programme.append((operations, self._places(a, b, blocks)))
        return programme

    def _summed_shapes(self) -> list[tuple[int, int, int]]:
        """Return the shapes of the stacks of V or P: (points, tiles·n, K)."""
        size = self.plan.tiles * self.n
        return [
            ((i2 - i) * (j2 - j), size, self.plan.summed(i, j))
            for i, i2, j, j2 in self.plan.stacks
        ]

    def _at_all_points(self, name: str) -> np.ndarray:
        """Return memory for M or E: (I, J, tile rows, tile columns, n, O)."""
        shape = *self.plan.points_shape, *self._shape, self.plan.out_channels
        return scratch(name, shape, self.dtype)

    def _stacks_of(self, values: np.ndarray) -> AtPoints:
        matrices = values.reshape(
            *self.plan.points_shape, self.plan.tiles * self.n, self.plan.out_channels
        )
        return [
            matrices[i:i2, j:j2].reshape(-1, *matrices.shape[2:])
            for i, i2, j, j2 in self.plan.stacks
        ]

    def _sets(self, a: PhaseGroup) -> list[Pair]:
        """Return which of a group's row points have their columns summed together."""
        count = a.taps + 1
        return (
            [(0, count)] if self.plan.one_group else [(i, i + 1) for i in range(count)]
        )

    def _of_set(
        self,
        values: AtPoints,
        a: PhaseGroup,
        b: PhaseGroup,
        first: int,
        last: int,
        j: int,
    ) -> np.ndarray:
        """Return V or P at a set of row points: (points, rows, columns, n, ·)."""
        if self.plan.one_group:
            stack = values[0].reshape(*self.plan.points_shape, *self._shape, -1)
            return stack[first:last, j]
        i = _points_of(self.plan.rows, a)[first]
        matrix = self.plan.part(values, i, j).reshape(1, *self._shape, -1)
        return matrix[..., self.plan.channels[i, j, a, b]]

    def _places(
        self, a: PhaseGroup, b: PhaseGroup, blocks: dict[Pair, np.ndarray]
    ) -> list[tuple[tuple[slice, slice], np.ndarray]]:
        """Return where pixels are in an image, and the part of the blocks for them."""
        places = []
        for row, column in product(a.pixels, b.pixels):
            block = blocks[row.parity, column.parity]
            block = block.reshape(*block.shape[:3], a.count, b.count, -1)
            block = block[..., row.phase, column.phase, :]
            pixels = row.pixels, column.pixels
            places.append((pixels, block[row.blocks, column.blocks]))
        return places


def _points_of(axis: AxisPlan, group: PhaseGroup) -> list[int]:
    """Return the numbers of the points that a group has."""
    return [i for i, point in enumerate(axis.points) if group.has(point)]


def weights_at_points(plan: Plan, weight: np.ndarray) -> AtPoints:
    """Return U of weights (O, C, KH, KW): new matrices (K, O)."""
    O, C = weight.shape[:2]  # noqa: E741
    U = empty_at_points(plan, weight.dtype)
    taps = weight.transpose(2, 3, 1, 0)  # (KH, KW, C, O)

    def work(worker: int, start: int, stop: int) -> None:
        operations: list[Operation] = []
        for i, row_point, a, row_phase, row_taps in _phases(plan.rows):
            values = [taps[tap, :, start:stop] for tap in row_taps]
            terms = FILTER[a.taps][row_point]
            across = _sum(operations, values, terms, "by row")  # (KW, channels, O)
            for j, column_point, b, column_phase, column_taps in _phases(plan.columns):
                u = plan.part(U, i, j)[plan.channels[i, j, a, b]]
                u = u.reshape(a.count, b.count, C, O)
                operations += _sum_into(
                    u[row_phase, column_phase, start:stop],
                    [across[tap] for tap in column_taps],
                    FILTER[b.taps][column_point],
                )
        _run(operations)

    run_chunks(work, C, _weight_chunk(plan))
    return U


def weights_of(plan: Plan, dU: AtPoints) -> np.ndarray:
    """Return dweight (O, C, KH, KW): `weights_at_points` transposed."""
    KH, KW = plan.kernel_size
    C, O = plan.in_channels, plan.out_channels  # noqa: E741
    dtype = dU[0].dtype
    dtaps = empty((KH, KW, C, O), dtype)

    def work(worker: int, start: int, stop: int) -> None:
        operations: list[Operation] = []
        rows: dict[int, dict[str, np.ndarray]] = {}  # by row tap, by row point
        for i, row_point, a, row_phase, row_taps in _phases(plan.rows):
            columns: dict[int, dict[str, np.ndarray]] = {}
            for j, column_point, b, column_phase, column_taps in _phases(plan.columns):
                du = plan.part(dU, i, j)[plan.channels[i, j, a, b]]
                du = du.reshape(a.count, b.count, C, O)
                du = du[row_phase, column_phase, start:stop]
                for tap in column_taps:
                    columns.setdefault(tap, {})[column_point] = du
            name = f"by row{i}{a.first + row_phase}"
            by_row = scratch(name, (KW, stop - start, O), dtype)
            for tap, values in columns.items():
                operations += _to_tap(by_row[tap], values, tap, plan.columns)
            for tap in row_taps:
                rows.setdefault(tap, {})[row_point] = by_row
        for tap, values in rows.items():
            operations += _to_tap(dtaps[tap, :, start:stop], values, tap, plan.rows)
        _run(operations)

    run_chunks(work, C, _weight_chunk(plan))
    return dtaps.transpose(3, 2, 0, 1)


def empty_at_points(plan: Plan, dtype: np.dtype) -> AtPoints:
    """Return uninitialised matrices (K, O), as for U and dU."""
    return [
        empty(((i2 - i) * (j2 - j), plan.summed(i, j), plan.out_channels), dtype)
        for i, i2, j, j2 in plan.stacks
    ]


def _phases(axis: AxisPlan) -> Iterator[tuple[int, str, PhaseGroup, int, range]]:
    """Yield each point with each phase that has it: number in the group, and taps."""
    for i, point in enumerate(axis.points):
        for group in axis.groups:
            if group.has(point):
                for phase in range(group.count):
                    first = group.first + phase
                    last = first + group.taps * axis.stride
                    yield i, point, group, phase, range(first, last, axis.stride)


def _weight_chunk(plan: Plan) -> int:
    """Return how many input channels' weights fit in a core's cache."""
    KH, KW = plan.kernel_size
    return max(1, WEIGHT_CHUNK // (plan.out_channels * KH * KW))


def _of_tiles(
    even: np.ndarray, odd: np.ndarray, group: PhaseGroup, tiles: int
) -> list[np.ndarray]:
    """Return d0, d1, ... of all tiles from blocks along the first axis: views."""
    of_parity = (even, odd)
    return [
        of_parity[k % TILE][k // TILE : k // TILE + tiles]
        for k in range(group.taps + 1)
    ]


def _to_blocks(
    out: np.ndarray, values: dict[str, np.ndarray], group: PhaseGroup, parity: int
) -> list[Operation]:
    """Return what sets even or odd blocks along the first axis: `_of_tiles` transposed.

    Parameters
    ----------
    out : array of shape (blocks, ...)
    values : dict of str to array of shape (tiles, ...)
        By point.
    group : PhaseGroup
    parity : int
    """
    arrays = list(values.values())
    sums = transposed(DATA[group.taps], tuple(values))
    if parity + TILE not in sums:
        return _sum_into(out, arrays, sums[parity])
    # What is d2 or d3 of a tile is d0 or d1 of the next.
    operations: list[Operation] = []
    own = _sum(operations, arrays, sums[parity], "own")
    following = _sum(operations, arrays, sums[parity + TILE], "following")
    return [
        *operations,
        partial(np.copyto, out[0], own[0]),
        partial(np.add, own[1:], following[:-1], out=out[1:-1]),
        partial(np.copyto, out[-1], following[-1]),
    ]


def _to_tap(
    out: np.ndarray, values: dict[str, np.ndarray], tap: int, axis: AxisPlan
) -> list[Operation]:
    """Return what sets the gradient of one tap from those at the points."""
    (group,) = (
        group
        for group in axis.groups
        if 0 <= tap % axis.stride - group.first < group.count
    )
    sums = transposed(FILTER[group.taps], tuple(values))
    return _sum_into(out, list(values.values()), sums[tap // axis.stride])


def _sum(
    operations: list[Operation], values: list[np.ndarray], terms: Terms, name: str
) -> np.ndarray:
    """Return Σ coefficient·values[index]: one of them, or scratch memory to be set."""
    (index, coefficient), *rest = terms
    if coefficient == 1 and not rest:
        return values[index]
    out = scratch(name, values[index].shape, values[index].dtype)
    operations += _sum_into(out, values, terms)
    return out


def _sum_into(
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


def _run(operations: list[Operation]) -> None:
    for operation in operations:
        operation()
