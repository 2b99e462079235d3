"""The network that is trained with labels alone: D with an output for each class."""

from dataclasses import replace

import numpy as np

from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.dcgan import Discriminator
from scratchgan.nn import Dropout

NORM_MOMENTUM = 0.1
"""Weight of the newest batch in the running averages, whatever the preset says.

Few labels make few steps; averages over a hundred batches would be those of a network
that is no more.
"""


class SupervisedClassifier(Discriminator):
    """D's stages with K logits, and dropout before the last: (N, C, H, W) to (N, K).

    The paper's baseline, a CNN "with the same architecture" trained with labels
    (Radford et al. 2016, section 5.2). A conditional D is built without its labels:
    they are what is to be found. Where dropout belongs is not published.

    Parameters
    ----------
    config : NetworkConfig
        D's; its ``logits``, ``classes`` and ``norm_momentum`` are replaced.
    classes : int
        K.
    dropout : float, default=0.0
        Rate, in [0, 1).
    rng : numpy.random.Generator, optional
        Draws the weights on the host, then the masks of dropout; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters and images.

    Examples
    --------
    >>> import numpy as np
    >>> config = NetworkConfig(height=16, width=16, widths=(8, 16), strides=(2, 2))
    >>> network = SupervisedClassifier(config, 10, dropout=0.5)
    >>> list(network.layers)
    ['down1', 'down2', 'dropout', 'head', 'flatten']
    >>> network(np.zeros((2, 3, 16, 16), "float32")).shape
    (2, 10)
    """

    def __init__(
        self,
        config: NetworkConfig,
        classes: int,
        *,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        rng = rng or np.random.default_rng()
        config = replace(config, logits=classes, classes=0, norm_momentum=NORM_MOMENTUM)
        super().__init__(config, rng=rng, dtype=dtype)
        hidden = {k: v for k, v in self.layers.items() if k not in ("head", "flatten")}
        self.layers = {**hidden, "dropout": Dropout(dropout, rng=rng), **self.layers}
