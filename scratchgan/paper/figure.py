"""A figure of tiles at any place, with signs, captions and frames between them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4
"""Pixels around each tile."""
LEAST_SIDE = 64
"""Smaller images are enlarged to at least this, each pixel to a square."""
FRAME = (220, 40, 40)
TEXT_PIXELS = 14


class Figure:
    """Tiles of one size on white, in rows and columns that may be halves.

    Parameters
    ----------
    rows, columns : float
        Size of the figure, in tiles.
    height, width : int
        Of the images, in pixels.
    """

    def __init__(self, rows: float, columns: float, height: int, width: int) -> None:
        self._factor = -(-LEAST_SIDE // min(height, width))
        self._cell = (
            height * self._factor + 2 * GAP,
            width * self._factor + 2 * GAP,
        )
        size = round(columns * self._cell[1]), round(rows * self._cell[0])
        self._picture = Image.new("RGB", size, "white")
        self._draw = ImageDraw.Draw(self._picture)

    def place(
        self, image: np.ndarray, row: float, column: float, *, framed: bool = False
    ) -> None:
        """Put a uint8 image (H, W, C) at a place counted from 0."""
        large = image.repeat(self._factor, axis=0).repeat(self._factor, axis=1)
        large = np.broadcast_to(large, (*large.shape[:2], 3))  # grey has one channel
        top, left = (
            round(at * cell) + GAP
            for at, cell in zip((row, column), self._cell, strict=True)
        )
        self._picture.paste(Image.fromarray(np.ascontiguousarray(large)), (left, top))
        if framed:
            height, width = large.shape[:2]
            self._draw.rectangle(
                (left - 2, top - 2, left + width + 1, top + height + 1),
                outline=FRAME,
                width=2,
            )

    def write(
        self, text: str, row: float, column: float, pixels: int = TEXT_PIXELS
    ) -> None:
        """Write text with its middle at a place: (0.5, 0.5) is the first tile's."""
        height, width = self._cell
        self._draw.text(
            (column * width, row * height),
            text,
            fill="black",
            font=ImageFont.load_default(pixels),
            anchor="mm",
        )

    def pixels(self) -> np.ndarray:
        """Return the figure, uint8 (height, width, 3)."""
        return np.asarray(self._picture)
