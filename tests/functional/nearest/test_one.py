import numpy as np
import pytest

from scratchgan.functional.nearest import one as module
from scratchgan.functional.nearest.one import nearest, nearest_by_definition
from scratchgan.functional.parallel import set_thread_count, thread_count


def vectors(rng, *shape, dtype="float32"):
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("queries", "references", "size"),
    [(1, 1, 1), (1, 7, 3), (37, 1, 5), (513, 129, 33), (1030, 70, 785)],
)
def test_as_the_definition(rng, backend, queries, references, size):
    a, b = vectors(rng, queries, size), vectors(rng, references, size)
    rows, closeness = map(backend.host, nearest(backend.put(a), backend.put(b)))
    wanted_rows, wanted = nearest_by_definition(a, b)
    np.testing.assert_array_equal(rows, wanted_rows)
    assert closeness.dtype == np.float32
    np.testing.assert_allclose(closeness, wanted, rtol=1e-4, atol=1e-3)


def test_the_definition_is_of_distances():
    queries = np.array([[0.0, 0.0], [3.0, 4.0]])
    references = np.array([[1.0, 0.0], [3.0, 3.0]])
    rows, closeness = nearest_by_definition(queries, references)
    assert rows.tolist() == [0, 1]
    squares = (queries**2).sum(axis=1)
    np.testing.assert_allclose(squares - 2 * closeness, [1.0, 1.0])


def test_of_equals_the_first(rng, backend):
    a = np.round(vectors(rng, 600, 4))
    b = np.concatenate([a[::-1], a])  # every query is there twice, exactly
    rows, closeness = map(backend.host, nearest(backend.put(a), backend.put(b)))
    for row, query in zip(rows, a, strict=True):
        assert row == np.flatnonzero((b == query).all(axis=1))[0]
    np.testing.assert_array_equal(closeness, (a**2).sum(axis=1) / 2)


def test_small_chunks_and_any_number_of_threads_change_nothing(rng, monkeypatch):
    a, b = vectors(rng, 101, 20), vectors(rng, 50, 20)
    whole = nearest(a, b)
    monkeypatch.setattr(module, "CHUNK", 7)
    before = thread_count()
    try:
        for threads in (1, 3):
            set_thread_count(threads)
            rows, closeness = nearest(a, b)
            np.testing.assert_array_equal(rows, whole[0])
            np.testing.assert_allclose(closeness, whole[1], rtol=1e-5, atol=1e-5)
    finally:
        set_thread_count(before)


def test_vectors_that_do_not_fit(rng):
    with pytest.raises(ValueError, match=r"queries \(2, 3\) and references \(4, 5\)"):
        nearest(vectors(rng, 2, 3), vectors(rng, 4, 5))
    with pytest.raises(ValueError, match="R at least 1"):
        nearest(vectors(rng, 2, 3), vectors(rng, 0, 3))
