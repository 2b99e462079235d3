"""Write the sheets of the built-in sets: ``python docs/make_sheets.py``.

One PNG for each set goes to ``docs/images``: its first pictures with seed 0, as
``scratchgan data prepare NAME`` draws them.
"""

import importlib
from pathlib import Path

import numpy as np

from scratchgan.storage.pictures import image_grid, save_png
from scratchgan.synthetic.prepare import DRAWING_MODULES

IMAGES = Path(__file__).parent / "images"
WIDTH = 700
"""Pixels that a sheet takes, about."""
ROWS = 3


def sheet(name: str) -> np.ndarray:
    """Return the first pictures of a set in three rows, uint8 (H, W, C)."""
    module = importlib.import_module(DRAWING_MODULES[name])
    columns = WIDTH // module.DEFAULT_SIZE
    drawn = [module.draw(0, index).image for index in range(ROWS * columns)]
    return image_grid(np.stack(drawn), columns)


if __name__ == "__main__":
    for name in DRAWING_MODULES:
        save_png(sheet(name), IMAGES / f"{name}.png")
