import threading
import time

import numpy as np
import pytest

from scratchgan.functional import parallel
from scratchgan.functional.parallel import (
    CACHE_LINE,
    empty,
    empty_like,
    one_blas_thread,
    run_chunks,
    scratch,
    set_thread_count,
    update_in_parts,
)


@pytest.fixture(autouse=True)
def _same_threads_afterwards():
    before = parallel.thread_count()
    yield
    set_thread_count(before)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("count", "size"), [(1, 4), (10, 3), (12, 4), (5, 100)])
def test_every_item_is_in_one_chunk(threads, count, size):
    set_thread_count(threads)
    seen = np.zeros(count, int)

    def work(worker, start, stop):
        assert 0 <= worker < threads
        assert stop - start <= size
        seen[start:stop] += 1

    run_chunks(work, count, size)
    assert (seen == 1).all()


def test_workers_always_get_the_same_chunks():
    set_thread_count(3)
    for _ in range(5):
        given = {0: [], 1: [], 2: []}
        run_chunks(lambda w, a, b, given=given: given[w].append((a, b)), 10, 2)
        assert given == {0: [(0, 2), (6, 8)], 1: [(2, 4), (8, 10)], 2: [(4, 6)]}


def test_blas_has_one_thread_inside_and_as_many_as_before_afterwards():
    def threads():
        # Of the libraries that NumPy has loaded: other packages bring their own later.
        return [info["num_threads"] for info in parallel._blas().info()]

    before = threads()
    assert before
    with one_blas_thread():
        assert all(count == 1 for count in threads())
    assert threads() == before


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (5, 7), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_empty_arrays_start_at_a_cache_line(shape, dtype):
    for _ in range(5):
        array = empty(shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.ctypes.data % CACHE_LINE == 0 or array.size == 0


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (2, 3, 0, 1)])
def test_empty_like_has_the_same_order_in_memory(order, rng):
    array = rng.normal(size=(2, 3, 4, 5)).transpose(order)
    result = empty_like(array)
    assert result.shape == array.shape
    assert result.strides == array.strides
    assert not np.shares_memory(result, array)


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 0, 1)])
def test_updating_in_parts_is_updating_the_whole(order, alike, monkeypatch, rng):
    monkeypatch.setattr(parallel, "CHUNK_BYTES", 64)
    set_thread_count(2)
    theta = rng.normal(size=(5, 4, 3, 2)).transpose(order)
    gradient = rng.normal(size=(5, 4, 3, 2)).transpose(order)
    if not alike:
        gradient = np.ascontiguousarray(gradient[..., ::-1])
    expected = theta - 0.5 * gradient
    calls = []

    def descend(theta, gradient):
        calls.append(theta.size)
        theta -= 0.5 * gradient

    update_in_parts(descend, theta, gradient)
    np.testing.assert_array_equal(theta, expected)
    assert sum(calls) == theta.size
    assert (len(calls) > 1) == (alike or order == (0, 1, 2, 3))


def test_error_in_a_worker_reaches_the_caller():
    def fail(worker, start, stop):
        raise ValueError(f"chunk {start}")

    with pytest.raises(ValueError, match="chunk"):
        run_chunks(fail, 10, 2)


def test_workers_take_over_how_numpy_treats_overflow():
    set_thread_count(2)
    large = np.full(10, 3e38, np.float32)

    def overflow(worker, start, stop):
        large[start:stop] * 2

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        run_chunks(overflow, 10, 2)
    with np.errstate(over="ignore"):
        run_chunks(overflow, 10, 2)


def test_first_worker_failing_waits_for_the_others():
    set_thread_count(2)
    done = []

    def work(worker, start, stop):
        if worker == 0:
            raise ValueError("the caller's own part")
        time.sleep(0.05)
        done.append(worker)

    with pytest.raises(ValueError, match="the caller's own part"):
        run_chunks(work, 2, 1)
    assert done == [1]


def test_thread_count_below_one_is_refused():
    with pytest.raises(ValueError, match="thread count is 0"):
        set_thread_count(0)


def test_scratch_of_a_name_is_the_same_memory_in_a_thread_and_another_elsewhere():
    one = scratch("a", (4, 5), np.float32)
    smaller = scratch("a", (2, 3), np.float32)
    assert np.shares_memory(one, smaller)
    assert not np.shares_memory(one, scratch("b", (4, 5), np.float32))
    assert not np.shares_memory(one, scratch("a", (4, 5), np.float64))
    others = []
    thread = threading.Thread(
        target=lambda: others.append(scratch("a", (4, 5), np.float32))
    )
    thread.start()
    thread.join()
    assert not np.shares_memory(one, others[0])
