"""Imports go one way, CuPy is imported in one place, commands start without arrays."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scratchgan

PACKAGE = Path(scratchgan.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

# A module imports from lower levels and from its own folder only.
LEVELS = [
    ["errors", "machine", "progress", "backend", "storage"],
    ["kernels", "gpu"],
    ["functional", "datasets"],
    ["nn", "optim", "synthetic"],
    ["models", "testing"],
    ["training"],
    ["paper", "gradcheck", "doctor", "bench", "api"],
    ["commands"],
]
LEVEL_OF = {group: level for level, groups in enumerate(LEVELS) for group in groups}
WITHIN_A_LEVEL = {
    ("backend", "errors"),
    ("storage", "errors"),
    ("kernels", "gpu"),
    ("optim", "nn"),
    ("bench", "paper"),
    ("doctor", "bench"),
    ("doctor", "gradcheck"),
}
OF_THE_ROOT = {"scratchgan", "scratchgan.__version__"}
ROOT_MAY_IMPORT = {"importlib", "typing"}
HEAVY = ("numpy", "cupy", "h5py", "PIL", "tqdm")


def imported_modules(source, *, for_editors=True):
    """Return the dotted names of all modules imported anywhere in a source text.

    Without ``for_editors``, not those below ``if TYPE_CHECKING:``, which never happen.
    """
    names = []
    tree = ast.parse(source)
    if not for_editors:
        tree.body = [node for node in tree.body if not is_for_editors(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names.append(node.module)
            if node.module == "scratchgan":
                names += [f"scratchgan.{alias.name}" for alias in node.names]
    return names


def is_for_editors(node):
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "TYPE_CHECKING"
        and not node.orelse
    )


def group_of(module):
    """Return the part of the package a dotted name belongs to, "" for its root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL_OF else ""


def problems_of(file, source):
    """Return what is wrong with the imports of one file of the package."""
    group = Path(file).parts[0].removesuffix(".py")
    if group == "__init__":
        modules = imported_modules(source, for_editors=False)
        return [f"{file} imports {m}" for m in modules if m not in ROOT_MAY_IMPORT]
    if group not in LEVEL_OF:
        return [
            f"{file} has no level; add {group!r} to LEVELS in {Path(__file__).name}"
        ]
    problems = []
    for module in imported_modules(source):
        root = module.split(".")[0]
        if root in ("cupy", "cupyx") and group not in ("backend", "gpu"):
            problems.append(f"{file} imports {module}; only backend.py and gpu may")
        other = group_of(module) if root == "scratchgan" else ""
        if root == "scratchgan" and not other and module not in OF_THE_ROOT:
            problems.append(f"{file} imports {module}; that is for users, not for us")
        if not other or other == group or (group, other) in WITHIN_A_LEVEL:
            continue
        if LEVEL_OF[other] >= LEVEL_OF[group]:
            problems.append(
                f"{file} (level {LEVEL_OF[group]}) imports {module} "
                f"(level {LEVEL_OF[other]})"
            )
    return problems


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_go_down_only(file):
    assert problems_of(file, (PACKAGE / file).read_text()) == []


@pytest.mark.parametrize(
    ("file", "source", "problem"),
    [
        ("functional/losses.py", "from scratchgan.nn.layer import Layer", "level 2"),
        ("datasets/loader.py", "import scratchgan.functional.labels", "level 2"),
        ("nn/conv.py", "from scratchgan.optim.adam import Adam", "level 3"),
        ("nn/conv.py", "def f():\n    from scratchgan import models", "level 4"),
        ("training/loop.py", "from scratchgan.commands.train import train", "level 7"),
        ("errors.py", "from scratchgan.backend import Array", "level 0"),
        ("__init__.py", "from scratchgan import nn", "imports scratchgan"),
        ("__init__.py", "import numpy", "imports numpy"),
        ("__init__.py", "def f():\n    import scratchgan.api", "imports scratchgan"),
        (
            "__init__.py",
            "if TYPE_CHECKING:\n    pass\nelse:\n    import scratchgan.api",
            "imports scratchgan",
        ),
        ("training/loop.py", "from scratchgan import train", "for users"),
        ("models/dcgan.py", "from scratchgan.api import train", "level 6"),
        ("nn/conv.py", "import cupy as cp", "only backend.py and"),
        ("nn/conv.py", "from cupyx.scipy import signal", "only backend.py and"),
        (
            "commands/train.py",
            "def f():\n    import cupy",
            "only backend.py and",
        ),
        ("elsewhere/new.py", "import math", "has no level"),
    ],
)
def test_a_wrong_import_is_found(file, source, problem):
    problems = problems_of(file, source)
    assert problems
    assert all(problem in text for text in problems)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "nn/conv.py",
            "import numpy\nfrom scratchgan.functional.conv import primitives",
        ),
        ("nn/conv.py", "from scratchgan.nn import init"),
        ("optim/adam.py", "from scratchgan.nn.layer import Parameter"),
        ("backend.py", "def f():\n    import cupy"),
        ("training/run/state.py", "from scratchgan import __version__"),
        ("__init__.py", "if TYPE_CHECKING:\n    from scratchgan import nn"),
        ("__init__.py", "import importlib\nfrom typing import TYPE_CHECKING"),
    ],
)
def test_a_right_import_is_no_problem(file, source):
    assert problems_of(file, source) == []


def circles_of(imports):
    """Return the circles among siblings, files and folders of one folder.

    ``imports`` has for each module, as parts of its path, the modules it imports.
    """
    graph = {}
    for module, others in imports.items():
        for other in others:
            shared = 0
            while module[: shared + 1] == other[: shared + 1]:
                shared += 1
            # A folder's own __init__ names what is inside it.
            if len(module) > shared and len(other) > shared:
                graph.setdefault(module[: shared + 1], set()).add(other[: shared + 1])
    return [node for node in graph if node in reachable(graph, graph[node])]


def reachable(graph, nodes):
    """Return all nodes that can be reached from some."""
    seen, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return seen


def imports_of_package():
    """Return for each module of the package what it imports, as parts of paths."""
    names = {
        tuple(file.with_suffix("").parts)[: -1 if file.name == "__init__.py" else None]
        for file in FILES
    }
    imports = {}
    for file in FILES:
        parts = tuple(file.with_suffix("").parts)
        module = parts[:-1] if parts[-1] == "__init__" else parts
        found = set()
        for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
            if isinstance(node, ast.ImportFrom):
                of = tuple(node.module.split("."))
                if of[0] == "scratchgan":
                    for alias in node.names:
                        inner = (*of[1:], alias.name)
                        found.add(inner if inner in names else of[1:])
        imports[module] = found - {module, ()}
    return imports


def test_no_two_siblings_import_each_other():
    assert circles_of(imports_of_package()) == []


def test_a_circle_is_found():
    tree = {
        ("a", "one"): {("b", "x", "deep")},
        ("b", "x", "deep"): {("b", "y")},
        ("b", "y"): {("c",)},
        ("c",): {("a",)},
    }
    assert sorted(circles_of(tree)) == [("a",), ("b",), ("c",)]
    del tree["c",]
    assert circles_of(tree) == []


def run_python(code):
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split()


def test_commands_start_without_loading_arrays():
    """``--help`` must be quick: heavy modules are imported inside functions."""
    code = (
        "import importlib, pkgutil, sys\n"
        "import scratchgan.commands as commands\n"
        "path, prefix = commands.__path__, f'{commands.__name__}.'\n"
        "for module in pkgutil.walk_packages(path, prefix):\n"
        "    importlib.import_module(module.name)\n"
        "print(*sys.modules)"
    )
    loaded = set(run_python(code))
    assert loaded & set(HEAVY) == set()
    assert {"scratchgan.commands.train", "scratchgan.commands.data.info"} <= loaded


def test_loading_an_array_library_would_be_noticed():
    code = f"import sys, numpy\nprint(*[n for n in {HEAVY} if n in sys.modules])"
    assert run_python(code) == ["numpy"]


def test_the_package_loads_nothing_until_a_name_is_used():
    code = (
        "import sys, scratchgan\n"
        "before = [n for n in sys.modules if n.startswith('scratchgan.')]\n"
        f"before += [n for n in {HEAVY} if n in sys.modules]\n"
        "print(len(before))\n"
        "scratchgan.train\n"
        "print(*[n for n in ('numpy', 'h5py', 'cupy', 'click') if n in sys.modules])"
    )
    assert run_python(code) == ["0", "numpy", "h5py"]


def test_settings_load_without_arrays():
    code = (
        "import sys, scratchgan.training.settings\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    assert run_python(code) == []


def test_arrays_on_the_processor_never_load_cupy():
    code = (
        "import sys, numpy as np\n"
        "from scratchgan.nn import BatchNorm1d\n"
        "BatchNorm1d(2)(np.ones((3, 2), 'float32'))\n"
        "print(*[n for n in ('cupy', 'h5py', 'PIL', 'click') if n in sys.modules])"
    )
    assert run_python(code) == []
