"""From CUDA source to a module that can be launched: g++ in the place of NVRTC.

CuPy hands every kernel source, its own and the product's, to one function;
`compile_module` takes the place of that function.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import build

CUPY_HEADERS = "complex carray atomics".split()
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
KERNEL = re.compile(
    r"(?P<before>[^;{}]*)__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+"
    r"(?:__launch_bounds__\s*\([^)]*\)\s*)?(?P<name>\w+)\s*\("
)
DYNAMIC_SHARED = re.compile(
    r"extern\s+__shared__\s+(?:__align__\s*\(\s*\d+\s*\)\s*)?"
    r"(?P<type>[\w:<> ]+?)\s+(?P<name>\w+)\s*\[\s*\]\s*;"
)
OPTIMISATION = ("-O1", "-fvisibility=hidden")


@dataclass(frozen=True)
class Source:
    """What CuPy handed to the compiler.

    Attributes
    ----------
    code : str
        The CUDA C++ text.
    options : tuple of str
        The options for NVRTC, without the architecture.
    names : tuple of str
        The instances of templates asked for, such as ``scale<float>``.
    """

    code: str
    options: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Kernel:
    """A kernel that was launched: its name, or name expression, and its source."""

    name: str
    source: Source


sources: list[Source] = []
"""Every source compiled in this process, in the order of the first time."""

_libraries: dict[str, Source] = {}


def compile_module(
    source: str, options: tuple[str, ...] = (), *, name_expressions=None, **_
):
    """Return a ``cupy.cuda.Module``; stands in for CuPy's function of another name."""
    from cupy.cuda import compiler, function

    recorded = Source(source, tuple(options), tuple(name_expressions or ()))
    try:
        path = build.library(_cpp(recorded), *_build_options(recorded))
    except RuntimeError as error:
        raise compiler.CompileException(
            str(error), source, "hostcupy", options, "g++"
        ) from None
    if recorded not in sources:
        sources.append(recorded)
    _libraries[str(path)] = recorded
    module = function.Module()
    if recorded.names:
        symbols = {name: _symbol(i) for i, name in enumerate(recorded.names)}
        module._set_mapping(symbols)
    module.load(str(path).encode())
    return module


def launched(rows: list[tuple[str, str, int]]) -> Counter[Kernel]:
    """Count launches by kernel, given the runtime's (library, symbol, launches)."""
    result = Counter()
    for path, symbol, launches in rows:
        source = _libraries[path]
        names = {_symbol(i): name for i, name in enumerate(source.names)}
        result[Kernel(names.get(symbol, symbol), source)] += launches
    return result


def _symbol(instance: int) -> str:
    return f"instance{instance}"


def _cpp(source: Source) -> str:
    """Return the source as C++: macros from the options before, entry points after."""
    macros = [
        "#define " + option[2:].replace("=", " ", 1)
        if "=" in option
        else f"#define {option[2:]} 1"
        for option in source.options
        if option.startswith("-D")
    ]
    code = DYNAMIC_SHARED.sub(
        r"\g<type> *&\g<name> = (\g<type> *&)hostcupy::dynamic_shared;", source.code
    )
    kernels = {name: name for name in _plain_kernels(source.code)}
    kernels |= {
        _symbol(i): name.removeprefix("&") for i, name in enumerate(source.names)
    }
    entries = [f"HOSTCUPY_KERNEL({name}, {what})" for name, what in kernels.items()]
    count = f"HOSTCUPY_EXPORT const int hostcupy_kernels = {len(kernels)};"
    return "\n".join([*macros, '#line 1 "kernel.cu"', code, *entries, count, ""])


def _plain_kernels(code: str) -> list[str]:
    """Return the kernels that CUDA finds by name: no templates, C linkage."""
    text = COMMENT.sub("", code)
    if not re.search(r'extern\s*"C"', text):
        return []
    found = [
        match["name"]
        for match in KERNEL.finditer(text)
        if "template" not in match["before"]
    ]
    return list(dict.fromkeys(found))


def _build_options(source: Source) -> tuple[str, ...]:
    folders = tuple(
        option
        for option in source.options
        # device.h is in the place of the CUDA toolkit's headers.
        if option.startswith("-I")
        and not os.path.exists(os.path.join(option[2:], "cuda_runtime.h"))
    )
    header = _precompiled("#include <cupy/" in source.code, folders)
    return (*OPTIMISATION, *folders, "-include", str(header))


@cache
def _precompiled(with_cupy: bool, folders: tuple[str, ...]) -> Path:
    lines = ['#include "device.h"']
    if with_cupy:
        lines += [f"#include <cupy/{name}.cuh>" for name in CUPY_HEADERS]
        lines.append("#include <cupy/math_constants.h>")
    return build.precompiled("\n".join([*lines, ""]), *OPTIMISATION, *folders)
