"""How fast images are prepared: what ``scratchgan bench data --prepare`` measures.

The yardstick is the least that has to be done: decoding every JPEG and resizing it, on
all cores, with the files in memory and the pixels thrown away. Both sides take turns,
so that a machine that grows slower slows both.
"""

import io
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from scratchgan.bench.step import peak_memory
from scratchgan.datasets.decode_image import decode_image
from scratchgan.datasets.prepare.preparation import PrepareOptions, prepare
from scratchgan.machine import usable_cores

TURNS = 3
PHOTOGRAPH = (218, 178)
"""Height and width of the photographs, those of CelebA."""
DIFFERENT = 200
"""Photographs that are made; more are these again."""


@dataclass(frozen=True)
class PreparationTimes:
    """What was measured.

    Attributes
    ----------
    images : int
        JPEG files in a zip.
    file_bytes : int
        Size of one on average.
    size : int
        Height and width that they are brought to.
    cores : int
        Used by both sides.
    images_per_second : float
        Of `prepare`, from the zip to a dataset on the disk; median of the turns.
    bare_images_per_second : float
        Of decoding and resizing alone.
    ratio : float
        The first by the second; median of the turns.
    peak_memory_bytes : int or None
        Largest resident memory of this process; the bare side's files are part of it.
    """

    images: int
    file_bytes: int
    size: int
    cores: int
    images_per_second: float
    bare_images_per_second: float
    ratio: float
    peak_memory_bytes: int | None


def measure_preparation(images: int, size: int = 64) -> PreparationTimes:
    """Prepare a zip of JPEG files, and decode and resize them alone, in turns.

    Parameters
    ----------
    images : int
        How many.
    size : int, default=64
        To bring them to.

    Raises
    ------
    OutputError
        The disk has no room for them.
    """
    cores = usable_cores()
    photographs = random_photographs(min(images, DIFFERENT))
    files = [photographs[i % len(photographs)] for i in range(images)]
    speeds, bare_speeds = [], []
    with (
        tempfile.TemporaryDirectory(prefix="scratchgan-") as folder,
        ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool,
    ):
        source = Path(folder) / "photographs.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for i, data in enumerate(files):
                archive.writestr(f"{i:07d}.jpg", data)
        list(pool.map(_decode_some, [(files[:1], size)] * cores))  # starts them
        for _ in range(TURNS):
            bare_speeds.append(images / _bare_seconds(pool, files, size, cores))
            options = PrepareOptions(size, size, force=True)
            start = time.perf_counter()
            prepare("bench", source, folder, options)
            speeds.append(images / (time.perf_counter() - start))
    ratios = [ours / bare for ours, bare in zip(speeds, bare_speeds, strict=True)]
    return PreparationTimes(
        images=images,
        file_bytes=sum(map(len, photographs)) // len(photographs),
        size=size,
        cores=cores,
        images_per_second=median(speeds),
        bare_images_per_second=median(bare_speeds),
        ratio=median(ratios),
        peak_memory_bytes=peak_memory(),
    )


def random_photographs(count: int) -> list[bytes]:
    """Return JPEG files with the smoothness of photographs: about 10 kB each."""
    rng = np.random.default_rng(0)
    height, width = PHOTOGRAPH
    files = []
    for _ in range(count):
        pixels = np.zeros((height, width, 3))
        for detail, strength in ((4, 70), (16, 30), (64, 12), (128, 4)):
            noise = rng.normal(0, 1, (detail, detail, 3))
            layers = [
                Image.fromarray(noise[..., c].astype(np.float32)).resize(
                    (width, height), Image.Resampling.BICUBIC
                )
                for c in range(3)
            ]
            pixels += strength * np.stack([np.asarray(layer) for layer in layers], -1)
        image = Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def _bare_seconds(
    pool: ProcessPoolExecutor, files: list[bytes], size: int, cores: int
) -> float:
    """Return the seconds of the slowest process, without sending it the files."""
    shares = [(files[core::cores], size) for core in range(cores)]
    return max(pool.map(_decode_some, shares))


def _decode_some(task: tuple[list[bytes], int]) -> float:
    """Decode and resize files; runs in a process of its own."""
    files, size = task
    decode = partial(decode_image, channels=3, size=(size, size))
    start = time.perf_counter()
    for data in files:
        decode(data)
    return time.perf_counter() - start
