"""Matrix products by cuBLAS that a CUDA graph can record.

CuPy's own binding refuses every call while a stream is captured, though cuBLAS allows
it. So the library that CuPy has loaded is called through ctypes, on handles of our own:
one for each stream, with working memory that stays where it is. Without that, a product
in a graph would allocate and free memory whenever the graph runs.
"""

import ctypes
import sys
import weakref
from ctypes import c_int, c_size_t, c_void_p
from functools import cache
from typing import Any

import numpy as np

from scratchgan.backend import Array
from scratchgan.errors import DeviceError

STATUS_NAMES = {
    1: "NOT_INITIALIZED",
    3: "ALLOC_FAILED",
    7: "INVALID_VALUE",
    8: "ARCH_MISMATCH",
    11: "MAPPING_ERROR",
    13: "EXECUTION_FAILED",
    14: "INTERNAL_ERROR",
    15: "NOT_SUPPORTED",
    16: "LICENSE_ERROR",
}
ALLOC_FAILED = 3

# cuBLAS's numbers for the dtypes, and for what products are computed in.
_CUDA_TYPE = {"f": 0, "d": 1}
_COMPUTE_32F, _COMPUTE_64F, _COMPUTE_32F_FAST_TF32 = 68, 70, 77
_DEFAULT_ALGORITHM = -1

# The factors in front of the product and of what is there already, in host memory.
_ONE = {char: np.ones(1, char) for char in _CUDA_TYPE}
_ZERO = {char: np.zeros(1, char) for char in _CUDA_TYPE}
_ONE_AT = {char: array.ctypes.data for char, array in _ONE.items()}
_ZERO_AT = {char: array.ctypes.data for char, array in _ZERO.items()}

_SIGNATURES = {
    "cublasCreate_v2": (ctypes.POINTER(c_void_p),),
    "cublasDestroy_v2": (c_void_p,),
    "cublasSetStream_v2": (c_void_p, c_void_p),
    "cublasSetWorkspace_v2": (c_void_p, c_void_p, c_size_t),
    "cublasGemmEx": (
        *(c_void_p, c_int, c_int, c_int, c_int, c_int),  # handle, op, op, m, n, k
        *(c_void_p, c_void_p, c_int, c_int),  # alpha, A, type, rows apart
        *(c_void_p, c_int, c_int),  # B, type, rows apart
        *(c_void_p, c_void_p, c_int, c_int),  # beta, C, type, rows apart
        *(c_int, c_int),  # compute type, algorithm
    ),
}


class CublasError(DeviceError):
    """A call that cuBLAS refused.

    Attributes
    ----------
    status : int
        Its answer, see `STATUS_NAMES`.
    """

    def __init__(self, function: str, status: int) -> None:
        name = STATUS_NAMES.get(status, str(status))
        super().__init__(
            f"cuBLAS answers CUBLAS_STATUS_{name} to {function}; "
            "scratchgan doctor --device gpu says whether the GPU works at all"
        )
        self.status = status


@cache
def library() -> ctypes.CDLL:
    """Return the cuBLAS that CuPy has loaded.

    A library with that name is in the process then, and its name finds it, wherever it
    came from.

    Raises
    ------
    DeviceError
        If there is none of that name.
    """
    import cupy

    cupy.cuda.cublas  # noqa: B018  loads it
    major = cupy.cuda.runtime.runtimeGetVersion() // 1000
    windows = sys.platform == "win32"
    name = f"cublas64_{major}.dll" if windows else f"libcublas.so.{major}"
    try:
        found = ctypes.CDLL(name)
    except OSError as error:
        found = _library_of_pathfinder()
        if found is None:
            raise DeviceError(
                f"CuPy has not loaded cuBLAS as {name} ({error}); "
                "scratchgan doctor --device gpu says what is missing"
            ) from None
    for function, arguments in _SIGNATURES.items():
        getattr(found, function).argtypes = arguments
    return found


def _library_of_pathfinder() -> ctypes.CDLL | None:
    """Return the cuBLAS that NVIDIA's own search finds, CuPy's from version 14 on."""
    try:
        from cuda import pathfinder

        path = pathfinder.load_nvidia_dynamic_lib("cublas").abs_path
        return ctypes.CDLL(path)
    except (ImportError, RuntimeError, OSError):
        return None


def workspace_bytes(capability: str) -> int:
    """Return the working memory that NVIDIA advises, more from Hopper on.

    Parameters
    ----------
    capability : str
        The GPU's compute capability without the point.

    Examples
    --------
    >>> [workspace_bytes(capability) >> 20 for capability in ("75", "90", "120")]
    [4, 32, 32]
    """
    return (32 if int(capability) >= 90 else 4) << 20


class Handle:
    """A handle of cuBLAS for one stream of the current device, and its workspace.

    Parameters
    ----------
    stream : cupy.cuda.Stream
        Must not be captured: a handle cannot be made then.
    """

    def __init__(self, stream: Any) -> None:
        import cupy

        size = workspace_bytes(cupy.cuda.Device().compute_capability)
        # CUDA's own memory, not a pool's: a graph keeps its address for good.
        self._workspace = cupy.cuda.Memory(size)
        made = c_void_p()
        _call("cublasCreate_v2", ctypes.byref(made))
        self.number = made.value
        weakref.finalize(self, library().cublasDestroy_v2, made)
        # Setting the stream takes the workspace away, so it comes first.
        _call("cublasSetStream_v2", made, stream.ptr)
        _call("cublasSetWorkspace_v2", made, self._workspace.ptr, size)


_handles: weakref.WeakKeyDictionary[Any, dict[int, Handle]]
_handles = weakref.WeakKeyDictionary()


def current_handle() -> Handle:
    """Return the handle for the current stream of the current device.

    It is made at the first call, lives as long as the stream, and is for one thread.
    """
    import cupy

    stream = cupy.cuda.get_current_stream()
    device = cupy.cuda.runtime.getDevice()
    of_stream = _handles.setdefault(stream, {})  # the default one is every device's
    if device not in of_stream:
        of_stream[device] = Handle(stream)
    return of_stream[device]


def gemm(
    a: Array,
    a_layout: tuple[int, int],
    b: Array,
    b_layout: tuple[int, int],
    out: Array,
    out_step: int,
    *,
    add: bool,
    tf32: bool,
) -> None:
    """Set ``out`` to a·b, or add a·b to it, as work of the current stream.

    Parameters
    ----------
    a, b : array of shape (M, K), (K, N)
        Both float32 or both float64.
    a_layout, b_layout : (int, int)
        Whether it is stored transposed, and elements from one stored row to the next.
    out : array of shape (M, N)
        Rows contiguous, not transposed.
    out_step : int
        Elements from one row to the next.
    add : bool
        Whether to add.
    tf32 : bool
        Whether factors of float32 may be rounded to 10 bits.

    Raises
    ------
    CublasError
        If cuBLAS refuses.
    """
    char = out.dtype.char
    kind, compute = _CUDA_TYPE[char], _COMPUTE_64F
    if char == "f":
        compute = _COMPUTE_32F_FAST_TF32 if tf32 else _COMPUTE_32F
    # cuBLAS counts along columns first: to it every array here is its own transpose,
    # and so it is asked for outᵀ = bᵀ·aᵀ.
    status = library().cublasGemmEx(
        current_handle().number,
        b_layout[0], a_layout[0], out.shape[1], out.shape[0], a.shape[1],
        _ONE_AT[char], b.data.ptr, kind, b_layout[1], a.data.ptr, kind, a_layout[1],
        _ONE_AT[char] if add else _ZERO_AT[char], out.data.ptr, kind, out_step,
        compute, _DEFAULT_ALGORITHM,
    )  # fmt: skip
    if status:
        raise CublasError("cublasGemmEx", status)


def _call(function: str, *arguments: Any) -> None:
    if status := getattr(library(), function)(*arguments):
        raise CublasError(function, status)
