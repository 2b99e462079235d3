"""The hash table: the first of each bucket, as a dictionary finds it."""

import numpy as np
import pytest

from scratchgan.paper.dedup import hash_table
from scratchgan.paper.dedup.hash_table import (
    count_active,
    first_rows,
    pack_codes,
)


def by_dictionary(codes):
    seen = {}
    return [seen.setdefault(code.tobytes(), row) for row, code in enumerate(codes)]


def random_codes(rng, rows, distinct):
    pool = rng.integers(0, 256, (distinct, 16), dtype=np.uint8)
    return pool[rng.integers(0, distinct, rows)]


def test_by_hand():
    a, b = [1] * 16, [2] * 16
    codes = np.array([b, a, b, b, a], np.uint8)
    np.testing.assert_array_equal(first_rows(codes), [0, 1, 0, 0, 1])


@pytest.mark.parametrize(
    ("rows", "distinct"), [(1, 1), (2, 1), (500, 3), (5000, 2500), (5000, 10**6)]
)
def test_same_as_a_dictionary(rng, rows, distinct):
    codes = random_codes(rng, rows, distinct)
    np.testing.assert_array_equal(first_rows(codes), by_dictionary(codes))


def test_codes_that_differ_in_one_bit(rng):
    active = rng.random(128) > 0.5
    codes = pack_codes(np.concatenate([[active], active ^ np.eye(128, dtype=bool)]))
    np.testing.assert_array_equal(first_rows(codes), range(129))


@pytest.mark.parametrize("hashes", [1, 3])
def test_colliding_hashes_only_cost_time(rng, monkeypatch, hashes):
    monkeypatch.setattr(
        hash_table, "_hash", lambda words: (words[:, 0] % hashes).astype(np.int64) - 1
    )
    codes = random_codes(rng, 300, 90)
    np.testing.assert_array_equal(first_rows(codes), by_dictionary(codes))


def test_hashes_spread_codes_of_few_bits():
    """Sparse codes are the rule here; they must not end up in a few slots."""
    one, two = np.triu_indices(128, 1)
    active = np.zeros((len(one), 128), bool)
    active[np.arange(len(one)), one] = active[np.arange(len(one)), two] = True
    words = pack_codes(active).view(np.uint64)
    slots = hash_table._hash(words) & (2 * 8192 - 1)
    # 8,128 balls in 16,384 urns leave 6,405 occupied on average, deviation 34.
    assert len(np.unique(slots)) > 6405 - 6 * 34


def test_packing_and_counting(rng):
    active = rng.random((50, 128)) > 0.7
    codes = pack_codes(active)
    assert codes.shape == (50, 16)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(count_active(codes), active.sum(axis=1))
    for row in range(49):
        same = (active[row] == active[row + 1]).all()
        assert (codes[row] == codes[row + 1]).all() == same
