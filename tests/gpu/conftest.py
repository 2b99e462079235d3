"""What the tests of CuPy on the CPU share."""

import pytest


@pytest.fixture
def hostcupy(gpu):
    """Return the package tests.hostcupy, installed; its settings end with the test."""
    if gpu.hostcupy is None:
        pytest.skip("runs on a real GPU")
    yield gpu.hostcupy
    gpu.hostcupy.configure()
    gpu.hostcupy.thread_order(0)


@pytest.fixture
def cp(hostcupy):
    """Return CuPy, which no test file may import while it is collected."""
    import cupy

    return cupy


@pytest.fixture
def nvrtc(hostcupy):
    """Return the module that calls the real NVRTC."""
    from tests.hostcupy import nvrtc

    if reason := nvrtc.why_not():
        pytest.skip(reason)
    return nvrtc
