"""Convolution with fewer multiplications, a chunk of images at a time, on all cores.

Method: polyphase decomposition and minimal filtering in both axes, see
`scratchgan.functional.minimal_filter`. For a tile of 2x2 outputs the weights, the data
and the output gradient are taken to the points of both axes by additions; at each pair
of points (i, j) there is one matrix product. With U the weights, V the data and E the
output gradient at the points, all three primitives are products of two of them, and the
other transformations are the transposes of the first ones::

    forward          M = V·U      y  = outputs of M
    input gradient   P = E·Uᵀ     dx = data of P, transposed
    weight gradient  dU = Vᵀ·E    dw = filter of dU, transposed

=================  ==========================  ==================
kernel, stride     products for a 2x2 tile     of the definition
=================  ==========================  ==================
4x4, 2             36                          0.56
5x5, 2             49                          0.49
3x3, 2             25                          0.69
3x3, 1             16                          0.44
=================  ==========================  ==================

Departures from `conv_reference`: images are channels-last in memory, so that a phase of
pixels is a slice and every addition runs along channels; a chunk is padded into scratch
memory that stays in the cache. Shapes that gain nothing go to `conv_matmul`: few
channels (the first and last layers), kernels smaller than the stride or larger than
three times it.

Not the default: on 2 cores with AVX-512 a step of dcgan64 at batch 128 takes 2.0 s,
with `conv_matmul` 1.9 s, and quick32 at batch 64 0.16 s against 0.11 s. What the
products save, the additions, a pass over memory each, still cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from scratchgan.functional import conv_matmul
from scratchgan.functional.minimal_filter import (
    DATA,
    FILTER,
    OUTPUTS,
    TILE,
    AxisPlan,
    PhaseGroup,
    Terms,
    plan_axis,
    supports,
)
from scratchgan.functional.parallel import (
    one_blas_thread,
    run_chunks,
    scratch,
    thread_count,
)
from scratchgan.functional.shapes import Padding, Pair, conv_output_size

FEWEST_CHANNELS = 16
"""With fewer the additions cost more than the products they save."""
CHUNK_TILES = 256
"""Tiles of 2x2 outputs in a chunk, the rows of its products."""
WEIGHT_CHUNK = 1 << 17
"""Weights whose transformation stays in a core's cache."""


def conv2d(
    x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Padding
) -> np.ndarray:
    """Convolve; see `scratchgan.functional.conv.conv2d`."""
    C_out, C_in, KH, KW = weight.shape
    if not _worth_it(x, C_in, C_out, (KH, KW), stride):
        return conv_matmul.conv2d(x, weight, stride, padding)
    plan = _plan(x.shape[2:], C_in, C_out, (KH, KW), stride, padding)
    U = _weights_at_points(plan, weight)
    y = np.empty((len(x), plan.rows.outputs, plan.columns.outputs, C_out), x.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        V = _data_at_points(plan, x[start:stop])
        tiles = (stop - start) * plan.tiles
        M = scratch("products", (*plan.points_shape, tiles, C_out), x.dtype)
        for i, j in np.ndindex(plan.points_shape):
            np.matmul(V[i][j], U[i][j], out=M[i, j])
        _outputs_of(plan, M, y[start:stop])

    with one_blas_thread():
        run_chunks(work, len(x), plan.chunk_size(len(x)))
    return y.transpose(0, 3, 1, 2)  # (N, C_out, OH, OW)


def conv2d_input_grad(
    dy: np.ndarray, weight: np.ndarray, input_size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Input gradient; see `scratchgan.functional.conv.conv2d_input_grad`."""
    C_out, C_in, KH, KW = weight.shape
    if not _worth_it(dy, C_in, C_out, (KH, KW), stride):
        return conv_matmul.conv2d_input_grad(dy, weight, input_size, stride, padding)
    plan = _plan(input_size, C_in, C_out, (KH, KW), stride, padding)
    U = _weights_at_points(plan, weight)
    dx = np.empty((len(dy), *input_size, C_in), dy.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        E = _gradient_at_points(plan, dy[start:stop])
        P = [
            [
                np.matmul(
                    E[i, j],
                    U[i][j].T,
                    out=scratch(f"P{i}{j}", (len(E[i, j]), len(U[i][j])), dy.dtype),
                )
                for j in range(len(plan.columns.points))
            ]
            for i in range(len(plan.rows.points))
        ]
        _data_of(plan, P, dx[start:stop])

    with one_blas_thread():
        run_chunks(work, len(dy), plan.chunk_size(len(dy)))
    return dx.transpose(0, 3, 1, 2)  # (N, C_in, H, W)


def conv2d_weight_grad(
    x: np.ndarray, dy: np.ndarray, kernel_size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Weight gradient; see `scratchgan.functional.conv.conv2d_weight_grad`."""
    C_in, C_out = x.shape[1], dy.shape[1]
    if not _worth_it(x, C_in, C_out, kernel_size, stride):
        return conv_matmul.conv2d_weight_grad(x, dy, kernel_size, stride, padding)
    plan = _plan(x.shape[2:], C_in, C_out, kernel_size, stride, padding)
    sums = [_empty_at_points(plan, x.dtype) for _ in range(thread_count())]
    for dU in (array for worker in sums for row in worker for array in row):
        dU[...] = 0

    def work(worker: int, start: int, stop: int) -> None:
        V = _data_at_points(plan, x[start:stop])
        E = _gradient_at_points(plan, dy[start:stop])
        for i, j in np.ndindex(plan.points_shape):
            part = scratch("dU", sums[worker][i][j].shape, x.dtype)
            sums[worker][i][j] += np.matmul(V[i][j].T, E[i, j], out=part)

    with one_blas_thread():
        run_chunks(work, len(x), plan.chunk_size(len(x)))
    for other in sums[1:]:
        for i, j in np.ndindex(plan.points_shape):
            sums[0][i][j] += other[i][j]
    return _weights_of(plan, sums[0], x.dtype)


@dataclass(frozen=True)
class _Plan:
    """Both axes of one convolution, and how the phases of pixels share a product.

    At the points (i, j) the summed axis K of the products runs over the row groups
    that have point i, the column groups that have point j, their phases, and C_in.
    """

    rows: AxisPlan
    columns: AxisPlan
    channels: int
    out_channels: int
    kernel_size: Pair
    padding: Padding

    @property
    def points_shape(self) -> Pair:
        """Number of points in each axis."""
        return len(self.rows.points), len(self.columns.points)

    @property
    def tiles(self) -> int:
        """Tiles of one image."""
        return self.rows.tiles * self.columns.tiles

    def summed(self, i: int, j: int) -> int:
        """Return K at points (i, j)."""
        return (
            self.rows.phases_at(self.rows.points[i])
            * self.columns.phases_at(self.columns.points[j])
            * self.channels
        )

    def parts(self, i: int, j: int) -> Iterator[tuple[PhaseGroup, PhaseGroup, slice]]:
        """Yield row group, column group and their part of K at points (i, j)."""
        start = 0
        for a, b in product(
            self.rows.groups_at(self.rows.points[i]),
            self.columns.groups_at(self.columns.points[j]),
        ):
            size = a.count * b.count * self.channels
            yield a, b, slice(start, start + size)
            start += size

    def chunk_size(self, images: int) -> int:
        """Return the number of images to take together.

        Few enough for the cache and for all threads to have some, and so many that a
        product has `CHUNK_TILES` rows: with fewer, reading the weights costs more than
        multiplying by them.
        """
        share = -(-images // thread_count())
        return max(1, min(share, CHUNK_TILES // self.tiles))


def _plan(
    size: Pair,
    C_in: int,
    C_out: int,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
) -> _Plan:
    outputs = conv_output_size(size, kernel_size, stride, padding)
    rows, columns = (
        plan_axis(k, s, n) for k, s, n in zip(kernel_size, stride, outputs, strict=True)
    )
    return _Plan(rows, columns, C_in, C_out, kernel_size, padding)


def _worth_it(
    x: np.ndarray, C_in: int, C_out: int, kernel_size: Pair, stride: Pair
) -> bool:
    return (
        isinstance(x, np.ndarray)
        and min(C_in, C_out) >= FEWEST_CHANNELS
        and all(supports(k, s) for k, s in zip(kernel_size, stride, strict=True))
    )


def _combine(out: np.ndarray, values: list[np.ndarray], terms: Terms) -> None:
    """Set ``out`` to Σ coefficient·values[index]."""
    (index, coefficient), *rest = terms
    if rest and coefficient == 1 and rest[0][1] in (1, -1):
        other, sign = rest.pop(0)
        (np.add if sign == 1 else np.subtract)(values[index], values[other], out=out)
    elif coefficient == 1:
        out[...] = values[index]
    else:
        np.multiply(values[index], coefficient, out=out)
    for index, coefficient in rest:
        _add(out, values[index], coefficient)


def _spread(targets: list[np.ndarray], value: np.ndarray, terms: Terms) -> None:
    """Add coefficient·value to targets[index]: `_combine` transposed."""
    for index, coefficient in terms:
        _add(targets[index], value, coefficient)


def _add(out: np.ndarray, value: np.ndarray, coefficient: float) -> None:
    if coefficient == 1:
        out += value
    elif coefficient == -1:
        out -= value
    else:
        out += coefficient * value


def _every_second(array: np.ndarray, axis: int, taps: int, tiles: int) -> list:
    """Return d0, d1, ... of all tiles: views of every second block from k on."""
    index = [slice(None)] * array.ndim
    views = []
    for k in range(taps + 1):
        index[axis] = slice(k, k + TILE * tiles - 1, TILE)
        views.append(array[tuple(index)])
    return views


def _data_at_points(plan: _Plan, x: np.ndarray) -> list[list[np.ndarray]]:
    """Return V: for each pair of points the data, (n·tiles, K), in scratch memory."""
    n, C = x.shape[:2]
    rows, columns = plan.rows, plan.columns
    padded = _padded(plan, x)  # (n, row blocks, row phases, column blocks, phases·C)
    by_row = {}  # (point, group) -> (n, row tiles, phases, column blocks, phases·C)
    for i, point in enumerate(rows.points):
        for group in rows.groups_at(point):
            part = padded[:, :, group.first : group.first + group.count]
            data = _every_second(part, 1, group.taps, rows.tiles)
            terms = DATA[group.taps][point]
            if terms == ((1, 1),):
                by_row[i, group] = data[1]
                continue
            out = scratch(f"R{i}{group.first}", data[0].shape, x.dtype)
            _combine(out, data, terms)
            by_row[i, group] = out
    V = []
    for i in range(len(rows.points)):
        V.append([])
        for j, point in enumerate(columns.points):
            K = plan.summed(i, j)
            v = scratch(f"V{i}{j}", (n * plan.tiles, K), x.dtype)
            for a, b, part in plan.parts(i, j):
                channels = slice(b.first * C, (b.first + b.count) * C)
                source = by_row[i, a][..., channels]
                data = _every_second(source, 3, b.taps, columns.tiles)
                out = v.reshape(n, rows.tiles, columns.tiles, K)[..., part]
                out = out.reshape(*out.shape[:3], a.count, b.count * C)
                out = out.transpose(0, 1, 3, 2, 4)  # (n, row tiles, phases, tiles, ·)
                _combine(out, data, DATA[b.taps][point])
            V[i].append(v)
    return V


def _padded(plan: _Plan, x: np.ndarray) -> np.ndarray:
    """Return images in blocks of phases, zeros around them, in scratch memory."""
    n, C, H, W = x.shape
    rows, columns = plan.rows, plan.columns
    height, width = rows.blocks * rows.stride, columns.blocks * columns.stride
    top, left = plan.padding.top, plan.padding.left
    # The tiles may read less than the image, where a stride leaves rows unused.
    used_rows, used_columns = min(H, height - top), min(W, width - left)
    padded = scratch("padded", (n, height, width, C), x.dtype)
    padded[:, :top] = 0
    padded[:, top + used_rows :] = 0
    padded[:, :, :left] = 0
    padded[:, :, left + used_columns :] = 0
    inner = padded[:, top : top + used_rows, left : left + used_columns]
    inner[...] = x[:, :, :used_rows, :used_columns].transpose(0, 2, 3, 1)
    return padded.reshape(
        n, rows.blocks, rows.stride, columns.blocks, columns.stride * C
    )


def _outputs_of(plan: _Plan, M: np.ndarray, y: np.ndarray) -> None:
    """Write the outputs (n, OH, OW, C_out) of the products at the points."""
    n, OH, OW, C_out = y.shape
    rows, columns = plan.rows, plan.columns
    M = M.reshape(*plan.points_shape, n, rows.tiles, columns.tiles, C_out)
    sums = scratch("sums", (TILE, *M.shape[1:]), M.dtype)
    for r in range(TILE):
        _combine(sums[r], list(M), _terms_of_output(rows, r))
    whole = OH == TILE * rows.tiles and OW == TILE * columns.tiles
    full = (n, rows.tiles, TILE, columns.tiles, TILE, C_out)
    out = y.reshape(full) if whole else scratch("outputs", full, y.dtype)
    for r, c in product(range(TILE), range(TILE)):
        _combine(out[:, :, r, :, c], list(sums[r]), _terms_of_output(columns, c))
    if not whole:
        y[...] = out.reshape(n, TILE * rows.tiles, TILE * columns.tiles, C_out)[
            :, :OH, :OW
        ]


def _terms_of_output(axis: AxisPlan, output: int) -> Terms:
    """Return which points' products make this output of a tile."""
    return tuple(
        (number, coefficient)
        for number, point in enumerate(axis.points)
        for index, coefficient in OUTPUTS[point]
        if index == output
    )


def _gradient_at_points(plan: _Plan, dy: np.ndarray) -> np.ndarray:
    """Return E: the output gradient at the points, (I, J, n·tiles, C_out)."""
    n, C_out, OH, OW = dy.shape
    rows, columns = plan.rows, plan.columns
    dy = dy.transpose(0, 2, 3, 1)
    full = (n, TILE * rows.tiles, TILE * columns.tiles, C_out)
    if dy.shape != full or not dy.flags.c_contiguous:
        whole = scratch("dy", full, dy.dtype)
        whole[:, OH:] = 0
        whole[:, :, OW:] = 0
        whole[:, :OH, :OW] = dy
        dy = whole
    dy = dy.reshape(n, rows.tiles, TILE, columns.tiles, TILE, C_out)
    E = scratch(
        "E", (*plan.points_shape, n, rows.tiles, columns.tiles, C_out), dy.dtype
    )
    by_row = scratch("by row", (n, rows.tiles, columns.tiles, TILE, C_out), dy.dtype)
    for i, row_point in enumerate(rows.points):
        _combine(by_row, [dy[:, :, r] for r in range(TILE)], OUTPUTS[row_point])
        values = [by_row[:, :, :, c] for c in range(TILE)]
        for j, column_point in enumerate(columns.points):
            _combine(E[i, j], values, OUTPUTS[column_point])
    return E.reshape(*plan.points_shape, -1, C_out)


def _data_of(plan: _Plan, P: list[list[np.ndarray]], dx: np.ndarray) -> None:
    """Write the input gradient (n, H, W, C_in): `_data_at_points` transposed."""
    n, H, W, C = dx.shape
    rows, columns = plan.rows, plan.columns
    shape = (n, rows.blocks, rows.stride, columns.blocks, columns.stride * C)
    padded = scratch("padded", shape, dx.dtype)
    padded[...] = 0
    for i, row_point in enumerate(rows.points):
        for a in rows.groups_at(row_point):
            row_shape = (n, rows.tiles, a.count, columns.blocks, columns.stride * C)
            by_row = scratch("by row", row_shape, dx.dtype)
            by_row[...] = 0
            for j, column_point in enumerate(columns.points):
                K = plan.summed(i, j)
                for group, b, part in plan.parts(i, j):
                    if group is not a:
                        continue
                    p = P[i][j].reshape(n, rows.tiles, columns.tiles, K)[..., part]
                    p = p.reshape(*p.shape[:3], a.count, b.count * C)
                    p = p.transpose(0, 1, 3, 2, 4)
                    channels = slice(b.first * C, (b.first + b.count) * C)
                    target = _every_second(
                        by_row[..., channels], 3, b.taps, columns.tiles
                    )
                    _spread(target, p, DATA[b.taps][column_point])
            part = padded[:, :, a.first : a.first + a.count]
            target = _every_second(part, 1, a.taps, rows.tiles)
            _spread(target, by_row, DATA[a.taps][row_point])
    pixels = padded.reshape(n, rows.blocks * rows.stride, -1, C)
    top, left = plan.padding.top, plan.padding.left
    inner = pixels[:, top : top + H, left : left + W]
    dx[:, : inner.shape[1], : inner.shape[2]] = inner
    dx[:, inner.shape[1] :] = 0
    dx[:, :, inner.shape[2] :] = 0


def _weights_at_points(plan: _Plan, weight: np.ndarray) -> list[list[np.ndarray]]:
    """Return U: for each pair of points the weights, (K, C_out)."""
    C_out, C = weight.shape[:2]
    U = _empty_at_points(plan, weight.dtype)
    taps = weight.transpose(2, 3, 1, 0)  # (KH, KW, C_in, C_out)

    def work(worker: int, start: int, stop: int) -> None:
        part_of_taps = taps[:, :, start:stop]
        for i, row_point in enumerate(plan.rows.points):
            for a in plan.rows.groups_at(row_point):
                values = _taps_of_group(part_of_taps, a, plan.rows.stride)
                by_row = scratch("by row", values[0].shape, weight.dtype)
                _combine(by_row, values, FILTER[a.taps][row_point])
                across = by_row.swapaxes(0, 1)  # (KW, row phases, channels, C_out)
                for j, column_point in enumerate(plan.columns.points):
                    for group, b, part in plan.parts(i, j):
                        if group is not a:
                            continue
                        u = U[i][j][part].reshape(a.count, b.count, C, C_out)
                        _combine(
                            u[:, :, start:stop].swapaxes(0, 1),
                            _taps_of_group(across, b, plan.columns.stride),
                            FILTER[b.taps][column_point],
                        )

    run_chunks(work, C, _weight_chunk(plan))
    return U


def _taps_of_group(taps: np.ndarray, group: PhaseGroup, stride: int) -> list:
    """Return tap 0, 1, ... of each phase of a group: views (phases, ...)."""
    firsts = range(group.first, group.first + group.taps * stride, stride)
    return [taps[first : first + group.count] for first in firsts]


def _weight_chunk(plan: _Plan) -> int:
    """Return how many input channels' weights fit in a core's cache."""
    KH, KW = plan.kernel_size
    return max(1, WEIGHT_CHUNK // (plan.out_channels * KH * KW))


def _weights_of(plan: _Plan, dU: list[list[np.ndarray]], dtype: np.dtype) -> np.ndarray:
    """Return dweight (C_out, C_in, KH, KW): `_weights_at_points` transposed."""
    KH, KW = plan.kernel_size
    C, C_out = plan.channels, plan.out_channels
    dtaps = np.zeros((KH, KW, C, C_out), dtype)

    def work(worker: int, start: int, stop: int) -> None:
        part_of_taps = dtaps[:, :, start:stop]
        for i, row_point in enumerate(plan.rows.points):
            for a in plan.rows.groups_at(row_point):
                targets = _taps_of_group(part_of_taps, a, plan.rows.stride)
                by_row = scratch("by row", targets[0].shape, dtype)
                by_row[...] = 0
                across = by_row.swapaxes(0, 1)  # (KW, row phases, channels, C_out)
                for j, column_point in enumerate(plan.columns.points):
                    for group, b, part in plan.parts(i, j):
                        if group is not a:
                            continue
                        du = dU[i][j][part].reshape(a.count, b.count, C, C_out)
                        _spread(
                            _taps_of_group(across, b, plan.columns.stride),
                            du[:, :, start:stop].swapaxes(0, 1),
                            FILTER[b.taps][column_point],
                        )
                _spread(targets, by_row, FILTER[a.taps][row_point])

    run_chunks(work, C, _weight_chunk(plan))
    return dtaps.transpose(3, 2, 0, 1)


def _empty_at_points(plan: _Plan, dtype: np.dtype) -> list[list[np.ndarray]]:
    rows, columns = plan.points_shape
    return [
        [
            np.empty((plan.summed(i, j), plan.out_channels), dtype)
            for j in range(columns)
        ]
        for i in range(rows)
    ]
