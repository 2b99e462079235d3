"""Convolution with fewer multiplications, a chunk of images at a time, on all cores.

Method: polyphase decomposition and minimal filtering in both axes, see
`minimal.filters`. For tiles of 2x2 outputs the weights, the data and the output
gradient are taken to the points of both axes by additions; at each pair of points
(i, j) there is one matrix product. With U (K, C_out) the weights, V (tiles·n, K) the
data and E (tiles·n, C_out) the output gradient of n images at the points, all three
primitives are products of two of them, and what takes the results back from the points
are the transposes of what took the others there::

    forward          M = V·U      y  from M, as dy to E transposed
    input gradient   P = E·Uᵀ     dx from P, as x to V transposed
    weight gradient  dU = Vᵀ·E    dw from dU, as w to U transposed

=================  ==========================  ==================
kernel, stride     products for a 2x2 tile     of the definition
=================  ==========================  ==================
4x4, 2             36                          0.56
5x5, 2             49                          0.49
3x3, 2             25                          0.69
3x3, 1             16                          0.44
=================  ==========================  ==================

Departures from `reference`: images are channels-last in memory, so that a pixel is a
run of numbers to copy; a chunk of them is taken apart into memory that stays in the
cache (`minimal.tiles`). Shapes that gain nothing go to `matmul`: few channels (the
first and last layers), little work in all, kernels of one tap a phase or more than
three. docs/fast-convolution.md has the derivation and what was measured.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from scratchgan.functional.conv import matmul
from scratchgan.functional.conv.chunked import (
    Images,
    SharedWeight,
    Then,
    Weight,
    empty_images,
    is_numpy,
)
from scratchgan.functional.conv.minimal.filters import products_per_output, supports
from scratchgan.functional.conv.minimal.plan import AtPoints, Plan, make_plan
from scratchgan.functional.conv.minimal.tiles import Tiles, tiles_of
from scratchgan.functional.conv.minimal.weights import (
    empty_at_points,
    weights_at_points,
    weights_of,
)
from scratchgan.functional.conv.shapes import Padding, Pair
from scratchgan.functional.parallel import (
    one_blas_thread,
    run_chunks,
    scratch,
    thread_count,
    update_in_parts,
)

FEWEST_SAVED = 100
"""Multiplications saved for a value transformed; with fewer the additions cost more.

Measured: 4x4 kernels gain from 64 channels on, 3x3 with stride 2 from 256.
"""
FEWEST_PRODUCTS = 250_000_000
"""Multiplications of the definition in all; below, Python takes longer than they do."""
CHUNK_TILES = 256
"""Tiles of 2x2 outputs in a chunk, the rows of its products."""
LARGE_WEIGHTS = 1 << 26
"""Bytes of U from which workers may share out dU, where there are few tiles.

Measured: with 103 MB (paper64, batch 32) a step takes 2 % less time and 60 MB less
memory; with 19 MB (dcgan64) 3 % more time, with 1 MB (quick32) 10 % more.
"""


def conv2d(
    x: Images, weight: Weight, stride: Pair, padding: Padding, then: Then | None = None
) -> np.ndarray:
    """Convolve; see `primitives`."""
    if not _worth_it(x, None, weight.shape, stride):
        return matmul.conv2d(x, weight, stride, padding, then)
    plan = _plan(x.shape[2:], weight.shape, stride, padding)
    U = _at_points(plan, weight)  # (K, C_out) at each pair of points
    size = plan.rows.outputs, plan.columns.outputs
    y = empty_images(x, plan.out_channels, size)  # (N, C_out, OH, OW)

    def work(worker: int, start: int, stop: int) -> None:
        tiles = tiles_of(plan, stop - start, x.dtype)
        V = tiles.data(x[start:stop])  # (tiles·n, K)
        _forward(tiles, V, U, y[start:stop])
        if then is not None:
            then(start, y[start:stop])  # still in the core's cache

    _run(plan, work, len(x))
    return y


def conv2d_input_grad(
    dy: Images,
    weight: Weight,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    then: Then | None = None,
) -> np.ndarray:
    """Input gradient; see `primitives`."""
    if not _worth_it(None, dy, weight.shape, stride):
        return matmul.conv2d_input_grad(dy, weight, input_size, stride, padding, then)
    plan = _plan(input_size, weight.shape, stride, padding)
    U = _at_points(plan, weight)  # (K, C_out) at each pair of points
    dx = empty_images(dy, plan.in_channels, input_size)  # (N, C_in, H, W)

    def work(worker: int, start: int, stop: int) -> None:
        tiles = tiles_of(plan, stop - start, dy.dtype)
        E = tiles.gradient(dy[start:stop])  # (tiles·n, C_out)
        _input_grad(tiles, E, U, dx[start:stop])
        if then is not None:
            then(start, dx[start:stop])

    _run(plan, work, len(dy))
    return dx


def conv2d_weight_grad(
    x: Images, dy: Images, kernel_size: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Weight gradient; see `primitives`."""
    weight_shape = dy.shape[1], x.shape[1], *kernel_size
    if not _worth_it(x, dy, weight_shape, stride):
        return matmul.conv2d_weight_grad(x, dy, kernel_size, stride, padding)
    plan = _plan(x.shape[2:], weight_shape, stride, padding)
    return _gradients(plan, x, dy, True)


def conv2d_gradients(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return (dx, dweight), which share E; see `matmul.conv2d_gradients`."""
    if not _worth_it(x, dy, weight.shape, stride):
        return matmul.conv2d_gradients(
            x, dy, weight, stride, padding, need_dx, need_dweight
        )
    plan = _plan(x.shape[2:], weight.shape, stride, padding)
    dx = write = None
    if need_dx:
        U = _at_points(plan, weight)
        dx = empty_images(x, plan.in_channels, x.shape[2:])  # (N, C_in, H, W)

        def write(tiles: Tiles, E: AtPoints, images: slice) -> None:
            _input_grad(tiles, E, U, dx[images])

    return dx, _gradients(plan, x, dy, need_dweight, with_E=write)


def conv_transpose2d_gradients(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return (dx, dweight), which share V; see `matmul.conv_transpose2d_gradients`."""
    if not _worth_it(dy, x, weight.shape, stride):
        return matmul.conv_transpose2d_gradients(
            x, dy, weight, stride, padding, need_dx, need_dweight
        )
    # The kernel slides over dy, and the weight is (C_in, C_out, KH, KW): to the plan dy
    # is the image, x is on the side of the outputs, and C_in is its out_channels.
    plan = _plan(dy.shape[2:], weight.shape, stride, padding)
    dx = write = None
    if need_dx:
        U = _at_points(plan, weight)
        dx = empty_images(x, plan.out_channels, x.shape[2:])  # (N, C_in, H, W)

        def write(tiles: Tiles, V: AtPoints, images: slice) -> None:
            _forward(tiles, V, U, dx[images])

    return dx, _gradients(plan, dy, x, need_dweight, with_V=write)


def _gradients(
    plan: Plan,
    image: Images,
    gradient: Images,
    need_dweight: bool,
    *,
    with_V: Callable[[Tiles, AtPoints, slice], None] | None = None,
    with_E: Callable[[Tiles, AtPoints, slice], None] | None = None,
) -> np.ndarray | None:
    """Return dweight, if needed, and write the other gradient in the same pass.

    V of ``image`` and E of ``gradient`` make dweight. One of ``with_V`` and ``with_E``
    may be given: it gets that of each chunk, and writes what it makes of it.
    """
    by_outputs = need_dweight and _shares_outputs(plan, image)
    sums = None
    if need_dweight and not by_outputs:
        sums = _WeightSums(plan, image.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        images = slice(start, stop)
        tiles = tiles_of(plan, stop - start, image.dtype)
        # Each only where it is needed: (tiles·n, K) and (tiles·n, out_channels).
        V = tiles.data(image[images]) if sums or with_V else None
        E = tiles.gradient(gradient[images]) if sums or with_E else None
        # The sums first: what the other two compute overwrites E or V.
        if sums:
            sums.add(worker, V, E)
        if with_V:
            with_V(tiles, V, images)
        if with_E:
            with_E(tiles, E, images)

    if sums or with_V or with_E:
        _run(plan, work, len(image))
    if not need_dweight:
        return None
    dU = sums.total() if sums else _dU_by_outputs(plan, image, gradient)
    return weights_of(plan, dU)  # (out_channels, in_channels, KH, KW)


def _forward(tiles: Tiles, V: AtPoints, U: AtPoints, y: np.ndarray) -> None:
    """Write the outputs (n, C_out, OH, OW) of one chunk."""
    for v, u, m in zip(V, U, tiles.M, strict=True):  # stacks of matrices
        np.matmul(v, u, out=m)  # (points, tiles·n, C_out)
    tiles.write_outputs(y)


def _input_grad(tiles: Tiles, E: AtPoints, U: AtPoints, dx: np.ndarray) -> None:
    """Write the input gradient (n, C_in, H, W) of one chunk."""
    for e, u, p in zip(E, U, tiles.P, strict=True):
        np.matmul(e, u.swapaxes(1, 2), out=p)  # (points, tiles·n, K)
    tiles.write_images(dx)


class _WeightSums:
    """dU of the chunks, summed by each worker on its own."""

    def __init__(self, plan: Plan, dtype: np.dtype) -> None:
        self._plan = plan
        self._dtype = dtype
        self._of_worker: dict[int, AtPoints] = {}

    def add(self, worker: int, V: AtPoints, E: AtPoints) -> None:
        """Add a chunk's part, Vᵀ·E."""
        first = worker not in self._of_worker
        if first:  # the first product sets it, which saves setting it to zero
            self._of_worker[worker] = empty_at_points(self._plan, self._dtype)
        _add_products(V, E, self._of_worker[worker], first=first)

    def total(self) -> AtPoints:
        """Return the sum over workers, in their order, and forget the parts."""
        # Added to the first worker's: dU of a large layer has a hundred megabytes.
        first = self._of_worker.pop(0)
        for worker in sorted(self._of_worker):
            for dU, part in zip(first, self._of_worker.pop(worker), strict=True):
                # dU += part, on all cores.
                update_in_parts(operator.iadd, dU, part)
        return first


def _shares_outputs(plan: Plan, images: Images) -> bool:
    """Return whether workers share out the columns of dU rather than the images.

    With few images of few tiles, as in the networks' deepest layers, Vᵀ·E sums over few
    rows, and reading and writing dU costs as much as multiplying. Sharing out images
    leaves still fewer rows to a worker, and needs a dU of its own for each, a hundred
    megabytes in the paper's network.
    """
    threads = thread_count()
    share = plan.out_channels // threads
    return (
        threads > 1
        and len(images) * plan.tiles <= CHUNK_TILES * threads  # a chunk each, at most
        and share * threads == plan.out_channels
        and plan.weight_values * images.dtype.itemsize >= LARGE_WEIGHTS
    )


def _dU_by_outputs(  # noqa: N802
    plan: Plan, image: Images, gradient: Images
) -> AtPoints:
    """Return dU = Vᵀ·E, each worker computing some of its columns from all images.

    Each makes all of V for itself, which costs less than it saves in few tiles.
    """
    threads, images = thread_count(), len(image)
    dU = empty_at_points(plan, image.dtype)
    part = _with_outputs(plan, plan.out_channels // threads)
    chunk = max(1, CHUNK_TILES // plan.tiles)

    def work(worker: int, index: int, stop: int) -> None:
        columns = slice(index * part.out_channels, stop * part.out_channels)
        for start in range(0, images, chunk):
            chosen = slice(start, min(start + chunk, images))
            tiles = tiles_of(part, chosen.stop - start, image.dtype)
            V = tiles.data(image[chosen])  # (tiles·n, K)
            E = tiles.gradient(gradient[chosen][:, columns])  # (tiles·n, its columns)
            _add_products(V, E, [u[..., columns] for u in dU], first=start == 0)

    with one_blas_thread():
        run_chunks(work, threads, 1)
    return dU


@cache
def _with_outputs(plan: Plan, out_channels: int) -> Plan:
    """Return the plan for fewer output channels.

    The same object each time: `tiles_of` knows what it has planned by the plan.
    """
    return replace(plan, out_channels=out_channels)


def _add_products(V: AtPoints, E: AtPoints, dU: AtPoints, *, first: bool) -> None:
    """Add Vᵀ·E to dU, or set it if this is the first part."""
    for stacks in zip(V, E, dU, strict=True):
        # Matrix by matrix, so that each is added while it is in the core's cache.
        for v, e, sums in zip(*stacks, strict=True):
            if first:
                np.matmul(v.T, e, out=sums)  # (K, C_out), over the tiles of all images
            else:
                part = scratch("dU", sums.shape, sums.dtype)
                sums += np.matmul(v.T, e, out=part)


def _worth_it(
    image: Images | None,
    output: Images | None,
    weight_shape: tuple[int, ...],
    stride: Pair,
) -> bool:
    """Return whether the products saved are worth the additions.

    ``image`` is the larger of a convolution's two sides, ``output`` the smaller; one
    of them may be None.
    """
    kernel_size = weight_shape[2:]
    axes = list(zip(kernel_size, stride, strict=True))
    known = image if output is None else output
    if not (is_numpy(known) and all(supports(k, s) for k, s in axes)):
        return False
    outputs = len(known) * math.prod(known.shape[2:])
    if output is None:
        outputs //= math.prod(
            stride
        )  # about: padding and kernel may change it a little
    # For one output of one channel, from one channel of the image. From all channels of
    # the image it is saved·C_in for an output to be transformed, and into all channels
    # of the outputs saved·C_out for stride·stride pixels. The condition is for both.
    products = math.prod(products_per_output(k, s) for k, s in axes)
    saved = math.prod(kernel_size) - products
    return (
        saved * min(weight_shape[:2]) >= FEWEST_SAVED * math.prod(stride)
        and outputs * math.prod(weight_shape) >= FEWEST_PRODUCTS
    )


def _plan(
    size: Pair, weight_shape: tuple[int, ...], stride: Pair, padding: Padding
) -> Plan:
    C_out, C_in, *kernel_size = weight_shape
    return make_plan(tuple(size), C_in, C_out, tuple(kernel_size), stride, padding)


def _at_points(plan: Plan, weight: Weight) -> AtPoints:
    """Return U, made once for all calls with a `SharedWeight`."""
    if isinstance(weight, SharedWeight):
        # The size of images makes no difference to U, only that of blocks does.
        key = plan.rows.stride, plan.columns.stride
        return weight.once(key, lambda array: weights_at_points(plan, array))
    return weights_at_points(plan, weight)


def _run(plan: Plan, work: Callable[[int, int, int], None], images: int) -> None:
    """Call ``work`` for chunks of images on all cores.

    A chunk has about `CHUNK_TILES` tiles, the rows of its products: with fewer, reading
    the weights costs more than multiplying by them, and with more, what is in between
    leaves the core's cache. But all threads are to have some images.
    """
    share = -(-images // thread_count())
    with one_blas_thread():
        run_chunks(work, images, max(1, min(share, CHUNK_TILES // plan.tiles)))
