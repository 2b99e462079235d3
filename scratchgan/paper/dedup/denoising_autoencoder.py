"""The autoencoder whose code tells duplicates: 3072-128-3072, with dropout."""

import numpy as np

from scratchgan.backend import Array
from scratchgan.nn import Dropout, Linear, ReLU, Sequential

INPUTS = 32 * 32 * 3
CODE_UNITS = 128


class DenoisingAutoencoder(Sequential):
    """Reconstructs an image x from a damaged one, through a code of few units.

    h = ReLU(encode(x)), and in training y = decode(dropout(h)). To undo noise it has
    never seen, the code must say what is in the image as a whole, and dropout lets no
    unit rely on another (Radford et al. 2016, section 4.1.1; Vincent et al. 2008,
    "Extracting and Composing Robust Features with Denoising Autoencoders", ICML).

    Parameters
    ----------
    inputs : int, default=3072
        Values of an image: 32x32 pixels in RGB.
    units : int, default=128
        Units of the code.
    dropout : float, default=0.5
        Rate of dropout on the code.
    rng : numpy.random.Generator, optional
        Draws weights and masks, on the host; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters and images.

    Examples
    --------
    >>> import numpy as np
    >>> network = DenoisingAutoencoder(rng=np.random.default_rng(0))
    >>> images = np.zeros((2, 3072), "float32")
    >>> network(images).shape, network.active(images).shape
    ((2, 3072), (2, 128))
    """

    def __init__(
        self,
        inputs: int = INPUTS,
        units: int = CODE_UNITS,
        *,
        dropout: float = 0.5,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        rng = rng or np.random.default_rng()
        super().__init__(
            encode=Linear(inputs, units, bias=True, rng=rng, dtype=dtype),
            act=ReLU(),
            dropout=Dropout(dropout, rng=rng),
            decode=Linear(units, inputs, bias=True, rng=rng, dtype=dtype),
        )

    def active(self, x: Array) -> Array:
        """Return which units of the code are active, h > 0: bool (N, units).

        Without dropout, in training mode too.
        """
        return self.layers["encode"](x) > 0
