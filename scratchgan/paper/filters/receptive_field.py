"""What part of the image a unit of D sees."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scratchgan.functional.conv.shapes import Pair
from scratchgan.models.architecture import Stage


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that the units of one stage depend on.

    The unit in row p and column q sees ``size`` pixels from ``start + stride·(p, q)``
    on; where that is outside of the image, padding takes their place.

    Attributes
    ----------
    size, stride, start : (int, int)
        (rows, columns) in pixels.
    """

    size: Pair
    stride: Pair
    start: Pair

    def crop(
        self, images: np.ndarray, positions: Sequence[Pair], outside: float
    ) -> np.ndarray:
        """Cut what the unit at each position sees out of each image.

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C)
        positions : sequence of N (row, column)
        outside : float
            Value of what is not in the image.

        Returns
        -------
        ndarray of shape (N, *size, C)
        """
        shape = (len(images), *self.size, images.shape[3])
        patches = np.full(shape, outside, images.dtype)
        for patch, image, position in zip(patches, images, positions, strict=True):
            inside, source = [], []
            for side in (0, 1):
                first = self.start[side] + self.stride[side] * position[side]
                low = max(first, 0)
                high = min(first + self.size[side], image.shape[side])
                source.append(slice(low, high))
                inside.append(slice(low - first, high - first))
            patch[tuple(inside)] = image[tuple(source)]
        return patches


def receptive_field(stages: Sequence[Stage], name: str) -> ReceptiveField:
    """Return the receptive field of a stage's units, from the image onwards.

    A convolution whose units see k x k of its inputs, a step s apart, makes

    size + (k - 1)·stride,   stride·s,   start - padding·stride

    out of the size, stride and start of the inputs; a pixel has 1, 1 and 0. The unit of
    a dense stage sees the whole image.

    Parameters
    ----------
    stages : sequence of Stage
        D's plan, `scratchgan.models.architecture.plan_discriminator`.
    name : str
        A stage of it.

    Raises
    ------
    KeyError
        There is no such stage.

    Examples
    --------
    >>> from scratchgan.models.architecture import NetworkConfig, plan_discriminator
    >>> paper = NetworkConfig(kernel_size=5, widths=(128, 256, 512, 1024))
    >>> receptive_field(plan_discriminator(paper), "down4")
    ReceptiveField(size=(61, 61), stride=(16, 16), start=(-30, -30))
    """
    size, stride, start = [1, 1], [1, 1], [0, 0]
    whole = tuple(stages[0].inputs[1:]) if len(stages[0].inputs) == 3 else (1, 1)
    for stage in stages:
        if stage.kind == "linear":
            field = ReceptiveField(whole, (0, 0), (0, 0))
        else:
            for side in (0, 1):
                start[side] -= stage.padding[side][0] * stride[side]
                size[side] += (stage.kernel_size[side] - 1) * stride[side]
                stride[side] *= stage.stride[side]
            field = ReceptiveField(tuple(size), tuple(stride), tuple(start))
        if stage.name == name:
            return field
    raise KeyError(name)


def positions_of(stage: Stage) -> int:
    """Return how many units a feature of a stage has: its map's pixels, or one."""
    return math.prod(stage.outputs[1:])
