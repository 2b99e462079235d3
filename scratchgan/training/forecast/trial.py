"""A training step on random images, to see what it takes."""

import numpy as np

from scratchgan.backend import Device
from scratchgan.models.latent import draw_latent
from scratchgan.training.recorded_step import WARM_UP_STEPS, RecordedStep
from scratchgan.training.run.state import TrainingState
from scratchgan.training.step import Batch, StepSettings, train_step


def make_random_step(state: TrainingState, device: Device, size: int) -> None:
    """Make a step on ``size`` random images, and wait until it is done."""
    config, rng = state.config, np.random.default_rng(0)
    losses = train_step(
        state.gan,
        _random_batches(state, device, size, rng),
        lambda count: device.put(draw_latent(config.network, count, rng)),
        StepSettings.of(config, check_finite=False),
    )
    float(losses.loss_g)  # a GPU has finished only when a number comes back


def make_recorded_steps(state: TrainingState, device: Device, size: int) -> int:
    """Make steps until one was recorded; return the bytes that the graph takes."""
    config, rng = state.config, np.random.default_rng(0)
    with device.stream():
        step = RecordedStep(
            state.gan,
            device,
            lambda count: draw_latent(config.network, count, rng),
            StepSettings.of(config),
            size,
        )
        for _ in range(WARM_UP_STEPS + 1):
            losses = step(_random_batches(state, device, size, rng))
        float(losses.loss_g)
    return step.memory_bytes


def _random_batches(
    state: TrainingState, device: Device, size: int, rng: np.random.Generator
) -> list[Batch]:
    network = state.config.network
    images = rng.uniform(-1, 1, (size, *network.image_shape)).astype(np.float32)
    labels = np.eye(max(1, network.classes), dtype=np.float32)[np.zeros(size, int)]
    batch = Batch(device.put(images), device.put(labels) if network.classes else None)
    return [batch] * state.config.batches_a_step
