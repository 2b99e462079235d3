"""Times between events on a GPU."""

import pytest

from scratchgan.bench import product_speed
from scratchgan.doctor import gpu_product_gflops
from scratchgan.gpu.timing import seconds_of
from scratchgan.kernels import products

pytestmark = pytest.mark.gpu


def test_events_are_around_the_work(gpu):
    import cupy

    x = cupy.ones((64, 64), "float32")
    done = []
    few, many = (
        min(
            seconds_of(lambda n=n: [done.append(x @ x) for _ in range(n)], gpu.device)
            for _ in range(3)
        )
        for n in (1, 100)
    )
    assert len(done) == 3 * 101
    assert 0 < few < many


def test_both_precisions_are_measured_and_float32_is_set_afterwards(gpu, monkeypatch):
    allowed = []

    def measure(device):
        allowed.append(products._tf32)
        return float(len(allowed))

    monkeypatch.setattr("scratchgan.doctor.product_gflops", measure)
    assert gpu_product_gflops(gpu.device) == {"float32": 1.0, "TF32": 2.0}
    assert allowed == [False, True]
    assert products._tf32 is False


def test_a_product_is_measured(gpu, monkeypatch):
    monkeypatch.setattr(product_speed, "GPU_SIZES", (64, 128))
    monkeypatch.setattr(product_speed, "WARM_UP_SECONDS", 0)
    assert product_speed.product_gflops(gpu.device) > 0
