"""Buckets: what is kept, the figures of the report, precision and recall of pairs."""

import itertools

import numpy as np
import pytest

from scratchgan.paper.dedup.buckets import Buckets, compare_with_truth
from scratchgan.paper.dedup.hash_table import pack_codes


def buckets_of(rows):
    """Return buckets of codes given as lists of active units."""
    active = np.zeros((len(rows), 128), bool)
    for row, units in enumerate(rows):
        active[row, units] = True
    return Buckets.of(pack_codes(active))


A, B, EMPTY = list(range(10)), list(range(20, 50)), []


def test_the_first_of_each_bucket_is_kept():
    buckets = buckets_of([B, A, B, EMPTY, A, B])
    np.testing.assert_array_equal(buckets.kept, [1, 1, 0, 1, 0, 0])
    np.testing.assert_array_equal(buckets.removed_rows, [2, 4, 5])
    np.testing.assert_array_equal(buckets.first[buckets.removed_rows], [0, 1, 0])


def test_facts_by_hand():
    facts = buckets_of([B, A, B, EMPTY, A, B, [7], EMPTY]).facts()
    assert facts == {
        "images": 8,
        "distinct_codes": 4,
        "removed": 4,
        "bucket_sizes": {"1": 1, "2": 2, "3": 1},
        "largest_buckets": [
            {"row": 0, "size": 3, "active": 30},
            {"row": 1, "size": 2, "active": 10},
            {"row": 3, "size": 2, "active": 0},
        ],
        "mean_active_units": (3 * 30 + 2 * 10 + 1) / 8,
        "units_in_use": 40,
        "few_active": {"at_most": 4, "images": 3, "codes": 2, "removed": 1},
    }


def test_one_image():
    facts = buckets_of([A]).facts()
    assert (facts["images"], facts["removed"]) == (1, 0)
    assert facts["largest_buckets"] == []
    assert facts["units_in_use"] == 0


def test_precision_and_recall_are_those_of_all_pairs(rng):
    first, truth = rng.integers(0, 12, (2, 60))
    found = compare_with_truth(first, truth)
    pairs = list(itertools.combinations(range(60), 2))
    marked = {p for p in pairs if first[p[0]] == first[p[1]]}
    true = {p for p in pairs if truth[p[0]] == truth[p[1]]}
    assert found["pairs_found"] == len(marked)
    assert found["pairs_true"] == len(true)
    assert found["pairs_right"] == len(marked & true)
    assert found["precision"] == pytest.approx(len(marked & true) / len(marked))
    assert found["recall"] == pytest.approx(len(marked & true) / len(true))


def test_without_pairs_nothing_is_wrong():
    found = compare_with_truth(np.arange(3), np.arange(3))
    assert (found["precision"], found["recall"]) == (1, 1)
