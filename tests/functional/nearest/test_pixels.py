"""Nearest neighbours against all distances in float64, ties included."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.functional import parallel
from scratchgan.functional.nearest import pixels
from scratchgan.functional.nearest.pixels import nearest_images
from scratchgan.functional.parallel import set_thread_count


@pytest.fixture(autouse=True)
def _same_threads_afterwards():
    before = parallel.thread_count()
    yield
    set_thread_count(before)


def all_distances(references, queries):
    a = queries.reshape(len(queries), 1, -1).astype(np.float64)
    b = references.reshape(1, len(references), -1).astype(np.float64)
    return ((a - b) ** 2).sum(axis=2)


@pytest.mark.parametrize("shape", [(5, 7, 3), (28, 28, 1), (32, 32, 3), (1, 1, 1)])
@pytest.mark.parametrize("k", [1, 4, 60])
def test_they_are_those_of_brute_force(shape, k, rng):
    references = rng.integers(0, 256, (60, *shape), np.uint8)
    references[30:40] = references[:10]  # equal distances, in the order of rows
    queries = rng.integers(0, 256, (9, *shape), np.uint8)
    queries[0] = references[5]
    rows, distances = nearest_images(references, queries, k)
    brute = all_distances(references, queries)
    expected = np.argsort(brute, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(distances, np.take_along_axis(brute, expected, 1))
    assert rows.dtype == distances.dtype == np.int64


def test_sums_at_the_edge_of_float32_are_exact(rng):
    """Black and white images have the largest products there are."""
    references = 255 * rng.integers(0, 2, (40, 64, 64, 3), np.uint8)
    references[0] = 0
    references[1] = 255
    queries = references[:7].copy()
    queries[:, 0, 0, 0] ^= 1  # by one: a float32 sum of 3,000 would not show it
    rows, distances = nearest_images(references, queries, 40)
    brute = all_distances(references, queries)
    np.testing.assert_array_equal(distances, np.sort(brute, axis=1))
    assert rows[:, 0].tolist() == list(range(7))
    assert (distances[:, 0] == 1).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_and_threads_make_no_difference(threads, monkeypatch, rng):
    references = rng.integers(0, 4, (50, 3, 3, 1), np.uint8)  # many ties
    queries = rng.integers(0, 4, (70, 3, 3, 1), np.uint8)
    expected = nearest_images(references, queries, 6)
    set_thread_count(threads)
    monkeypatch.setattr(pixels, "QUERIES", 4)
    monkeypatch.setattr(pixels, "REFERENCES", 5)
    monkeypatch.setattr(pixels, "EXACT_DEPTH", 2)
    calls = []
    again = nearest_images(references, queries, 6, lambda *call: calls.append(call))
    np.testing.assert_array_equal(again, expected)
    assert calls == [(32, 70), (64, 70), (70, 70)]


def test_what_does_not_fit_is_refused():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    for k in (0, 4):
        with pytest.raises(ConfigError, match=f"k is {k}, expected 1 to 3"):
            nearest_images(images, images, k)
    with pytest.raises(ConfigError, match="expected one shape"):
        nearest_images(images, images[:, :3], 1)
