"""Runs the real CuPy on the CPU, so that its users are tested without a GPU.

``hostcupy.install()`` before the first import of CuPy, and ``import cupy`` works on any
Linux machine with g++: the wheel from PyPI, unmodified. Its checks of arguments, rules
for types, refusals, memory pool, generated kernels and packing of launches are the real
ones. What CuPy needs a GPU for is replaced:

==================  =====================================  ====================
part of CUDA        what takes its place                   where
==================  =====================================  ====================
runtime and driver  C++ functions of the same signatures   runtime.cpp
NVRTC               g++ with the CUDA language as C++      kernels.py, device.h
cuBLAS              a library of its name, on NumPy        libcublas.py, cublas.py
==================  =====================================  ====================

The functions get in by the capsules through which CuPy's compiled modules find one
another (capsules.py). That is not an interface CuPy promises, hence the fixed version.

The emulation is stricter than a GPU, to show faults that a GPU may hide:

- memory ends at a page without access, is NaN until written, and gone once released;
- so is shared memory, for every block anew;
- threads run one at a time, in an order a test can choose (`thread_order`), so that a
  missing barrier shows; a barrier that some threads miss is an error;
- lazy streams (`configure`) do nothing before something waits for them, so that a
  missing wait shows.

While a stream is captured, it refuses what CUDA refuses: waiting for the stream, its
events or the device; copies that wait; the default stream; handles of cuBLAS; and
unless the capture is relaxed, which is CuPy's default, to allocate, to free and to ask
whether something is done. Copies without a stream and waiting for any event are refused
even where CUDA would let them pass. Nodes of graphs that allocate memory are counted.
CuPy's binding to cuBLAS is the unmodified one and so refuses captures altogether.

What a run here does not tell: speed; the last bits of cuBLAS and of CUDA's mathematical
functions; faults that need threads to run at the same time; CuPy's reductions by CUB,
its sorting and its random numbers, which are code for nvcc and are switched off or
refuse to run. That NVRTC accepts the sources is a check of its own (nvrtc.py).
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from collections import Counter
from dataclasses import astuple, dataclass, fields

from . import build, capsules, cublas, libcublas
from . import kernels as _kernels
from .kernels import Kernel, Source, sources

__all__ = [
    "Counts",
    "Kernel",
    "Source",
    "configure",
    "counts",
    "fail",
    "install",
    "kernels",
    "products",
    "sources",
    "thread_order",
    "why_not",
]

CUPY_VERSION = "14.2.0"
MEMORY_BYTES = 8 << 30
PROPERTIES = {
    "name": b"hostcupy: CUDA on the CPU",
    "totalGlobalMem": MEMORY_BYTES,
    "sharedMemPerBlock": 48 << 10,
    "sharedMemPerBlockOptin": 96 << 10,
    "regsPerBlock": 65536,
    "warpSize": 32,
    "maxThreadsPerBlock": 1024,
    "maxThreadsDim": (1024, 1024, 64),
    "maxGridSize": (2**31 - 1, 65535, 65535),
    "major": 8,
    "minor": 0,
    "multiProcessorCount": 4,
    "maxThreadsPerMultiProcessor": 2048,
    "l2CacheSize": 1 << 20,
    "concurrentKernels": 1,
    "clockRate": 1000000,
    "memoryClockRate": 1000000,
    "memoryBusWidth": 64,
    "pciBusID": 0,
    "pciDeviceID": 0,
    "pciDomainID": 0,
}

_runtime: ctypes.PyDLL | None = None
_cublas: cublas.Cublas | None = None


class _Counts(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "launches threads graphs mallocs h2d d2h d2d h2d_bytes d2h_bytes "
            "synchronisations memory_nodes used peak"
        ).split()
    ]


@dataclass(frozen=True)
class Counts:
    """What the device was asked to do so far; subtract two to get what lay between.

    Attributes
    ----------
    launches, threads : int
        Kernels run and the threads in them, also those run by a graph.
    graphs : int
        Launches of graphs.
    mallocs : int
        Allocations of device memory; those the pool served are not among them.
    h2d, d2h, d2d, h2d_bytes, d2h_bytes : int
        Copies from host to device, back, and on the device.
    synchronisations : int
        Times the host waited: for the device, a stream, an event, or a copy.
    memory_nodes : int
        Nodes of graphs that allocate or free device memory, when they were captured.
    used, peak : int
        Bytes allocated now, and at most so far.
    products : int
        Calls of cuBLAS run, also those run by a graph.
    """

    launches: int
    threads: int
    graphs: int
    mallocs: int
    h2d: int
    d2h: int
    d2d: int
    h2d_bytes: int
    d2h_bytes: int
    synchronisations: int
    memory_nodes: int
    used: int
    peak: int
    products: int

    def __sub__(self, before: "Counts") -> "Counts":
        pairs = zip(astuple(self), astuple(before), strict=True)
        return Counts(*(now - then for now, then in pairs))


def why_not() -> str | None:
    """Say why CuPy cannot run on this CPU, or return None if it can."""
    if _runtime is not None:
        return None
    if importlib.util.find_spec("cupy") is None:
        return f"CuPy is not installed; run pip install cupy-cuda12x=={CUPY_VERSION}"
    try:
        version = importlib.metadata.version("cupy-cuda12x")
    except importlib.metadata.PackageNotFoundError:
        version = "another wheel"
    if version != CUPY_VERSION:
        return f"got CuPy {version}, expected cupy-cuda12x {CUPY_VERSION}"
    if "cupy" in sys.modules:
        return "CuPy was imported before hostcupy.install() could prepare it"
    return build.why_not()


def install() -> None:
    """Make this process's CuPy run on the CPU; do it before the first import of CuPy.

    Raises
    ------
    RuntimeError
        If it cannot run here; the message is that of `why_not`.
    """
    global _runtime, _cublas
    if _runtime is not None:
        return
    if reason := why_not():
        raise RuntimeError(f"CuPy cannot run on this CPU: {reason}")
    # Reductions by CUB are code for nvcc; this is CuPy's switch for its own instead.
    os.environ["CUPY_ACCELERATORS"] = ""
    _runtime = _load_runtime()
    runtime = capsules.replace("cupy_backends.cuda.api.runtime", _runtime)
    capsules.replace("cupy_backends.cuda.api.driver", _runtime)
    _runtime.hostcupy_set_up(
        runtime.CUDARuntimeError, PROPERTIES, runtime.PointerAttributes
    )
    _cublas = cublas.Cublas(_runtime)
    libcublas.load(_cublas.functions())
    _do_without_cuda_headers()
    from cupy.cuda import compiler

    compiler._compile_module_with_cache = _kernels.compile_module


def configure(
    *, lazy: bool = False, guard: bool = False, limit: int = MEMORY_BYTES
) -> None:
    """Choose how the device behaves; what is not named returns to its default.

    Work that waits is done first. A capture that was not ended is given up.

    Parameters
    ----------
    lazy : bool, default=False
        Let streams do their work only when something waits for them.
    guard : bool, default=False
        End every array at a page without access, to within 16 bytes, so that reading
        past the end faults. CuPy's memory pool is bypassed for that.
    limit : int, default=8 GiB
        Bytes of device memory.
    """
    import cupy

    _runtime.hostcupy_configure(lazy, guard, limit)
    _cublas.failing.clear()
    pool = cupy.get_default_memory_pool()
    cupy.cuda.set_allocator(None if guard else pool.malloc)


def fail(function: str, status: int) -> None:
    """Let a function of CUDA answer with a status, until `configure`.

    Parameters
    ----------
    function : str
        One of cuBLAS by its name in C, such as ``cublasGemmEx``; or ``hostAlloc``,
        ``graphInstantiate`` or ``graphLaunch``.
    status : int
        Of the enumeration of the function's library, not 0.
    """
    if function in libcublas.SIGNATURES:
        _cublas.failing[function] = status
    elif function in ("hostAlloc", "graphInstantiate", "graphLaunch"):
        _runtime.hostcupy_fail(function.encode(), status)
    else:
        raise ValueError(f"got function {function!r}, which cannot be made to fail")


def thread_order(order: int) -> None:
    """Run threads and blocks ascending (0), descending (1) or shuffled (2)."""
    if order not in (0, 1, 2):
        raise ValueError(f"got thread order {order}, expected 0, 1 or 2")
    _runtime.hostcupy_thread_order(order)


def counts() -> Counts:
    """Return what the device was asked to do so far."""
    values = _Counts()
    _runtime.hostcupy_counts(ctypes.byref(values))
    named = {field[0]: getattr(values, field[0]) for field in _Counts._fields_}
    return Counts(**named, products=cublas.products.total())


def kernels() -> Counter[Kernel]:
    """Return how often each kernel ran so far; subtract two for what lay between."""
    return _kernels.launched(_runtime.hostcupy_launches())


def products() -> Counter[cublas.Product]:
    """Return how often cuBLAS computed each kind of product so far."""
    return cublas.products.copy()


assert [name for name, _ in _Counts._fields_] == [f.name for f in fields(Counts)][:-1]


def _load_runtime() -> ctypes.PyDLL:
    text = (build.HERE / "runtime.cpp").read_text()
    path = build.library(f'#line 1 "runtime.cpp"\n{text}', "-O2", "-ldl")
    # Kernels take the runtime's symbols from the process, hence the mode.
    library = ctypes.PyDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    library.hostcupy_set_up.argtypes = [ctypes.py_object] * 3
    library.hostcupy_configure.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t]
    library.hostcupy_on_device.argtypes = [ctypes.c_ssize_t, ctypes.c_size_t]
    library.hostcupy_submit.argtypes = [ctypes.c_ssize_t, ctypes.py_object]
    library.hostcupy_submit.restype = ctypes.py_object
    library.hostcupy_memory_nodes.argtypes = [ctypes.c_ssize_t, ctypes.c_int]
    library.hostcupy_fail.argtypes = [ctypes.c_char_p, ctypes.c_int]
    library.hostcupy_launches.restype = ctypes.py_object
    return library


def _do_without_cuda_headers() -> None:
    """Give CuPy some folder to pass on where CUDA's headers are not installed."""
    from cuda import pathfinder

    find = pathfinder.find_nvidia_header_directory
    pathfinder.find_nvidia_header_directory = lambda name: find(name) or str(build.HERE)
