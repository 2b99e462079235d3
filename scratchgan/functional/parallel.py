"""Chunks of a batch on all cores: NumPy works on several threads at once.

NumPy lets go of the interpreter lock inside matrix products and element-wise
operations. So a pool of threads, each with a chunk of images small enough for its
core's cache and with BLAS held to one thread, keeps copies and additions as parallel as
the products, which BLAS's own threads would not.

The chunks are dealt out in turn, chunk k to worker k mod threads, whatever their speed:
sums that workers collect come out the same in every run with that number of threads.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import cache

import numpy as np
import threadpoolctl

from scratchgan.backend import Array, inverse_order, memory_order
from scratchgan.kernels.arrays import is_dense
from scratchgan.machine import usable_cores

CHUNK_BYTES = 1 << 19
"""Of one array in a chunk of element-wise work: a core's cache holds several such."""

CACHE_LINE = 64
"""Bytes."""

_local = threading.local()  # each thread's scratch memory, by name and dtype

_threads = usable_cores()


def thread_count() -> int:
    """Return the number of workers."""
    return _threads


def set_thread_count(count: int) -> None:
    """Use this many workers from now on.

    Raises
    ------
    ValueError
        If it is less than 1.
    """
    global _threads
    if count < 1:
        raise ValueError(f"thread count is {count}, expected at least 1")
    _threads = count


def run_chunks(
    work: Callable[[int, int, int], None], count: int, chunk_size: int
) -> None:
    """Call ``work(worker, start, stop)`` for consecutive chunks of ``count`` items.

    Parameters
    ----------
    work : callable
        Gets the number of its worker, below `thread_count`, and the chunk. It writes
        to its own part of the result only, or to arrays of its worker.
    count : int
        Items in all, such as images.
    chunk_size : int
        Items in a chunk; the last may have fewer.
    """
    starts = range(0, count, chunk_size)
    # No more workers than chunks, and one where there are none.
    workers = max(1, min(_threads, len(starts)))

    def run(worker: int) -> None:
        for start in starts[worker::workers]:  # dealt out in turn
            work(worker, start, min(start + chunk_size, count))

    # The caller is worker 0: waking a thread takes longer than many a small pass.
    tasks = [
        # The others see the caller's context: `numpy.errstate` lives in it.
        _pool(workers - 1).submit(copy_context().run, run, worker)
        for worker in range(1, workers)
    ]
    try:
        run(0)
    finally:
        wait(tasks)  # even after an error: they write to the caller's arrays
    for task in tasks:
        task.result()  # raises a worker's error


def one_blas_thread() -> AbstractContextManager:
    """Return a context in which BLAS leaves the cores to the workers."""
    return _blas().limit(limits=1)


def update_in_parts(function: Callable[..., None], *arrays: Array) -> None:
    """Call ``function(*arrays)``, which changes arrays in place, for parts of them.

    Parameters
    ----------
    function : callable
        Treats every element on its own, in arrays of any shape.
    *arrays : array
        All of one shape; in parts only if they have one order in memory.
    """
    first = arrays[0]
    alike = all(array.strides == first.strides for array in arrays)
    if not alike or not _worth_cutting(first) or not is_dense(first):
        function(*arrays)
        return
    # Of elements in one order in memory, any run is a part: shapes do not matter.
    order = memory_order(first)
    lines = [array.transpose(order).reshape(-1) for array in arrays]  # views

    def work(worker: int, start: int, stop: int) -> None:
        function(*(line[start:stop] for line in lines))

    run_chunks(work, first.size, CHUNK_BYTES // first.itemsize)


def _worth_cutting(array: Array) -> bool:
    # A small pass is over before another thread has woken; a GPU needs no chunks.
    return isinstance(array, np.ndarray) and array.nbytes > 2 * CHUNK_BYTES


def images_per_chunk(array: np.ndarray) -> int:
    """Return how many images of an array stay in a core's cache."""
    return max(1, CHUNK_BYTES * len(array) // array.nbytes)


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array that this thread uses again for the same name.

    A fresh array of some megabytes costs as much in page faults as the work done in
    it. Whoever asks for a name again loses what was there, so nothing of it may be
    returned from a primitive.
    """
    size = math.prod(shape)
    key = name, np.dtype(dtype).char
    buffers = _local.__dict__  # beside the count of `scratch_growth`
    # A smaller array takes a part of the memory; a larger one replaces it for good.
    if key not in buffers or buffers[key].size < size:
        buffers[key] = empty((size,), dtype)
        _local.growth = scratch_growth() + 1
    return buffers[key][:size].reshape(shape)


def scratch_growth() -> int:
    """Return how often this thread has replaced scratch memory by a larger one."""
    return getattr(_local, "growth", 0)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array that starts at a cache line of memory.

    NumPy's own may start anywhere, and with AVX-512 every access then touches two
    lines: adding two arrays in a core's cache runs at half the speed.
    """
    count, dtype = math.prod(shape), np.dtype(dtype)
    # With room for one line more, so that a line starts within the first CACHE_LINE.
    memory = np.empty(count * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE  # bytes up to it
    return memory[start : start + count * dtype.itemsize].view(dtype).reshape(shape)


def empty_like(array: np.ndarray) -> np.ndarray:
    """Return an uninitialised array of the same shape, dtype and order of memory."""
    # Made with its axes as they lie in memory, and then given their places.
    order = memory_order(array)
    result = empty(tuple(array.shape[axis] for axis in order), array.dtype)
    return result.transpose(inverse_order(order))


@cache
def _blas() -> threadpoolctl.ThreadpoolController:
    # Looks through all libraries of the process; once is enough.
    return threadpoolctl.ThreadpoolController().select(user_api="blas")


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    # Kept, with its threads and their scratch memory, for each number ever asked for.
    return ThreadPoolExecutor(workers, thread_name_prefix="chunks")
