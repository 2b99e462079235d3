"""The network that finds windows: convolutions only, one answer a cell of a grid."""

import math

import numpy as np

from scratchgan.nn import BatchNorm2d, Block, Conv2d, LeakyReLU, Sequential

CELLS = 16
"""The grid has about so many cells along the shorter side of the image."""
MIDDLE_LAYERS = 4
"""Convolutions on the grid; each lets a cell see one more cell on every side."""


class WindowFinder(Sequential):
    """From images (N, C, H, W) in [-1, 1] to logits (N, 1, GH, GW), one for each cell.

    Convolutions of stride 2 go down to a grid of about `CELLS` cells; others of 3 x 3
    look around on it, far enough to see what a window hangs on.

    Parameters
    ----------
    channels : int
        Of the images.
    height, width : int
        Of the images, in pixels.
    maps : int
        Of every hidden layer.
    rng : numpy.random.Generator, optional
        Draws the weights, on the host; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters and images.

    Attributes
    ----------
    grid : (int, int)
        GH and GW.

    Examples
    --------
    >>> network = WindowFinder(3, 64, 64, 8, rng=np.random.default_rng(0))
    >>> network(np.zeros((2, 3, 64, 64), "float32")).shape, network.grid
    ((2, 1, 16, 16), (16, 16))
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        maps: int,
        *,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        rng = rng or np.random.default_rng()
        layers, grid = {}, (height, width)
        halvings = max(0, round(math.log2(min(height, width) / CELLS)))
        for number in range(halvings + MIDDLE_LAYERS):
            down = number < halvings
            layers[f"conv{number + 1}"] = Block(
                conv=Conv2d(
                    channels,
                    maps,
                    4 if down else 3,
                    stride=2 if down else 1,
                    padding=1,
                    rng=rng,
                    dtype=dtype,
                ),
                norm=BatchNorm2d(maps, dtype=dtype),
                act=LeakyReLU(),
            )
            channels = maps
            if down:
                grid = grid[0] // 2, grid[1] // 2
        self.grid = grid
        head = Conv2d(maps, 1, 1, bias=True, rng=rng, dtype=dtype)
        super().__init__(**layers, head=head)
