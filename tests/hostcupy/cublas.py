"""cuBLAS on NumPy: the functions of its C interface that products need.

As in cuBLAS a matrix lies in memory column by column, ``leading`` elements apart. The
arguments are checked as cuBLAS checks them, and beyond: every operand must lie inside
one allocation of device memory. A product is work of its handle's stream, so it waits
in a lazy stream, and a graph that captured it replays it.

Working memory is the handle's own, or what cublasSetWorkspace gave it:

- setting the stream takes the given one away again;
- it begins at a multiple of 256 bytes, and has to be there whenever a product runs,
  which overwrites some of it;
- a product captured without one gets two nodes of the graph, which allocate and free;
- a handle is neither made nor destroyed while anything is captured.

What is refused gives a status, as in C; the reason goes to stderr. Not the same as on a
GPU: the order of the additions, and so the last bits.
"""

import ctypes
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

VERSION = 120900
POINTERS_TO_DEVICE = 1  # CUBLAS_POINTER_MODE_DEVICE
TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH
WORKSPACE_ALIGNMENT = 256
OVERWRITTEN = 4096  # bytes of the workspace, at most
TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
TYPES = {0: np.dtype("f4"), 1: np.dtype("f8"), 2: np.dtype("f2")}  # cudaDataType
COMPUTE_TYPES = TYPES | {  # CuPy names some by the type of number, as older cuBLAS did
    64: np.dtype("f2"),
    65: np.dtype("f2"),
    68: np.dtype("f4"),
    69: np.dtype("f4"),
    70: np.dtype("f8"),
    71: np.dtype("f8"),
    TF32: np.dtype("f4"),
}


NOT_INITIALIZED, INVALID_VALUE, EXECUTION_FAILED = 1, 7, 13
INTERNAL_ERROR, NOT_SUPPORTED = 14, 15


class RefusedError(Exception):
    """A call that is answered by a status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Handle:
    """What cuBLAS keeps for its user."""

    stream: int = 0
    workspace: tuple[int, int] | None = None  # address and bytes; None for its own
    pointer_mode: int = 0
    math_mode: int = 0


@dataclass(frozen=True)
class Product:
    """A product that was computed: ``batch`` times m×k by k×n."""

    m: int
    n: int
    k: int
    batch: int
    dtype: str
    tf32: bool


products: Counter[Product] = Counter()


@dataclass(frozen=True)
class Matrix:
    """An operand: column-major, or a batch of such matrices ``stride`` apart."""

    name: str
    address: int
    dtype: np.dtype
    rows: int
    columns: int
    leading: int
    stride: int = 0
    batch: int = 1

    def check(self, runtime: ctypes.PyDLL) -> None:
        if self.leading < max(1, self.rows):
            raise RefusedError(
                INVALID_VALUE,
                f"got leading dimension {self.leading} of {self.name}, expected at "
                f"least its {self.rows} rows",
            )
        if not runtime.hostcupy_on_device(self.address, self.span):
            raise RefusedError(
                EXECUTION_FAILED,
                f"{self.name} of {self.span} bytes at {self.address:#x} is not inside "
                "one allocation of device memory",
            )

    @property
    def span(self) -> int:
        """Bytes from the first element to the end of the last."""
        if not self.rows or not self.columns:
            return 0
        last = (self.batch - 1) * self.stride + (self.columns - 1) * self.leading
        return (last + self.rows) * self.dtype.itemsize

    def transposed(self) -> np.ndarray:
        """Return a view of the memory as (batch, columns, rows)."""
        memory = (ctypes.c_char * max(1, self.span)).from_address(self.address)
        size = self.dtype.itemsize
        return np.ndarray(
            (self.batch, self.columns, self.rows),
            self.dtype,
            memory,
            strides=(self.stride * size, self.leading * size, size),
        )


def rounded_to_tf32(x: np.ndarray) -> np.ndarray:
    """Round to the 10 bits of mantissa that a tensor core reads; ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    kept = bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))
    return (kept & np.uint32(0xFFFFE000)).view(np.float32)


class Cublas:
    """All handles, and the functions that get one.

    Attributes
    ----------
    failing : dict of str to int
        Functions, by their names in C, that answer with a status and do nothing.
    """

    def __init__(self, runtime: ctypes.PyDLL) -> None:
        self._runtime = runtime
        self._handles: dict[int, Handle] = {}
        self._next_handle = 0x1000
        self.failing: dict[str, int] = {}

    def functions(self) -> dict[str, Callable[..., int]]:
        """Return the functions of C by name; each returns a status."""
        found = {
            "cublasCreate_v2": self.create,
            "cublasDestroy_v2": self.destroy,
            "cublasGetVersion_v2": lambda handle, out: _store(out, VERSION),
            "cublasSetStream_v2": self.set_stream,
            "cublasGetStream_v2": lambda handle, out: _store(out, handle.stream),
            "cublasSetWorkspace_v2": self.set_workspace,
            "cublasSetPointerMode_v2": _setter("pointer_mode"),
            "cublasGetPointerMode_v2": lambda h, out: _store(out, h.pointer_mode),
            "cublasSetMathMode": _setter("math_mode"),
            "cublasGetMathMode": lambda h, out: _store(out, h.math_mode),
            "cublasGemmEx": self.gemm_ex,
            "cublasGemmStridedBatchedEx": self.gemm_strided_batched_ex,
        }
        for letter, dtype in (("S", np.dtype("f4")), ("D", np.dtype("f8"))):
            typed = Typed(self, dtype)
            found |= {
                f"cublas{letter}gemm_v2": typed.gemm,
                f"cublas{letter}gemmStridedBatched": typed.gemm_strided_batched,
                f"cublas{letter}gemv_v2": typed.gemv,
                f"cublas{letter}dot_v2": typed.dot,
            }
        return {name: self._answering(name, f) for name, f in found.items()}

    def _answering(self, name: str, function: Callable) -> Callable[..., int]:
        """Return the function as C has it: handles are numbers, errors statuses."""

        def call(first: Any, *rest: Any) -> int:
            try:
                if name in self.failing:
                    raise RefusedError(self.failing[name], "as the test wants it")
                if name != "cublasCreate_v2":
                    if first not in self._handles:
                        raise RefusedError(
                            NOT_INITIALIZED, f"there is no handle {first}"
                        )
                    if name == "cublasDestroy_v2":
                        rest = (first,)
                    first = self._handles[first]
                function(first, *rest)
            except RefusedError as refused:
                print(f"{name}: {refused}", file=sys.stderr)  # noqa: T201
                return refused.status
            except Exception:
                traceback.print_exc()
                return INTERNAL_ERROR
            return 0

        return call

    def create(self, out):
        self._refuse_capture()
        self._handles[self._next_handle] = Handle()
        out[0] = self._next_handle
        self._next_handle += 1

    def destroy(self, handle, number):
        self._refuse_capture()
        del self._handles[number]

    def _refuse_capture(self):
        # Handles have memory, and to free it means to wait for the device.
        if self._runtime.hostcupy_break_capture():
            raise RefusedError(NOT_INITIALIZED, "a stream is being captured")

    def set_stream(self, handle, stream):
        handle.stream, handle.workspace = stream or 0, None

    def set_workspace(self, handle, address, size):
        if (address or 0) % WORKSPACE_ALIGNMENT:
            raise RefusedError(
                INVALID_VALUE,
                f"got a workspace at {address:#x}, expected a multiple of "
                f"{WORKSPACE_ALIGNMENT}",
            )
        if size and not self._runtime.hostcupy_on_device(address or 0, size):
            raise RefusedError(
                INVALID_VALUE, f"a workspace of {size} bytes is not in device memory"
            )
        handle.workspace = (address or 0, size)

    # fmt: off
    def gemm_ex(self, handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype,
                ldb, beta, C, Ctype, ldc, compute, algorithm):
        self.gemm_strided_batched_ex(
            handle, transa, transb, m, n, k, alpha, A, Atype, lda, 0, B, Btype, ldb, 0,
            beta, C, Ctype, ldc, 0, 1, compute, algorithm)

    def gemm_strided_batched_ex(self, handle, transa, transb, m, n, k, alpha, A, Atype,
                                lda, strideA, B, Btype, ldb, strideB, beta, C, Ctype,
                                ldc, strideC, batch, compute, algorithm):
        if compute not in COMPUTE_TYPES:
            raise RefusedError(
                NOT_SUPPORTED,
                f"got compute type {compute}, expected one of {sorted(COMPUTE_TYPES)}")
        a_shape = (m, k) if transa == 0 else (k, m)
        b_shape = (k, n) if transb == 0 else (n, k)
        self.multiply(
            handle, transa, transb, alpha, beta, COMPUTE_TYPES[compute],
            compute == TF32,
            Matrix("A", A, TYPES[Atype], *a_shape, lda, strideA, batch),
            Matrix("B", B, TYPES[Btype], *b_shape, ldb, strideB, batch),
            Matrix("C", C, TYPES[Ctype], m, n, ldc, strideC, batch))
    # fmt: on

    def multiply(self, handle, transa, transb, alpha, beta, compute, tf32, a, b, c):
        """C = alpha A B + beta C, as work of the handle's stream."""
        if not c.rows or not c.columns or not c.batch:
            return
        for operand in (a, b, c):
            operand.check(self._runtime)
        if c.batch > 1 and c.stride < c.leading * (c.columns - 1) + c.rows:
            raise RefusedError(
                INVALID_VALUE,
                f"got stride {c.stride} between results of {c.leading} × {c.columns}: "
                "they overlap",
            )
        on_device = handle.pointer_mode == POINTERS_TO_DEVICE
        for pointer in (alpha, beta):
            self.check_place(pointer, compute, on_device)
        alpha, beta = _scalar(alpha, compute), _scalar(beta, compute)
        if not on_device:  # then they are read when the call is made
            alpha, beta = alpha.copy(), beta.copy()
        k = a.columns if transa == 0 else a.rows
        product = Product(c.rows, c.columns, k, c.batch, c.dtype.name, tf32)
        accumulate = np.promote_types(compute, np.float32)

        def read(matrix, transpose):
            values = matrix.transposed().astype(accumulate, copy=False)
            values = rounded_to_tf32(values) if tf32 else values
            return values if transpose == 0 else values.swapaxes(1, 2)

        def run():
            products[product] += 1
            left, right, out = read(b, transb), read(a, transa), c.transposed()
            if alpha[0] == 1 and beta[0] == 0 and out.dtype == accumulate:
                np.matmul(left, right, out=out)
                return
            result = alpha[0] * np.matmul(left, right)
            # As in cuBLAS, C is not read for beta = 0 and may hold anything.
            out[...] = result if beta[0] == 0 else result + beta[0] * out

        self.submit(handle, run)

    def check_place(self, pointer, dtype, on_device):
        """Check that a scalar lies where the pointer mode says."""
        found = bool(self._runtime.hostcupy_on_device(pointer or 0, dtype.itemsize))
        if found != on_device:
            places = ("the host", "the device")
            raise RefusedError(
                INVALID_VALUE,
                f"got a scalar on {places[found]}, expected one on "
                f"{places[on_device]}, as cublasSetPointerMode said",
            )

    def check(self, *operands: Matrix) -> None:
        """Check that all lie in device memory."""
        for operand in operands:
            operand.check(self._runtime)

    def submit(self, handle: Handle, compute: Callable[[], None]) -> None:
        """Let the handle's stream do some work, in the workspace it has now."""
        workspace = handle.workspace
        if workspace is None:
            # Its own is not for graphs: they are to be launched side by side.
            self._runtime.hostcupy_memory_nodes(handle.stream, 2)

        def call():
            try:
                self._overwrite(*(workspace or (0, 0)))
                with np.errstate(all="ignore"):
                    compute()
            except Exception as error:
                return f"cuBLAS: {type(error).__name__}: {error}"
            return ""

        try:
            self._runtime.hostcupy_submit(handle.stream, call)
        except RuntimeError as error:
            raise RefusedError(EXECUTION_FAILED, str(error)) from None

    def _overwrite(self, address: int, size: int) -> None:
        if not size:
            return
        if not self._runtime.hostcupy_on_device(address, size):
            raise RuntimeError("the workspace is gone")
        ctypes.memset(address, 0xFF, min(size, OVERWRITTEN))


class Typed:
    """The functions of which cuBLAS has one for each type of number."""

    def __init__(self, cublas: Cublas, dtype: np.dtype) -> None:
        self._cublas = cublas
        self._dtype = dtype
        self._number = {"f4": 0, "f8": 1}[dtype.str[1:]]

    # fmt: off
    def gemm(self, handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C,
             ldc):
        self.gemm_strided_batched(handle, transa, transb, m, n, k, alpha, A, lda, 0, B,
                                  ldb, 0, beta, C, ldc, 0, 1)

    def gemm_strided_batched(self, handle, transa, transb, m, n, k, alpha, A, lda,
                             strideA, B, ldb, strideB, beta, C, ldc, strideC, batch):
        fast = self._number == 0 and handle.math_mode == TF32_MATH
        compute, number = TF32 if fast else (68, 70)[self._number], self._number
        self._cublas.gemm_strided_batched_ex(
            handle, transa, transb, m, n, k, alpha, A, number, lda, strideA, B,
            number, ldb, strideB, beta, C, number, ldc, strideC, batch, compute, -1)

    def gemv(self, handle, trans, m, n, alpha, A, lda, x, incx, beta, y, incy):
        # As matrices of one row, vectors may have steps between their elements:
        # y = op(A) x is yᵀ = xᵀ op(A)ᵀ.
        rows, k = (m, n) if trans == 0 else (n, m)
        self._cublas.multiply(
            handle, 0, int(trans == 0), alpha, beta, self._dtype, False,
            Matrix("x", x, self._dtype, 1, k, incx),
            Matrix("A", A, self._dtype, m, n, lda),
            Matrix("y", y, self._dtype, 1, rows, incy))
    # fmt: on

    def dot(self, handle, n, x, incx, y, incy, result):
        left = Matrix("x", x, self._dtype, 1, n, incx)
        right = Matrix("y", y, self._dtype, 1, n, incy)
        self._cublas.check(left, right)
        on_device = handle.pointer_mode == POINTERS_TO_DEVICE
        self._cublas.check_place(result, self._dtype, on_device)

        def compute():
            products[Product(1, 1, n, 1, self._dtype.name, False)] += 1
            value = left.transposed()[0, :, 0] @ right.transposed()[0, :, 0]
            _scalar(result, self._dtype)[0] = value

        self._cublas.submit(handle, compute)


def _store(out, value):
    out[0] = value


def _setter(name):
    return lambda handle, value: setattr(handle, name, value)


def _scalar(address, dtype):
    memory = (ctypes.c_char * dtype.itemsize).from_address(address)
    return np.ndarray(1, dtype, memory)
