"""How fast a large matrix product is: the limit that training is compared with."""

import time
from functools import partial

import numpy as np

from scratchgan.backend import Array, Device
from scratchgan.errors import DeviceError
from scratchgan.gpu.memory import available_memory
from scratchgan.gpu.timing import seconds_of
from scratchgan.kernels.products import product

CPU_SIZE = 1024
GPU_SIZES = 1024, 2048, 4096, 8192
LONG_SECONDS = 0.02
"""A product of this length fills any GPU; a larger one is no faster."""
WARM_UP_SECONDS = 0.1
"""A GPU at rest needs a while of work until its clock is high."""
REPEATS = 5


def product_gflops(device: Device) -> float:
    """Return the speed of a float32 matrix product, in 10⁹ operations a second.

    The best of five after a tenth of a second of products. A GPU is faster the larger
    they are, until they fill it; so they grow until one takes 20 ms or the next does
    not fit into memory. `allow_tf32` holds for them too.

    Raises
    ------
    DeviceError
        If a product is wrong: a broken BLAS is fast too.
    """
    sizes = GPU_SIZES if device.kind == "gpu" else (CPU_SIZE,)
    best = 0.0
    for n in sizes:
        if n > sizes[0] and 3 * 4 * n**2 > available_memory(device):
            break
        seconds = _product_seconds(device, n)
        best = max(best, 2 * n**3 / seconds / 1e9)
        if seconds > LONG_SECONDS:
            break
    return best


def _product_seconds(device: Device, n: int) -> float:
    """Return the least time of a product of n x n matrices."""
    a = device.put(np.full((n, n), 0.5, np.float32))
    check_product(product(a, a), device)
    multiply = partial(product, a, a)
    start = time.perf_counter()
    while time.perf_counter() - start < WARM_UP_SECONDS:
        seconds_of(multiply, device)
    return min(seconds_of(multiply, device) for _ in range(REPEATS))


def check_product(result: Array, device: Device) -> None:
    """Check a product of two n x n matrices of 0.5, which every precision has exactly.

    Raises
    ------
    DeviceError
        If an element is not n/4.
    """
    n = len(result)
    if not bool((result == n / 4).all()):
        raise DeviceError(
            f"a product of {n}x{n} matrices is wrong on {device}; reinstall NumPy or "
            "CuPy, or check the hardware"
        )
