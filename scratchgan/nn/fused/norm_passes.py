"""Batch normalisation and activation in as few passes over memory as there can be.

What `scratchgan.nn.batch_norm` and an activation compute layer by layer, for arrays of
NumPy: a is the convolution's output, x̂ = (a - mean)·inv_std, y = f(gamma·x̂ + beta).
Forward, the moments are gathered by the convolution as it writes a (`Moments`), and one
pass makes y (`normalise_activate`). Backward, one pass makes g = dy·f'(y) and its sums
(`activation_back`), and the rest is computed as the convolution's gradients read it,
because it is linear in g and a (`norm_back`)::

    dgamma = Σ g·x̂,  dbeta = Σ g
    scale = gamma·inv_std
    da = scale·(g - dbeta/m - x̂·dgamma/m) = scale·(g + b·a + c)

Rows of pixels are joined until a channel's number, repeated as often, is some thousand
values long: NumPy is slow at broadcasting a short row.
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
        mean = _channel_sums(values, C) / len(values)
        mean_row = _wide(mean, chunk)
        values = _rows(chunk, mean_row)
        centred = scratch("centred", values.shape, values.dtype)
        np.subtract(values, mean_row, out=centred)
        centred *= centred
        self._parts[start] = n * H * W, mean, _channel_sums(centred, C)

    def total(self) -> Statistics:
        """Return the statistics of all chunks."""
        parts = [self._parts[start] for start in sorted(self._parts)]
        counts = np.array([count for count, _, _ in parts])[:, None]
        means = np.array([mean for _, mean, _ in parts])
        squares = np.array([square for _, _, square in parts])
        m = int(counts.sum())
        mean = (counts * means).sum(axis=0) / m
        var = (squares + counts * (means - mean) ** 2).sum(axis=0) / m
        return Statistics(mean, var, m)


def normalise_activate(
    a: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    apply: Callable[[np.ndarray, np.ndarray], None] | None,
) -> np.ndarray:
    """Return y = f(scale·a + shift), of a's shape (N, C, H, W).

    ``apply(x, out)`` is f; None is the identity.
    """
    y = empty_like(a)
    scale, shift = _wide(scale, a), _wide(shift, a)

    def work(worker: int, start: int, stop: int) -> None:
        values, out = _rows(a[start:stop], scale), _rows(y[start:stop], scale)
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
    """Return g = dy·f'(y) and its sums; ``pull_back(dy, y, out)`` sets it."""
    C = a.shape[1]
    mean = _wide(mean, a)
    g = empty_like(a) if pull_back else dy
    sums: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def work(worker: int, start: int, stop: int) -> None:
        values, out = _rows(a[start:stop], mean), _rows(g[start:stop], mean)
        if pull_back:
            dy_rows, y_rows = _rows(dy[start:stop], mean), _rows(y[start:stop], mean)
            pull_back(dy_rows, y_rows, out)
        centred = scratch("centred", values.shape, values.dtype)
        np.subtract(values, mean, out=centred)
        centred *= out
        sums[start] = _channel_sums(out, C), _channel_sums(centred, C)

    with one_blas_thread():
        run_chunks(work, len(a), images_per_chunk(a))
    of_g, of_centred = zip(*(sums[start] for start in sorted(sums)), strict=True)
    return ActivationBack(g, sum(of_g), sum(of_centred))


def norm_back(
    g: np.ndarray, a: np.ndarray, scale: np.ndarray, b: np.ndarray, c: np.ndarray
) -> Deferred:
    """Return da = scale·(g + b·a + c), channel by channel, when it is asked for."""
    scale, b, c = (_wide(values, a) for values in (scale, b, c))

    def compute(g: np.ndarray, a: np.ndarray) -> np.ndarray:
        n, C, H, W = a.shape
        values = _rows(a, b)
        da = scratch("da", values.shape, values.dtype)
        np.multiply(values, b, out=da)
        da += c
        da += _rows(g, b)
        da *= scale
        return da.reshape(n, H, W, C).transpose(0, 3, 1, 2)

    return Deferred(compute, g, a)


def _wide(channel_values: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return a number for each channel, repeated for as many pixels as make a row.

    The row divides every image of (N, C, H, W).
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
    sums = np.ones(len(rows), rows.dtype) @ rows
    return sums.reshape(-1, channels).sum(axis=0, dtype=np.float64)
