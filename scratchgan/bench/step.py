"""How fast a training step is: what ``scratchgan bench step`` measures."""

import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from scratchgan.backend import Device, transfers
from scratchgan.bench.product_speed import product_gflops
from scratchgan.functional.parallel import thread_count
from scratchgan.gpu.timing import seconds_of
from scratchgan.kernels.counting import counting
from scratchgan.machine import reuse_freed_memory
from scratchgan.models.architecture import plan_discriminator, plan_generator
from scratchgan.models.latent import draw_latent
from scratchgan.training.config import TrainConfig
from scratchgan.training.forecast.device_memory import step_memory
from scratchgan.training.forecast.trial import random_batch
from scratchgan.training.recorded_step import RecordedStep, is_to_be_recorded
from scratchgan.training.run.state import TrainingState, new_state
from scratchgan.training.step import Batch, StepLosses, StepSettings, train_step

WARM_UP_STEPS = 3
"""The third is recorded where steps are."""
GPU_TIMES = "host_seconds", "host_processor_seconds", "device_seconds"


@dataclass(frozen=True)
class StepTimes:
    """What was measured.

    Attributes
    ----------
    median_seconds, minimum_seconds, maximum_seconds : float
        Of a whole step, one update of D and one of G, until its losses are known.
    host_seconds, host_processor_seconds : float or None
        On a GPU, until a step is queued: by the clock, and of that the time in which
        the host computed. Medians, each with an empty queue.
    device_seconds : float or None
        On a GPU, of a step among steps that nobody waits for, by its own events.
    images_per_second : float
        Real images at the device's time, or the median where there is none.
    phases : dict of str to float
        Share of the time in forward and backward of each network, and in Adam; empty
        where steps are repeated as a CUDA graph.
    gflop : float
        10⁹ operations of a step if every convolution is computed as it is defined.
    product_gflops : float
        Speed of a large matrix product in the same process, 10⁹ operations a second.
    fraction_of_product : float
        Share of that speed at the same time; more than 1 is possible where fewer
        multiplications are made than the definition has.
    peak_memory_bytes : int or None
        Largest resident memory of this process; None where the system does not say.
    """

    median_seconds: float
    minimum_seconds: float
    maximum_seconds: float
    host_seconds: float | None
    host_processor_seconds: float | None
    device_seconds: float | None
    images_per_second: float
    phases: dict[str, float]
    gflop: float
    product_gflops: float
    fraction_of_product: float
    peak_memory_bytes: int | None


def measure_steps(config: TrainConfig, device: Device, steps: int) -> StepTimes:
    """Time training steps on random images after three that warm up.

    Parameters
    ----------
    config : TrainConfig
        Networks, batch size and update order.
    device : Device
        Where to compute.
    steps : int
        Steps to time, at least 1.
    """
    reuse_freed_memory()
    state = new_state(config, device)
    batches = random_batches(config, device)
    seconds: dict[str, float] = {}
    _time_phases(state, seconds)
    times, queued, computed = [], [], []

    def draw_z(count: int) -> np.ndarray:
        return draw_latent(config.network, count, state.rng)

    settings = StepSettings.of(config, check_finite=False)
    recorded = None
    if is_to_be_recorded(config, device):
        recorded = RecordedStep(state.gan, device, draw_z, settings, config.batch_size)

    def make_step() -> StepLosses:
        if recorded:
            return recorded(batches)
        return train_step(
            state.gan,
            batches,
            lambda count: device.put(draw_z(count)),
            settings,
        )

    for number in range(WARM_UP_STEPS + steps):
        if number == WARM_UP_STEPS:
            seconds.clear()
        start, start_computing = time.perf_counter(), time.thread_time()
        losses = make_step()
        queued.append(time.perf_counter() - start)
        computed.append(time.thread_time() - start_computing)
        float(losses.loss_g + losses.loss_d)  # a GPU is done when a number comes back
        times.append(time.perf_counter() - start)
    times = times[WARM_UP_STEPS:]
    phases = {name: value / sum(times) for name, value in seconds.items()}
    median = step_seconds = statistics.median(times)
    of_gpu: dict[str, float | None] = dict.fromkeys(GPU_TIMES)
    if device.kind == "gpu":

        def make_steps() -> None:
            for _ in range(steps):
                make_step()

        step_seconds = seconds_of(make_steps, device) / steps
        of_gpu = {
            "host_seconds": statistics.median(queued[WARM_UP_STEPS:]),
            "host_processor_seconds": statistics.median(computed[WARM_UP_STEPS:]),
            "device_seconds": step_seconds,
        }
    gflop = step_gflop(config)
    # The step's own limit for comparison: a product on as many threads as it has.
    with threadpoolctl.threadpool_limits(thread_count(), user_api="blas"):
        product = product_gflops(device)
    return StepTimes(
        median_seconds=median,
        minimum_seconds=min(times),
        maximum_seconds=max(times),
        **of_gpu,
        images_per_second=config.batch_size * config.batches_a_step / step_seconds,
        phases=phases,
        gflop=gflop,
        product_gflops=product,
        fraction_of_product=gflop / step_seconds / product,
        peak_memory_bytes=peak_memory(),
    )


@dataclass(frozen=True)
class StepCounts:
    """What a step asks of a GPU.

    Attributes
    ----------
    kernels, products, fills : int
        Hand-written kernels started, calls of cuBLAS, and arrays set to zero. CuPy
        itself starts one kernel more, to add D's two losses, and a few where networks
        have labels or biases.
    by_kernel : dict of str to int
        Starts by kernel.
    operations : int
        Of the products, two for a multiplication with its addition.
    bytes_moved : int
        Of the GPU's memory that kernels and products read and write, if no cache holds
        anything between two of them.
    copies_to_device, bytes_to_device : int
        z and Adam's rates; a training run sends its images as well.
    device_memory_bytes : int
        What CuPy's pool takes for the networks, the optimisers and steps of this batch.
    """

    kernels: int
    products: int
    fills: int
    by_kernel: dict[str, int]
    operations: int
    bytes_moved: int
    copies_to_device: int
    bytes_to_device: int
    device_memory_bytes: int | None


def count_step(config: TrainConfig, device: Device) -> StepCounts:
    """Count what a step on a GPU starts, sends and takes."""
    state = new_state(config, device)
    batches = random_batches(config, device)

    def step() -> None:
        train_step(
            state.gan,
            batches,
            lambda count: device.put(draw_latent(config.network, count, state.rng)),
            StepSettings.of(config, check_finite=False),
        )

    step()  # the first also moves the parameters together
    before = transfers.copy()
    with counting() as work:
        step()
    launched, moved = work.launches, transfers - before
    products, fills = launched.pop("product", 0), launched.pop("fill", 0)
    return StepCounts(
        kernels=launched.total(),
        products=products,
        fills=fills,
        by_kernel=dict(sorted(launched.items())),
        operations=work.operations,
        bytes_moved=work.bytes,
        copies_to_device=moved["to_device"],
        bytes_to_device=moved["to_device_bytes"],
        device_memory_bytes=step_memory(config, device, config.batch_size),
    )


def step_gflop(config: TrainConfig) -> float:
    """Return the 10⁹ operations of a step, two for each multiply-add as defined.

    D goes forward three times (real, fake, fake again for G), back to its weights twice
    and back to its input three times, of which the two for its own update skip the
    first layer. G goes forward once, or twice where its update has a z of its own, and
    back to weights and input, without its first layer's input.
    """
    generator = [stage.multiplications for stage in plan_generator(config.network)]
    discriminator = [
        stage.multiplications for stage in plan_discriminator(config.network)
    ]
    g_forwards = 1 if config.update_order == "pytorch" else 2
    multiplications = (
        8 * sum(discriminator)
        - 2 * discriminator[0]
        + (g_forwards + 2) * sum(generator)
        - generator[0]
    )
    return 2 * multiplications * config.batch_size / 1e9


def peak_memory() -> int | None:
    """Return the largest resident memory of this process so far, in bytes."""
    try:
        # Linux: unlike getrusage, not that of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))
    except (OSError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def random_batches(config: TrainConfig, device: Device) -> list[Batch]:
    """Return batches of noise, as many as a step takes."""
    rng, size = np.random.default_rng(0), config.batch_size
    return [
        random_batch(config, device, size, rng) for _ in range(config.batches_a_step)
    ]


def _time_phases(state: TrainingState, seconds: dict[str, float]) -> None:
    """Make the networks and optimisers of a run add up the time spent in them.

    On a GPU this is the time to queue the work, not to do it.
    """
    gan = state.gan
    for name, owner, method in (
        ("G forward", gan.generator, "forward"),
        ("G backward", gan.generator, "backward"),
        ("D forward", gan.discriminator, "forward"),
        ("D backward", gan.discriminator, "backward"),
        ("Adam", gan.adam_g, "step"),
        ("Adam", gan.adam_d, "step"),
    ):
        setattr(owner, method, _timed(getattr(owner, method), name, seconds))


def _timed(
    function: Callable[..., Any], name: str, seconds: dict[str, float]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            elapsed = time.perf_counter() - start
            seconds[name] = seconds.get(name, 0.0) + elapsed

    return call
