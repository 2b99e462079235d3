"""What a training step may cost a GPU: launches, copies, waiting, memory, precision.

Each number is what the step is designed to need; a change that needs more has to
change it here, with its reason.
"""

import cProfile
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import scratchgan
from scratchgan.backend import transfers
from scratchgan.bench.step import random_batches
from scratchgan.kernels.counting import counting
from scratchgan.models.latent import draw_latent
from scratchgan.training.forecast.device_memory import step_memory
from scratchgan.training.presets import PRESETS
from scratchgan.training.run.state import new_state
from scratchgan.training.step import StepSettings, train_step

pytestmark = pytest.mark.gpu

BATCH = 4
RATES_BYTES = 2 * 2 * 4  # two numbers for each of two optimisers

# Calls of this package's own functions.
PYTHON_CALLS = {"dcgan64": 2400, "paper64": 2750}

# kernels, products, MiB of device memory at batch 4
BUDGETS = {"dcgan64": (131, 73, 120), "paper64": (150, 99, 660)}


class Step:
    """A training step of a preset on a GPU, called with its second and later ones."""

    def __init__(self, preset, device):
        self.config = dataclasses.replace(PRESETS[preset], batch_size=BATCH)
        self.device = device
        self.state = new_state(self.config, device)
        self.batches = random_batches(self.config, device)
        self()

    def __call__(self):
        train_step(
            self.state.gan,
            self.batches,
            self.draw_z,
            StepSettings.of(self.config, check_finite=False),
        )

    def draw_z(self, count):
        return self.device.put(draw_latent(self.config.network, count, self.state.rng))


@pytest.fixture(scope="module", params=BUDGETS)
def preset(request):
    return request.param


@pytest.fixture
def step(gpu, hostcupy, preset, launches_for_nothing):
    return Step(preset, gpu.device)


def test_a_step_stays_within_its_budget(hostcupy, step, preset):
    before, moved = hostcupy.counts(), transfers.copy()
    with counting() as work:
        step()
    spent, own, moved = hostcupy.counts() - before, work.launches, transfers - moved
    kernels, products, _ = BUDGETS[preset]
    seen = f"{spent}\n{dict(own)}"
    assert spent.products <= products, seen
    assert spent.launches <= kernels + 1, seen  # one more by CuPy: loss + loss
    assert spent.synchronisations == 0, seen
    assert spent.d2h_bytes == 0, seen
    assert spent.mallocs == 0, seen
    z_draws = 1 if step.config.update_order == "pytorch" else 2
    z_bytes = z_draws * BATCH * step.config.network.latent_dim * 4
    assert spent.h2d_bytes == z_bytes + RATES_BYTES, seen
    # What `bench step --counts` prints is what the device was asked for.
    products_counted, fills = own.pop("product"), own.pop("fill", 0)
    assert products_counted == spent.products, seen
    assert own.total() + 1 == spent.launches, seen
    assert moved["to_device_bytes"] == spent.h2d_bytes, seen
    assert fills <= 20, seen


def test_a_step_stays_within_its_calls_of_python(step, preset):
    """A step that is not recorded waits for Python: 5 to 90 microseconds a launch."""
    profile = cProfile.Profile()
    profile.runcall(step)
    folder = str(Path(scratchgan.__file__).parent)
    calls = sum(
        entry.callcount
        for entry in profile.getstats()
        if not isinstance(entry.code, str) and entry.code.co_filename.startswith(folder)
    )
    assert calls <= PYTHON_CALLS[preset], calls


def test_no_kernel_computes_in_float64(hostcupy, nvrtc, step):
    before = hostcupy.kernels()
    step()
    ran = hostcupy.kernels() - before
    assert ran
    wide = [kernel.name for kernel in ran if nvrtc.computes_in_float64(kernel)]
    assert wide == []


def test_float64_would_be_noticed(gpu, hostcupy, nvrtc):
    x = gpu.device.put(np.zeros(3))
    before = hostcupy.kernels()
    x * 2.0
    (kernel,) = hostcupy.kernels() - before
    assert nvrtc.computes_in_float64(kernel)


def test_memory_stays_within_its_budget(gpu, hostcupy, preset, launches_for_nothing):
    config = dataclasses.replace(PRESETS[preset], batch_size=BATCH)
    taken = step_memory(config, gpu.device, BATCH) / 2**20
    assert taken <= BUDGETS[preset][2], f"{taken:.0f} MiB"
