"""How fast batches come: what ``scratchgan bench data`` measures."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.datasets.loader import BatchLoader
from scratchgan.errors import ConfigError

FAST_SECONDS = 4.0
STEPPING_SECONDS = 12.0
"""How long batches are taken; the loader reads evenly, so any stretch will do."""
WRITE_BYTES = 16 << 20
"""Random pixels written together."""


@dataclass(frozen=True)
class DataTimes:
    """What was measured.

    Attributes
    ----------
    images : int
        In the file; all are used, whatever their split.
    batch_size, height, width : int
        Of the batches.
    file_bytes : int
        Size of the file.
    first_batch_seconds : float
        Until the first batch was there, for which a whole window of images is read.
        Not part of what follows.
    images_per_second, megabytes_per_second : float
        Delivered when batches are taken as fast as possible. A megabyte is 10⁶ bytes
        of pixels, a byte for each value, at the size of the batches.
    step_seconds : float
        Of the steps that were simulated by sleeping. A sleeping step leaves all cores
        to the loader, which a real one does not.
    steps : int
        How many there were.
    wait_fraction : float
        Share of the time of these steps, waiting included, spent waiting for a batch.
    """

    images: int
    batch_size: int
    height: int
    width: int
    file_bytes: int
    first_batch_seconds: float
    images_per_second: float
    megabytes_per_second: float
    step_seconds: float
    steps: int
    wait_fraction: float


def measure_data(
    path: Path,
    batch_size: int,
    size: tuple[int, int] | None = None,
    step_seconds: float = 0.1,
) -> DataTimes:
    """Take batches as fast as possible, and then one for each simulated step.

    Where the system has the file in memory, as it has one just written, the speed is
    that of memory, not of the disk.

    Parameters
    ----------
    path : Path
        A prepared dataset.
    batch_size : int
        Images in a batch.
    size : (height, width), optional
        To average the images down to; by default they stay as they are.
    step_seconds : float, default=0.1
        Of a simulated step, up to a minute.

    Raises
    ------
    DatasetError
        The dataset cannot be opened, or has no such batches.
    ConfigError
        The time of a step is out of range.
    """
    if not 0 <= step_seconds <= 60:
        raise ConfigError(f"--step-seconds is {step_seconds}, expected 0 to 60")
    with open_dataset(path) as dataset:
        height, width = size or (dataset.height, dataset.width)

        def new_loader() -> BatchLoader:
            return BatchLoader(
                dataset,
                np.arange(len(dataset)),
                batch_size=batch_size,
                height=height,
                width=width,
                output="tanh",
                seed=0,
            )

        with new_loader() as loader:
            start = time.perf_counter()
            next(loader)
            first_batch_seconds = time.perf_counter() - start
            images_per_second = _take(loader)
        with new_loader() as loader:
            next(loader)
            steps, wait_fraction = _take_in_steps(loader, step_seconds)
        image_bytes = height * width * dataset.channels
        return DataTimes(
            images=len(dataset),
            batch_size=batch_size,
            height=height,
            width=width,
            file_bytes=path.stat().st_size,
            first_batch_seconds=first_batch_seconds,
            images_per_second=images_per_second,
            megabytes_per_second=images_per_second * image_bytes / 1e6,
            step_seconds=step_seconds,
            steps=steps,
            wait_fraction=wait_fraction,
        )


def _take(loader: BatchLoader) -> float:
    """Take batches as fast as possible and return how many images came a second."""
    images, start = 0, time.perf_counter()
    while True:
        images += len(next(loader).images)
        elapsed = time.perf_counter() - start
        if elapsed >= FAST_SECONDS:
            return images / elapsed


def _take_in_steps(loader: BatchLoader, step_seconds: float) -> tuple[int, float]:
    """Return how many steps were made and the share of the time waited for data."""
    steps, waited, start = 0, 0.0, time.perf_counter()
    while True:
        asked = time.perf_counter()
        next(loader)
        waited += time.perf_counter() - asked
        time.sleep(step_seconds)
        steps += 1
        elapsed = time.perf_counter() - start
        if elapsed >= STEPPING_SECONDS:
            return steps, waited / elapsed


@contextlib.contextmanager
def random_dataset(images: int, height: int, width: int) -> Iterator[Path]:
    """Give a file of random RGB pixels in a temporary folder, deleted at the end.

    Parameters
    ----------
    images : int
        How many.
    height, width : int
        In pixels.

    Raises
    ------
    OutputError
        The disk has no room for it.
    """
    rng = np.random.default_rng(0)
    part = max(1, WRITE_BYTES // (height * width * 3))
    with tempfile.TemporaryDirectory(prefix="scratchgan-") as folder:
        path = Path(folder) / "random.h5"
        with DatasetWriter(
            path,
            height,
            width,
            3,
            name="random",
            title="random pixels",
            source="scratchgan bench data",
            licence="MIT, as scratchgan itself",
            synthetic=True,
            expected_count=images,
        ) as writer:
            for start in range(0, images, part):
                shape = min(part, images - start), height, width, 3
                writer.append(rng.integers(0, 256, shape, dtype=np.uint8))
        yield path
