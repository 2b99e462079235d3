"""What all tests share: seeded random numbers, and the places where arrays live."""

import subprocess
import sys
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest

from scratchgan.backend import CPU, Device, to_host
from tests import hostcupy, strict

collect_ignore = ["hostcupy"]  # no doctests there


class HideCupy:
    """Lets CuPy seem not to be installed until a test marked gpu asks for it.

    Two reasons: ``--device auto`` means the CPU in all other tests, on every machine;
    and hostcupy has to be first to import CuPy.
    """

    def find_spec(self, name, path=None, target=None):
        if name == "cupy":
            raise ModuleNotFoundError("CuPy waits for the tests marked gpu", name=name)


hide_cupy = HideCupy()
sys.meta_path.insert(0, hide_cupy)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Run the tests marked gpu last, and of them the check of all their kernels."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("gpu") is not None,
            item.path.name == "test_compiles.py",
        )
    )


@pytest.fixture
def rng():
    return np.random.default_rng(1511_06434)


@dataclass(frozen=True)
class Gpu:
    """Where the tests marked gpu run: ``hostcupy`` is None on a real GPU."""

    device: Device
    hostcupy: ModuleType | None


@pytest.fixture(scope="session")
def gpu():
    """Return a GPU or, where there is none, the CPU with CuPy on it."""
    sys.meta_path.remove(hide_cupy)
    problem = real_gpu_problem()
    if problem is None:
        return Gpu(Device("gpu"), None)
    if reason := hostcupy.why_not():
        pytest.skip(f"{problem}; and not on the CPU: {reason}")
    hostcupy.install()
    return Gpu(Device("gpu"), hostcupy)


def real_gpu_problem():
    """Say why there is no GPU, or return None; ask a process of its own.

    To ask means to import CuPy, which hostcupy has to prepare.
    """
    question = "from scratchgan.backend import gpu_status; print(gpu_status().message)"
    answer = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip() or None


@dataclass(frozen=True)
class Backend:
    """A device under test: ``put`` moves arrays there, ``host`` brings them back."""

    name: str
    device: Device

    def put(self, array):
        return self.device.put(array)

    def host(self, array):
        return to_host(array)


@pytest.fixture(params=["cpu", "strict", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request, monkeypatch):
    """Run a test on NumPy, on the strict stand-in for CuPy, and on CuPy."""
    if request.param == "cpu":
        return Backend("cpu", CPU)
    if request.param == "strict":
        monkeypatch.setitem(sys.modules, "cupy", strict.make_namespace())
        return Backend("strict", Device("gpu"))
    return Backend("gpu", request.getfixturevalue("gpu").device)


@pytest.fixture
def fast_everywhere(monkeypatch):
    """Let the fast convolution take every shape it can, in several small chunks."""
    from scratchgan.functional.conv import fast as conv_fast

    monkeypatch.setattr(conv_fast, "FEWEST_SAVED", 0)
    monkeypatch.setattr(conv_fast, "FEWEST_PRODUCTS", 0)
    monkeypatch.setattr(conv_fast, "CHUNK_TILES", 8)
    monkeypatch.setattr(conv_fast, "LARGE_WEIGHTS", 0)


@pytest.fixture
def launches_for_nothing(monkeypatch):
    """Let convolution by strips make several products, as it does with many images."""
    from scratchgan.functional.conv import strips as conv_strips

    monkeypatch.setattr(conv_strips, "LAUNCH_VALUES", 0)
    conv_strips._cut.cache_clear()
    yield
    conv_strips._cut.cache_clear()
