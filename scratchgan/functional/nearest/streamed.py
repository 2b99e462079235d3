"""The k nearest of many vectors, which come in blocks."""

import numpy as np

SPARE = 8
"""Candidates beyond those wanted, as their order is known only roughly at first."""


class NearestVectors:
    """Finds the k nearest of all vectors it is shown, for each of some queries.

    Squared distances come from one matrix product a block, ||a||² - 2ab + ||b||². In
    float32 that loses the digits of near pairs, whose distance is a small difference of
    large numbers; so it only names candidates, and their distances are computed again
    from the differences themselves.

    Parameters
    ----------
    queries : ndarray of shape (Q, D), float32
    k : int
    own_rows : ndarray of shape (Q,), int64, optional
        A row that is not to be found for each query: itself.

    Attributes
    ----------
    distances : ndarray of shape (Q, k), float64
        Root mean square differences, ascending; infinite where there are too few.
    rows : ndarray of shape (Q, k), int64
        What is there; -1 where there are too few.
    """

    def __init__(
        self, queries: np.ndarray, k: int, own_rows: np.ndarray | None = None
    ) -> None:
        self.queries = queries
        self.k = k
        self.own_rows = own_rows
        self.distances = np.full((len(queries), k), np.inf)
        self.rows = np.full((len(queries), k), -1, np.int64)
        # Far from 0 the digits that are lost are more.
        self._centre = queries.mean(axis=0)
        self._centred = queries - self._centre
        self._squares = (self._centred**2).sum(axis=1)

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Show a block: row numbers (B,) and vectors (B, D), float32."""
        centred = vectors - self._centre
        rough = self._squares[:, None] - 2 * self._centred @ centred.T  # (Q, B)
        rough += (centred**2).sum(axis=1)
        if self.own_rows is not None:
            rough[self.own_rows[:, None] == rows] = np.inf
        count = min(self.k + SPARE, len(rows))
        near = np.argpartition(rough, count - 1, axis=1)[:, :count]
        for query, candidates in enumerate(near):
            candidates = candidates[np.isfinite(rough[query, candidates])]
            difference = vectors[candidates] - self.queries[query]
            exact = np.sqrt((difference.astype(np.float64) ** 2).mean(axis=1))
            self._keep_best(query, exact, rows[candidates])

    def _keep_best(self, query: int, distances: np.ndarray, rows: np.ndarray) -> None:
        distances = np.concatenate([self.distances[query], distances])
        rows = np.concatenate([self.rows[query], rows])
        best = np.lexsort((rows, distances))[: self.k]
        self.distances[query], self.rows[query] = distances[best], rows[best]
