"""Many small images as one picture, and pictures as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scratchgan.storage.files import complete_file

GAP = 2
"""Pixels between tiles."""
WIDE_GAP = 8
"""Pixels between parts of a figure."""
GREY = 128
"""Of the gaps, and of tiles that are missing."""
CAPTION_PIXELS = 11
"""Height of a caption's letters."""


def image_grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Arrange uint8 images (N, H, W, C) in rows of ``columns``, with a gap between.

    The last row is filled up with the gap's grey.

    Examples
    --------
    >>> image_grid(np.zeros((3, 8, 8, 1), np.uint8), columns=2).shape
    (22, 22, 1)
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    grid = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels),
        GREY,
        np.uint8,
    )
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid


def tiles_in_rows(tiles: np.ndarray, factor: int = 1) -> np.ndarray:
    """Arrange uint8 tiles (rows, columns, H, W, C) as `image_grid` does.

    Each pixel becomes ``factor`` x ``factor``.
    """
    rows, columns, *shape = tiles.shape
    return image_grid(enlarge(tiles.reshape(rows * columns, *shape), factor), columns)


def enlarge(images: np.ndarray, factor: int) -> np.ndarray:
    """Return images (N, H, W, C) with each pixel as factor x factor."""
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def stack_pictures(pictures: Sequence[np.ndarray], axis: int = 0) -> np.ndarray:
    """Put uint8 pictures (H, W, C) under each other, or beside with ``axis=1``.

    Shorter ones are filled up with the gap's grey, which is between them too.

    Examples
    --------
    >>> pictures = [np.zeros((4, 6, 1), np.uint8), np.zeros((5, 8, 1), np.uint8)]
    >>> stack_pictures(pictures).shape, stack_pictures(pictures, axis=1).shape
    ((17, 8, 1), (5, 22, 1))
    """
    across = 1 - axis
    widest = max(picture.shape[across] for picture in pictures)
    parts = []
    for picture in pictures:
        padding = [(0, 0), (0, 0), (0, 0)]
        padding[across] = (0, widest - picture.shape[across])
        padding[axis] = (0, WIDE_GAP)
        parts.append(np.pad(picture, padding, constant_values=GREY))
    joined = np.concatenate(parts, axis=axis)
    return joined[:-WIDE_GAP] if axis == 0 else joined[:, :-WIDE_GAP]


def captioned_grid(
    images: np.ndarray, captions: Sequence[str], columns: int
) -> np.ndarray:
    """Arrange images as `image_grid` does, with text under each.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C), uint8
        C is 1 or 3.
    captions : sequence of N str
        Lines; what does not fit the width of a tile is cut off.
    columns : int
        Tiles in a row.

    Returns
    -------
    ndarray of shape (rows, columns, 3), uint8
    """
    font = ImageFont.load_default(CAPTION_PIXELS)
    count, height, width, _ = images.shape
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    line = lines * (CAPTION_PIXELS + 4)
    tiles = np.empty((count, height + line, width, 3), np.uint8)
    tiles[:, :height] = images  # grey is broadcast to three channels
    for tile, caption in zip(tiles, captions, strict=True):
        text = Image.new("RGB", (width, line), "white")
        ImageDraw.Draw(text).text((1, 0), caption, fill="black", font=font)
        tile[height:] = np.asarray(text)
    return image_grid(tiles, columns)


def save_animation(
    images: Sequence[np.ndarray], path: Path, frame_milliseconds: int = 60
) -> None:
    """Write uint8 (H, W, C) images as an endless GIF or WebP, by the path's ending.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    frames = [_as_picture(pixels) for pixels in images]
    with complete_file(path) as temporary:
        frames[0].save(
            temporary,
            format=path.suffix.removeprefix("."),
            save_all=True,
            append_images=frames[1:],
            duration=frame_milliseconds,
            loop=0,
            lossless=True,  # WebP; GIF has its 256 colours
        )


def save_png(pixels: np.ndarray, path: str | Path) -> None:
    """Write uint8 (H, W, C) as PNG, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with complete_file(Path(path)) as temporary:
        _as_picture(pixels).save(temporary, format="png")


def _as_picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
