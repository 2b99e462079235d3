"""The search for a device's fastest product, on devices with a clock of their own."""

import numpy as np
import pytest

from scratchgan.backend import CPU
from scratchgan.bench import product_speed
from scratchgan.bench.product_speed import check_product, product_gflops
from scratchgan.errors import DeviceError


class Card:
    """A GPU of half its speed until it has worked for ``slow_until`` seconds.

    Products of ``half_speed_n`` rows reach half of its peak, smaller ones less.
    """

    kind = "gpu"

    def __init__(self, gflops, half_speed_n, slow_until=0.09):
        self.gflops = gflops
        self.half_speed_n = half_speed_n
        self.slow_until = slow_until
        self.now = 0.0
        self.sizes = []

    def put(self, array):
        return array

    def product(self, a, b):
        n = len(a)
        clock = 1 if self.now >= self.slow_until else 0.5
        gflops = clock * self.gflops / (1 + (self.half_speed_n / n) ** 3)
        self.now += 2 * n**3 / gflops / 1e9
        self.sizes.append(n)
        return np.broadcast_to(np.float32(n / 4), (n, n))

    def seconds_of(self, work, device):
        start = self.now
        work()
        return self.now - start


@pytest.fixture
def measure(monkeypatch):
    def measure(card, memory=1 << 40):
        monkeypatch.setattr(product_speed, "product", card.product)
        monkeypatch.setattr(product_speed, "seconds_of", card.seconds_of)
        monkeypatch.setattr(product_speed.time, "perf_counter", lambda: card.now)
        monkeypatch.setattr(product_speed, "available_memory", lambda device: memory)
        return product_gflops(card)

    return measure


def test_products_grow_until_they_fill_the_card(measure):
    card = Card(50_000, 1000)
    assert measure(card) == pytest.approx(50_000, rel=0.01)
    assert set(card.sizes) == {1024, 2048, 4096, 8192}


def test_a_card_with_a_clock_that_rises_late_is_measured_after_it(measure):
    assert measure(Card(5000, 1, slow_until=0.09)) == pytest.approx(5000, rel=0.01)


def test_a_product_that_takes_long_is_the_last(measure):
    card = Card(300, 100)  # 1024: 7 ms, 2048: 57 ms
    assert measure(card) == pytest.approx(300, rel=0.01)
    assert set(card.sizes) == {1024, 2048}


def test_a_product_that_does_not_fit_into_memory_is_not_tried(measure):
    card = Card(50_000, 1000)
    assert measure(card, memory=3 * 4 * 4096**2 - 1) < 0.95 * 50_000
    assert set(card.sizes) == {1024, 2048}


def test_the_processor_keeps_to_one_size(measure):
    card = Card(300, 100)
    card.kind = "cpu"
    measure(card, memory=0)
    assert set(card.sizes) == {1024}


@pytest.mark.parametrize("wrong", [255.999, np.nan])
def test_a_wrong_product_is_refused(wrong):
    result = np.full((1024, 1024), 256, np.float32)
    check_product(result, CPU)
    result[17, 900] = wrong
    with pytest.raises(DeviceError, match="a product of 1024x1024 matrices is wrong"):
        check_product(result, CPU)
