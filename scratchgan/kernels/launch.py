"""Starting CUDA kernels and counting what a step asks of the GPU."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scratchgan.backend import Array, get_array_module

FOLDER = Path(__file__).parent
FILES = ("common", "arrays", "activation", "norm", "strips", "adam", "losses")
"""Compiled together, once for each dtype; CuPy keeps the result on disk."""
THREADS = 256
"""In a block of an element-wise kernel. The sums in losses.cu count on it, too."""
MOST_ELEMENTS = 2**31 - 1
"""The kernels count elements in 32 bits."""

C_TYPES = {"f": "float", "d": "double"}

counts: Counter[str] = Counter()
"""Kernels by name, and ``product`` and ``fill``, since the program started."""


work: Counter[str] = Counter()
"""``bytes`` that kernels and products read and write, each array of each counted once,
and ``operations`` of products, two for a multiplication with its addition.
"""


def has_kernels(array: Array) -> bool:
    """Return whether the array lives where the kernels run."""
    return hasattr(get_array_module(array), "RawModule")


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
        Those of the arguments that are both read and written: they count twice.

    Raises
    ------
    TypeError
        If the dtype has no kernels.
    """
    cupy = get_array_module(like)
    kernel = _module(cupy, like.dtype.char, like.device.id).get_function(name)
    real = like.dtype.type
    packed = tuple(_pack(argument, real) for argument in arguments)
    grid = blocks if isinstance(blocks, tuple) else (blocks,)
    block = threads if isinstance(threads, tuple) else (threads,)
    kernel(grid, block, packed)
    counts[name] += 1
    work["bytes"] += sum(getattr(a, "nbytes", 0) for a in (*arguments, *in_place))


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
        counts["fill"] += 1
        work["bytes"] += array.nbytes
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


def _pack(argument: Any, real: type) -> Any:
    # As wide as the kernel's parameter: CUDA copies bytes and converts nothing.
    if argument is None:
        return np.uintp(0)  # a pointer
    if isinstance(argument, bool | int | np.integer):
        return np.int32(argument)
    if isinstance(argument, float | np.floating):
        return real(argument)
    return argument
