"""Images and gradients at the points of minimal filtering, and back.

=======================  ===============================  ================
method or function       from                             to
=======================  ===============================  ================
`Tiles.data`             images (n, C, H, W)              V
`Tiles.gradient`         output gradients (n, O, OH, OW)  E
`weights_at_points` (*)  weights (O, C, KH, KW)           U
`Tiles.write_outputs`    M = V·U                          outputs
`Tiles.write_images`     P = E·Uᵀ                         input gradients
`weights_of` (*)         dU = Vᵀ·E                        weight gradients
=======================  ===============================  ================

(*) in `scratchgan.functional.conv.minimal.weights`. `write_outputs` is the transpose of
`gradient`, `write_images` of `data` and `weights_of` of `weights_at_points`: a value
that gives itself to several sums in the one collects from all of them in the other.

One axis
--------
A line of 8 pixels, kernel 4, stride 2, padding 1, 4 outputs. The padded line is cut
into blocks of 2 pixels, one of each phase; phase 0 meets the taps w0 and w2, phase 1
meets w1 and w3. A tile is two outputs, and its d0, d1, d2 are three blocks::

    padded line   | 0  x0 | x1 x2 | x3 x4 | x5 x6 | x7  0 |
    block         |   0   |   1   |   2   |   3   |   4   |
    tile 0            d0      d1      d2                        makes y0 and y1
    tile 1                            d0      d1      d2        makes y2 and y3

Even and odd blocks are kept in two arrays, a row for each block::

    even:  phase 0  phase 1         odd:  phase 0  phase 1
      0:      0       x0             0:     x1       x2
      1:     x3       x4             1:     x5       x6
      2:     x7        0

so that d0, d1 and d2 of *all* tiles are even[0:2], odd[0:2] and even[1:3], and the
data at the three points, as `filters.DATA` has them, are one NumPy call each::

    V_0 = even[0:2] - odd        V_1 = odd        V_inf = even[1:3] - odd

Backward a block collects from every tile that has read it. even[1] was d2 of tile 0 and
d0 of tile 1; an odd block was d1 of one tile::

    even[0] = P_0[0]      even[1] = P_0[1] + P_inf[0]      even[2] = P_inf[1]
    odd = P_1 - P_0 - P_inf

Two axes
--------
Rows are taken to their points first, while columns are still blocks; then columns are,
at every row point. Backward it is columns first. Symbols in the shapes below:

======  ========================================================================
n       images in the chunk
C, O    channels of the images and of the outputs
TR, TC  rows and columns of tiles in an image, TR·TC·n tiles in all
I, J    number of points of rows and of columns
BR, BC  blocks of one parity along rows and columns: TR and TC, or one more
a, b    a group of row phases and one of column phases: phases with equally many taps
p       a.count · b.count · C, the channels of all phases of the two groups
K       what a product sums over: p added up over the groups that have the points
======  ========================================================================

Arrays in between have pixels first and images inside them, (TR, TC, n, channels), so
that a term of a sum is a run of memory of n·channels values or more; and the first
three axes joined are the rows of the matrix products, with no copy. The additions are
planned once (`planned_sums`), on memory that every chunk uses again.
"""

from collections.abc import Callable
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

BOTH = (0, 1)
"""The two parities of blocks, even and odd."""
Memory = Callable[[str, tuple[int, ...], np.dtype], np.ndarray]
"""Makes an array of a name, a shape and a dtype: `scratch`, or `_own`."""
Copies = list[tuple[tuple[slice, slice], np.ndarray]]
"""Pixels of an image, as (rows, columns), and the part of the blocks they belong in."""


def tiles_of(plan: Plan, n: int, dtype: np.dtype) -> "Tiles":
    """Return this thread's `Tiles` for chunks of n images.

    Planned anew when scratch memory has grown: the old plans would keep alive the
    memory that was replaced, a hundred megabytes in a large network.
    """
    if _planned.growth != scratch_growth():
        _planned.growth = scratch_growth()
        _tiles_of.cache_clear()
    return _tiles_of(get_ident(), plan, n, dtype)


@lru_cache(maxsize=32)
def _tiles_of(thread: int, plan: Plan, n: int, dtype: np.dtype) -> "Tiles":
    # ``thread`` is there to be part of the key: threads must not share memory.
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
        self._shape = (plan.rows.tiles, plan.columns.tiles, n)  # (TR, TC, n)

    # Done with every chunk:

    def data(self, x: np.ndarray) -> AtPoints:
        """Return V of images (n, C, H, W): matrices (TR·TC·n, K)."""
        V, groups = self._data
        image = x.transpose(2, 3, 0, 1)  # (H, W, n, C)
        # Group by group: what lies between blocks and V is memory that they share.
        for copies, operations in groups:
            for pixels, part in copies:
                np.copyto(part, image[pixels])
            run_planned(operations)
        return V

    def gradient(self, dy: np.ndarray) -> AtPoints:
        """Return E of output gradients (n, O, OH, OW): matrices (TR·TC·n, O)."""
        E, tile, operations = self._gradient
        pixels = dy.transpose(2, 3, 0, 1)  # (OH, OW, n, O)
        for (r, c), values in tile.items():  # values: (TR, TC, n, O)
            given = pixels[r::TILE, c::TILE]  # pixel (r, c) of every tile
            height, width = given.shape[:2]
            values[:height, :width] = given
            # An odd number of outputs leaves the last tile half outside. Its gradient
            # there is zero, written each time: the memory is also that of M.
            if (height, width) != values.shape[:2]:
                values[height:] = 0
                values[:, width:] = 0
        run_planned(operations)
        return E

    @cached_property
    def M(self) -> AtPoints:  # noqa: N802
        """Memory for the products V·U, the same as E's: no primitive needs both."""
        return self._stacks_of(self._products_or_gradients)

    def write_outputs(self, y: np.ndarray) -> None:
        """Write the outputs (n, O, OH, OW) of the products in M."""
        operations, final = self._outputs
        run_planned(operations)
        pixels = y.transpose(2, 3, 0, 1)  # (OH, OW, n, O)
        for (r, c), (combine, first, second) in final.items():
            out = pixels[r::TILE, c::TILE]  # pixel (r, c) of every tile
            height, width = out.shape[:2]  # TR and TC, or one less at an odd end
            combine(first[:height, :width], second[:height, :width], out=out)

    @cached_property
    def P(self) -> AtPoints:  # noqa: N802
        """Memory for the products E·Uᵀ, the same as V's where V is in scratch memory.

        Backward is done with V, for dU, before it needs P, for dx.
        """
        return self._data_or_products(scratch)

    def write_images(self, dx: np.ndarray) -> None:
        """Write the input gradients (n, C, H, W) of the products in P."""
        # Pixels beyond the last tile are in no block. No window reads them either.
        if not (self.plan.rows.reads_all and self.plan.columns.reads_all):
            dx[...] = 0
        image = dx.transpose(2, 3, 0, 1)  # (H, W, n, C)
        for operations, copies in self._images:
            run_planned(operations)
            for pixels, part in copies:
                image[pixels] = part  # what was added up for the padding is dropped

    # Planned once, when first asked for:

    @cached_property
    def _data(self) -> tuple[AtPoints, list[tuple[Copies, list[Operation]]]]:
        """V; for each pair of groups the blocks to load and the additions.

        Blocks in the padding are set to zero here, once: the copies of a chunk only
        write those of pixels. So blocks are this object's own memory, in which no other
        layer leaves its values.
        """
        rows, columns = self.plan.rows, self.plan.columns
        # Two taps everywhere, as 4x4 kernels with stride 2 have: the data at point 1
        # are d1 as it is. So odd blocks are loaded where V, or the step before it,
        # needs them, and that memory must keep their zeros, too.
        in_place = self.plan.one_group and (
            rows.groups[0].taps == columns.groups[0].taps == 2
        )
        memory = _own if in_place else scratch
        V = self._data_or_products(memory)
        groups = []
        for a, b in product(rows.groups, columns.groups):
            at_rows, blocks = self._between(a, b, memory, _own)
            if in_place:
                # Both axes have the same points, so one number serves for both.
                at_1 = columns.points.index("1")
                V_of_all = V[0].reshape(*self.plan.points_shape, *self._shape, -1)
                # At column point 1, V is the odd column blocks after rows ...
                at_rows[1] = V_of_all[:, at_1]  # (I, TR, TC, n, p)
                # ... and at row point 1, those are the odd row blocks.
                for parity in BOTH:
                    blocks[1, parity] = at_rows[parity][at_1]  # (TR, BC, n, p)
            for block in blocks.values():
                block[...] = 0
            operations: list[Operation] = []
            # Rows to their points, with columns of either parity.
            for number, i in enumerate(_points_of(rows, a)):
                for parity in BOTH:
                    values = _of_tiles(
                        blocks[0, parity], blocks[1, parity], a, rows.tiles
                    )
                    terms = DATA[a.taps][rows.points[i]]
                    operations += sum_into(at_rows[parity][number], values, terms)
            # Columns to theirs: the same, with their axis brought to the front.
            for chosen in self._row_slices(a):
                values = _of_tiles(
                    *(at_rows[parity][chosen].swapaxes(0, 2) for parity in BOTH),
                    b,
                    columns.tiles,
                )  # (TC, TR, row points, n, p)
                for j in _points_of(columns, b):
                    out = self._at(V, a, b, chosen, j).swapaxes(0, 2)
                    operations += sum_into(out, values, DATA[b.taps][columns.points[j]])
            groups.append((self._copies(a, b, blocks), operations))
        return V, groups

    @cached_property
    def _gradient(self) -> tuple[AtPoints, dict[Pair, np.ndarray], list[Operation]]:
        """E; the four pixels of all tiles; the additions."""
        rows, columns = self.plan.rows.points, self.plan.columns.points
        E = self._products_or_gradients  # (I, J, TR, TC, n, O)
        # A tile's first output goes to point 0 as it is, its second to infinity. So the
        # pixels are copied to where they belong in E, and only 1 and -1 are left to do.
        row_of = rows.index("0"), rows.index("inf")
        column_of = columns.index("0"), columns.index("inf")
        tile = {
            (r, c): E[row_of[r], column_of[c]]
            for r, c in product(range(TILE), range(TILE))
        }  # (TR, TC, n, O)
        operations: list[Operation] = []
        # Rows to their points, at column points 0 and infinity, where the pixels are.
        for i, point in enumerate(rows):
            for c in range(TILE):
                values = [tile[r, c] for r in range(TILE)]
                operations += sum_into(E[i, column_of[c]], values, OUTPUTS[point])
        # Columns to theirs, for all row points in one call.
        for j, point in enumerate(columns):
            values = [E[:, column_of[c]] for c in range(TILE)]  # (I, TR, TC, n, O)
            operations += sum_into(E[:, j], values, OUTPUTS[point])
        return self._stacks_of(E), tile, operations

    @cached_property
    def _outputs(self) -> tuple[list[Operation], dict]:
        """All additions but the last of each pixel of a tile; the last ones, by pixel.

        They are not planned, for they write to y, which is another array every time.
        """
        M = list(self._products_or_gradients)  # by row point, (J, TR, TC, n, O) each
        row_terms = transposed(OUTPUTS, self.plan.rows.points)
        column_terms = transposed(OUTPUTS, self.plan.columns.points)
        operations: list[Operation] = []
        final = {}
        for r in range(TILE):
            # Row r of every tile, columns still at their points: (J, TR, TC, n, O).
            at_columns = scratch(f"outputs{r}", M[0].shape, self.dtype)
            operations += sum_into(at_columns, M, row_terms[r])
            for c in range(TILE):
                *others, (index, sign) = column_terms[c]
                so_far = sum_of(
                    operations, list(at_columns), tuple(others), f"partial{r}{c}"
                )  # (TR, TC, n, O)
                combine = np.add if sign == 1 else np.subtract
                final[r, c] = combine, so_far, at_columns[index]
        return operations, final

    @cached_property
    def _images(self) -> list[tuple[list[Operation], Copies]]:
        """For each pair of groups the additions and the blocks to store.

        The steps of `_data` backwards. Every value is set, none has to stay zero: all
        memory is scratch.
        """
        rows, columns = self.plan.rows, self.plan.columns
        groups = []
        for a, b in product(rows.groups, columns.groups):
            at_rows, blocks = self._between(a, b, scratch, scratch)
            operations: list[Operation] = []
            # Columns from their points, with their axis brought to the front.
            for chosen in self._row_slices(a):
                values = {
                    columns.points[j]: self._at(self.P, a, b, chosen, j).swapaxes(0, 2)
                    for j in _points_of(columns, b)
                }  # (TC, TR, row points, n, p)
                for parity in BOTH:
                    out = at_rows[parity][chosen].swapaxes(0, 2)
                    operations += _to_blocks(out, values, b, parity)
            # Rows from theirs.
            points = [rows.points[i] for i in _points_of(rows, a)]
            for (row_parity, parity), out in blocks.items():  # out: (BR, BC, n, p)
                values = dict(zip(points, at_rows[parity], strict=True))
                operations += _to_blocks(out, values, a, row_parity)
            groups.append((operations, self._copies(a, b, blocks)))
        return groups

    def _data_or_products(self, memory: Memory) -> AtPoints:
        """Return memory for V or P: stacks (points, TR·TC·n, K)."""
        rows = self.plan.tiles * self.n
        return [
            memory(
                f"data or products{number}",
                ((i2 - i) * (j2 - j), rows, self.plan.summed(i, j)),
                self.dtype,
            )
            for number, (i, i2, j, j2) in enumerate(self.plan.stacks)
        ]

    def _between(
        self, a: PhaseGroup, b: PhaseGroup, rows_memory: Memory, blocks_memory: Memory
    ) -> tuple[dict[int, np.ndarray], dict[Pair, np.ndarray]]:
        """Return what lies between V or P and the images of two groups.

        Rows at their points and columns in blocks, (a's points, TR, BC, n, p), by the
        parity of the columns' blocks; and blocks of pixels, (BR, BC, n, p), by both
        parities.
        """
        TR, images = self.plan.rows.tiles, self.n
        p = a.count * b.count * self.plan.in_channels
        at_rows = {
            parity: rows_memory(
                f"at rows{parity}",
                (a.taps + 1, TR, b.blocks[parity], images, p),
                self.dtype,
            )
            for parity in BOTH
        }
        blocks = {
            (row_parity, parity): blocks_memory(
                f"blocks{row_parity}{parity}",
                (a.blocks[row_parity], b.blocks[parity], images, p),
                self.dtype,
            )
            for row_parity, parity in product(BOTH, BOTH)
        }
        return at_rows, blocks

    @cached_property
    def _products_or_gradients(self) -> np.ndarray:
        """Memory for M or E: (I, J, TR, TC, n, O)."""
        shape = *self.plan.points_shape, *self._shape, self.plan.out_channels
        return scratch("products or gradients", shape, self.dtype)

    def _stacks_of(self, values: np.ndarray) -> AtPoints:
        """Return views of M or E as stacks: (points, TR·TC·n, O)."""
        matrices = values.reshape(
            *self.plan.points_shape, self.plan.tiles * self.n, self.plan.out_channels
        )  # (I, J, TR·TC·n, O)
        return [
            matrices[i:i2, j:j2].reshape(-1, *matrices.shape[2:])
            for i, i2, j, j2 in self.plan.stacks
        ]

    def _row_slices(self, a: PhaseGroup) -> list[slice]:
        """Return the row points of a group, as slices, that one call can handle.

        All of them where V is a single stack; else one by one, since each has matrices
        of its own.
        """
        count = a.taps + 1
        if self.plan.one_group:
            return [slice(0, count)]
        return [slice(i, i + 1) for i in range(count)]

    def _at(
        self, values: AtPoints, a: PhaseGroup, b: PhaseGroup, chosen: slice, j: int
    ) -> np.ndarray:
        """Return two groups' part of V or P: a view (row points, TR, TC, n, p).

        At column point j, and at those of a's row points that ``chosen``, one of
        `_row_slices`, picks.
        """
        if self.plan.one_group:  # then p is K: nobody else's channels are in the way
            stack = values[0].reshape(*self.plan.points_shape, *self._shape, -1)
            return stack[chosen, j]  # of (I, J, TR, TC, n, K)
        i = _points_of(self.plan.rows, a)[chosen.start]
        matrix = self.plan.part(values, i, j).reshape(1, *self._shape, -1)
        return matrix[..., self.plan.channels[i, j, a, b]]  # of (1, TR, TC, n, K)

    def _copies(
        self, a: PhaseGroup, b: PhaseGroup, blocks: dict[Pair, np.ndarray]
    ) -> Copies:
        """Return where pixels are in an image, and the part of the blocks for them.

        A phase's blocks of one parity are every (2·stride)-th pixel of a line, which a
        slice with a step finds.
        """
        copies = []
        for row, column in product(a.pixels, b.pixels):
            block = blocks[row.parity, column.parity]  # (BR, BC, n, p)
            block = block.reshape(*block.shape[:3], a.count, b.count, -1)
            block = block[..., row.phase, column.phase, :]  # (BR, BC, n, C)
            pixels = row.pixels, column.pixels
            copies.append((pixels, block[row.blocks, column.blocks]))
        return copies


def _own(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return memory that nobody else gets, unlike `scratch` of the same name."""
    return empty(shape, dtype)


def _points_of(axis: AxisPlan, group: PhaseGroup) -> list[int]:
    """Return the numbers of the points that a group has."""
    return [i for i, point in enumerate(axis.points) if group.has(point)]


def _of_tiles(
    even: np.ndarray, odd: np.ndarray, group: PhaseGroup, tiles: int
) -> list[np.ndarray]:
    """Return d0, d1, ... of all tiles from blocks along the first axis: views.

    d_k of tile t is block 2t + k of the line, which is number t + k // 2 among those of
    its parity.
    """
    of_parity = (even, odd)
    return [
        of_parity[k % TILE][k // TILE : k // TILE + tiles]
        for k in range(group.taps + 1)  # two outputs of T taps read T + 1 blocks
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
    sums = transposed(DATA[group.taps], tuple(values))  # by k, what comes back for d_k
    if parity + TILE not in sums:
        return sum_into(out, arrays, sums[parity])  # every block is read by one tile
    # d2 of a tile is the same block as d0 of the next, d3 the same as its d1. So all
    # blocks but the first and the last collect from two tiles.
    operations: list[Operation] = []
    own = sum_of(operations, arrays, sums[parity], "own")  # (tiles, ...)
    following = sum_of(operations, arrays, sums[parity + TILE], "following")
    return [
        *operations,
        partial(np.copyto, out[0], own[0]),
        partial(np.add, own[1:], following[:-1], out=out[1:-1]),
        partial(np.copyto, out[-1], following[-1]),
    ]
