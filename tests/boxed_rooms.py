"""Rooms that a network can learn in seconds: bright squares on dark walls."""

from pathlib import Path

import numpy as np

from scratchgan.datasets.format.writer import DatasetWriter


def draw_rooms(
    count: int, size: int, seed: int = 0, channels: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8, and the boxes (count, 2, 4) of 0, 1 or 2 bright squares."""
    rng = np.random.default_rng(seed)
    images = rng.integers(30, 70, (count, size, size, channels), dtype=np.uint8)
    boxes = np.zeros((count, 2, 4), np.int32)
    half = size // 2
    for image, mine in zip(images, boxes, strict=True):
        for number in range(rng.integers(0, 3)):
            side = rng.integers(size // 4, half - 1)
            left = number * half + rng.integers(0, half - side)
            top = rng.integers(0, size - side)
            image[top : top + side, left : left + side] += 150
            mine[number] = left, top, left + side, top + side
    return images, boxes


def write_rooms(path: Path, count: int = 300, size: int = 32, **changes) -> Path:
    """Write them with the attributes "bed", which nothing shows, and "bright"."""
    images, boxes = draw_rooms(count, size)
    columns = {"boxes": boxes, **changes}
    bright = (boxes[:, :, 2] > 0).any(axis=1)
    with DatasetWriter(
        path,
        size,
        size,
        3,
        name=path.stem,
        title="rooms",
        source="the tests",
        licence="none",
        attribute_names=["bed", "bright"],
    ) as writer:
        attributes = np.stack([np.arange(count) % 2, bright], axis=1)
        writer.append(images, attributes=attributes.astype(np.float32), **columns)
        writer.set_split((np.arange(count) % 5 == 4) * np.uint8(2))
    return path
