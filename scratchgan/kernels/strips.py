"""Images as strips: every kernel window of a convolution as a run of memory.

A strip is a few rows of an image: strip i starts at row i·stride - top and has P rows.
Within it, window j has the K columns from j·stride - left on. With the kernel's size as
P and K these are the windows of im2col. With P = stride rows are not repeated: a kernel
of height KH then covers ⌈KH / P⌉ strips one after another.

Strips have the shape (I, J, N, P, K, C), for I strips of J windows of N images of C
channels: the windows of all images lie one after another, the rows of a matrix product.
"""

from functools import cache
from typing import NamedTuple

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels.launch import THREADS, has_kernels, launch

ELEMENTS_A_THREAD = 8
"""Of a place (i, j), or of a pixel on the way back, in the kernels for any channels."""
MOST_BLOCKS = 65535
"""In the second axis of a grid; the kernels by fours loop over what is left."""


class Strips(NamedTuple):
    """How images are cut: counts of strips and windows, their sizes, steps, padding."""

    I: int  # noqa: E741
    J: int
    P: int
    K: int
    stride_h: int
    stride_w: int
    top: int
    left: int


def to_strips(x: Array, cut: Strips) -> Array:
    """Return images (N, C, H, W) as strips (I, J, N, P, K, C), zero beyond the edges.

    strips[i, j, n, p, k, c] = x[n, c, i·stride + p - top, j·stride + k - left].
    """
    xp = get_array_module(x)
    N, C, H, W = x.shape
    if has_kernels(x):
        strips = xp.empty((cut.I, cut.J, N, cut.P, cut.K, C), x.dtype)
        # x may be any view. Strides are in elements.
        xn, xc, xh, xw = strides = [stride // x.itemsize for stride in x.strides]
        if xc == 1 and not (xn % 4 or xh % 4 or xw % 4) and _in_fours(x, C):
            launch(
                "to_strips_by_fours", x, *_by_fours(cut.I * cut.J, N, C),
                x, strips, cut.J, N, cut.P, cut.K, C, H, W,
                cut.stride_h, cut.stride_w, cut.top, cut.left, xn, xh, xw,
            )  # fmt: skip
            return strips
        parts = _parts(N * cut.P * cut.K * C)
        launch(
            "to_strips", x, cut.I * cut.J * parts, THREADS,
            x, strips, cut.J, N, cut.P, cut.K, C, H, W,
            cut.stride_h, cut.stride_w, cut.top, cut.left, *strides, parts,
        )  # fmt: skip
        return strips
    # The definition: one row and one column of all windows at a time.
    padded = xp.pad(x, ((0, 0), (0, 0), *_edges(H, W, cut)))
    strips = xp.empty((cut.I, cut.J, N, cut.P, cut.K, C), x.dtype)
    for p in range(cut.P):
        for k in range(cut.K):
            pixels = padded[:, :, _every(p, cut.I, cut.stride_h)]
            pixels = pixels[:, :, :, _every(k, cut.J, cut.stride_w)]  # (N, C, I, J)
            strips[:, :, :, p, k] = pixels.transpose(2, 3, 0, 1)  # (I, J, N, C)
    return strips


def from_strips(strips: Array, channels: int, H: int, W: int, cut: Strips) -> Array:
    """Return images (N, C, H, W) in which every pixel is the sum of its copies.

    The transpose of `to_strips`; in memory the images are (H, W, N, C).
    """
    xp = get_array_module(strips)
    N = strips.shape[2]
    if has_kernels(strips):
        x = xp.empty((H, W, N, channels), strips.dtype)
        if _in_fours(strips, channels):
            launch(
                "from_strips_by_fours", x, *_by_fours(H * W, N, channels),
                strips, x, cut.I, cut.J, N, cut.P, cut.K, channels, W,
                cut.stride_h, cut.stride_w, cut.top, cut.left,
            )  # fmt: skip
            return x.transpose(2, 3, 0, 1)
        parts = _parts(N * channels)
        launch(
            "from_strips", x, H * W * parts, THREADS,
            strips, x, cut.I, cut.J, N, cut.P, cut.K, channels, W,
            cut.stride_h, cut.stride_w, cut.top, cut.left, parts,
        )  # fmt: skip
        return x.transpose(2, 3, 0, 1)
    (top, bottom), (left, right) = _edges(H, W, cut)
    # As above, adding; what belongs to the padding is cut off.
    shape = top + H + bottom, left + W + right, N, channels
    padded = xp.zeros(shape, strips.dtype)
    for p in range(cut.P):
        for k in range(cut.K):
            rows, columns = (
                _every(p, cut.I, cut.stride_h),
                _every(k, cut.J, cut.stride_w),
            )
            padded[rows, columns] += strips[:, :, :, p, k]  # (I, J, N, C)
    x = padded[top : top + H, left : left + W]
    return x.transpose(2, 3, 0, 1)  # (N, C, H, W)


def _in_fours(x: Array, channels: int) -> bool:
    """Return whether x, channels side by side, starts where four are read at once."""
    return channels % 4 == 0 and x.data.ptr % (4 * x.itemsize) == 0


@cache
def _by_fours(places: int, N: int, C: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return grid and block: a block for each place, threads by channels and images."""
    across = min(THREADS, C // 4)
    images = THREADS // across
    return (places, min(-(-N // images), MOST_BLOCKS)), (across, images)


def _parts(elements: int) -> int:
    """Return how many blocks of threads share the elements of one place."""
    return max(1, -(-elements // (THREADS * ELEMENTS_A_THREAD)))


def _every(first: int, count: int, step: int) -> slice:
    """Return ``count`` places from ``first`` on, ``step`` apart."""
    return slice(first, first + (count - 1) * step + 1, step)


def _edges(H: int, W: int, cut: Strips) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the padding with which no strip and no window reaches beyond."""
    rows = (cut.I - 1) * cut.stride_h + cut.P - cut.top
    columns = (cut.J - 1) * cut.stride_w + cut.K - cut.left
    return (cut.top, max(0, rows - H)), (cut.left, max(0, columns - W))
