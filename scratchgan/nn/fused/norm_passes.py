"""Batch normalisation and activation in as few passes over memory as there can be.

What `scratchgan.nn.batch_norm` and an activation compute layer by layer, for arrays of
NumPy: a is the convolution's output, m its values of a channel, x̂ = (a - mean)·inv_std,
y = f(gamma·x̂ + beta). Forward, the moments are gathered by the convolution as it writes
a (`Moments`), and one pass makes y (`normalise_activate`). Backward, one pass makes g,
the gradient before f, and its sums (`activation_back`), and the rest is computed as the
convolution's gradients read it, because it is linear in g and a (`norm_back`)::

    dgamma = Σ g·x̂ = inv_std·Σ g·(a - mean),  dbeta = Σ g
    scale = gamma·inv_std
    da = scale·(g - dbeta/m - x̂·dgamma/m) = scale·(g + b·a + c)
    b = -inv_std·dgamma/m,  c = -dbeta/m - b·mean

Symbols: N images, of which a chunk has n, C channels, H×W pixels. Images are channels
last in memory, so those of a chunk are n·H·W·C values in a line, C of each pixel. NumPy
is slow at broadcasting C numbers along such a line where C is small. So p pixels are
joined to a row, and the channels' numbers repeated p times (`_wide`)::

    rows (n·H·W / p, p·C)  ·  numbers (p·C,)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scratchgan.functional.conv.chunked import Deferred
from scratchgan.functional.parallel import (
    empty,
    empty_like,
    images_per_chunk,
    one_blas_thread,
    run_chunks,
    scratch,
)

WIDE = 1 << 13
"""Values in a row after joining, at most."""


class Statistics(NamedTuple):
    """Mean and biased variance of each channel, float64, and how many values of it."""

    mean: np.ndarray
    var: np.ndarray
    count: int


class Moments:
    """Mean and variance of every channel, gathered chunk by chunk.

    Each chunk is centred by its own mean before it is squared, so that a mean much
    larger than the deviation costs no digits; the chunks are then combined in their
    order (Chan, Golub and LeVeque 1983), so that the result does not depend on which
    thread came first.
    """

    def __init__(self) -> None:
        self._parts: dict[int, tuple[int, np.ndarray, np.ndarray]] = {}

    def add(self, start: int, chunk: np.ndarray) -> None:
        """Take in images (n, C, H, W) from number ``start`` on."""
        n, C, H, W = chunk.shape
        values = chunk.transpose(0, 2, 3, 1).reshape(n * H * W, C)
        mean = _channel_sums(values, C) / len(values)  # (C,), float64
        mean_row = _wide(mean, chunk)  # (p·C,)
        values = _rows(chunk, mean_row)  # (n·H·W / p, p·C)
        centred = scratch("centred", values.shape, values.dtype)
        np.subtract(values, mean_row, out=centred)
        centred *= centred
        # By the chunk's first image, since chunks come in any order.
        self._parts[start] = n * H * W, mean, _channel_sums(centred, C)

    def total(self) -> Statistics:
        """Return the statistics of all chunks."""
        parts = [self._parts[start] for start in sorted(self._parts)]
        counts = np.array([count for count, _, _ in parts])[:, None]  # (chunks, 1)
        means = np.array([mean for _, mean, _ in parts])  # (chunks, C)
        squares = np.array([square for _, _, square in parts])  # (chunks, C)
        m = int(counts.sum())
        mean = (counts * means).sum(axis=0) / m  # (C,)
        # Deviations from a chunk's own mean become those from the mean of all.
        var = (squares + counts * (means - mean) ** 2).sum(axis=0) / m
        return Statistics(mean, var, m)


def normalise_activate(
    a: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    apply: Callable[[np.ndarray, np.ndarray], None] | None,
) -> np.ndarray:
    """Return y = f(scale·a + shift), of a's shape (N, C, H, W).

    ``scale`` and ``shift`` are (C,). ``apply(x, out)`` is f; None is the identity.
    """
    y = empty_like(a)
    scale, shift = _wide(scale, a), _wide(shift, a)  # (p·C,)

    def work(worker: int, start: int, stop: int) -> None:
        # Views (n·H·W / p, p·C).
        values, out = _rows(a[start:stop], scale), _rows(y[start:stop], scale)
        # f reads what is in the core's cache, so that y's memory is written once.
        target = scratch("normalised", out.shape, out.dtype) if apply else out
        np.multiply(values, scale, out=target)
        target += shift
        if apply:
            apply(target, out)

    run_chunks(work, len(a), images_per_chunk(a))
    return y


class ActivationBack(NamedTuple):
    """g, and for each channel, float64, Σ g and Σ g·(a - mean)."""

    g: np.ndarray
    sum_g: np.ndarray
    sum_g_centred: np.ndarray


def activation_back(
    dy: np.ndarray,
    y: np.ndarray,
    a: np.ndarray,
    mean: np.ndarray,
    pull_back: Callable[[np.ndarray, np.ndarray, np.ndarray], None] | None,
) -> ActivationBack:
    """Return g, the gradient of what f was applied to, and its sums.

    ``pull_back(dy, y, out)`` sets it, where y is the value of f; with None it is dy.
    """
    C = a.shape[1]
    mean = _wide(mean, a)  # (p·C,)
    g = empty_like(a) if pull_back else dy
    sums: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def work(worker: int, start: int, stop: int) -> None:
        # Views (n·H·W / p, p·C).
        values, out = _rows(a[start:stop], mean), _rows(g[start:stop], mean)
        if pull_back:
            dy_rows, y_rows = _rows(dy[start:stop], mean), _rows(y[start:stop], mean)
            pull_back(dy_rows, y_rows, out)
        centred = scratch("centred", values.shape, values.dtype)
        np.subtract(values, mean, out=centred)
        centred *= out  # g·(a - mean)
        sums[start] = _channel_sums(out, C), _channel_sums(centred, C)

    with one_blas_thread():  # the sums are products
        run_chunks(work, len(a), images_per_chunk(a))
    # In the order of the images: the sum is the same whoever came first.
    of_g, of_centred = zip(*(sums[start] for start in sorted(sums)), strict=True)
    return ActivationBack(g, sum(of_g), sum(of_centred))


def norm_back(
    g: np.ndarray, a: np.ndarray, scale: np.ndarray, b: np.ndarray, c: np.ndarray
) -> Deferred:
    """Return da = scale·(g + b·a + c), channel by channel, when it is asked for."""
    scale, b, c = (_wide(values, a) for values in (scale, b, c))  # (p·C,)

    def compute(g: np.ndarray, a: np.ndarray) -> np.ndarray:
        n, C, H, W = a.shape
        values = _rows(a, b)  # (n·H·W / p, p·C)
        # Scratch: the convolution has read it before it asks for more.
        da = scratch("da", values.shape, values.dtype)
        np.multiply(values, b, out=da)
        da += c
        da += _rows(g, b)
        da *= scale
        return da.reshape(n, H, W, C).transpose(0, 3, 1, 2)

    return Deferred(compute, g, a)


def _wide(channel_values: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return a number for each channel, repeated for as many pixels as make a row.

    From (C,) to (p·C,), with p a power of two that divides H·W: then every image is a
    number of whole rows.
    """
    _, C, H, W = images.shape
    pixels = 1
    while H * W % (2 * pixels) == 0 and 2 * pixels * C <= WIDE:
        pixels *= 2
    out = empty((pixels * C,), images.dtype)
    out.reshape(pixels, C)[...] = channel_values
    return out


def _rows(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return (n, C, H, W) as rows as long as ``like``: a view if channels are last."""
    return x.transpose(0, 2, 3, 1).reshape(-1, len(like))


def _channel_sums(rows: np.ndarray, channels: int) -> np.ndarray:
    """Return the sum of rows for each channel, added up in float64."""
    # BLAS adds rows faster than `sum`; at most a chunk's, so float32 loses little.
    sums = np.ones(len(rows), rows.dtype) @ rows  # (p·C,)
    return sums.reshape(-1, channels).sum(axis=0, dtype=np.float64)
