"""A library with cuBLAS's name, version and C functions, which call Python.

It is loaded before CuPy's binding, which is linked to a library of that name and so
gets this one. Whoever else loads cuBLAS by its name gets it, too.
"""

import atexit
import ctypes
import importlib
import importlib.util
import re
import subprocess
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_int, c_longlong, c_size_t, c_void_p

from . import build

BINDING = "cupy_backends.cuda.libs.cublas"
SONAME = "libcublas.so.12"
SUCCESS, NOT_SUPPORTED = 0, 15

_C_TYPES = {
    c_int: "int",
    c_void_p: "void *",
    c_longlong: "long long",
    c_size_t: "size_t",
    POINTER(c_void_p): "void **",
    POINTER(c_int): "int *",
}


def _types(letters: str) -> tuple:
    """Return the types of arguments: i int, p pointer, l long long, z size_t."""
    found = {"i": c_int, "p": c_void_p, "l": c_longlong, "z": c_size_t}
    found |= {"P": POINTER(c_void_p), "I": POINTER(c_int)}
    return tuple(found[letter] for letter in letters)


# As NVIDIA's cublas_api.h declares them; each returns a status.
SIGNATURES = {
    "cublasCreate_v2": _types("P"),
    "cublasDestroy_v2": _types("p"),
    "cublasGetVersion_v2": _types("pI"),
    "cublasSetStream_v2": _types("pp"),
    "cublasGetStream_v2": _types("pP"),
    "cublasSetWorkspace_v2": _types("ppz"),
    "cublasSetPointerMode_v2": _types("pi"),
    "cublasGetPointerMode_v2": _types("pI"),
    "cublasSetMathMode": _types("pi"),
    "cublasGetMathMode": _types("pI"),
    "cublasGemmEx": _types("piiiiippiipiippiiii"),
    "cublasGemmStridedBatchedEx": _types("piiiiippiilpiilppiiliii"),
}
for _letter in "SD":
    SIGNATURES |= {
        f"cublas{_letter}gemm_v2": _types("piiiiippipippi"),
        f"cublas{_letter}gemmStridedBatched": _types("piiiiippilpilppili"),
        f"cublas{_letter}gemv_v2": _types("piiippipippi"),
        f"cublas{_letter}dot_v2": _types("pipipip"),
    }

_callbacks = []  # C does not own them


def load(functions: dict[str, Callable[..., int]]) -> None:
    """Load the library; ``functions`` has one for each of `SIGNATURES`.

    What CuPy's binding needs beyond them is there and not supported.
    """
    path = build.library(
        _source(_symbols_of_the_binding()),
        f"-Wl,-soname,{SONAME}",
        "-Wl,--default-symver",  # the version of all symbols is the name
    )
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    hooks = [_hook(library, name) for name in SIGNATURES]
    for (name, types), hook in zip(SIGNATURES.items(), hooks, strict=True):
        callback = CFUNCTYPE(c_int, *types)(functions[name])
        _callbacks.append(callback)
        hook.value = ctypes.cast(callback, c_void_p).value

    importlib.import_module(BINDING)  # before CuPy looks for NVIDIA's library

    @atexit.register
    def unhook():  # CuPy destroys its handles after Python's end: with success
        for hook in hooks:
            hook.value = None


def _hook(library: ctypes.CDLL, name: str) -> c_void_p:
    return c_void_p.in_dll(library, f"hostcupy_{name}")


def _symbols_of_the_binding() -> list[str]:
    binding = importlib.util.find_spec(BINDING).origin
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", binding],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(set(re.findall(r"\bcublas\w+", listed)))


def _source(symbols: list[str]) -> str:
    lines = ["#include <cstddef>", 'extern "C" {']
    for name, types in SIGNATURES.items():
        kinds = [_C_TYPES[kind] for kind in types]
        arguments = ", ".join(f"a{i}" for i in range(len(kinds)))
        declared = ", ".join(f"{kind} a{i}" for i, kind in enumerate(kinds))
        lines += [
            f"int (*hostcupy_{name})({', '.join(kinds)});",
            f"int {name}({declared}) {{",
            f"  return hostcupy_{name} ? hostcupy_{name}({arguments}) : {SUCCESS};",
            "}",
        ]
    others = [name for name in symbols if name not in SIGNATURES]
    lines += [f"int {name}() {{ return {NOT_SUPPORTED}; }}" for name in others]
    return "\n".join([*lines, "}"])
