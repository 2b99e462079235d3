"""Runs g++ and keeps what it made, so that the next run starts at once.

The folder is that of the environment variable HOSTCUPY_CACHE, by default ``.cache``
beside this file. A file's name is a hash of all it was made from.
"""

import hashlib
import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
OLDEST_COMPILER = 12  # the first g++ with the type _Float16 in C++


def compiler() -> str:
    """Return the C++ compiler: the environment variable CXX, or g++."""
    return os.environ.get("CXX", "g++")


def why_not() -> str | None:
    """Say why nothing can be built here, or return None."""
    system = f"{platform.system()} {platform.machine()}"
    if system != "Linux x86_64":
        return f"got {system}, expected Linux x86_64"
    try:
        text = subprocess.run(
            [compiler(), "-dumpfullversion"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"no compiler {compiler()}; install g++ {OLDEST_COMPILER} or newer"
    if not text.split(".")[0].isdigit() or int(text.split(".")[0]) < OLDEST_COMPILER:
        return f"got g++ {text}, expected {OLDEST_COMPILER} or newer"
    return None


@cache
def flags() -> tuple[str, ...]:
    """Return the options for everything that is built."""
    # NVRTC contracts a * b + c to one operation, so g++ does too where it can.
    contract = (
        ("-mfma", "-ffp-contract=fast")
        if re.search(r"^flags.* fma ", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        else ("-ffp-contract=off",)
    )
    # Kernels read memory through pointers of any type. Jumping out of a fiber, as the
    # fault handler does, is what _FORTIFY_SOURCE takes for an attack.
    return (
        "-std=gnu++17",
        "-fPIC",
        "-w",
        "-pipe",
        "-fno-strict-aliasing",
        "-U_FORTIFY_SOURCE",
        f"-I{HERE}",
        *contract,
    )


@cache
def _headers_hash() -> str:
    digest = hashlib.sha256(subprocess.check_output([compiler(), "--version"]))
    for path in sorted(HERE.glob("*.h")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(source: str, kind: str, *options: str) -> Path:
    """Compile C++ text to a file of this kind (``so`` or ``gch``) and return its path.

    Raises
    ------
    RuntimeError
        If g++ refuses the text; its messages are the error's.
    """
    options = (*flags(), *options)
    parts = "\0".join([_headers_hash(), source, *options])
    name = hashlib.sha256(parts.encode()).hexdigest()[:24]
    folder = Path(os.environ.get("HOSTCUPY_CACHE", HERE / ".cache"))
    # g++ finds a precompiled header by the name of the header and this ending.
    text = folder / (f"{name}.h" if kind == "gch" else f"{name}.cpp")
    made = folder / (f"{name}.h.gch" if kind == "gch" else f"{name}.so")
    if made.exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    text.write_text(source)
    # Another process may be making the same file: each makes its own, the last wins.
    unfinished = made.with_name(f"{made.name}.{os.getpid()}")
    result = subprocess.run(
        [compiler(), *options, str(text), "-o", str(unfinished)],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"{compiler()} refused {text}\n{result.stderr[:6000]}")
    unfinished.replace(made)
    return made


def library(source: str, *options: str) -> Path:
    """Return a shared library of this C++ text."""
    return build(source, "so", "-shared", *options)


def precompiled(source: str, *options: str) -> Path:
    """Return a header of this text that g++ has read already, for ``-include``."""
    made = build(source, "gch", "-x", "c++-header", *options)
    return made.with_suffix("")
