"""Times between events on a GPU."""

import pytest
from tiny import CONFIG

from scratchgan.bench import child, product_speed
from scratchgan.bench.turns import Side
from scratchgan.doctor import gpu_product_gflops
from scratchgan.functional.parallel import thread_count
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


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("precision", ["float32", "TF32"])
def test_our_side_of_a_comparison_makes_turns_of_steps(
    gpu, monkeypatch, graph, precision
):
    monkeypatch.setattr(child, "GPU_TURN_STEPS", 2)
    side = Side("scratchgan", precision, graph=graph)
    with gpu.device.stream():
        turn, memory = child.our_side(CONFIG, side, thread_count(), gpu.device)
        assert products._tf32 is (precision == "TF32")
        products.allow_tf32(False)
        before = gpu.hostcupy.counts().graphs if gpu.hostcupy else 0
        assert turn() > 0
        assert turn() > 0
        if gpu.hostcupy:  # of eight steps, two came before the recording
            assert gpu.hostcupy.counts().graphs - before == (6 if graph else 0)
        assert memory() is None if graph else memory() > 0
