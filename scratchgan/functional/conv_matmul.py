"""Convolution as matrix products: im2col for a chunk of images at a time.

Each output pixel is the product of one row, the KH·KW·C_in pixels under the kernel,
with the weights as a matrix, so a whole chunk of images is one large product, which
BLAS computes at nearly the processor's speed. The price is the matrix of rows, KH·KW
times the size of the image at stride 1: it is made for a few images, used, and
overwritten by the next.

Departures from `conv_reference`: images and results are kept channels-last in memory
(viewed as NCHW), because then a window's row is a few long runs of memory and the
product's result needs no transposition. The chunks are shared out among the cores,
with BLAS held to one thread; measured on 2 cores, a step of dcgan64 takes 1.9 s so, and
2.8 s with BLAS's own two threads and whole-array passes between the products.
"""

from collections.abc import Callable

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.parallel import (
    one_blas_thread,
    run_chunks,
    thread_count,
)
from scratchgan.functional.shapes import Padding, Pair, conv_output_size

CHUNK_BYTES = 4 << 20
"""Size of the matrix of rows; larger ones leave the processor's caches."""
ALONE_BYTES = 1 << 18
"""Up to this size one thread is done before another has started."""


def conv2d(x: Array, weight: Array, stride: Pair, padding: Padding) -> Array:
    """Convolve; see `scratchgan.functional.conv.conv2d`."""
    xp = get_array_module(x)
    C_out, C_in, KH, KW = weight.shape
    N = x.shape[0]
    OH, OW = conv_output_size(x.shape[2:], (KH, KW), stride, padding)
    matrix = _weight_matrix(weight)  # (KH·KW·C_in, C_out)
    y = xp.empty((N, OH, OW, C_out), dtype=x.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        rows = _rows(x[start:stop], (KH, KW), stride, padding)  # (n·OH·OW, KH·KW·C_in)
        y[start:stop] = (rows @ matrix).reshape(-1, OH, OW, C_out)

    _run(work, x, OH * OW * KH * KW * C_in)
    return y.transpose(0, 3, 1, 2)  # (N, C_out, OH, OW)


def conv2d_weight_grad(
    x: Array, dy: Array, kernel_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Weight gradient; see `scratchgan.functional.conv.conv2d_weight_grad`."""
    N, C_in = x.shape[:2]
    C_out, OH, OW = dy.shape[1:]
    KH, KW = kernel_size
    parts: dict[int, Array] = {}  # by worker

    def work(worker: int, start: int, stop: int) -> None:
        rows = _rows(x[start:stop], kernel_size, stride, padding)
        part = rows.T @ _pixels(dy[start:stop])  # (KH·KW·C_in, C_out)
        parts[worker] = parts[worker] + part if worker in parts else part

    _run(work, x, OH * OW * KH * KW * C_in)
    dmatrix = sum(parts[worker] for worker in sorted(parts))
    return dmatrix.reshape(KH, KW, C_in, C_out).transpose(3, 2, 0, 1)


def conv2d_input_grad(
    dy: Array, weight: Array, input_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Input gradient; see `scratchgan.functional.conv.conv2d_input_grad`."""
    xp = get_array_module(dy)
    C_out, C_in, KH, KW = weight.shape
    N, _, OH, OW = dy.shape
    H, W = input_size
    top, bottom, left, right = padding
    matrix = _weight_matrix(weight).T  # (C_out, KH·KW·C_in)
    dx = xp.empty((N, H, W, C_in), dtype=dy.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        rows = _pixels(dy[start:stop]) @ matrix  # (n·OH·OW, KH·KW·C_in)
        rows = rows.reshape(-1, OH, OW, KH, KW, C_in)
        padded = xp.zeros(
            (len(rows), H + top + bottom, W + left + right, C_in), dtype=dy.dtype
        )
        for i in range(KH):
            for j in range(KW):
                windows = padded[
                    :,
                    i : i + stride[0] * OH : stride[0],
                    j : j + stride[1] * OW : stride[1],
                ]
                windows += rows[:, :, :, i, j]
        dx[start:stop] = padded[:, top : top + H, left : left + W]

    _run(work, dy, OH * OW * KH * KW * C_in)
    return dx.transpose(0, 3, 1, 2)  # (N, C_in, H, W)


def _run(work: Callable[[int, int, int], None], x: Array, row_values: int) -> None:
    """Call ``work`` for chunks of images, on all cores where x lives in memory.

    ``row_values`` is the size of the matrix of rows of one image. There are at least
    as many chunks as threads, unless all of it is too little to share.
    """
    count, bytes_each = len(x), row_values * x.dtype.itemsize
    size = max(1, CHUNK_BYTES // bytes_each)
    if not isinstance(x, np.ndarray):
        for start in range(0, count, size):
            work(0, start, min(start + size, count))
    elif count * bytes_each <= min(CHUNK_BYTES, ALONE_BYTES):
        work(0, 0, count)
    else:
        with one_blas_thread():
            run_chunks(work, count, min(size, -(-count // thread_count())))


def _rows(x: Array, kernel_size: Pair, stride: Pair, padding: Padding) -> Array:
    """Return the pixels under the kernel, a row for each output: im2col."""
    xp = get_array_module(x)
    n, C_in, H, W = x.shape
    top, bottom, left, right = padding
    padded = xp.zeros((n, H + top + bottom, W + left + right, C_in), dtype=x.dtype)
    padded[:, top : top + H, left : left + W] = x.transpose(0, 2, 3, 1)
    windows = xp.lib.stride_tricks.sliding_window_view(padded, kernel_size, axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1]]  # (n, OH, OW, C_in, KH, KW)
    windows = windows.transpose(0, 1, 2, 4, 5, 3)  # (n, OH, OW, KH, KW, C_in)
    return windows.reshape(-1, kernel_size[0] * kernel_size[1] * C_in)


def _pixels(x: Array) -> Array:
    """Return (n, C, H, W) as a matrix (n·H·W, C)."""
    return x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def _weight_matrix(weight: Array) -> Array:
    """Return (C_out, C_in, KH, KW) as a matrix (KH·KW·C_in, C_out)."""
    return weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])
