"""What all tests share: seeded random numbers, and the places where arrays live."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest

from scratchgan.backend import CPU, Device, gpu_status, to_host
from tests import strict


@pytest.fixture
def rng():
    return np.random.default_rng(1511_06434)


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
    """Run a test on NumPy, on the strict stand-in for CuPy, and on a GPU."""
    if request.param == "cpu":
        return Backend("cpu", CPU)
    if request.param == "strict":
        monkeypatch.setitem(sys.modules, "cupy", strict.make_namespace())
        return Backend("strict", Device("gpu"))
    status = gpu_status()
    if not status.usable:
        pytest.skip(status.message)
    return Backend("gpu", Device("gpu"))


@pytest.fixture
def fast_everywhere(monkeypatch):
    """Let the fast convolution take every shape it can, in several small chunks."""
    from scratchgan.functional import conv_fast

    monkeypatch.setattr(conv_fast, "FEWEST_SAVED", 0)
    monkeypatch.setattr(conv_fast, "FEWEST_PRODUCTS", 0)
    monkeypatch.setattr(conv_fast, "CHUNK_TILES", 8)
