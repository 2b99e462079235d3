"""Everything that only a real GPU can tell, in under ten minutes.

    python -m tests.on_a_card FOLDER

Writes into FOLDER, made if need be, one text file for each part: ``steps`` of all
presets, launched one by one and recorded, in float32 and TF32; ``profile``, the time of
each kernel; ``tests``, those marked gpu; ``torch``, steps beside PyTorch's. Parts run
one after another until the time is over, the most telling first; what was cut off or
failed is said, and the exit status is then 1. PyTorch for CUDA is needed for two parts.
"""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scratchgan.backend import Device, gpu_status
from scratchgan.bench.step import measure_steps, random_batches
from scratchgan.gpu.timing import wait_for
from scratchgan.kernels.products import allow_tf32
from scratchgan.models.latent import draw_latent
from scratchgan.training.config import TrainConfig
from scratchgan.training.presets import PRESETS
from scratchgan.training.run.state import new_state
from scratchgan.training.step import StepSettings, train_step

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 570
STEPS = 40
PROFILED = {name: PRESETS[name] for name in ("dcgan64", "paper64", "quick32")}
PROFILED_STEPS = 10
BESIDE_TORCH = "dcgan64", "paper64", "imagenet32", "quick32"
SHOWN_KERNELS = 24


def steps(
    device: Device, presets: dict[str, TrainConfig], count: int
) -> Iterator[dict[str, object]]:
    """Time steps; one record for each preset, precision and way to start them."""
    for name, preset in presets.items():
        for tf32 in (False, True):
            for graph in (False, True):
                allow_tf32(tf32)
                config = dataclasses.replace(preset, cuda_graph=graph)
                with device.stream():
                    times = measure_steps(config, device, count)
                yield {"preset": name, "batch": config.batch_size, "tf32": tf32,
                       "graph": graph, **dataclasses.asdict(times)}  # fmt: skip
    allow_tf32(False)


def profile(
    device: Device, presets: dict[str, TrainConfig], count: int
) -> Iterator[str]:
    """Time each kernel of steps launched one by one, by CUPTI, which PyTorch brings."""
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    torch.zeros(1, device="cuda")  # CUPTI before the first kernel
    for name, config in presets.items():
        for tf32 in (False, True):
            allow_tf32(tf32)
            step = single_launches(config, device)
            for _ in range(4):
                step()
            wait_for(device)
            with profiled(activities=[ProfilerActivity.CUDA]) as record:
                for _ in range(count):
                    step()
                wait_for(device)
            yield from table_of_kernels(
                f"{name}, {'TF32' if tf32 else 'float32'}",
                [
                    (event.name, event.time_range.elapsed_us())
                    for event in record.events()
                    if event.device_type == torch.autograd.DeviceType.CUDA
                ],
                count,
            )


def single_launches(config: TrainConfig, device: Device) -> Callable[[], object]:
    """Return a function that makes a step without a graph."""
    state, batches = new_state(config, device), random_batches(config, device)
    return lambda: train_step(
        state.gan,
        batches,
        lambda n: device.put(draw_latent(config.network, n, state.rng)),
        StepSettings.of(config, check_finite=False),
    )


def table_of_kernels(
    title: str, times: list[tuple[str, float]], count: int
) -> Iterator[str]:
    """Add up (kernel, microseconds) of some steps; the longest first."""
    sums: dict[str, float] = {}
    calls: dict[str, int] = {}
    for kernel, microseconds in times:
        sums[kernel] = sums.get(kernel, 0) + microseconds
        calls[kernel] = calls.get(kernel, 0) + 1
    busy = sum(sums.values()) / count / 1000
    yield f"{title}: busy {busy:.3f} ms a step, {len(times) / count:.0f} activities"
    for kernel in sorted(sums, key=sums.get, reverse=True)[:SHOWN_KERNELS]:
        per_step = sums[kernel] / count / 1000
        yield f"{per_step:9.3f} ms {calls[kernel] / count:6.1f} x  {kernel[:90]}"


def parts() -> dict[str, list[list[str]]]:
    """Return the command lines of each part, in order."""
    python = sys.executable
    this = [python, "-m", "tests.on_a_card"]
    beside = [python, "cli.py", "bench", "step", "--device", "gpu", "--json"]
    beside += ["--against", "torch", "--steps", "1", "--preset"]
    return {
        "steps": [[*this, "--part", "steps"]],
        "profile": [[*this, "--part", "profile"]],
        "tests": [[python, "-m", "pytest", "-q", "-m", "gpu", "tests"]],
        "torch": [
            [*beside, preset, *more]
            for preset in BESIDE_TORCH
            for more in ([], ["--tf32"])
        ],
    }


def run_parts(
    commands: dict[str, list[list[str]]], folder: Path, seconds: float
) -> list[str]:
    """Run command lines until the time is over; return what was not done, in words."""
    end = time.monotonic() + seconds
    problems = []
    for name, lines in commands.items():
        with (folder / f"{name}.txt").open("w") as file:
            for line in lines:
                left = end - time.monotonic()
                try:
                    done = subprocess.run(
                        line,
                        cwd=ROOT,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        timeout=max(0.0, left),
                        check=False,
                    )
                except subprocess.TimeoutExpired:
                    problems.append(f"{name} was cut off")
                    break
                if done.returncode:
                    problems.append(f"{name} failed: {' '.join(map(str, line[1:]))}")
    return problems


def main(arguments: list[str]) -> None:
    """Run all parts into a folder, or one here with ``--part NAME``."""
    if len(arguments) not in (1, 2):
        sys.exit("usage: python -m tests.on_a_card FOLDER")
    status = gpu_status()
    if not status.usable:
        sys.exit(f"this needs a GPU: {status.message}")
    if arguments[0] == "--part":
        device = Device("gpu").use()
        if arguments[1] == "steps":
            lines = map(json.dumps, steps(device, PRESETS, STEPS))
        else:
            lines = profile(device, PROFILED, PROFILED_STEPS)
        for line in lines:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        return
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    card = json.dumps(Device("gpu").details(), indent=1)
    (folder / "card.json").write_text(card, encoding="ascii")
    if problems := run_parts(parts(), folder, SECONDS):
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main(sys.argv[1:])
