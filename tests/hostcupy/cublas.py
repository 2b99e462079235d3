"""cuBLAS on NumPy: the calls that CuPy's products of matrices and vectors make.

As in cuBLAS a matrix lies in memory column by column, ``leading`` elements apart. The
arguments are checked as cuBLAS checks them, and beyond: every operand must lie inside
one allocation of device memory. A product is work of the current stream, so it waits
in a lazy stream, and a graph that captured it replays it.

Not the same as on a GPU: the order of the additions, and so the last bits.
"""

import ctypes
import sys
from collections import Counter
from dataclasses import dataclass
from types import ModuleType

import numpy as np

NAME = "cupy_backends.cuda.libs.cublas"
CONSTANTS = {
    "CUBLAS_OP_N": 0,
    "CUBLAS_OP_T": 1,
    "CUBLAS_OP_C": 2,
    "CUBLAS_POINTER_MODE_HOST": 0,
    "CUBLAS_POINTER_MODE_DEVICE": 1,
    "CUBLAS_DEFAULT_MATH": 0,
    "CUBLAS_TENSOR_OP_MATH": 1,
    "CUBLAS_PEDANTIC_MATH": 2,
    "CUBLAS_TF32_TENSOR_OP_MATH": 3,
    "CUBLAS_GEMM_DEFAULT": -1,
    "CUBLAS_GEMM_DEFAULT_TENSOR_OP": 99,
    "CUBLAS_COMPUTE_16F": 64,
    "CUBLAS_COMPUTE_16F_PEDANTIC": 65,
    "CUBLAS_COMPUTE_32F": 68,
    "CUBLAS_COMPUTE_32F_PEDANTIC": 69,
    "CUBLAS_COMPUTE_64F": 70,
    "CUBLAS_COMPUTE_64F_PEDANTIC": 71,
    "CUBLAS_COMPUTE_32I": 72,
    "CUBLAS_COMPUTE_32F_FAST_16F": 74,
    "CUBLAS_COMPUTE_32F_FAST_16BF": 75,
    "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
}
TF32 = CONSTANTS["CUBLAS_COMPUTE_32F_FAST_TF32"]
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


class CUBLASError(RuntimeError):
    """What cuBLAS answers when it refuses a call."""


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
            raise CUBLASError(
                f"CUBLAS_STATUS_INVALID_VALUE: got leading dimension {self.leading} "
                f"of {self.name}, expected at least its {self.rows} rows"
            )
        if not runtime.hostcupy_on_device(self.address, self.span):
            raise CUBLASError(
                f"CUBLAS_STATUS_EXECUTION_FAILED: {self.name} of {self.span} bytes at "
                f"{self.address:#x} is not inside one allocation of device memory"
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


class Cublas(ModuleType):
    """The module that CuPy imports in the place of its binding to cuBLAS."""

    CUBLASError = CUBLASError

    def __init__(self, runtime: ctypes.PyDLL) -> None:
        super().__init__(NAME)
        self._runtime = runtime
        self._pointer_mode = self._math_mode = 0
        for name, value in CONSTANTS.items():
            setattr(self, name, value)
        for letter, dtype in (("s", np.dtype("f4")), ("d", np.dtype("f8"))):
            for name, function in self._typed(dtype).items():
                setattr(self, letter + name, function)

    def __getattr__(self, name):
        raise AttributeError(
            f"hostcupy has no cuBLAS function {name}; add it to {NAME}"
        )

    def create(self):
        return 1

    def destroy(self, handle):
        pass

    def getVersion(self, handle):
        return 120900

    def setStream(self, handle, stream):
        pass  # every call is work of CuPy's current stream

    def setPointerMode(self, handle, mode):
        self._pointer_mode = mode

    def getPointerMode(self, handle):
        return self._pointer_mode

    def setMathMode(self, handle, mode):
        self._math_mode = mode

    def getMathMode(self, handle):
        return self._math_mode

    # fmt: off
    def gemmEx(self, handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype,
               ldb, beta, C, Ctype, ldc, compute, algorithm):
        self.gemmStridedBatchedEx(
            handle, transa, transb, m, n, k, alpha, A, Atype, lda, 0, B, Btype, ldb, 0,
            beta, C, Ctype, ldc, 0, 1, compute, algorithm)

    def gemmStridedBatchedEx(self, handle, transa, transb, m, n, k, alpha, A, Atype,
                             lda, strideA, B, Btype, ldb, strideB, beta, C, Ctype, ldc,
                             strideC, batch, compute, algorithm):
        if compute not in COMPUTE_TYPES:
            raise CUBLASError(
                f"CUBLAS_STATUS_NOT_SUPPORTED: got compute type {compute}, "
                f"expected one of {sorted(COMPUTE_TYPES)}")
        a_shape = (m, k) if transa == 0 else (k, m)
        b_shape = (k, n) if transb == 0 else (n, k)
        self._multiply(
            transa, transb, alpha, beta, COMPUTE_TYPES[compute], compute == TF32,
            Matrix("A", A, TYPES[Atype], *a_shape, lda, strideA, batch),
            Matrix("B", B, TYPES[Btype], *b_shape, ldb, strideB, batch),
            Matrix("C", C, TYPES[Ctype], m, n, ldc, strideC, batch))
    # fmt: on

    def _typed(self, dtype):
        """Return the functions of which cuBLAS has one for each type of number."""
        number = {"f4": 0, "f8": 1}[dtype.str[1:]]

        # fmt: off
        def gemmStridedBatched(handle, transa, transb, m, n, k, alpha, A, lda, strideA,
                               B, ldb, strideB, beta, C, ldc, strideC, batch):
            mode = CONSTANTS["CUBLAS_TF32_TENSOR_OP_MATH"]
            fast = dtype == np.float32 and self._math_mode == mode
            compute = TF32 if fast else {"f4": 68, "f8": 70}[dtype.str[1:]]
            self.gemmStridedBatchedEx(
                handle, transa, transb, m, n, k, alpha, A, number, lda, strideA, B,
                number, ldb, strideB, beta, C, number, ldc, strideC, batch, compute, -1)

        def gemm(handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc):
            gemmStridedBatched(handle, transa, transb, m, n, k, alpha, A, lda, 0, B,
                               ldb, 0, beta, C, ldc, 0, 1)

        def gemv(handle, trans, m, n, alpha, A, lda, x, incx, beta, y, incy):
            # As matrices of one row, vectors may have steps between their elements:
            # y = op(A) x is yᵀ = xᵀ op(A)ᵀ.
            rows, k = (m, n) if trans == 0 else (n, m)
            self._multiply(
                0, int(trans == 0), alpha, beta, dtype, False,
                Matrix("x", x, dtype, 1, k, incx),
                Matrix("A", A, dtype, m, n, lda),
                Matrix("y", y, dtype, 1, rows, incy))
        # fmt: on

        def dot(handle, n, x, incx, y, incy, result):
            left = Matrix("x", x, dtype, 1, n, incx)
            right = Matrix("y", y, dtype, 1, n, incy)
            left.check(self._runtime)
            right.check(self._runtime)
            on_device = self._pointer_mode == CONSTANTS["CUBLAS_POINTER_MODE_DEVICE"]
            self._check_place(result, dtype, on_device)

            def compute():
                products[Product(1, 1, n, 1, dtype.name, False)] += 1
                value = left.transposed()[0, :, 0] @ right.transposed()[0, :, 0]
                _scalar(result, dtype)[0] = value

            self._submit(compute)

        return {
            "gemm": gemm,
            "gemmStridedBatched": gemmStridedBatched,
            "gemv": gemv,
            "dot": dot,
        }

    def _multiply(self, transa, transb, alpha, beta, compute, tf32, a, b, c):
        """C = alpha A B + beta C, as work of the current stream."""
        if not c.rows or not c.columns or not c.batch:
            return
        for operand in (a, b, c):
            operand.check(self._runtime)
        if c.batch > 1 and c.stride < c.leading * (c.columns - 1) + c.rows:
            raise CUBLASError(
                f"CUBLAS_STATUS_INVALID_VALUE: got stride {c.stride} between results "
                f"of {c.leading} × {c.columns}: they overlap"
            )
        on_device = self._pointer_mode == CONSTANTS["CUBLAS_POINTER_MODE_DEVICE"]
        for pointer in (alpha, beta):
            self._check_place(pointer, compute, on_device)
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

        self._submit(run)

    def _check_place(self, pointer, dtype, on_device):
        """Check that a scalar lies where the pointer mode says."""
        found = bool(self._runtime.hostcupy_on_device(pointer, dtype.itemsize))
        if found != on_device:
            places = ("the host", "the device")
            raise CUBLASError(
                f"got a scalar on {places[found]}, expected one on "
                f"{places[on_device]}, as setPointerMode said"
            )

    def _submit(self, compute):
        def call():
            try:
                with np.errstate(all="ignore"):
                    compute()
            except Exception as error:
                return f"cuBLAS: {type(error).__name__}: {error}"
            return ""

        stream = sys.modules["cupy"].cuda.get_current_stream()
        self._runtime.hostcupy_submit(stream.ptr, call)


def _scalar(address, dtype):
    memory = (ctypes.c_char * dtype.itemsize).from_address(address)
    return np.ndarray(1, dtype, memory)
