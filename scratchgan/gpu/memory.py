"""A GPU's memory: limits, what is left, what work takes, and running out of it."""

import gc
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

from scratchgan.backend import Device
from scratchgan.errors import DeviceError
from scratchgan.gpu.cublas import ALLOC_FAILED, CublasError

CUDA_ERROR_OUT_OF_MEMORY = 2
"""Of the runtime and of the driver."""


def read_memory_limit(limit: str) -> tuple[float, str]:
    """Return number and unit of a limit such as ``75%``, ``512MiB`` or ``6GiB``.

    Raises
    ------
    DeviceError
        If it is none, or nothing.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%|MiB|GiB)", limit.strip())
    number, unit = (float(match[1]), match[2]) if match else (0.0, "")
    if number <= 0 or (unit == "%" and number > 100):
        raise DeviceError(
            f"memory limit {limit!r} is not known; write 75%, 512MiB or 6GiB"
        )
    return number, unit


def limit_memory(device: Device, limit: str) -> None:
    """Keep what arrays take on a GPU below a limit.

    Parameters
    ----------
    device : Device
        A GPU.
    limit : str
        ``"75%"`` of the GPU's memory, or a size such as ``"6GiB"``.

    Raises
    ------
    DeviceError
        If the limit cannot be read, or this is not a GPU.
    """
    number, unit = read_memory_limit(limit)
    if device.kind == "cpu":
        raise DeviceError("a limit of GPU memory needs a GPU; this is the CPU")
    import cupy

    with cupy.cuda.Device(device.index):
        pool = cupy.get_default_memory_pool()
        if unit == "%":
            pool.set_limit(fraction=number / 100)
        else:
            pool.set_limit(size=int(number * 2 ** (20 if unit == "MiB" else 30)))


def available_memory(device: Device) -> int:
    """Return the bytes that more arrays of this process can take on a GPU."""
    import cupy

    with cupy.cuda.Device(device.index):
        pool = cupy.get_default_memory_pool()
        pool.free_all_blocks()
        free, _ = cupy.cuda.runtime.memGetInfo()
        limit = pool.get_limit()
        return min(free, limit - pool.used_bytes()) if limit else free


def pool_memory(device: Device) -> int:
    """Return the bytes that CuPy's pool has taken of a GPU for this process."""
    import cupy

    with cupy.cuda.Device(device.index):
        return cupy.get_default_memory_pool().total_bytes()


def is_out_of_device_memory(error: BaseException) -> bool:
    """Return whether a GPU's memory ran out, not the machine's.

    CuPy has an error for that; graphs and modules have CUDA's own, cuBLAS a status.
    """
    if isinstance(error, CublasError):
        return error.status == ALLOC_FAILED
    cupy = sys.modules.get("cupy")
    if cupy is None:
        return False
    if isinstance(error, cupy.cuda.memory.OutOfMemoryError):
        return True
    of_cuda = cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError
    return isinstance(error, of_cuda) and error.status == CUDA_ERROR_OUT_OF_MEMORY


class MemoryTrial:
    """Finds out what work takes of a GPU's memory, by doing it in memory of its own.

    Parameters
    ----------
    device : Device
        A GPU.
    limit : int
        Bytes that may be taken.
    """

    def __init__(self, device: Device, limit: int) -> None:
        import cupy

        self._device = device
        self._pool = cupy.cuda.MemoryPool()
        with cupy.cuda.Device(device.index):
            self._pool.set_limit(size=limit)

    def measure(
        self, prepare: Callable[[], Any], work: Callable[[Any], None]
    ) -> int | None:
        """Return the bytes that ``work(prepare())`` takes; None if they are too many.

        What only ``prepare`` needed for a while does not count. All memory is given
        back.
        """
        try:
            return self._measure(prepare, work)
        except Exception as error:
            if not is_out_of_device_memory(error):
                raise
            forget_arrays_of(error)
            return None
        finally:
            gc.collect()
            self._pool.free_all_blocks()

    def _measure(self, prepare: Callable[[], Any], work: Callable[[Any], None]) -> int:
        import cupy

        with (
            cupy.cuda.Device(self._device.index),
            cupy.cuda.using_allocator(self._pool.malloc),
        ):
            prepared = prepare()
            self._pool.free_all_blocks()
            work(prepared)
            return self._pool.total_bytes()


def forget_arrays_of(error: BaseException) -> None:
    """Free what the functions that an error ended had in their variables."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
