"""Convolution as matrix products: im2col for a chunk of images at a time.

The pixels under the kernel make one row for each output, the weights are a matrix, and
a chunk of n images is one large product, which BLAS computes at nearly the processor's
speed. The three primitives and the two functions that put pixels into rows and back::

    rows    R  (n·OH·OW, KH·KW·C_in)   pixels under the kernel
    matrix  M  (KH·KW·C_in, C_out)     weights
    pixels  Y  (n·OH·OW, C_out)        outputs

    im2col: R from x     Y = R·M     dM = Rᵀ·dY     dR = dY·Mᵀ     col2im: dx from dR

The price is R, KH·KW / stride² times the size of the images: it is made for a few of
them, used, and overwritten by the next.

Departures from `reference`: images and results are kept channels-last in memory
(viewed as NCHW), because then a window's row is a few long runs of memory and the
product's result needs no transposition. The chunks are shared out among the cores,
with BLAS held to one thread; measured on 2 cores, a step of dcgan64 takes 1.9 s so, and
2.8 s with BLAS's own two threads and whole-array passes between the products.

Beside the three primitives there are both gradients in one pass, for a block that needs
both; arguments may have the forms of `chunked`.
"""

import math
from collections.abc import Callable

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.conv.chunked import (
    Images,
    Then,
    Weight,
    empty_images,
    is_numpy,
    whole,
)
from scratchgan.functional.conv.shapes import Padding, Pair, conv_output_size
from scratchgan.functional.parallel import (
    one_blas_thread,
    run_chunks,
    scratch,
    thread_count,
)

CHUNK_BYTES = 4 << 20
"""Size of the matrix of rows; a larger one leaves the processor's caches."""
FEW_CHANNELS = 8
"""Up to this number of channels a pixel is too short a run of memory to add."""
ALONE_BYTES = 1 << 18
"""Up to this size of all rows one thread is done before another has started."""


def conv2d(
    x: Images, weight: Weight, stride: Pair, padding: Padding, then: Then | None = None
) -> Array:
    """Convolve; see `primitives`."""
    C_out, _, *kernel_size = weight.shape
    size = conv_output_size(x.shape[2:], kernel_size, stride, padding)
    matrix = _weight_matrix(weight)  # (KH·KW·C_in, C_out)
    y = empty_images(x, C_out, size)  # (N, C_out, OH, OW)

    def work(worker: int, start: int, stop: int) -> None:
        # (n·OH·OW, KH·KW·C_in)
        rows = _rows(x[start:stop], kernel_size, stride, padding)
        _product(rows, matrix, _pixels(y[start:stop]))  # (n·OH·OW, C_out), in place
        if then is not None:
            then(start, y[start:stop])  # still in the core's cache

    _run(work, x, size[0] * size[1] * len(matrix))
    return y


def conv2d_input_grad(
    dy: Images,
    weight: Weight,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    then: Then | None = None,
) -> Array:
    """Input gradient; see `primitives`."""
    dx = empty_images(dy, weight.shape[1], input_size)  # (N, C_in, H, W)

    def work(worker: int, start: int, stop: int) -> None:
        _write_input_grad(dx[start:stop], dy[start:stop], weight, stride, padding)
        if then is not None:
            then(start, dx[start:stop])

    row_values = math.prod(weight.shape[1:])  # C_in·KH·KW
    _run(work, dy, dy.shape[2] * dy.shape[3] * row_values)
    return dx


def conv2d_weight_grad(
    x: Images, dy: Images, kernel_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Weight gradient; see `primitives`."""
    sums = _WeightSums(dy.shape[1], x.shape[1], kernel_size)

    def work(worker: int, start: int, stop: int) -> None:
        # (n·OH·OW, KH·KW·C_in) and (n·OH·OW, C_out): the sum is over their rows.
        rows = _rows(x[start:stop], kernel_size, stride, padding)
        sums.add(worker, rows, _pixels(dy[start:stop]))

    _run(work, x, dy.shape[2] * dy.shape[3] * sums.row_values)
    return sums.total()


def conv2d_gradients(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight) of `conv2d`, of which None where it is not needed."""
    C_out, C_in, *kernel_size = weight.shape
    dx = empty_images(x, C_in, x.shape[2:]) if need_dx else None
    sums = _WeightSums(C_out, C_in, kernel_size)

    def work(worker: int, start: int, stop: int) -> None:
        dy_part = dy[start:stop]  # asked for once: a `Deferred` is computed each time
        if need_dweight:
            rows = _rows(x[start:stop], kernel_size, stride, padding)
            sums.add(worker, rows, _pixels(dy_part))
        if need_dx:
            _write_input_grad(dx[start:stop], dy_part, weight, stride, padding)

    _run(work, x, dy.shape[2] * dy.shape[3] * sums.row_values)
    return dx, sums.total() if need_dweight else None


def conv_transpose2d_gradients(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight) where `conv2d_input_grad` was the forward pass.

    dy is then the image that the kernel slides over, and both gradients are made of
    the same matrix of its rows. The weight is (C_in, C_out, KH, KW).
    """
    C_in, C_out, *kernel_size = weight.shape
    matrix = _weight_matrix(weight)  # (KH·KW·C_out, C_in)
    dx = empty_images(x, C_in, x.shape[2:]) if need_dx else None
    sums = _WeightSums(C_in, C_out, kernel_size)

    def work(worker: int, start: int, stop: int) -> None:
        # (n·H·W, KH·KW·C_out), a row for each pixel of x
        rows = _rows(dy[start:stop], kernel_size, stride, padding)
        if need_dweight:
            sums.add(worker, rows, _pixels(x[start:stop]))
        if need_dx:
            _product(rows, matrix, _pixels(dx[start:stop]))

    _run(work, x, x.shape[2] * x.shape[3] * sums.row_values)
    return dx, sums.total() if need_dweight else None


class _WeightSums:
    """Weight gradients of the chunks, summed by each worker on its own."""

    def __init__(self, C_out: int, C_in: int, kernel_size: Pair) -> None:
        self._shape = (*kernel_size, C_in, C_out)  # the order of a matrix's rows
        self.row_values = kernel_size[0] * kernel_size[1] * C_in
        self._of_worker: dict[int, Array] = {}

    def add(self, worker: int, rows: Array, pixels: Array) -> None:
        """Add a chunk's part, rowsᵀ·pixels."""
        part = rows.T @ pixels  # (KH·KW·C_in, C_out)
        if worker in self._of_worker:
            self._of_worker[worker] += part
        else:
            self._of_worker[worker] = part

    def total(self) -> Array:
        """Return the sum over workers, in their order, as (C_out, C_in, KH, KW)."""
        # A sum depends on its order, and workers finish in any.
        parts = [self._of_worker[worker] for worker in sorted(self._of_worker)]
        return sum(parts[1:], start=parts[0]).reshape(self._shape).transpose(3, 2, 0, 1)


def _run(work: Callable[[int, int, int], None], x: Images, row_values: int) -> None:
    """Call ``work`` for chunks of images, on all cores where x lives in memory.

    ``row_values`` is the size of the matrix of rows of one image. There are at least
    as many chunks as threads, unless all of it is too little to share.
    """
    count, bytes_each = len(x), row_values * x.dtype.itemsize
    size = max(1, CHUNK_BYTES // bytes_each)  # images in a chunk
    if not is_numpy(x):  # a GPU shares out each product itself
        for start in range(0, count, size):
            work(0, start, min(start + size, count))
    elif count * bytes_each <= min(CHUNK_BYTES, ALONE_BYTES):
        work(0, 0, count)
    else:
        with one_blas_thread():
            run_chunks(work, count, min(size, -(-count // thread_count())))


def _rows(x: Array, kernel_size: Pair, stride: Pair, padding: Padding) -> Array:
    """Return the pixels under the kernel, (n·OH·OW, KH·KW·C_in): im2col."""
    xp = get_array_module(x)
    n, C_in, H, W = x.shape
    top, bottom, left, right = padding
    padded = _memory("padded", (n, H + top + bottom, W + left + right, C_in), x)
    # The memory has been used for other images: borders are set to zero every time,
    # and only borders, since the image covers the rest.
    for border in (slice(top), slice(top + H, None)):
        padded[:, border] = 0
    for border in (slice(left), slice(left + W, None)):
        padded[:, top : top + H, border] = 0
    padded[:, top : top + H, left : left + W] = x.transpose(0, 2, 3, 1)  # (n, H, W, C)
    # A view with two axes more, that of each pixel's place under the kernel; nothing is
    # copied before the last assignment.
    windows = xp.lib.stride_tricks.sliding_window_view(padded, kernel_size, axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1]]  # (n, OH, OW, C_in, KH, KW)
    windows = windows.transpose(0, 1, 2, 4, 5, 3)  # (n, OH, OW, KH, KW, C_in)
    rows = _memory("rows", windows.shape, x)
    rows[...] = windows
    return rows.reshape(-1, kernel_size[0] * kernel_size[1] * C_in)  # a view


def _write_input_grad(
    dx: Array, dy: Array, weight: Weight, stride: Pair, padding: Padding
) -> None:
    """Set dx (n, C_in, H, W) to the input gradient of dy (n, C_out, OH, OW)."""
    _, C_in, *kernel_size = weight.shape
    matrix = _weight_matrix(weight)  # (KH·KW·C_in, C_out)
    pixels = _pixels(dy)  # (n·OH·OW, C_out)
    if C_in <= FEW_CHANNELS:
        planes = _memory("planes", (len(matrix), len(pixels)), dy)
        _product(matrix, pixels.T, planes)  # (KH·KW·C_in, n·OH·OW), the rows transposed
        _add_planes(dx, planes, kernel_size, dy.shape[2:], stride, padding)
    else:
        rows = _memory("rows", (len(pixels), len(matrix)), dy)
        _product(pixels, matrix.T, rows)  # (n·OH·OW, KH·KW·C_in)
        _add_rows(dx, rows, kernel_size, dy.shape[2:], stride, padding)


def _add_rows(
    dx: Array,
    rows: Array,
    kernel_size: Pair,
    output_size: Pair,
    stride: Pair,
    padding: Padding,
) -> None:
    """Set dx (n, C, H, W) to the sum of rows over the windows they are of: col2im."""
    n, C_in, H, W = dx.shape
    (KH, KW), (OH, OW), (top, bottom, left, right) = kernel_size, output_size, padding
    rows = rows.reshape(n, OH, OW, KH, KW, C_in)
    # Windows reach into the padding, so it is added to as well, and cut off at the end.
    padded = _memory("padded", (n, H + top + bottom, W + left + right, C_in), dx)
    padded[...] = 0
    # Windows overlap, but under one tap (i, j) no two outputs have the same pixel: what
    # all outputs send through it is added at once.
    for i in range(KH):
        for j in range(KW):
            windows = padded[
                :,
                i : i + stride[0] * OH : stride[0],
                j : j + stride[1] * OW : stride[1],
            ]  # (n, OH, OW, C_in), a view: the pixel under the tap in every window
            windows += rows[:, :, :, i, j]
    dx.transpose(0, 2, 3, 1)[...] = padded[:, top : top + H, left : left + W]


def _add_planes(
    dx: Array,
    planes: Array,
    kernel_size: Pair,
    output_size: Pair,
    stride: Pair,
    padding: Padding,
) -> None:
    """Set dx (n, C, H, W) to the sum of planes: col2im for images of few channels.

    With three channels a pixel is too short a run of memory. So a plane here is one
    channel under one tap for all outputs, (n, OH, OW), which is to be added to every
    stride-th pixel. Pixels with the same remainder p by the stride of rows and q by
    that of columns are kept apart, side by side, so that this is one slice::

        sums[p, q, c, n, v, u] = image[n, c, v·stride + p, u·stride + q], padded
        output (h, w) under tap (i, j) is pixel (h·stride + i, w·stride + j): so it goes
        to p = i % stride and v = h + i // stride, and to q and u likewise
    """
    n, C_in, H, W = dx.shape
    (KH, KW), (OH, OW), (top, _, left, _) = kernel_size, output_size, padding
    planes = planes.reshape(KH, KW, C_in, n, OH, OW)
    # One more than the largest v and u.
    height, width = OH + (KH - 1) // stride[0], OW + (KW - 1) // stride[1]
    sums = _memory("sums", (*stride, C_in, n, height, width), dx)
    sums[...] = 0
    for i in range(KH):
        for j in range(KW):
            # Output (0, 0) under this tap; the others follow one by one.
            v, u = i // stride[0], j // stride[1]
            part = sums[i % stride[0], j % stride[1], :, :, v : v + OH, u : u + OW]
            part += planes[i, j]  # (C_in, n, OH, OW)
    if top + H > stride[0] * height or left + W > stride[1] * width:
        dx[...] = 0  # the stride leaves pixels at the end unread
    for p in range(stride[0]):
        for q in range(stride[1]):
            # The first v and u whose pixels are not in the padding.
            v, u = -(-(top - p) // stride[0]), -(-(left - q) // stride[1])
            v, u = max(v, 0), max(u, 0)
            pixels = dx[:, :, v * stride[0] + p - top :: stride[0]]
            pixels = pixels[..., u * stride[1] + q - left :: stride[1]]
            # (C_in, n, ., .), shorter than pixels where those at the end are unread.
            part = sums[p, q, :, :, v : v + pixels.shape[2], u : u + pixels.shape[3]]
            pixels[:, :, : part.shape[2], : part.shape[3]] = part.swapaxes(0, 1)


def _memory(name: str, shape: tuple[int, ...], like: Array) -> Array:
    """Return uninitialised memory: scratch on the CPU."""
    if isinstance(like, np.ndarray):
        return scratch(name, shape, like.dtype)
    return get_array_module(like).empty(shape, like.dtype)


def _product(a: Array, b: Array, out: Array) -> None:
    get_array_module(a).matmul(a, b, out=out)


def _pixels(x: Array) -> Array:
    """Return (n, C, H, W) as a matrix (n·H·W, C): a view if channels are last."""
    return x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def _weight_matrix(weight: Weight) -> Array:
    """Return (C_out, C_in, KH, KW) as a matrix (KH·KW·C_in, C_out).

    A view of the layers' weights, which have this order in memory.
    """
    weight = whole(weight)
    return weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])
