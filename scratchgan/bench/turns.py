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
from dataclasses import dataclass

from scratchgan.errors import ScratchGANError
from scratchgan.training.config import TrainConfig, config_to_dict

WARM_UP_STEPS = 2
PAUSE_SECONDS = 0.3
"""Between turns: threads of the side before may still be spinning."""
SIDES = ("scratchgan", "torch NCHW", "torch channels_last")


@dataclass(frozen=True)
class SideTimes:
    """What was measured of one side.

    Attributes
    ----------
    median_seconds, minimum_seconds, maximum_seconds : float
        Of a whole training step.
    peak_memory_bytes : int or None
        Largest resident memory of its process.
    """

    median_seconds: float
    minimum_seconds: float
    maximum_seconds: float
    peak_memory_bytes: int | None


def compare_with_torch(
    config: TrainConfig, threads: int, steps: int
) -> dict[str, SideTimes]:
    """Time training steps of this product and of PyTorch in both layouts.

    Parameters
    ----------
    config : TrainConfig
        Networks, batch size and update order, the same for all sides.
    threads : int
        Of each side.
    steps : int
        Of each side, after two that warm up.

    Raises
    ------
    ScratchGANError
        If PyTorch is not installed, or a side's process fails.
    """
    if importlib.util.find_spec("torch") is None:
        raise ScratchGANError(
            "PyTorch, to compare with, is not installed: pip install -e '.[oracle]'"
        )
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    with ExitStack() as stack:
        children = {}
        for side in SIDES:
            children[side] = stack.enter_context(_start(side, config, threads))
            stack.callback(children[side].kill)
        for number in range(WARM_UP_STEPS + steps):
            for side, child in children.items():
                elapsed = _ask(side, child, "step")
                if number >= WARM_UP_STEPS:
                    seconds[side].append(elapsed)
                time.sleep(PAUSE_SECONDS)
        memory = {side: _ask(side, child, "memory") for side, child in children.items()}
    return {
        side: SideTimes(statistics.median(times), min(times), max(times), memory[side])
        for side, times in seconds.items()
    }


def _start(side: str, config: TrainConfig, threads: int) -> subprocess.Popen:
    order = {"side": side, "config": config_to_dict(config), "threads": threads}
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
