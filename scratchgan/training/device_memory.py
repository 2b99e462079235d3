"""How many images a GPU's memory holds while it trains, measured on small batches."""

from scratchgan.backend import Device, measured_memory
from scratchgan.training.config import TrainConfig
from scratchgan.training.forecast import make_random_step
from scratchgan.training.state import new_state

PROBE_BATCHES = (4, 16)
USABLE = 0.9
"""Of the memory, as a share: blocks of different sizes leave gaps."""


def fitting_batch_size(config: TrainConfig, device: Device) -> int:
    """Return the largest batch that will fit, 0 if none does.

    Memory grows by the same amount for every image; steps on two small batches say by
    how much.
    """
    small, large = PROBE_BATCHES
    try:
        taken = {size: step_memory(config, device, size) for size in PROBE_BATCHES}
    except MemoryError:
        return 0
    an_image = (taken[large] - taken[small]) / (large - small)
    fixed = taken[small] - small * an_image
    room = USABLE * device.available_memory() - fixed
    return max(0, int(room // an_image))


def step_memory(config: TrainConfig, device: Device, batch_size: int) -> int:
    """Return the bytes of device memory that training with this batch takes."""

    def train_a_little() -> None:
        state = new_state(config, device)
        for _ in range(2):
            make_random_step(state, device, batch_size)

    return measured_memory(device, train_a_little)
