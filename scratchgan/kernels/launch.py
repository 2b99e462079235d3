"""Starting CUDA kernels.

A step starts some two hundred, and a GPU is done with most of them in microseconds. So
what is the same from launch to launch is made once: functions, and the numbers among
the arguments.
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels import counting

FOLDER = Path(__file__).parent
FILES = ("common", "arrays", "activation", "norm", "strips", "adam", "losses")
"""Compiled together, once for each dtype; CuPy keeps the result on disk."""
THREADS = 256
"""In a block of an element-wise kernel. The sums in losses.cu count on it, too."""
MOST_ELEMENTS = 2**31 - 1
"""The kernels count elements in 32 bits."""

C_TYPES = {"f": "float", "d": "double"}


def has_kernels(array: Array) -> bool:
    """Return whether the array lives where the kernels run."""
    kind = type(array)
    if kind not in _has_kernels:
        _has_kernels[kind] = hasattr(get_array_module(array), "RawModule")
    return _has_kernels[kind]


_has_kernels: dict[type, bool] = {}
"""By type of array."""


def launch(
    name: str,
    like: Array,
    blocks: int | tuple[int, ...],
    threads: int | tuple[int, ...],
    *arguments: Any,
    in_place: tuple[Array, ...] = (),
) -> None:
    """Start a kernel on the current stream.

    Parameters
    ----------
    name : str
        Of the kernel, in one of `FILES`.
    like : array
        Its dtype is the kernels' ``real``, its device where they run.
    blocks, threads : int or tuple of int
        Number of blocks, and of threads in a block; by axis, if there are several.
    *arguments : array, int, float or None
        In the kernel's order; int is passed as ``int``, float as ``real``, None as a
        null pointer.
    in_place : tuple of array
        Those of the arguments that are both read and written; see `counting`.

    Raises
    ------
    TypeError
        If the dtype has no kernels.
    """
    char, device = like.dtype.char, like.data.device_id
    kernel = _functions.get((name, char, device))
    if kernel is None:
        module = _module(get_array_module(like), char, device)
        kernel = _functions[name, char, device] = module.get_function(name).kernel
    scalars = _SCALARS[char]
    packed = [
        scalars[type(argument)](argument) if type(argument) in scalars else argument
        for argument in arguments
    ]
    grid = blocks if type(blocks) is tuple else (blocks,)
    block = threads if type(threads) is tuple else (threads,)
    kernel(grid, block, packed)
    if counting.active:
        counting.active.add(name, *arguments, *in_place)


def launch_each(
    name: str,
    like: Array,
    count: int,
    *arguments: Any,
    in_place: tuple[Array, ...] = (),
) -> None:
    """Start an element-wise kernel: one thread for each of ``count`` elements.

    The count is appended to the arguments.

    Raises
    ------
    ValueError
        If there are more elements than the kernels can count.
    """
    if count > MOST_ELEMENTS:
        raise ValueError(
            f"{name}: an array of {count:,} elements, at most {MOST_ELEMENTS:,} fit "
            "the kernels' counters; use a smaller batch"
        )
    if count:  # CUDA refuses a grid without blocks
        blocks = -(-count // THREADS)  # the last may have threads to spare
        launch(name, like, blocks, THREADS, *arguments, count, in_place=in_place)


def fill_zero(array: Array) -> None:
    """Set a contiguous array to zero, on a GPU without a kernel."""
    if has_kernels(array):
        array.data.memset_async(0, array.nbytes)
        if counting.active:
            counting.active.add("fill", array)
    else:
        array[...] = 0


def source() -> str:
    """Return the CUDA text of all kernels."""
    return "\n".join(
        (FOLDER / f"{name}.cu").read_text(encoding="utf-8") for name in FILES
    )


@cache  # made once for a dtype and a device
def _module(cupy: Any, char: str, device: int) -> Any:
    try:
        real = C_TYPES[char]
    except KeyError:
        raise TypeError(
            f"kernels are for float32 and float64, not {np.dtype(char)}"
        ) from None
    return cupy.RawModule(code=source(), options=(f"-Dreal={real}",))


_functions: dict[tuple[str, str, int], Any] = {}
"""Kernels that were started before, by name, dtype and device."""


# As wide as the kernel's parameter: CUDA copies bytes and converts nothing.
_int = lru_cache(maxsize=1 << 12)(np.int32)
_NULL = np.uintp(0)
_INTEGERS = int, bool, np.int32, np.int64, np.intp
_SCALARS = {
    char: {
        **dict.fromkeys(_INTEGERS, _int),
        **dict.fromkeys((float, np.float32, np.float64), lru_cache(maxsize=256)(real)),
        type(None): lambda _: _NULL,  # a pointer
    }
    for char, real in (("f", np.float32), ("d", np.float64))
}
"""By dtype, and type of an argument, what makes it the scalar that is passed."""
