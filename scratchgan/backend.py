"""Where arrays live: on the processor or on a GPU, and whether that can be used.

Layers never ask for a device. They write operators and methods (``x @ w``,
``x.sum()``), which work on both kinds of array, and where a module function is
needed they take the module from the array: ``xp = get_array_module(x)``.
"""

import contextlib
import ctypes
import importlib.metadata
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from scratchgan.errors import DeviceError

Array = Any
"""A ``numpy.ndarray`` or a ``cupy.ndarray``."""

DEFAULT_WHEEL = "cupy-cuda12x"
CUDA_ERROR_INSUFFICIENT_DRIVER = 35
CUDA_ERROR_NO_DEVICE = 100


def get_array_module(*arrays: Array) -> Any:
    """Return the module, ``numpy`` or ``cupy``, that the arrays belong to.

    CuPy is looked up among the modules already imported: as long as nobody imported
    it no array can live on a GPU, so users of a CPU never pay for it.
    """
    kind = type(
        arrays[0]
    )  # the usual ones first: this is asked hundreds of times a step
    if kind is np.ndarray:
        return np
    cupy = sys.modules.get("cupy")
    if cupy is None:
        return np
    if kind is getattr(cupy, "ndarray", None):
        return cupy
    return cupy.get_array_module(*arrays)


transfers: Counter[str] = Counter()
"""Copies ``to_device`` and ``to_host``, and their bytes, since the program started."""


def to_host(array: Array) -> np.ndarray:
    """Return the array as a NumPy array, copied from the GPU if it lives there.

    That waits until the GPU has computed it.
    """
    if not hasattr(array, "get"):
        return np.asarray(array)
    count_transfer("to_host", array.nbytes)
    return array.get()


def copy_to_device(array: Array, values: np.ndarray) -> None:
    """Give a dense array on a GPU new values of its shape and dtype."""
    count_transfer("to_device", values.nbytes)
    order = memory_order(array)  # CuPy copies to arrays in C order only
    array.transpose(order).set(np.ascontiguousarray(values.transpose(order)))


def memory_order(array: Array) -> tuple[int, ...]:
    """Return the axes from the one of the largest steps in memory to the smallest."""
    return order_of(array.strides)


@lru_cache(maxsize=1 << 12)
def order_of(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the `memory_order` of an array with these strides."""
    return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))


@lru_cache(maxsize=256)
def inverse_order(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order of axes that undoes another.

    Examples
    --------
    >>> inverse_order((2, 0, 1))
    (1, 2, 0)
    """
    return tuple(order.index(axis) for axis in range(len(order)))


def count_transfer(direction: str, size: int) -> None:
    """Count a copy ``to_device`` or ``to_host`` of so many bytes."""
    transfers[direction] += 1
    transfers[f"{direction}_bytes"] += size


@dataclass(frozen=True)
class Device:
    """A place for arrays: the processor, or one GPU.

    Attributes
    ----------
    kind : {"cpu", "gpu"}
        What computes.
    index : int, default=0
        Number of the GPU, as ``nvidia-smi`` counts; 0 for the CPU.
    """

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"gpu:{self.index}"

    def use(self) -> "Device":
        """Make it the device on which new arrays are made, and return self."""
        if self.kind == "gpu":
            import cupy

            cupy.cuda.Device(self.index).use()
        return self

    def put(self, array: Array) -> Array:
        """Return the array on this device; no copy if it is there already.

        Its elements keep their order in memory, on which convolutions depend: CuPy
        alone would make any that is not Fortran's into C order.
        """
        if self.kind == "cpu":
            return to_host(array)
        import cupy

        order = memory_order(array)
        if isinstance(array, np.ndarray):
            count_transfer("to_device", array.nbytes)
        with cupy.cuda.Device(self.index):
            in_order = cupy.asarray(array.transpose(order))
        return in_order.transpose(inverse_order(order))

    def stream(self) -> contextlib.AbstractContextManager:
        """Return a context whose work is queued on a stream of its own, on a GPU."""
        if self.kind == "cpu":
            return contextlib.nullcontext()
        import cupy

        with cupy.cuda.Device(self.index):
            return cupy.cuda.Stream()

    def details(self) -> dict[str, Any]:
        """Return what a GPU says of itself: name, memory, driver, CUDA; {} for a CPU.

        Memory in bytes; versions as in ``"12.9"``.
        """
        if self.kind == "cpu":
            return {}
        import cupy

        runtime = cupy.cuda.runtime
        properties = runtime.getDeviceProperties(self.index)
        with cupy.cuda.Device(self.index):
            free, total = runtime.memGetInfo()
        return {
            "name": properties["name"].decode(),
            "compute_capability": f"{properties['major']}.{properties['minor']}",
            "memory_bytes": total,
            "free_bytes": free,
            "driver_cuda": _cuda_version(runtime.driverGetVersion()),
            "runtime_cuda": _cuda_version(runtime.runtimeGetVersion()),
            "cupy": cupy.__version__,
        }


CPU = Device("cpu")


@dataclass(frozen=True)
class GpuStatus:
    """What looking for a usable GPU found.

    Attributes
    ----------
    usable : bool
        Whether arrays can live there and kernels run.
    case : str
        One word for the finding, ``"ok"`` or the reason against.
    message : str
        The finding and its remedy as one sentence; empty when usable.
    """

    usable: bool
    case: str
    message: str


def resolve_device(request: str) -> Device:
    """Turn ``auto``, ``cpu``, ``gpu``, ``gpu:N``, ``cuda`` or ``cuda:N`` into a device.

    ``auto`` takes the first GPU that passes a self-test and the CPU otherwise.

    Raises
    ------
    DeviceError
        If the request is none of these, or a GPU was asked for and cannot be used;
        the message names the case and the remedy.
    """
    match = re.fullmatch(r"(auto|cpu)|(?:gpu|cuda)(?::(\d+))?", request)
    if not match:
        raise DeviceError(
            f"device {request!r} is not known; use auto, cpu, gpu or gpu:N "
            "(N counts from 0)"
        )
    if match.group(1) == "cpu":
        return CPU
    index = int(match.group(2) or 0)
    status = gpu_status(index)
    if status.usable:
        return Device("gpu", index).use()
    if match.group(1) == "auto":
        return CPU
    raise DeviceError(f"device {request} cannot be used: {status.message}")


def has_nvidia_driver() -> bool:
    """Return whether NVIDIA's driver is installed; asks for no CuPy."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def gpu_status(index: int = 0) -> GpuStatus:
    """Look for a usable GPU, step by step, and say what is in the way.

    Importing CuPy works without a driver, so an import proves nothing: one kernel and
    one matrix product are run, and where they fail the libraries they need are looked
    for.
    """
    try:
        import cupy
    except ImportError as error:
        if error.name == "cupy":
            driver = "" if has_nvidia_driver() else "; there is no NVIDIA driver either"
            return GpuStatus(
                False,
                "not-installed",
                f"CuPy is not installed; run {_install_command()}{driver}",
            )
        return GpuStatus(
            False,
            "broken-install",
            f"CuPy is installed but does not import ({error}); "
            f"reinstall it with {_install_command()}",
        )
    problem = _driver_problem(cupy, index) or _self_test_problem(cupy, index)
    if problem and problem.case == "self-test":
        # A missing library shows only when something needs it, in CuPy's words.
        problem = _library_problem() or problem
    return problem or GpuStatus(True, "ok", "")


def _install_command() -> str:
    """Return the command that installs CuPy with its libraries, as the wheel there is.

    Two wheels of CuPy in one environment do not work.
    """
    wheels = (f"cupy-cuda{major}x" for major in (11, 12, 13))
    installed = [wheel for wheel in wheels if _is_installed(wheel)]
    return f'pip install "{(installed or [DEFAULT_WHEEL])[0]}[ctk]"'


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _driver_problem(cupy: Any, index: int) -> GpuStatus | None:
    runtime = cupy.cuda.runtime
    no_device = (
        "the NVIDIA driver reports no GPU; check nvidia-smi and, if it is set, the "
        "variable CUDA_VISIBLE_DEVICES"
    )
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if error.status == CUDA_ERROR_INSUFFICIENT_DRIVER:
            # CUDA gives one status for "no driver" and "driver too old".
            version = runtime.driverGetVersion()
            if version == 0:
                return GpuStatus(
                    False,
                    "no-driver",
                    "no NVIDIA driver is loaded; install one and check it with "
                    "nvidia-smi, or use --device cpu",
                )
            needed = runtime.runtimeGetVersion() // 1000
            return GpuStatus(
                False,
                "old-driver",
                f"the NVIDIA driver supports CUDA {_cuda_version(version)} and this "
                f"CuPy needs CUDA {needed}.0 or newer; update the driver",
            )
        if error.status == CUDA_ERROR_NO_DEVICE:
            return GpuStatus(False, "no-device", no_device)
        return GpuStatus(False, "cuda-error", f"CUDA answers: {error}")
    if count == 0:
        return GpuStatus(False, "no-device", no_device)
    if index >= count:
        return GpuStatus(
            False,
            "no-such-device",
            f"there is no GPU {index}; this machine has GPU 0 to {count - 1}",
        )
    return None


def _library_problem() -> GpuStatus | None:
    import importlib

    missing = []
    for library in ("nvrtc", "cublas"):
        try:
            module = importlib.import_module(f"cupy_backends.cuda.libs.{library}")
            if library == "nvrtc":
                module.getVersion()
        except (ImportError, RuntimeError):
            missing.append(library)
    try:
        from cuda import pathfinder
    except ImportError:  # older CuPy looks for the headers by itself
        pass
    else:
        if pathfinder.find_nvidia_header_directory("cudart") is None:
            missing.append("CUDA headers")
    if not missing:
        return None
    return GpuStatus(
        False,
        "missing-libraries",
        f"CUDA libraries are missing ({', '.join(missing)}); run {_install_command()}",
    )


def _self_test_problem(cupy: Any, index: int) -> GpuStatus | None:
    try:
        with cupy.cuda.Device(index):
            x = cupy.arange(8, dtype=cupy.float32)
            doubled = float((x * 2).sum())
            product = float((x.reshape(1, 8) @ x.reshape(8, 1))[0, 0])
    except Exception as error:
        # Whatever goes wrong here, the GPU cannot be used; the reason is for the user.
        return GpuStatus(
            False, "self-test", f"its self-test failed: {type(error).__name__}: {error}"
        )
    if (doubled, product) != (56.0, 140.0):
        return GpuStatus(
            False,
            "wrong-answers",
            f"its self-test gave {doubled} and {product} for 56 and 140",
        )
    return None


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
