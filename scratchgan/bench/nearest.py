"""How fast nearest neighbours are found: what ``scratchgan bench nearest`` measures.

No search by brute force can be faster than the matrix product of queries and
references that it needs. So the two take turns, a few blocks each, and what else the
machine does slows both.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import threadpoolctl

from scratchgan.backend import Array, Device, get_array_module, to_host
from scratchgan.functional.parallel import thread_count
from scratchgan.paper.nearest.references import block_size
from scratchgan.paper.nearest.search import Found, Queries

CLASSES = 10
TURN = 8
"""Blocks of a turn, after one that is not counted: for some time after a product BLAS's
threads still wait for another one, and keep the cores from the search's threads."""


@dataclass(frozen=True)
class NearestTimes:
    """Times for all references, from the median block.

    Attributes
    ----------
    queries, references, values : int
        Vectors of so many values.
    block : int
        References at a time.
    seconds_search : float
        To find the nearest of all references.
    seconds_product : float
        For the products of the same blocks alone, on as many threads.
    ratio : float
        The first by the second.
    gflops : float
        10⁹ operations of the product a second, while searching.
    """

    queries: int
    references: int
    values: int
    block: int
    seconds_search: float
    seconds_product: float
    ratio: float
    gflops: float


def measure_nearest(
    queries: int, references: int, side: int, device: Device
) -> NearestTimes:
    """Time the search among random images of side x side, and its products.

    Parameters
    ----------
    queries, references : int
        References are rounded up to whole blocks.
    side : int
        Pixels.
    device : Device
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (queries, side, side, 1), dtype=np.uint8)
    classes = np.arange(block_size(device)) % CLASSES
    asked = Queries(images, np.zeros(queries, np.int64), CLASSES, device)
    found = Found(np.full(queries, -np.inf, np.float32), np.zeros(queries, np.int32))
    xp = get_array_module(asked.vectors)
    out = xp.empty((queries, len(classes)), np.float32)
    times: tuple[list[float], list[float]] = ([], [])

    def search(block: Array) -> None:
        nonlocal found
        rows, closeness = asked.nearest(block)
        found = found.improved(closeness, classes[rows])

    def multiply(block: Array) -> None:
        xp.matmul(asked.vectors, block.T, out=out)
        to_host(out[:1])  # waits for a GPU

    blocks = -(-references // len(classes))
    # BLAS's own threads, for the products alone; `search` deals them out itself.
    with threadpoolctl.threadpool_limits(thread_count(), user_api="blas"):
        for first in range(0, blocks, TURN):
            for work, seconds in zip((search, multiply), times, strict=True):
                for number in range(min(TURN, blocks - first) + 1):
                    vectors = rng.random((len(classes), side * side), np.float32)
                    taken = _seconds(work, device.put(vectors))
                    if number:
                        seconds.append(taken)
    search_seconds, product_seconds = map(statistics.median, times)
    operations = 2 * queries * len(classes) * side * side
    return NearestTimes(
        queries,
        blocks * len(classes),
        side * side,
        len(classes),
        blocks * search_seconds,
        blocks * product_seconds,
        search_seconds / product_seconds,
        operations / search_seconds / 1e9,
    )


def _seconds(work: Callable[[Array], None], block: Array) -> float:
    start = time.perf_counter()
    work(block)
    return time.perf_counter() - start
