"""The k nearest images by their pixels, exactly, on as many cores as there are.

Squared distances between images of whole numbers are whole numbers. They are computed
without rounding, so that equal ones are equal and ties mean something.
"""

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.functional.parallel import one_blas_thread, run_chunks
from scratchgan.progress import Progress

EXACT_DEPTH = 1024
"""Products of pixels that float32 adds up without rounding, in whatever order.

Pixels less 128 have products of at most 2¹⁴; sums of 2¹⁰ of them are whole numbers up
to 2²⁴, which float32 has all.
"""
QUERIES = 128
"""Queries in a block, a worker's chunk."""
REFERENCES = 2048
"""Training images in a block."""


def nearest_images(
    references: np.ndarray,
    queries: np.ndarray,
    k: int,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k images nearest to each query, by the Euclidean distance of pixels.

    Among equal distances the lower row comes first. What is found for a k holds for
    every smaller one, so a k can be chosen from one call.

    Parameters
    ----------
    references : ndarray of shape (N, H, W, C), uint8
    queries : ndarray of shape (Q, H, W, C), uint8
    k : int
        From 1 to N.
    progress : callable, optional
        Called with queries done and all queries.

    Returns
    -------
    rows : ndarray of shape (Q, k), int64
        Of the references, the nearest first.
    distances : ndarray of shape (Q, k), int64
        Squared, of pixels in [0, 255].

    Raises
    ------
    ConfigError
        There are fewer references than k, or the images differ in shape.
    """
    if not 1 <= k <= len(references):
        raise ConfigError(
            f"nearest neighbours: k is {k}, expected 1 to {len(references):,}, the "
            "number of training images"
        )
    if references.shape[1:] != queries.shape[1:]:
        raise ConfigError(
            f"nearest neighbours: training images are {references.shape[1:]}, the "
            f"others {queries.shape[1:]}, expected one shape (H, W, C)"
        )
    flat = references.reshape(len(references), -1)
    squares = _squared_lengths(flat)
    found = np.empty((len(queries), k), np.int64)
    part = 8 * QUERIES  # a while, after which progress can be shown

    def work(worker: int, start: int, stop: int) -> None:
        chosen = slice(first + start, first + stop)
        some = queries[chosen].reshape(stop - start, -1)
        found[chosen] = _smallest_keys(flat, squares, some, k)

    with one_blas_thread():
        for first in range(0, len(queries), part):
            count = min(part, len(queries) - first)
            run_chunks(work, count, QUERIES)
            if progress is not None:
                progress(first + count, len(queries))
    distances, rows = np.divmod(found, len(references))
    return rows, distances


def _smallest_keys(
    references: np.ndarray, squares: np.ndarray, queries: np.ndarray, k: int
) -> np.ndarray:
    """Return the k smallest of distance · N + row for each query, ascending.

    As one number the two are compared at once, first the distance and then the row.
    Images of 4096x4096 in colour, a million of them, stay below 2⁶³.
    """
    own = _squared_lengths(queries)[:, None]
    best = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(references), REFERENCES):
        stop = min(start + REFERENCES, len(references))
        keys = own + squares[start:stop] - 2 * _dots(queries, references[start:stop])
        keys *= len(references)
        keys += np.arange(start, stop)
        best = np.concatenate([best, keys], axis=1)
        if best.shape[1] > k:
            best = np.partition(best, k - 1, axis=1)[:, :k]
    return np.sort(best, axis=1)


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the exact products of all rows of two arrays of pixels less 128, int64.

    In float32 and `EXACT_DEPTH` pixels at a time; float64 products are exact at once,
    and took 1.8 times as long.
    """
    total = np.zeros((len(a), len(b)), np.int64)
    for start in range(0, a.shape[1], EXACT_DEPTH):
        part = slice(start, start + EXACT_DEPTH)
        total += (_centred(a[:, part]) @ _centred(b[:, part]).T).astype(np.int64)
    return total


def _squared_lengths(pixels: np.ndarray) -> np.ndarray:
    """Return the squared length of each row of pixels less 128, int64."""
    lengths = np.empty(len(pixels), np.int64)
    for start in range(0, len(pixels), REFERENCES):
        part = slice(start, start + REFERENCES)
        lengths[part] = (_centred(pixels[part]).astype(np.float64) ** 2).sum(axis=1)
    return lengths


def _centred(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) - 128
