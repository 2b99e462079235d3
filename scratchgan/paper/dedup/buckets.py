"""Images with equal codes: how many, in what groups, and how telling the codes are."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from scratchgan.paper.dedup.hash_table import count_active, first_rows

LARGEST_SHOWN = 10
FEW_ACTIVE = 4
"""Codes with no more active units say little: flat images end up there together."""
IDLE = 0.005
"""A unit that is active, or inactive, for fewer images than this share is of no use."""


@dataclass(frozen=True)
class Buckets:
    """Rows grouped by code.

    Attributes
    ----------
    codes : ndarray of shape (N, 16), uint8
        The packed code of each row.
    first : ndarray of shape (N,), int64
        The first row of each row's bucket.
    """

    codes: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> "Buckets":
        """Group rows by their packed codes, uint8 (N, 16)."""
        return cls(codes, first_rows(codes))

    @property
    def kept(self) -> np.ndarray:
        """Which rows stay, the first of each bucket: bool (N,)."""
        return self.first == np.arange(len(self.first))

    @property
    def removed_rows(self) -> np.ndarray:
        """The rows that go, ascending."""
        return np.flatnonzero(~self.kept)

    def facts(self) -> dict:
        """Return the figures of the report that depend on the codes alone."""
        sizes = np.bincount(self.first, minlength=len(self.first))
        kept = np.flatnonzero(sizes)
        largest = kept[np.argsort(-sizes[kept], kind="stable")][:LARGEST_SHOWN]
        active = count_active(self.codes)
        histogram = Counter(sizes[kept].tolist())
        few = active <= FEW_ACTIVE
        return {
            "images": len(self.first),
            "distinct_codes": len(kept),
            "removed": len(self.first) - len(kept),
            "bucket_sizes": {str(size): histogram[size] for size in sorted(histogram)},
            "largest_buckets": [
                {"row": int(row), "size": int(sizes[row]), "active": int(active[row])}
                for row in largest
                if sizes[row] > 1
            ],
            "mean_active_units": float(active.mean()),
            "units_in_use": self._units_in_use(),
            "few_active": {
                "at_most": FEW_ACTIVE,
                "images": int(few.sum()),
                "codes": int((few & self.kept).sum()),
                "removed": int((few & ~self.kept).sum()),
            },
        }

    def _units_in_use(self) -> int:
        """Return how many units tell images apart, see `IDLE`."""
        counts = np.zeros(8 * self.codes.shape[1])
        for start in range(0, len(self.codes), 65_536):
            bits = np.unpackbits(self.codes[start : start + 65_536], axis=1)
            counts += bits.sum(axis=0)
        share = counts / len(self.codes)
        return int(((share >= IDLE) & (share <= 1 - IDLE)).sum())


def compare_with_truth(first: np.ndarray, truth: np.ndarray) -> dict[str, int | float]:
    """Return precision and recall of pairs of rows that were given one code.

    Parameters
    ----------
    first : ndarray of shape (N,), int64
        The bucket of each row.
    truth : ndarray of shape (N,), int64
        The true group of each row.

    Returns
    -------
    dict
        ``pairs_found``, ``pairs_true``, ``pairs_right``; ``precision`` is right of
        found and ``recall`` right of true, each 1 where there is no pair.

    Examples
    --------
    >>> found = compare_with_truth(np.array([0, 0, 0, 3]), np.array([1, 1, 2, 2]))
    >>> found["pairs_found"], found["pairs_true"], found["pairs_right"]
    (3, 2, 1)
    """
    both = np.stack([first, truth], axis=1)
    found, true = _pairs(first), _pairs(truth)
    right = _pairs(np.unique(both, axis=0, return_inverse=True)[1].ravel())
    return {
        "pairs_found": found,
        "pairs_true": true,
        "pairs_right": right,
        "precision": right / found if found else 1.0,
        "recall": right / true if true else 1.0,
    }


def _pairs(groups: np.ndarray) -> int:
    """Return the number of pairs of rows in one group."""
    _, sizes = np.unique(groups, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())
