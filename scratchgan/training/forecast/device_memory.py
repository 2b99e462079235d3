"""How many images a GPU's memory holds while it trains: measured by trying."""

import contextlib
import math
from collections.abc import Iterator

from scratchgan.backend import Device
from scratchgan.errors import DeviceError
from scratchgan.gpu.memory import (
    MemoryTrial,
    available_memory,
    forget_arrays_of,
    is_out_of_device_memory,
)
from scratchgan.training.config import TrainConfig
from scratchgan.training.forecast.trial import make_random_step
from scratchgan.training.run.state import TrainingState, new_state

PROBE_BATCHES = 2, 16
USABLE = 0.85
"""Of the memory, as a share: in a run, blocks of different sizes leave gaps. One of
quick32, batch 65, wanted 48.7 MiB where the trial had taken 41.8."""
SMALLER = 0.85
"""The next size to try after one that was too large, as a share of it."""


@contextlib.contextmanager
def explained(config: TrainConfig, device: Device) -> Iterator[None]:
    """Return a context that turns a GPU's lack of memory into advice.

    Raises
    ------
    DeviceError
        If the memory runs out inside; names a batch size that fits.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_device_memory(error):
            raise
        forget_arrays_of(error)
        raise DeviceError(advice(config, device)) from None


def advice(config: TrainConfig, device: Device) -> str:
    """Return what does not fit into a GPU's memory, and what does, in words."""
    fitting = fitting_batch_size(config, device)
    remedy = (
        "not even two images fit: use a smaller network, or --device cpu"
        if fitting < 2
        else f"--batch-size {fitting} fits"
    )
    return (
        f"a batch of {config.batch_size} images does not fit into the memory of "
        f"{device}; {remedy}"
    )


def fitting_batch_size(config: TrainConfig, device: Device) -> int:
    """Return a batch size that fits and is not much below the largest; 0 if none does.

    Steps on two small batches say what an image takes. That is a first guess, since
    the gaps in memory do not grow in proportion; it is tried, and made smaller until
    it fits.
    """
    room = int(USABLE * available_memory(device))
    small, large = PROBE_BATCHES
    least = step_memory(config, device, small, room)
    if least is None:
        return 0
    more = step_memory(config, device, large, room)
    if more is None:
        size = large - 1
    else:
        an_image = max(1.0, (more - least) / (large - small))
        size = min(config.batch_size - 1, int(small + (room - least) / an_image))
    while size > small:
        taken = step_memory(config, device, size, room)
        if taken is not None and taken <= room:
            return size
        size = int(SMALLER * size)
    return small


def step_memory(
    config: TrainConfig, device: Device, batch_size: int, room: int | None = None
) -> int | None:
    """Return the bytes of device memory that training with this batch takes.

    None if they are more than ``room``, by default what is there. A CUDA graph, which
    takes about as much again, is not among them: training does without if it must.
    """

    def train_a_little(state: TrainingState) -> None:
        with device.stream():
            for _ in range(2):
                make_random_step(state, device, batch_size)

    if room is None:
        room = available_memory(device)
    trial = MemoryTrial(device, room)
    taken = trial.measure(lambda: new_state(config, device), train_a_little)
    if taken is None:
        return None
    image_bytes = 4 * math.prod(config.network.image_shape)
    read_ahead = config.batches_a_step * batch_size * image_bytes
    return taken + read_ahead
