"""One side of a comparison: a process that makes a training step when told to.

Reads lines from standard input: for ``step`` it makes one and writes how many seconds
it took, for ``memory`` it writes its largest resident memory so far in bytes. What it
is to run comes as JSON in its argument: ``side``, ``config`` and ``threads``.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from scratchgan.backend import CPU
from scratchgan.bench.step import peak_memory, random_batches
from scratchgan.functional.parallel import one_blas_thread, set_thread_count
from scratchgan.machine import reuse_freed_memory
from scratchgan.models.latent import draw_latent
from scratchgan.training.config import TrainConfig, config_from_dict
from scratchgan.training.run.state import new_state
from scratchgan.training.step import StepSettings, train_step


def main() -> None:
    """Serve steps until the input ends."""
    order = json.loads(sys.argv[1])
    config = config_from_dict(order["config"])
    if order["side"] == "scratchgan":
        step = our_step(config, order["threads"])
    else:
        step = torch_step(config, order["threads"], order["side"])
    for question in sys.stdin:
        if question.strip() == "memory":
            _answer(peak_memory())
            continue
        start = time.perf_counter()
        step()
        _answer(time.perf_counter() - start)


def our_step(config: TrainConfig, threads: int) -> Callable[[], None]:
    """Return a function that makes a training step as ``train`` does."""
    reuse_freed_memory()
    set_thread_count(threads)
    state, batches = new_state(config, CPU), random_batches(config, CPU)
    settings = StepSettings.of(config)

    def step() -> None:
        with one_blas_thread():
            train_step(
                state.gan,
                batches,
                lambda count: draw_latent(config.network, count, state.rng),
                settings,
            )

    return step


def torch_step(config: TrainConfig, threads: int, layout: str) -> Callable[[], None]:
    """Return a function that makes the same step in PyTorch."""
    import torch

    from scratchgan.bench.torch_network import make_step

    torch.set_num_threads(threads)
    state, rng = new_state(config, CPU), np.random.default_rng(0)
    return make_step(
        config,
        state.gan.generator,
        state.gan.discriminator,
        random_batches(config, CPU),
        lambda count: draw_latent(config.network, count, rng),
        channels_last=layout == "torch channels_last",
    )


def _answer(value: float | None) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
