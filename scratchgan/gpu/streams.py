"""Work on a GPU beside other work, and work recorded to be repeated."""

import contextlib
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from scratchgan.backend import (
    Array,
    Device,
    count_transfer,
    inverse_order,
    memory_order,
)
from scratchgan.errors import DeviceError
from scratchgan.gpu.cublas import current_handle
from scratchgan.gpu.memory import forget_arrays_of


class Upload:
    """A buffer through which arrays reach a GPU while it computes.

    The array is copied into page-locked memory, which the GPU reads by itself, on a
    stream beside that of the computation. Both buffers are used again: the copy waits
    until the GPU no longer reads the old contents, and the host until they have left.

    Parameters
    ----------
    device : Device
        A GPU.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._stream: Any = None
        self._host: np.ndarray | None = None
        self._there: Array | None = None
        self._view: Array | None = None
        self._arrived: Any = None
        self._released: Any = None

    def start(self, array: np.ndarray) -> None:
        """Begin to copy an array; it may be changed as soon as this returns.

        Raises
        ------
        DeviceError
            If there is no page-locked memory left.
        """
        import cupy

        order = memory_order(array)
        in_order = array.transpose(order)
        with cupy.cuda.Device(self._device.index):
            # The host's buffer is the copy's until it has left.
            if self._arrived is not None and not self._arrived.done:
                self._arrived.synchronize()
            if self._host is None or self._host.size < array.size:
                self._host = _page_locked(array.size, array.dtype)
                self._there = cupy.empty((array.size,), array.dtype)
                self._stream = cupy.cuda.Stream(non_blocking=True)
                # The memory may still be in use by work queued before it was freed.
                self.release()
            host = self._host[: array.size].reshape(in_order.shape)
            there = self._there[: array.size].reshape(in_order.shape)
            np.copyto(host, in_order)
            self._stream.wait_event(self._released)
            there.set(host, stream=self._stream)
            count_transfer("to_device", array.nbytes)
            self._arrived = self._stream.record()
        self._view = there.transpose(inverse_order(order))

    def finish(self) -> Array:
        """Return the array on the GPU, for work queued from now on."""
        import cupy

        cupy.cuda.get_current_stream().wait_event(self._arrived)
        return self._view

    @property
    def array(self) -> Array:
        """The array on the GPU, whether its values have arrived or not."""
        return self._view

    def release(self) -> None:
        """Let the next copy begin once the work queued so far is done."""
        import cupy

        self._released = cupy.cuda.get_current_stream().record()


def _page_locked(size: int, dtype: np.dtype) -> np.ndarray:
    import cupy
    import cupyx

    try:
        return cupyx.empty_pinned((size,), dtype)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"{size * dtype.itemsize / 2**20:.1f} MiB of the machine's memory cannot "
            f"be page-locked for copies to the GPU ({error}); a smaller --batch-size "
            "needs less"
        ) from error


class RecordedWork:
    """Work on a GPU recorded as a CUDA graph, which one launch repeats.

    Kernels that the function starts have to be compiled already, and it must not wait
    for the GPU. Nothing is computed while it is recorded. What it allocates is the
    graph's own as long as this object lives.

    Parameters
    ----------
    function : callable
        Called once, on the current stream, which must not be the default one.

    Attributes
    ----------
    result : object
        What the function returned: arrays that each repetition fills.

    Raises
    ------
    Exception
        Whatever the function raised, or CuPy where CUDA refused to record it. Nothing
        was computed then, and no memory is kept.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        import cupy

        self._stream = cupy.cuda.get_current_stream()
        # Neither can be done in a capture: to make a handle, and to free an old one.
        self._products = current_handle()
        gc.collect()
        memory = _spare_pools.pop() if _spare_pools else cupy.cuda.MemoryPool()
        weakref.finalize(self, _give_back, memory)
        # Other work keeps the memory it has: it goes on, beside the graph.
        others = cupy.get_default_memory_pool()
        limit = others.get_limit()
        memory.set_limit(size=max(1, limit - others.total_bytes()) if limit else 0)
        with cupy.cuda.using_allocator(memory.malloc):
            self._stream.begin_capture()
            try:
                self.result = function()
            except BaseException as error:
                # A stream left recording could not even be waited for.
                with contextlib.suppress(cupy.cuda.runtime.CUDARuntimeError):
                    self._stream.end_capture()
                forget_arrays_of(error)
                raise
            self._graph = self._stream.end_capture()

    def repeat(self) -> None:
        """Queue the work again."""
        self._graph.launch(self._stream)


_spare_pools: list[Any] = []
"""Of memory for graphs. They outlive the graphs: a pool of CuPy's that ends before its
arrays never gives their memory back."""


def _give_back(pool: Any) -> None:
    pool.free_all_blocks()
    _spare_pools.append(pool)
