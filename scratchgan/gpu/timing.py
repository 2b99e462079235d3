"""How long work takes on its device, without the time that its call takes."""

import time
from collections.abc import Callable

from scratchgan.backend import Device


def wait_for(device: Device) -> None:
    """Wait until a GPU has done what is queued on the current stream."""
    if device.kind == "gpu":
        import cupy

        cupy.cuda.get_current_stream().synchronize()


def seconds_of(work: Callable[[], object], device: Device) -> float:
    """Return how long the device is at work that a function queues; waits for it.

    On a GPU that is the time between two events on the current stream. Where the host
    queues more slowly than the GPU computes, the GPU's waiting is part of it.
    """
    if device.kind == "cpu":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    import cupy

    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    work()
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(start, end) / 1000
