"""A sheet of samples with their seeds and rulers, to draw boxes by hand from."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scratchgan.storage.pictures import image_grid

TILE = 192
"""Samples are enlarged to about so many pixels."""
LETTERS = 10
"""Height of the ruler's numbers in pixels."""
MARGIN = 24
"""Room for them at the left and above."""
TICKS = 8
"""Numbers along a ruler, at most."""


def box_sheet(images: np.ndarray, seeds: Sequence[int], columns: int) -> np.ndarray:
    """Return enlarged samples, each with its seed and its pixels numbered from 0.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C), uint8
    seeds : sequence of N int
    columns : int
        Samples in a row.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
    """
    font = ImageFont.load_default(LETTERS)
    tiles = [
        _tile(image, seed, font) for image, seed in zip(images, seeds, strict=True)
    ]
    return image_grid(np.stack(tiles), columns)


def _tile(image: np.ndarray, seed: int, font: ImageFont.FreeTypeFont) -> np.ndarray:
    height, width, _ = image.shape
    scale = max(1, TILE // max(height, width))
    line = LETTERS + 6  # for the seed
    size = (MARGIN + width * scale, line + MARGIN + height * scale)
    tile = Image.new("RGB", size, "white")
    pixels = np.broadcast_to(image, (height, width, 3))
    enlarged = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    origin = (MARGIN, line + MARGIN)
    tile.paste(Image.fromarray(enlarged), origin)
    draw = ImageDraw.Draw(tile)
    draw.text((MARGIN, 2), f"seed {seed}", fill="black", font=font)
    for at in range(0, width, _tick_step(width)):
        x = origin[0] + at * scale
        draw.line((x, origin[1] - 4, x, origin[1] - 1), fill="black")
        draw.text((x, origin[1] - 5), str(at), fill="black", font=font, anchor="ms")
    for at in range(0, height, _tick_step(height)):
        y = origin[1] + at * scale
        draw.line((origin[0] - 4, y, origin[0] - 1, y), fill="black")
        draw.text((origin[0] - 6, y), str(at), fill="black", font=font, anchor="rm")
    return np.asarray(tile)


def _tick_step(side: int) -> int:
    """Return 1, 2, 4, ...: pixels between numbers."""
    step = 1
    while side > TICKS * step:
        step *= 2
    return step
