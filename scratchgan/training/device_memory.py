"""How many images a GPU's memory holds while it trains: measured by trying."""

import math

from scratchgan.backend import Device, measured_memory
from scratchgan.training.config import TrainConfig
from scratchgan.training.forecast import make_random_step
from scratchgan.training.state import TrainingState, new_state

PROBE_BATCHES = 4, 16
USABLE = 0.95
"""Of the memory, as a share: in a long run, blocks of different sizes leave gaps."""
SMALLER = 0.85
"""The next size to try after one that was too large, as a share of it."""


def fitting_batch_size(config: TrainConfig, device: Device) -> int:
    """Return a batch size that fits and is not much below the largest; 0 if none does.

    Steps on two small batches say what an image takes. That is a first guess, since
    the gaps in memory do not grow in proportion; it is tried, and made smaller until
    it fits.
    """
    room = USABLE * device.available_memory()
    small, large = PROBE_BATCHES
    try:
        taken = {size: step_memory(config, device, size) for size in PROBE_BATCHES}
    except MemoryError:
        return 0
    an_image = (taken[large] - taken[small]) / (large - small)
    size = min(config.batch_size, int(small + (room - taken[small]) / an_image))
    while size >= 2:
        try:
            if step_memory(config, device, size) <= room:
                return size
        except MemoryError:
            pass
        size = int(SMALLER * size)
    return 0


def step_memory(config: TrainConfig, device: Device, batch_size: int) -> int:
    """Return the bytes of device memory that training with this batch takes."""

    def train_a_little(state: TrainingState) -> None:
        for _ in range(2):
            make_random_step(state, device, batch_size)

    image_bytes = 4 * math.prod(config.network.image_shape)
    read_ahead = config.batches_a_step * batch_size * image_bytes
    networks_and_step = measured_memory(
        device, lambda: new_state(config, device), train_a_little
    )
    return networks_and_step + read_ahead
