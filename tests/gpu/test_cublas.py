"""cuBLAS by ctypes: a handle for each stream, its memory, its errors."""

import gc

import numpy as np
import pytest

from scratchgan.errors import DeviceError
from scratchgan.gpu import cublas
from scratchgan.kernels.products import multiply, product

pytestmark = pytest.mark.gpu


@pytest.fixture
def cp(gpu):
    """Return CuPy, which no test file may import while it is collected."""
    import cupy

    return cupy


def test_each_stream_has_one_handle_of_its_own(cp):
    default = cublas.current_handle()
    with cp.cuda.Stream(), cp.cuda.Stream(non_blocking=True):
        inner = cublas.current_handle()
        assert cublas.current_handle() is inner
    assert cublas.current_handle() is default
    assert inner.number != default.number


def test_handles_of_streams_that_are_gone_are_gone(gpu, hostcupy, cp):
    a = cp.ones((3, 3), "f4")
    product(a, a)
    gc.collect()
    before = hostcupy.counts().used
    for _ in range(3):
        with cp.cuda.Stream() as stream:
            out = product(a, a)
            handle = cublas.current_handle().number
        taken = hostcupy.counts().used - before
        assert taken >= cublas.workspace_bytes("80")
        del stream, out
        gc.collect()
    assert hostcupy.counts().used <= before + taken - cublas.workspace_bytes("80")
    status = cublas.library().cublasSetStream_v2(handle, None)
    assert cublas.STATUS_NAMES[status] == "NOT_INITIALIZED"


def test_products_wait_for_their_stream_only(hostcupy, cp, rng):
    x = rng.standard_normal((4, 4)).astype("f4")
    a, out = cp.asarray(x), cp.zeros((4, 4), "f4")
    with cp.cuda.Stream(non_blocking=True) as stream:
        cublas.current_handle()
        hostcupy.configure(lazy=True)
        multiply(a, a, out)
    assert not out.get().any()
    stream.synchronize()
    np.testing.assert_allclose(out.get(), x @ x, rtol=1e-5)


def test_an_error_of_cublas_is_one_line_with_its_name(hostcupy, cp):
    a = cp.ones((3, 3), "f4")
    product(a, a)
    hostcupy.fail("cublasGemmEx", 13)
    with pytest.raises(DeviceError) as caught:
        product(a, a)
    assert caught.value.status == 13
    assert str(caught.value).startswith(
        "cuBLAS answers CUBLAS_STATUS_EXECUTION_FAILED to cublasGemmEx; scratchgan"
    )


def test_a_library_that_is_not_there_is_named(cp, monkeypatch):
    def fail(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(cublas.ctypes, "CDLL", fail)
    monkeypatch.setattr(cublas, "_library_of_pathfinder", lambda: None)
    cublas.library.cache_clear()
    with pytest.raises(DeviceError, match=r"has not loaded cuBLAS as libcublas\.so\.1"):
        cublas.library()
