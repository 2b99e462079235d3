"""Ranks of values, and correlation by rank."""

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value in its column, from 1, equal ones sharing theirs.

    Examples
    --------
    >>> ranks(np.array([[3], [1], [3]])).ravel()
    array([2.5, 1. , 2.5])
    """
    result = np.empty(values.shape)
    for column, ranked in zip(values.T, result.T, strict=True):
        _, place, count = np.unique(column, return_inverse=True, return_counts=True)
        last = np.cumsum(count)
        ranked[:] = (last - (count - 1) / 2)[place]
    return result


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation; 0 where either never changes.

    Equal values share the mean of their ranks.

    Examples
    --------
    >>> spearman(np.array([1, 2, 3]), np.array([1.0, 10.0, 5.0]))
    0.5
    """
    ranked = ranks(np.column_stack([one, other]))
    centred = (ranked - ranked.mean(axis=0)).T
    scale = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / scale) if scale else 0.0
