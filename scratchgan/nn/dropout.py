"""Dropout: units switched off at random while a network learns."""

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.nn.layer import Layer


class Dropout(Layer):
    """Inverted dropout, y = x · m with m = 0 or 1/(1 - rate), drawn for every element.

    An element is dropped with probability ``rate``; the others grow by 1/(1 - rate), so
    that y is x on average. In eval mode y = x. The ctx is m, or in eval mode x's shape,
    and dx = dy · m.

    The mask is drawn on the host, wherever x lives: one seed drops the same elements
    on every device.

    Source: Srivastava et al. 2014, JMLR 15, "Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting"; the de-duplication of Radford et al. 2016, section
    4.1.1. On the input it is the masking noise of Vincent et al. 2010, JMLR 11.

    Parameters
    ----------
    rate : float, default=0.5
        Probability of being dropped, in [0, 1).
    rng : numpy.random.Generator, optional
        Draws the masks; fresh by default. Every forward pass in training mode takes
        the next numbers from it.

    Raises
    ------
    ValueError
        If the rate is outside [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5, rng=np.random.default_rng(1))
    >>> x = np.ones((1, 6))
    >>> y, ctx = layer.forward(x)
    >>> y, layer.backward(x, ctx)
    (array([[0., 2., 2., 2., 0., 0.]]), array([[0., 2., 2., 2., 0., 0.]]))
    >>> layer.eval()(x)
    array([[1., 1., 1., 1., 1., 1.]])
    """

    def __init__(
        self, rate: float = 0.5, *, rng: np.random.Generator | None = None
    ) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate is {rate}, expected [0, 1)")
        self.rate = rate
        self.rng = rng or np.random.default_rng()

    def forward(self, x: Array) -> tuple[Array, Array | tuple[int, ...]]:
        """Return y of x's shape, and the mask."""
        if not self.training or self.rate == 0:
            return x, x.shape
        # In [0, 1): a share of ``rate`` of the elements falls below it.
        kept = self.rng.random(x.shape, dtype=np.float32) >= self.rate
        mask = kept.astype(x.dtype)
        mask /= 1 - self.rate
        mask = get_array_module(x).asarray(mask)
        return x * mask, mask

    def backward(
        self,
        dy: Array,
        ctx: Array | tuple[int, ...],
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
    ) -> Array | None:
        """Return dx = dy · mask.

        Raises
        ------
        ValueError, TypeError
            If dy has another shape or dtype than y.
        """
        if isinstance(ctx, tuple):  # nothing was dropped
            self._expect_gradient(dy, ctx)
            return dy if need_dx else None
        self._expect_gradient(dy, ctx.shape, ctx.dtype)
        return dy * ctx if need_dx else None

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"
