"""Matrix products that overwrite or add: one cuBLAS call each."""

from functools import lru_cache

from scratchgan.backend import Array, get_array_module
from scratchgan.gpu import cublas
from scratchgan.kernels import counting
from scratchgan.kernels.launch import has_kernels

_tf32 = False


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
    (M, K), N = a.shape, b.shape[1]
    if (b.shape[0], *out.shape) != (K, M, N) or not a.dtype == b.dtype == out.dtype:
        raise ValueError(
            f"a {a.dtype} {a.shape} times b {b.dtype} {b.shape} does not give out "
            f"{out.dtype} {out.shape}"
        )
    cublas.gemm(
        a, _layout(a.shape, a.strides, a.itemsize),
        b, _layout(b.shape, b.strides, b.itemsize),
        out, _row_step(out.shape, out.strides, out.itemsize),
        add=add, tf32=_tf32,
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
