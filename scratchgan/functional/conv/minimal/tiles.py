"""Images and gradients at the points of minimal filtering, and back.

A chunk of n images is cut into tiles of 2x2 outputs, and every transformation of
`filters` is made along rows of pixels, then along columns.

===========================  ===================================  =================
method or function           from                                 to
===========================  ===================================  =================
`Tiles.data`                 images (n, C, H, W)                  V
`Tiles.gradient`             output gradients (n, O, OH, OW)      E
`weights_at_points` (*)      weights (O, C, KH, KW)               U
`Tiles.write_outputs`        M = V·U                              outputs
`Tiles.write_images`         P = E·Uᵀ                             input gradients
`weights_of` (*)             dU = Vᵀ·E                            weight gradients
===========================  ===================================  =================

(*) in `scratchgan.functional.conv.minimal.weights`.

The lower three are the transposes of the upper three, in another order.

What makes it fast: arrays in between are laid out (tile rows, tile columns, n,
channels), pixels first and images inside them, so that a term of a sum is a run of
n·channels values or more, and the last two axes are, joined with the first two, the
rows of the matrix products. And the additions are planned once
(`planned_sums`), on memory that every chunk uses again.
"""

from functools import cached_property, lru_cache, partial
from itertools import product
from threading import get_ident, local

import numpy as np

from scratchgan.functional.conv.minimal.filters import (
    DATA,
    OUTPUTS,
    TILE,
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
from scratchgan.functional.conv.shapes import Pair
from scratchgan.functional.parallel import empty, scratch, scratch_growth


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
            run_planned(operations)
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
        run_planned(operations)
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
        run_planned(operations)
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
            run_planned(operations)
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
                    operations += sum_into(across[odd][number], values, terms)
            for first, last in self._sets(a):
                values = _of_tiles(
                    *(across[odd][first:last].swapaxes(0, 2) for odd in (0, 1)),
                    b,
                    columns.tiles,
                )  # (columns, tile rows, row points, n, ·)
                for j in _points_of(columns, b):
                    out = self._of_set(V, a, b, first, last, j).swapaxes(0, 2)
                    operations += sum_into(out, values, DATA[b.taps][columns.points[j]])
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
                operations += sum_into(E[i, firsts[1][c]], values, OUTPUTS[point])
        for j, point in enumerate(columns):
            values = [E[:, firsts[1][c]] for c in range(TILE)]
            operations += sum_into(E[:, j], values, OUTPUTS[point])
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
            operations += sum_into(across, M, row_terms[r])
            for c in range(TILE):
                *others, (index, sign) = column_terms[c]
                so_far = sum_of(
                    operations, list(across), tuple(others), f"partial{r}{c}"
                )
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
        return sum_into(out, arrays, sums[parity])
    # What is d2 or d3 of a tile is d0 or d1 of the next.
    operations: list[Operation] = []
    own = sum_of(operations, arrays, sums[parity], "own")
    following = sum_of(operations, arrays, sums[parity + TILE], "following")
    return [
        *operations,
        partial(np.copyto, out[0], own[0]),
        partial(np.add, own[1:], following[:-1], out=out[1:-1]),
        partial(np.copyto, out[-1], following[-1]),
    ]
