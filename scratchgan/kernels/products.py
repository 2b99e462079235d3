"""Matrix products that overwrite or add: one cuBLAS call each."""

from functools import lru_cache

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels import counting
from scratchgan.kernels.launch import has_kernels

_tf32 = False

# cuBLAS's numbers for the dtypes and for what products are computed in.
_CUDA_TYPE = {"f": 0, "d": 1}
_COMPUTE_32F, _COMPUTE_64F, _COMPUTE_32F_FAST_TF32 = 68, 70, 77
_DEFAULT_ALGORITHM = -1

# The factors of a·b and of out, by dtype, in memory of the host that stays.
_ONE = {char: np.ones(1, char) for char in "fd"}
_ZERO = {char: np.zeros(1, char) for char in "fd"}
_ONE_AT = {char: array.ctypes.data for char, array in _ONE.items()}
_ZERO_AT = {char: array.ctypes.data for char, array in _ZERO.items()}


def allow_tf32(allowed: bool) -> None:
    """Let float32 products round their factors to 10 bits from now on, or not.

    NVIDIA GPUs from Ampere on have far faster units for that.
    """
    global _tf32
    _tf32 = allowed


def multiply(a: Array, b: Array, out: Array, *, add: bool = False) -> None:
    """Set ``out`` to a·b, or add a·b to it.

    Rows of ``a`` and ``b`` may lie apart in memory, and each may be a transpose.

    Parameters
    ----------
    a : array of shape (M, K)
    b : array of shape (K, N)
    out : array of shape (M, N)
        Rows contiguous.
    add : bool, default=False
        Whether to add.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit each other, or an array has neither contiguous
        rows nor contiguous columns.
    """
    if not has_kernels(out):
        if add:
            out += a @ b
        else:
            get_array_module(out).matmul(a, b, out=out)
        return
    cupy = get_array_module(out)
    cublas = cupy.cuda.cublas
    (M, K), N = a.shape, b.shape[1]
    if (b.shape[0], *out.shape) != (K, M, N) or not a.dtype == b.dtype == out.dtype:
        raise ValueError(
            f"a {a.dtype} {a.shape} times b {b.dtype} {b.shape} does not give out "
            f"{out.dtype} {out.shape}"
        )
    # cuBLAS counts along columns first: to it every array here is its own transpose,
    # and so it is asked for outᵀ = bᵀ·aᵀ.
    b_transposed, ldb = _layout(b.shape, b.strides, b.itemsize)
    a_transposed, lda = _layout(a.shape, a.strides, a.itemsize)
    char = out.dtype.char
    kind = _CUDA_TYPE[char]
    beta = _ONE_AT[char] if add else _ZERO_AT[char]  # out = 1·a·b + beta·out
    compute = _COMPUTE_64F
    if char == "f":
        compute = _COMPUTE_32F_FAST_TF32 if _tf32 else _COMPUTE_32F
    cublas.gemmEx(
        cupy.cuda.get_cublas_handle(),
        b_transposed, a_transposed, N, M, K,
        _ONE_AT[char], b.data.ptr, kind, ldb, a.data.ptr, kind, lda,
        beta, out.data.ptr, kind, _row_step(out.shape, out.strides, out.itemsize),
        compute, _DEFAULT_ALGORITHM,
    )  # fmt: skip
    if counting.active:
        arrays = (a, b, out, out) if add else (a, b, out)
        counting.active.add("product", *arrays, operations=2 * M * N * K)


@lru_cache(maxsize=1 << 10)
def _layout(
    shape: tuple[int, int], strides: tuple[int, int], itemsize: int
) -> tuple[int, int]:
    """Return (whether x is stored transposed, elements from one stored row on)."""
    rows, columns = shape
    step_rows, step_columns = (stride // itemsize for stride in strides)
    # Strides of an axis of one element mean nothing, so such a one fits either way.
    if columns == 1 or step_columns == 1:
        return 0, max(columns, step_rows if rows > 1 else 1)
    if rows == 1 or step_rows == 1:
        return 1, max(rows, step_columns)
    raise ValueError(
        f"a matrix of shape {shape} with strides {strides}: neither its rows nor "
        "its columns are contiguous; copy it first"
    )


@lru_cache(maxsize=1 << 10)
def _row_step(shape: tuple[int, int], strides: tuple[int, int], itemsize: int) -> int:
    # The result has no flag for being transposed, unlike the factors.
    transposed, step = _layout(shape, strides, itemsize)
    if transposed and shape[0] > 1:
        raise ValueError(f"out of shape {shape} must have contiguous rows")
    return max(step, shape[1])


def product(a: Array, b: Array) -> Array:
    """Return a·b as a new array, of shape (M, N)."""
    if not has_kernels(a):
        return a @ b
    out = get_array_module(a).empty((a.shape[0], b.shape[1]), a.dtype)
    multiply(a, b, out)
    return out
