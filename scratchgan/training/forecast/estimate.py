"""What a run will take: parameters, memory and time, before it starts."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Device
from scratchgan.datasets.loader import WINDOW_BYTES
from scratchgan.functional.parallel import one_blas_thread
from scratchgan.models.architecture import Stage, plan_discriminator, plan_generator
from scratchgan.training.config import TrainConfig
from scratchgan.training.forecast.trial import make_random_step, steady_step
from scratchgan.training.run.state import TrainingState, new_state

PROBE_BATCHES = (4, 16)


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes
    ----------
    parameters_g, parameters_d : int
        Trained values.
    memory_bytes : int
        Estimate for networks, optimisers, one step and the images held.
    step_seconds : float
        Measured on small batches here and now, and extrapolated.
    """

    parameters_g: int
    parameters_d: int
    memory_bytes: int
    step_seconds: float


def forecast(config: TrainConfig, device: Device, images: int = 0) -> Forecast:
    """Return what a run of this configuration on so many images will take.

    The time is measured: steps on two small batches give the part that grows with the
    batch and the part that does not. The memory is counted, see `memory_estimate`.
    """
    generator = plan_generator(config.network)
    discriminator = plan_discriminator(config.network)
    return Forecast(
        sum(stage.parameters for stage in generator),
        sum(stage.parameters for stage in discriminator),
        memory_estimate(config, images),
        measure_step_seconds(config, device),
    )


def memory_estimate(config: TrainConfig, images: int = 0) -> int:
    """Return the bytes a run needs: counted arrays, so an estimate.

    Each parameter has a value, a gradient and two moments. Each stage keeps, for
    backward, its normalised values and its activation; G's are alive while D learns
    from one batch, and a backward pass has about three arrays of the largest stage.
    The loader holds the images as bytes, at most two windows of them. The interpreter
    with its libraries takes about 60 MB.
    """
    stages = plan_generator(config.network), plan_discriminator(config.network)
    parameters = sum(stage.parameters for plan in stages for stage in plan)
    kept = sum(_kept_values(stage) for plan in stages for stage in plan)
    largest = max(math.prod(stage.outputs) for plan in stages for stage in plan)
    values = 4 * parameters + config.batch_size * (kept + 3 * largest)
    held = min(2 * WINDOW_BYTES, images * math.prod(config.network.image_shape))
    return 4 * values + held + (60 << 20)


def _kept_values(stage: Stage) -> int:
    return math.prod(stage.outputs) * (2 if stage.norm else 1)


def measure_step_seconds(config: TrainConfig, device: Device) -> float:
    """Return the seconds of one step at the configured batch size.

    On the CPU extrapolated from two small batches. On a GPU these would say nothing,
    starting their kernels takes longer than running them, so the batch itself is timed.
    """
    state = new_state(config, device)
    # As `train` computes, and whatever the learning rate makes of the numbers.
    with one_blas_thread(), np.errstate(all="ignore"):
        if device.kind == "gpu":
            with device.stream():
                step = steady_step(state, device, config.batch_size)
                return min(_seconds(step) for _ in range(2))
        small, large = PROBE_BATCHES
        make_random_step(state, device, small)  # first calls load code and memory
        seconds = {size: _best_time(state, device, size) for size in PROBE_BATCHES}
    slope = max(0.0, (seconds[large] - seconds[small]) / (large - small))
    return seconds[large] + slope * (config.batch_size - large)


def _best_time(state: TrainingState, device: Device, size: int) -> float:
    def step() -> None:
        make_random_step(state, device, size)

    return min(_seconds(step) for _ in range(2))


def _seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
