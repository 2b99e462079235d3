"""The nearest vectors, against all distances in float64."""

import numpy as np
import pytest

from scratchgan.functional.nearest.streamed import NearestVectors


def all_distances(queries, vectors):
    difference = queries[:, None].astype(np.float64) - vectors
    return np.sqrt((difference**2).mean(axis=2))


def search(queries, vectors, k, block, own=None):
    nearest = NearestVectors(queries, k, own)
    rows = np.arange(100, 100 + len(vectors))
    for start in range(0, len(vectors), block):
        part = slice(start, start + block)
        nearest.add(rows[part], vectors[part])
    return nearest


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_whatever_the_blocks(rng, block):
    queries = rng.normal(size=(9, 20)).astype("float32")
    vectors = rng.normal(size=(150, 20)).astype("float32")
    found = search(queries, vectors, 5, block)
    distances = all_distances(queries, vectors)
    order = np.argsort(distances, axis=1)[:, :5]
    np.testing.assert_array_equal(found.rows, order + 100)
    # Differences are rounded to float32.
    np.testing.assert_allclose(
        found.distances, np.take_along_axis(distances, order, 1), rtol=1e-6
    )


def test_near_pairs_far_from_zero(rng):
    """The product alone would give 0 or nonsense: the squares are near 10^9."""
    vectors = rng.uniform(0, 255, (60, 3072)).astype("float32") + 400
    steps = np.array([0.01, 0.02, 0.03])
    queries = vectors[[3, 8, 20]] + steps[:, None].astype("float32")
    found = search(queries, vectors, 1, 30)
    np.testing.assert_array_equal(found.rows[:, 0], [103, 108, 120])
    np.testing.assert_allclose(found.distances[:, 0], steps, rtol=1e-2)
    copies = search(vectors[:5], vectors, 1, 30)
    np.testing.assert_array_equal(copies.distances, 0)


def test_an_image_is_not_its_own_neighbour(rng):
    vectors = rng.normal(size=(30, 4)).astype("float32")
    found = search(vectors[[2, 5]], vectors, 3, 8, own=np.array([102, 105]))
    distances = all_distances(vectors[[2, 5]], vectors)
    distances[[0, 1], [2, 5]] = np.inf
    np.testing.assert_array_equal(
        found.rows, np.argsort(distances, axis=1)[:, :3] + 100
    )


def test_fewer_than_wanted(rng):
    vectors = rng.normal(size=(2, 4)).astype("float32")
    found = search(vectors, vectors, 4, 1)
    np.testing.assert_array_equal(found.rows[:, 2:], -1)
    assert np.isinf(found.distances[:, 2:]).all()
    assert np.isfinite(found.distances[:, :2]).all()
