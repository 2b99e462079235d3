"""Compiles recorded sources with the real NVRTC, which needs no GPU and no driver.

It needs the wheels nvidia-cuda-nvrtc-cu12 and nvidia-cuda-runtime-cu12. The options are
those CuPy passes.
"""

import re
from dataclasses import dataclass

from .kernels import Kernel, Source

# What CuPy's compiler adds to the options that are recorded.
ADDED_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")
ENTRY = re.compile(r"\.entry\s+(\w+)")
FLOAT64 = re.compile(r"^(?!\s*\.(?:reg|param|const|global)).*\.f64\b", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """What one kernel of a source takes of a GPU.

    Attributes
    ----------
    kernel : str
        The kernel's name as compiled.
    registers : int
        Registers of a thread.
    spilled : int
        Bytes of a thread that did not fit into registers.
    """

    kernel: str
    registers: int
    spilled: int


def why_not() -> str | None:
    """Say why NVRTC cannot be used here, or return None if it can."""
    try:
        from cupy_backends.cuda.libs import nvrtc

        nvrtc.getVersion()
    except (ImportError, RuntimeError):
        return "NVRTC is not installed; run pip install nvidia-cuda-nvrtc-cu12"
    from cuda import pathfinder

    folder = pathfinder.find_nvidia_header_directory("cudart")
    if folder is None or folder.endswith("hostcupy"):
        return "no CUDA headers; run pip install nvidia-cuda-runtime-cu12"
    return None


def usage(source: Source, architecture: int) -> list[Usage]:
    """Compile for a compute capability, 70 for 7.0, and return what each kernel takes.

    Raises
    ------
    ValueError
        If NVRTC refuses the source; its messages are the error's.
    """
    log, _, _ = _compile(source, f"sm_{architecture}", "--ptxas-options=-v")
    # The log has, for each kernel, these facts in this order.
    names = re.findall(r"Compiling entry function '(\w+)'", log)
    spilled = re.findall(r"(\d+) bytes spill stores", log)
    registers = re.findall(r"Used (\d+) registers", log)
    rows = zip(names, registers, spilled, strict=False)
    return [Usage(name, int(used), int(spills)) for name, used, spills in rows]


def computes_in_float64(kernel: Kernel) -> bool:
    """Return whether the kernel loads, stores or computes double precision.

    The answer is read from the instructions NVRTC makes for a GPU. The source does not
    say it: a type may be an argument of a template, and a constant like ``0.5`` widens
    an expression or does not, as the compiler finds.
    """
    _, ptx, names = _compile(kernel.source, "compute_70")
    name = names.get(kernel.name, kernel.name)
    parts = ENTRY.split(ptx)
    bodies = dict(zip(parts[1::2], parts[2::2], strict=True))
    return bool(FLOAT64.search(bodies[name]))


def _compile(
    source: Source, architecture: str, *options: str
) -> tuple[str, str, dict[str, str]]:
    """Return the log, the PTX if that was asked for, and the names of the instances."""
    from cupy_backends.cuda.libs import nvrtc

    program = nvrtc.createProgram(source.code, "kernel.cu", (), ())
    try:
        for name in source.names:
            nvrtc.addNameExpression(program, name)
        all_options = (*source.options, *ADDED_OPTIONS, f"-arch={architecture}")
        try:
            nvrtc.compileProgram(program, (*all_options, *options))
        except nvrtc.NVRTCError:
            log = nvrtc.getProgramLog(program)
            raise ValueError(f"NVRTC refuses for {architecture}:\n{log}") from None
        ptx = nvrtc.getPTX(program) if architecture.startswith("compute") else b""
        text = ptx if isinstance(ptx, str) else ptx.decode()
        names = {name: nvrtc.getLoweredName(program, name) for name in source.names}
        return nvrtc.getProgramLog(program), text, names
    finally:
        nvrtc.destroyProgram(program)
