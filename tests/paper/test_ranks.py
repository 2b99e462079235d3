"""Ranks and their correlation, by hand and from SciPy's example."""

import numpy as np
import pytest

from scratchgan.paper.ranks import ranks, spearman


def test_ranks_with_ties():
    np.testing.assert_array_equal(
        ranks(np.array([[5, 1], [5, 2], [0, 3], [5, 4]])),
        [[3, 1], [3, 2], [1, 3], [3, 4]],
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233),  # with a tie
        ([1, 2, 3], [7, 7, 7], 0.0),
    ],
)
def test_rank_correlation(one, other, expected):
    """The case with a tie is the example of SciPy's spearmanr."""
    assert spearman(np.array(one), np.array(other)) == pytest.approx(expected)
