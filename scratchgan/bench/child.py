"""One side of a comparison: a process that makes training steps when told to.

Reads lines from standard input: for ``step`` it makes one, or on a GPU several without
a wait between them, and writes how many seconds one took; for ``memory`` it writes the
most memory it has taken so far in bytes, the machine's or the GPU's. What it is to run
comes as JSON in its argument: ``side`` (a `Side` by its fields), ``config``,
``threads`` and ``device``.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import numpy as np

from scratchgan.backend import CPU, Device
from scratchgan.bench.step import peak_memory, random_batches
from scratchgan.bench.turns import Side
from scratchgan.functional.parallel import one_blas_thread, set_thread_count
from scratchgan.gpu.memory import pool_memory
from scratchgan.gpu.timing import wait_for
from scratchgan.kernels.products import allow_tf32
from scratchgan.machine import reuse_freed_memory
from scratchgan.models.latent import draw_latent
from scratchgan.training.config import TrainConfig, config_from_dict
from scratchgan.training.recorded_step import RecordedStep
from scratchgan.training.run.state import new_state
from scratchgan.training.step import StepSettings, train_step

GPU_TURN_STEPS = 20
"""Steps of a turn on a GPU, after as many that raise its clock again."""


def main() -> None:
    """Serve steps until the input ends."""
    order = json.loads(sys.argv[1])
    side, threads = Side(**order["side"]), order["threads"]
    config = config_from_dict(order["config"])
    device = Device(**order["device"])
    if side.program == "torch":
        turn, memory = torch_side(config, side, threads, device)
        serve(turn, memory)
        return
    with device.use().stream():
        turn, memory = our_side(config, side, threads, device)
        serve(turn, memory)


def serve(turn: Callable[[], float], memory: Callable[[], int | None]) -> None:
    """Answer until the input ends."""
    for question in sys.stdin:
        _answer(memory() if question.strip() == "memory" else turn())


def our_side(
    config: TrainConfig, side: Side, threads: int, device: Device
) -> tuple[Callable[[], float], Callable[[], int | None]]:
    """Return functions that give the seconds of a step as in ``train``, and memory."""
    reuse_freed_memory()
    set_thread_count(threads)
    allow_tf32(side.precision == "TF32")
    state, batches = new_state(config, device), random_batches(config, device)
    settings = StepSettings.of(config, check_finite=device.kind == "cpu")

    def draw_z(count: int) -> np.ndarray:
        return draw_latent(config.network, count, state.rng)

    def launch() -> None:
        with one_blas_thread():
            train_step(
                state.gan, batches, lambda count: device.put(draw_z(count)), settings
            )

    step = launch
    if side.graph:
        recorded = RecordedStep(
            state.gan, device, draw_z, settings, config.batch_size, refuse
        )
        step = partial(recorded, batches)
    turn = partial(seconds_a_step, step, partial(wait_for, device), device)
    if device.kind == "cpu":
        return turn, peak_memory
    # A graph's memory is in another pool.
    return turn, lambda: None if side.graph else pool_memory(device)


def torch_side(
    config: TrainConfig, side: Side, threads: int, device: Device
) -> tuple[Callable[[], float], Callable[[], int | None]]:
    """Return functions that give the seconds of PyTorch's step, and its memory."""
    import torch

    from scratchgan.bench.torch_network import make_step, record_step

    torch.set_num_threads(threads)
    on_gpu = device.kind == "gpu"
    if on_gpu:
        if not torch.cuda.is_available():
            refuse("this PyTorch finds no GPU; it needs a build for CUDA")
        torch.cuda.set_device(device.index)
        torch.backends.cudnn.benchmark = True
        tf32 = side.precision != "float32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    state, rng = new_state(config, CPU), np.random.default_rng(0)

    def draw_z(count: int) -> object:
        if on_gpu:  # where a graph can draw it too
            return torch.randn(count, config.network.latent_dim, device="cuda")
        return draw_latent(config.network, count, rng)

    step = make_step(
        config,
        state.gan.generator,
        state.gan.discriminator,
        random_batches(config, CPU),
        draw_z,
        channels_last=side.channels_last,
        device="cuda" if on_gpu else "cpu",
        bfloat16=side.precision == "bfloat16",
    )
    if side.graph:
        step = record_step(step)
    if on_gpu:
        wait, memory = torch.cuda.synchronize, torch.cuda.max_memory_reserved
    else:
        wait, memory = partial(wait_for, device), peak_memory
    return partial(seconds_a_step, step, wait, device), memory


def seconds_a_step(
    step: Callable[[], object], wait: Callable[[], None], device: Device
) -> float:
    """Return the seconds of one step; on a GPU of one among many without a wait."""
    count = 1
    if device.kind == "gpu":
        count = GPU_TURN_STEPS
        for _ in range(count):
            step()
        wait()
    start = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return (time.perf_counter() - start) / count


def refuse(reason: str) -> NoReturn:
    """End this side: the reason is the last line that the other process reads."""
    sys.exit(reason)


def _answer(value: float | None) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
