"""The network that reads attributes off an image: D's convolutions, one output each."""

import numpy as np

from scratchgan.nn import (
    BatchNorm2d,
    Block,
    Conv2d,
    Flatten,
    LeakyReLU,
    Linear,
    Sequential,
    init,
)

WIDTHS = (16, 32, 64, 64)
"""Channels of the stages; each halves height and width."""
SMALLEST_SIDE = 4
"""No stage makes a side smaller than this: where things are matters for a turn."""


class AttributeClassifier(Sequential):
    """Convolutions with stride 2 in place of pooling, then one number an attribute.

    It is built as the paper's D, batch normalisation on all stages included, only
    narrower: Radford et al. 2016, section 3.

    Parameters
    ----------
    channels : int
        Of the images.
    height, width : int
        Of the images, in pixels.
    outputs : int
        A, the number of attributes.
    rng : numpy.random.Generator, optional
        Draws the weights, on the host; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters and images.

    Examples
    --------
    >>> import numpy as np
    >>> network = AttributeClassifier(3, 32, 32, 8, rng=np.random.default_rng(0))
    >>> network(np.zeros((2, 3, 32, 32), "float32")).shape
    (2, 8)
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        outputs: int,
        *,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        rng = rng or np.random.default_rng()
        made = {"weight_init": init.glorot_uniform(), "rng": rng, "dtype": dtype}
        stages = {}
        for number, features in enumerate(WIDTHS, start=1):
            if min(height, width) < 2 * SMALLEST_SIDE:
                break
            stages[f"down{number}"] = Block(
                conv=Conv2d(channels, features, 4, stride=2, padding=1, **made),
                norm=BatchNorm2d(features, dtype=dtype),
                act=LeakyReLU(),
            )
            channels, height, width = features, height // 2, width // 2
        super().__init__(
            **stages,
            flatten=Flatten(),
            read=Linear(channels * height * width, outputs, bias=True, **made),
        )
