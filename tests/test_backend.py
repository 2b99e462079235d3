"""Detection of a GPU: each case with its own message, by a stand-in for CuPy.

The statuses and the behaviour of the stand-in are those of CuPy 14.2.
"""

import sys
import types

import numpy as np
import pytest

from scratchgan import backend
from scratchgan.backend import CPU, Device, get_array_module, gpu_status, resolve_device
from scratchgan.errors import DeviceError


class FakeRuntime:
    """cupy.cuda.runtime with a chosen outcome."""

    class CUDARuntimeError(RuntimeError):
        def __init__(self, status):
            super().__init__(f"cudaError {status}")
            self.status = status

    def __init__(self, *, count=1, status=None, driver=12040):
        self.count, self.status, self.driver = count, status, driver

    def getDeviceCount(self):  # noqa: N802 (CUDA's name)
        if self.status is not None:
            raise self.CUDARuntimeError(self.status)
        return self.count

    def driverGetVersion(self):  # noqa: N802
        return self.driver

    def runtimeGetVersion(self):  # noqa: N802
        return 12090


def fake_cupy(monkeypatch, *, libraries=("nvrtc", "cublas"), headers=True, **outcome):
    """Put a CuPy with this outcome in place; arrays of it are NumPy's."""
    cupy = types.ModuleType("cupy")
    runtime = FakeRuntime(**outcome)

    class DeviceContext:
        def __init__(self, index):
            self.index = index

        def __enter__(self):
            return self

        def use(self):
            cupy.used = self.index

        def __exit__(self, *error):
            return None

    cupy.cuda = types.SimpleNamespace(runtime=runtime, Device=DeviceContext)
    for name in ("arange", "float32", "asarray"):
        setattr(cupy, name, getattr(np, name))
    if not (headers and set(libraries) == {"nvrtc", "cublas"}):
        # CuPy finds out when the first kernel is compiled or the first product made.
        def fail(*args, **kwargs):
            raise RuntimeError("Failure finding a library")

        cupy.arange = fail
    cupy.get_array_module = lambda *arrays: np
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for name in ("cupy_backends", "cupy_backends.cuda", "cupy_backends.cuda.libs"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for name in ("nvrtc", "cublas"):
        module = types.ModuleType(name)
        module.getVersion = lambda: (12, 9)
        found = module if name in libraries else None
        monkeypatch.setitem(sys.modules, f"cupy_backends.cuda.libs.{name}", found)
    pathfinder = types.ModuleType("cuda.pathfinder")
    pathfinder.find_nvidia_header_directory = lambda name: "/" if headers else None
    cuda = types.ModuleType("cuda")
    cuda.pathfinder = pathfinder
    monkeypatch.setitem(sys.modules, "cuda", cuda)
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", pathfinder)
    return cupy


@pytest.mark.parametrize(
    ("outcome", "case", "words"),
    [
        ({"status": 35, "driver": 0}, "no-driver", "no NVIDIA driver.*nvidia-smi"),
        (
            {"status": 35, "driver": 11040},
            "old-driver",
            r"supports CUDA 11\.4.*needs CUDA 12\.0.*update the driver",
        ),
        ({"status": 100}, "no-device", "no GPU.*CUDA_VISIBLE_DEVICES"),
        ({"count": 0}, "no-device", "no GPU"),
        ({"status": 999}, "cuda-error", "cudaError 999"),
        ({"libraries": ("nvrtc",)}, "missing-libraries", r"cublas.*cuda12x\[ctk\]"),
        ({"headers": False}, "missing-libraries", r"CUDA headers.*pip install"),
    ],
)
def test_each_case_has_its_message_and_remedy(monkeypatch, outcome, case, words):
    fake_cupy(monkeypatch, **outcome)
    status = gpu_status()
    assert not status.usable
    assert status.case == case
    with pytest.raises(DeviceError, match=words):
        resolve_device("gpu")
    assert resolve_device("auto") is CPU


@pytest.mark.parametrize("driver", [True, False])
def test_cupy_not_installed(monkeypatch, driver):
    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise ModuleNotFoundError("No module named 'cupy'", name="cupy")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])
    monkeypatch.setattr(backend, "has_nvidia_driver", lambda: driver)
    assert gpu_status().case == "not-installed"
    with pytest.raises(DeviceError, match=r"CuPy is not installed.*pip install") as e:
        resolve_device("cuda")
    assert ("no NVIDIA driver" in str(e.value)) is not driver


@pytest.mark.parametrize(
    ("platform", "library"), [("linux", "libcuda.so.1"), ("win32", "nvcuda.dll")]
)
def test_the_driver_is_looked_for_by_its_library(monkeypatch, platform, library):
    def load(name):
        if name != library or not there:
            raise OSError(name)

    monkeypatch.setattr(backend.sys, "platform", platform)
    monkeypatch.setattr(backend.ctypes, "CDLL", load)
    for there in (True, False):
        assert backend.has_nvidia_driver() is there


def test_cupy_that_does_not_import(monkeypatch):
    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise ImportError("libcudart.so.12: cannot open", name="cupy._core")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])
    status = gpu_status()
    assert status.case == "broken-install"
    assert "libcudart.so.12" in status.message


def test_usable_gpu(monkeypatch):
    cupy = fake_cupy(monkeypatch, count=2)
    assert gpu_status().usable
    assert resolve_device("auto") == Device("gpu", 0)
    assert cupy.used == 0
    assert resolve_device("gpu:1") == Device("gpu", 1)
    assert cupy.used == 1, "new arrays would be made on another GPU"
    assert str(resolve_device("cuda:1")) == "gpu:1"


def test_gpu_number_that_is_not_there(monkeypatch):
    fake_cupy(monkeypatch, count=2)
    with pytest.raises(DeviceError, match=r"no GPU 2.*GPU 0 to 1"):
        resolve_device("gpu:2")


def test_wrong_answers_of_a_gpu_are_noticed(monkeypatch):
    cupy = fake_cupy(monkeypatch)
    cupy.arange = lambda *args, **kwargs: np.ones(8, np.float32)
    assert gpu_status().case == "wrong-answers"


def test_failure_in_the_self_test_is_passed_on(monkeypatch):
    cupy = fake_cupy(monkeypatch)

    def fail(*args, **kwargs):
        raise RuntimeError("CURAND_STATUS_INITIALIZATION_FAILED")

    cupy.arange = fail
    status = gpu_status()
    assert status.case == "self-test"
    assert "CURAND_STATUS" in status.message


@pytest.mark.parametrize("request_", ["", "GPU", "gpu:", "gpu:x", "cpu:0", "tpu"])
def test_unknown_devices_are_refused(request_):
    with pytest.raises(DeviceError, match="use auto, cpu, gpu or gpu:N"):
        resolve_device(request_)


def test_cpu_never_looks_for_a_gpu(monkeypatch):
    monkeypatch.setattr(backend, "gpu_status", None)
    assert resolve_device("cpu") is CPU


def test_module_of_numpy_arrays_is_numpy_and_needs_no_cupy(monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert get_array_module(np.zeros(1)) is np


def test_put_on_the_cpu_keeps_a_numpy_array():
    x = np.zeros(3, np.float32)
    assert CPU.put(x) is x
