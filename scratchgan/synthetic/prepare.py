"""Prepare the sets that scratchgan draws itself, so that nothing need be downloaded."""

import contextlib
import importlib
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from scratchgan.datasets.catalogue import BUILT_IN, check_replaceable, dataset_path
from scratchgan.datasets.decode_many import in_order
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.datasets.prepare.options import PrepareReport
from scratchgan.errors import DatasetError
from scratchgan.machine import reuse_freed_memory, usable_cores
from scratchgan.progress import Progress
from scratchgan.synthetic.drawn_image import DrawingModule

DEFAULT_COUNT = 20_000

# Name -> the `DrawingModule` that draws it.
DRAWING_MODULES = {
    "faces": "scratchgan.synthetic.faces.portrait",
    "bedrooms": "scratchgan.synthetic.bedrooms.bedroom",
    "digits": "scratchgan.synthetic.digits.digit",
}

# Images a process draws before it hands them over: large enough that handing over
# costs little, small enough that the progress bar moves.
_BLOCK = 64

# Validation and test take this fraction each; the rest is for training.
_HELD_OUT = 0.05


class _Task(NamedTuple):
    """Images start..stop-1 of a set, for a worker process to draw."""

    module_name: str
    seed: int
    start: int
    stop: int
    size: int


class _Block(NamedTuple):
    """Drawn images as `DatasetWriter.append` takes them; None where a set has none."""

    images: np.ndarray
    attributes: np.ndarray | None
    labels: np.ndarray | None
    boxes: np.ndarray | None


def prepare_synthetic(
    name: str,
    data_dir: str | Path | None = None,
    count: int = DEFAULT_COUNT,
    size: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    force: bool = False,
    workers: int | None = None,
) -> PrepareReport:
    """Draw a built-in set and write it to ``NAME.h5``.

    The same count, size and seed give the same pixels, whatever the number of
    processes. Image i does not depend on the count.

    Parameters
    ----------
    name : str
        One of `BUILT_IN`.
    data_dir : str or Path, optional
        See `data_folder`.
    count : int, default=20000
        Images to draw, at least 1.
    size : int, optional
        Height and width in pixels; by default 28 for digits, 64 for the others.
    seed : int, default=0
        Chooses the images and the split.
    progress : callable, optional
        Called with (images done, count).
    force : bool, default=False
        Replace an existing file.
    workers : int, optional
        Processes; all cores by default. Where none can be started, this one draws.

    Returns
    -------
    PrepareReport
        What was written.

    Raises
    ------
    DatasetError
        There is no built-in set of that name, or not of that size.
    OutputError
        The file is there already, or cannot be written.
    """
    plan = _plan(name, count, size, seed)
    path = dataset_path(name, data_dir)
    check_replaceable(path, force)
    started = time.perf_counter()
    blocks = _drawn_blocks(plan.tasks(), workers or usable_cores())
    with plan.open_writer(path) as writer, contextlib.closing(blocks):
        for block in blocks:
            writer.append(**block._asdict())
            if progress is not None:
                progress(writer.count, count)
        writer.set_split(_random_split(count, seed))
    return plan.report(writer, time.perf_counter() - started)


@dataclass(frozen=True)
class _Plan:
    """What is to be drawn."""

    name: str
    module_name: str
    module: DrawingModule
    count: int
    size: int
    seed: int

    def tasks(self) -> list[_Task]:
        return [
            _Task(
                self.module_name,
                self.seed,
                start,
                min(start + _BLOCK, self.count),
                self.size,
            )
            for start in range(0, self.count, _BLOCK)
        ]

    def open_writer(self, path: Path) -> DatasetWriter:
        name, count, size, seed = self.name, self.count, self.size, self.seed
        return DatasetWriter(
            path,
            size,
            size,
            self.module.CHANNELS,
            name=name,
            title=f"{name}, {BUILT_IN[name]}",
            source=f"drawn by scratchgan, seed {seed}; no photograph is involved",
            licence="MIT, as scratchgan itself",
            synthetic=True,
            command=f"data prepare {name} --count {count} --size {size} --seed {seed}",
            class_names=self.module.CLASS_NAMES or None,
            attribute_names=self.module.ATTRIBUTE_NAMES or None,
            expected_count=count,
        )

    def report(self, writer: DatasetWriter, seconds: float) -> PrepareReport:
        return PrepareReport(
            path=writer.path,
            count=self.count,
            height=self.size,
            width=self.size,
            channels=self.module.CHANNELS,
            sha256=writer.sha256,
            seconds=seconds,
            class_names=list(self.module.CLASS_NAMES) or None,
        )


def _plan(name: str, count: int, size: int | None, seed: int) -> _Plan:
    """Return what is to be drawn; what cannot be is refused before any work."""
    if name not in BUILT_IN:
        raise DatasetError(
            f"no built-in set {name!r}; there is {', '.join(BUILT_IN)}. To prepare "
            f"your own images: scratchgan data prepare {name} SOURCE"
        )
    if count < 1:
        raise DatasetError(f"count is {count}, expected at least 1 image")
    module_name = DRAWING_MODULES[name]
    module = importlib.import_module(module_name)
    size = module.DEFAULT_SIZE if size is None else size
    try:
        module.draw(seed, 0, size)
    except ValueError as error:
        raise DatasetError(f"{name} cannot be drawn: {error}") from error
    return _Plan(name, module_name, module, count, size, seed)


def _random_split(count: int, seed: int) -> np.ndarray:
    """Return split values, uint8 (count,): 90 % train, 5 % validation, 5 % test."""
    held_out = int(count * _HELD_OUT)
    # The second word keeps this stream apart from those that draw the images.
    rows = np.random.default_rng([seed, 0x5911]).permutation(count)
    split = np.full(count, SPLITS["train"], dtype=np.uint8)
    split[rows[:held_out]] = SPLITS["validation"]
    split[rows[held_out : 2 * held_out]] = SPLITS["test"]
    return split


def _draw_block(task: _Task) -> _Block:
    """Draw a block; runs in a worker process, so all it needs is in the task."""
    module = importlib.import_module(task.module_name)
    drawn = [
        module.draw(task.seed, index, task.size)
        for index in range(task.start, task.stop)
    ]
    return _Block(
        np.stack([each.image for each in drawn]),
        _column([each.attributes for each in drawn]),
        _column([each.label for each in drawn]),
        _column([each.boxes for each in drawn]),
    )


def _column(values: list) -> np.ndarray | None:
    """Return one value for each image as an array; None where a set has none."""
    return None if values[0] is None else np.stack(values)


def _drawn_blocks(tasks: list, workers: int) -> Iterator[_Block]:
    """Yield the blocks in order, drawn by worker processes where they can be had.

    Processes, not threads: drawing many small shapes holds the interpreter lock.
    """
    done = 0
    workers = min(workers, len(tasks))
    if workers > 1:
        try:
            with contextlib.closing(_blocks_from_pool(tasks, workers)) as blocks:
                for block in blocks:
                    yield block
                    done += 1
            return
        except (BrokenProcessPool, OSError, ImportError, NotImplementedError):
            # No process could be started, or one was killed: a small container, a
            # platform without semaphores.
            pass
    for task in tasks[done:]:
        yield _draw_block(task)


def _blocks_from_pool(tasks: list, workers: int) -> Iterator[_Block]:
    # Spawned, not forked: it is the same on every system, and a fork would copy the
    # threads' locks of libraries that are loaded here.
    pool = _Workers(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    with pool:
        yield from in_order(pool, _draw_block, tasks, in_flight=3 * workers)


class _Workers(ProcessPoolExecutor):
    """Processes that leave Ctrl-C, which reaches them all, to their parent."""

    def submit(self, *args: Any, **kwargs: Any) -> Future:
        """Submit a task; this is where processes are started, as they are needed."""
        # A new process would run the user's script again, up to the line that draws.
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return self._submit_without_interrupts(*args, **kwargs)
        finally:
            sys.modules["__main__"] = script

    def _submit_without_interrupts(self, *args: Any, **kwargs: Any) -> Future:
        # Until a new process has come to its initializer, Ctrl-C would print its
        # traceback. It inherits the signals held back here; Windows has no such thing.
        if not hasattr(signal, "pthread_sigmask"):
            return super().submit(*args, **kwargs)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(*args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    # Ctrl-C is left to the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reuse_freed_memory()  # a tenth of the time of drawing bedrooms
