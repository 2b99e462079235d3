"""What ``scratchgan doctor`` finds: the machine as far as training depends on it."""

import importlib.metadata
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from scratchgan import __version__
from scratchgan.backend import CPU, Device, gpu_status, to_host
from scratchgan.bench.product_speed import product_gflops
from scratchgan.errors import DeviceError
from scratchgan.functional.conv.primitives import DEFAULT_IMPL
from scratchgan.gradcheck import check_layers
from scratchgan.kernels.products import allow_tf32
from scratchgan.machine import usable_cores
from scratchgan.nn import Tanh

LIBRARIES = ("numpy", "h5py", "pillow", "click", "tqdm", "threadpoolctl")


def examine(device: Device, data_dir: Path) -> dict[str, Any]:
    """Return what was found, by name, as JSON values.

    Parameters
    ----------
    device : Device
        Where to run the product besides the CPU, if it is a GPU.
    data_dir : Path
        Whose disk is looked at; it need not exist.
    """
    status = gpu_status(device.index)
    found = {
        "scratchgan": __version__,
        "python": f"{platform.python_version()} ({platform.platform()})",
        "libraries": {n: importlib.metadata.version(n) for n in LIBRARIES},
        "cores": usable_cores(),
        "blas": blas_libraries(),
        "cpu_gflops": round(product_gflops(CPU), 1),
        "memory_gib": memory_gib(),
        "disk_free_gib": round(disk_free(data_dir) / 2**30, 1),
        "gpu": "usable" if status.usable else status.message,
        "gpu_case": status.case,
    }
    if device.kind == "gpu":
        found["gpu_details"] = device.details()
        found["gpu_gflops"] = gpu_product_gflops(device)
        found["gpu_kernel_error"] = kernel_error(device)
        found["gpu_gradients"] = gradients_on(device)
    return found


def kernel_error(device: Device) -> float:
    """Return how far a kernel's results on a GPU are from NumPy's, at most.

    Raises
    ------
    DeviceError
        If it is more than rounding.
    """
    x = np.linspace(-3, 3, 10_001, dtype=np.float32)
    y, _ = Tanh().forward(device.put(x))
    error = float(np.abs(to_host(y) - np.tanh(x)).max())
    if not error <= 1e-6:
        raise DeviceError(f"a kernel is wrong on {device}, by {error:.1e}")
    return error


def gradients_on(device: Device) -> str:
    """Check every layer's gradients on a GPU, as training uses the layers.

    Raises
    ------
    DeviceError
        If one is wrong; names it.
    """
    count = 0
    start = time.perf_counter()
    for row in check_layers(device, impls=(DEFAULT_IMPL,)):
        count += 1
        if not row.passed:
            raise DeviceError(
                f"the gradient {row.parameter} of {row.layer} is wrong on {device}: "
                f"{row.reason or f'relative error {row.error:.1e}'}"
            )
    seconds = time.perf_counter() - start
    return f"all {count} agree with numeric ones ({seconds:.1f} s)"


def blas_libraries() -> list[str]:
    """Return each loaded BLAS: its name, version, kernel and number of threads."""
    return [
        f"{info['internal_api']} {info['version']} "
        f"({info.get('architecture', 'unknown kernel')}, {info['num_threads']} threads)"
        for info in threadpoolctl.threadpool_info()
        if info["user_api"] == "blas"
    ]


def gpu_product_gflops(device: Device) -> dict[str, float]:
    """Return the speed of a GPU's products by precision, in 10⁹ operations a second."""
    speeds = {}
    try:
        for precision in ("float32", "TF32"):
            allow_tf32(precision == "TF32")
            speeds[precision] = round(product_gflops(device), 1)
    finally:
        allow_tf32(False)
    return speeds


def memory_gib() -> float | None:
    """Return the machine's memory in GiB, or None where the system does not say."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    return round(size / 2**30, 1)


def disk_free(folder: Path) -> int:
    """Return the free bytes of the disk that holds, or will hold, a folder."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
