"""The nearest of some vectors to each of others, through matrix products.

||q - r||² = ||q||² - 2·(q·r - ||r||²/2), and ||q||² is the same for every r. So the
nearest r is the one of the largest *closeness* q·r - ||r||²/2: a matrix product, less
half a square for each column, and the place of the largest value in each row.

In float32 two references change places only where their closenesses differ by less
than the rounding of a sum of some hundred products. With vectors around 0 the sums are
smallest and the digits most; so callers subtract the mean of the queries from both.
"""

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.parallel import one_blas_thread, run_chunks, scratch
from scratchgan.kernels.products import multiply

CHUNK = 512
"""Queries a worker takes at a time: with 1,024 references, 2 MiB, a core's cache."""
GPU_CHUNK = 8192
"""On a GPU there are no workers; this only bounds the memory."""


def nearest_by_definition(
    queries: np.ndarray, references: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `nearest` returns, from the distances themselves, in float64.

    Parameters
    ----------
    queries : ndarray of shape (Q, D)
    references : ndarray of shape (R, D)
    """
    rows = np.empty(len(queries), np.int64)
    closeness = np.empty(len(queries))
    references = references.astype(np.float64)
    for number, query in enumerate(queries.astype(np.float64)):
        squared_distances = ((references - query) ** 2).sum(axis=1)  # (R,)
        rows[number] = squared_distances.argmin()
        closeness[number] = ((query**2).sum() - squared_distances.min()) / 2
    return rows, closeness


def nearest(queries: Array, references: Array) -> tuple[Array, Array]:
    """Return the nearest reference of each query, and how close it is.

    Formula: closeness = max over r of q·r - ||r||²/2.

    Parameters
    ----------
    queries : array of shape (Q, D), float32 or float64
    references : array of shape (R, D), the same dtype
        R at least 1.

    Returns
    -------
    rows : array of shape (Q,), int64
        In ``references``; of several that are equally near, the first.
    closeness : array of shape (Q,)
        Larger is nearer; the squared distance is ||q||² - 2·closeness.

    Raises
    ------
    ValueError
        The vectors have different lengths, or there are no references.

    Examples
    --------
    >>> import numpy as np
    >>> nearest(np.array([[0.0], [9.0]]), np.array([[1.0], [8.0], [10.0]]))
    (array([0, 1]), array([-0.5, 40. ]))
    """
    if not len(references) or queries.shape[1:] != references.shape[1:]:
        raise ValueError(
            f"nearest: queries {queries.shape} and references {references.shape}, "
            "expected (Q, D) and (R, D) with R at least 1"
        )
    xp = get_array_module(queries)
    halves = (references**2).sum(axis=1) / 2  # (R,)
    rows = xp.empty((len(queries),), np.int64)
    closeness = xp.empty((len(queries),), queries.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        shape = stop - start, len(references)
        if xp is np:
            values = scratch("nearest", shape, queries.dtype)
        else:
            values = xp.empty(shape, queries.dtype)
        multiply(queries[start:stop], references.T, values)
        values -= halves
        rows[start:stop] = values.argmax(axis=1)
        closeness[start:stop] = values.max(axis=1)

    if xp is np:
        with one_blas_thread():
            run_chunks(work, len(queries), CHUNK)
    else:
        for start in range(0, len(queries), GPU_CHUNK):
            work(0, start, min(start + GPU_CHUNK, len(queries)))
    return rows, closeness
