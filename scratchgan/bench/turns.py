"""Sides of a comparison taking turns, each in a process of its own.

A machine that grows slower for a minute so slows all sides alike, none finds the
other's arrays in the caches, and each has a peak memory of its own.
"""

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from scratchgan.backend import Device
from scratchgan.errors import ScratchGANError
from scratchgan.training.config import TrainConfig, config_to_dict

WARM_UP_STEPS = 2
PAUSE_SECONDS = 0.3
"""Between turns: threads of the side before may still be spinning."""


@dataclass(frozen=True)
class Side:
    """What makes the steps of one side.

    Attributes
    ----------
    program : {"scratchgan", "torch"}
    precision : {"float32", "TF32", "bfloat16"}
        Of products; bfloat16 is PyTorch's autocast, whose other products are in TF32.
    channels_last : bool
        PyTorch's layout of images and weights.
    graph : bool
        Whether a step is a CUDA graph.
    """

    program: str
    precision: str = "float32"
    channels_last: bool = False
    graph: bool = False


@dataclass(frozen=True)
class SideTimes:
    """What was measured of one side.

    Attributes
    ----------
    median_seconds, minimum_seconds, maximum_seconds : float
        Of a whole training step.
    peak_memory_bytes : int or None
        Largest resident memory of its process; on a GPU what its pool took of
        that, or None where ours is a graph, which has another pool.
    """

    median_seconds: float
    minimum_seconds: float
    maximum_seconds: float
    peak_memory_bytes: int | None


def sides_on(device: Device, *, tf32: bool, graph: bool) -> dict[str, Side]:
    """Return the sides of a comparison by name.

    On a GPU PyTorch runs in our precision and, for information, in bfloat16; each step
    by step and as a graph, whatever ours does. bfloat16 is for its tensor cores, which
    like channels_last best.
    """
    if device.kind == "cpu":
        return {
            "scratchgan": Side("scratchgan"),
            "torch NCHW": Side("torch"),
            "torch channels_last": Side("torch", channels_last=True),
        }
    precision = "TF32" if tf32 else "float32"
    sides = {"scratchgan": Side("scratchgan", precision, graph=graph)}
    for kind, last in ((precision, False), (precision, True), ("bfloat16", True)):
        layout = "channels_last" if last else "NCHW"
        sides[f"torch {kind} {layout}"] = Side("torch", kind, last)
        sides[f"torch {kind} {layout} graph"] = Side("torch", kind, last, True)
    return sides


def compare_with_torch(
    config: TrainConfig,
    threads: int,
    steps: int,
    device: Device,
    sides: dict[str, Side],
) -> dict[str, SideTimes]:
    """Time training steps of this product and of PyTorch.

    Parameters
    ----------
    config : TrainConfig
        Networks, batch size and update order, the same for all sides.
    threads : int
        Of each side.
    steps : int
        Of each side, after two that warm up; on a GPU so many turns of twenty.
    device : Device
        Where all compute.
    sides : dict of str to Side
        As `sides_on` returns them.

    Raises
    ------
    ScratchGANError
        If PyTorch is not installed, or a side's process fails.
    """
    if importlib.util.find_spec("torch") is None:
        raise ScratchGANError(
            "PyTorch, to compare with, is not installed: pip install -e '.[oracle]'"
        )
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    with ExitStack() as stack:
        children = {}
        for name, side in sides.items():
            child = _start(side, config, threads, device)
            children[name] = stack.enter_context(child)
            stack.callback(child.kill)
        for number in range(WARM_UP_STEPS + steps):
            for name, child in children.items():
                elapsed = _ask(name, child, "step")
                if number >= WARM_UP_STEPS:
                    seconds[name].append(elapsed)
                time.sleep(PAUSE_SECONDS)
        memory = {name: _ask(name, child, "memory") for name, child in children.items()}
    return {
        name: SideTimes(statistics.median(times), min(times), max(times), memory[name])
        for name, times in seconds.items()
    }


def best_of_torch(sides: dict[str, Side], times: dict[str, SideTimes]) -> str:
    """Return the name of PyTorch's fastest side in the precision of ours."""
    precision = sides["scratchgan"].precision
    comparable = [
        name
        for name, side in sides.items()
        if side.program == "torch" and side.precision == precision
    ]
    return min(comparable, key=lambda name: times[name].median_seconds)


def _start(
    side: Side, config: TrainConfig, threads: int, device: Device
) -> subprocess.Popen:
    order = {
        "side": asdict(side),
        "config": config_to_dict(config),
        "threads": threads,
        "device": asdict(device),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "scratchgan.bench.child", json.dumps(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ask(side: str, child: subprocess.Popen, question: str) -> float:
    """Return the child's answer to "step" or "memory"."""
    try:
        child.stdin.write(f"{question}\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except BrokenPipeError:
        line = ""
    if line:
        return json.loads(line)
    errors = child.stderr.read().strip().splitlines()
    reason = errors[-1] if errors else f"its process ended with {child.wait()}"
    raise ScratchGANError(f"{side} could not make a step: {reason}")
