"""A training step on random images, to see what it takes."""

from collections.abc import Callable

import numpy as np

from scratchgan.backend import Device
from scratchgan.functional.labels import one_hot
from scratchgan.models.latent import draw_latent
from scratchgan.training.config import TrainConfig
from scratchgan.training.recorded_step import (
    WARM_UP_STEPS,
    RecordedStep,
    is_to_be_recorded,
)
from scratchgan.training.run.state import TrainingState
from scratchgan.training.step import Batch, StepSettings, train_step


def make_random_step(state: TrainingState, device: Device, size: int) -> None:
    """Make a step on ``size`` random images, and wait until it is done."""
    config, rng = state.config, np.random.default_rng(0)
    losses = train_step(
        state.gan,
        _same_batches(state, device, size, rng),
        lambda count: device.put(draw_latent(config.network, count, rng)),
        StepSettings.of(config, check_finite=False),
    )
    float(losses.loss_g)  # a GPU has finished only when a number comes back


def steady_step(state: TrainingState, device: Device, size: int) -> Callable[[], None]:
    """Return what a run on a GPU does again and again, its first steps being made.

    It makes a step on ``size`` random images, and waits until it is done. The current
    stream must be that of ``device.stream()``.
    """
    config, rng = state.config, np.random.default_rng(0)
    if not is_to_be_recorded(config, device):
        make_random_step(state, device, size)
        return lambda: make_random_step(state, device, size)
    batches = _same_batches(state, device, size, rng)
    step = RecordedStep(
        state.gan,
        device,
        lambda count: draw_latent(config.network, count, rng),
        StepSettings.of(config),
        size,
        report=lambda line: None,  # the run itself will say it
    )

    def make_step() -> None:
        float(step(batches).loss_g)

    for _ in range(WARM_UP_STEPS + 1):
        make_step()
    return make_step


def random_batch(
    config: TrainConfig, device: Device, size: int, rng: np.random.Generator
) -> Batch:
    """Return a batch of noise as the loader would give it: channels last in memory."""
    network = config.network
    pixels = rng.random((size, network.height, network.width, network.channels))
    images = (2 * pixels - 1).astype(np.float32).transpose(0, 3, 1, 2)
    labels = None
    if network.classes:
        classes = rng.integers(0, network.classes, size)
        labels = device.put(one_hot(classes, network.classes))
    return Batch(device.put(images), labels)


def _same_batches(
    state: TrainingState, device: Device, size: int, rng: np.random.Generator
) -> list[Batch]:
    """Return one batch as often as a step reads one."""
    batch = random_batch(state.config, device, size, rng)
    return [batch] * state.config.batches_a_step
