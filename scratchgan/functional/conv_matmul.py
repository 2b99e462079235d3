"""Convolution as matrix products: im2col for a chunk of images at a time.

Each output pixel is the product of one row, the KH·KW·C_in pixels under the kernel,
with the weights as a matrix, so a whole chunk of images is one large product, which
BLAS computes at nearly the processor's speed. The price is the matrix of rows, KH·KW
times the size of the image at stride 1: it is made for a few images, used, and
overwritten by the next.

Departures from `conv_reference`: images and results are kept channels-last in memory
(viewed as NCHW), because then a window's row is a few long runs of memory and the
product's result needs no transposition. Measured for a layer 64 -> 128 channels,
32x32 pixels, kernel 4, stride 2: 1.5 times faster than one product per image in NCHW.
"""

from collections.abc import Iterator

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.shapes import Padding, Pair, conv_output_size

CHUNK_BYTES = 8 << 20
"""Size of the matrix of rows; larger ones leave the processor's caches."""


def conv2d(x: Array, weight: Array, stride: Pair, padding: Padding) -> Array:
    """Convolve; see `scratchgan.functional.conv.conv2d`."""
    xp = get_array_module(x)
    C_out, C_in, KH, KW = weight.shape
    N = x.shape[0]
    OH, OW = conv_output_size(x.shape[2:], (KH, KW), stride, padding)
    matrix = _weight_matrix(weight)  # (KH·KW·C_in, C_out)
    y = xp.empty((N, OH, OW, C_out), dtype=x.dtype)
    for images in _chunks(N, OH * OW * KH * KW * C_in * x.dtype.itemsize):
        rows = _rows(x[images], (KH, KW), stride, padding)  # (n·OH·OW, KH·KW·C_in)
        y[images] = (rows @ matrix).reshape(-1, OH, OW, C_out)
    return y.transpose(0, 3, 1, 2)  # (N, C_out, OH, OW)


def conv2d_weight_grad(
    x: Array, dy: Array, kernel_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Weight gradient; see `scratchgan.functional.conv.conv2d_weight_grad`."""
    xp = get_array_module(x)
    N, C_in = x.shape[:2]
    C_out, OH, OW = dy.shape[1:]
    KH, KW = kernel_size
    dmatrix = xp.zeros((KH * KW * C_in, C_out), dtype=x.dtype)
    for images in _chunks(N, OH * OW * KH * KW * C_in * x.dtype.itemsize):
        rows = _rows(x[images], kernel_size, stride, padding)  # (n·OH·OW, KH·KW·C_in)
        dmatrix += rows.T @ _pixels(dy[images])  # (n·OH·OW, C_out)
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
    for images in _chunks(N, OH * OW * KH * KW * C_in * dy.dtype.itemsize):
        rows = _pixels(dy[images]) @ matrix  # (n·OH·OW, KH·KW·C_in)
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
        dx[images] = padded[:, top : top + H, left : left + W]
    return dx.transpose(0, 3, 1, 2)  # (N, C_in, H, W)


def _chunks(count: int, bytes_each: int) -> Iterator[slice]:
    """Yield slices that cut ``count`` images into chunks of about `CHUNK_BYTES`."""
    size = max(1, CHUNK_BYTES // bytes_each)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


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
