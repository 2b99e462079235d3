"""Batch normalisation, per channel of maps and per unit of vectors.

Forward, with the mean and the biased variance of a channel over all m values that it
has in the batch; in eval mode with their running averages instead::

    x̂ = (x - mean) / sqrt(var + eps)
    y = gamma·x̂ + beta

Backward. Mean and variance depend on every x of the channel, hence three terms; in
eval mode they are constants, and the two averages fall away::

    dgamma = Σ dy·x̂,  dbeta = Σ dy
    dx = gamma / sqrt(var + eps) · (dy - dbeta/m - x̂·dgamma/m)

Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 1; used in both networks
except G's output and D's input layer (Radford et al. 2016, section 3).
"""

from typing import Any, NamedTuple

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.nn import init
from scratchgan.nn.layer import Layer, Parameter


class BatchNormContext(NamedTuple):
    """What backward needs.

    Attributes
    ----------
    x_hat : array of x's shape
        Normalised input.
    inv_std : array of shape (1, C, 1, 1) or (1, F)
        1 / sqrt(variance + eps).
    batch_statistics : bool
        Whether mean and variance were this batch's, and so depend on every x.
    """

    x_hat: Array
    inv_std: Array
    batch_statistics: bool


class _BatchNorm(Layer):
    """Batch normalisation over images and the axes that a subclass names."""

    buffer_names = ("running_mean", "running_var")
    _spatial: tuple[int, ...]  # axes of x that hold pixels

    def __init__(
        self,
        features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        gamma_init: init.Initialiser | None = None,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        if not eps > 0:
            raise ValueError(f"eps is {eps}, expected a positive number")
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum is {momentum}, expected (0, 1]")
        self.features = features
        self.eps = eps
        self.momentum = momentum
        self.gamma: Parameter | None = None
        self.beta: Parameter | None = None
        if affine:
            draw = gamma_init or init.constant(1.0)
            rng = rng or np.random.default_rng()
            gamma = draw(rng, (features,), features, features)
            self.gamma = Parameter(gamma.astype(dtype))
            self.beta = Parameter(np.zeros(features, dtype))
        self.running_mean = np.zeros(features, dtype)
        self.running_var = np.ones(features, dtype)

    def forward(self, x: Array) -> tuple[Array, BatchNormContext]:
        """Return y of x's shape and its context.

        In training mode also updates the running averages.

        Raises
        ------
        ValueError, TypeError
            If x has another shape or dtype, or, in training mode, holds one value a
            feature only: its variance would be zero whatever x is.
        """
        self.expect(x)
        if self.training:
            m = x.size // self.features  # values that a feature's statistics are of
            mean = self._sum(x) / m  # (C,)
            # Biased, divided by m, as in the paper's code.
            var = self._sum((x - self._along(mean)) ** 2) / m  # (C,)
            self.update_running(mean, var, m)
        else:
            mean, var = self.running_mean, self.running_var

        inv_std = self._along(1 / get_array_module(x).sqrt(var + self.eps))
        x_hat = (x - self._along(mean)) * inv_std  # (N, C, H, W) or (N, F), as x
        y = x_hat
        if self.gamma is not None:
            y = x_hat * self._along(self.gamma.data) + self._along(self.beta.data)
        return y, BatchNormContext(x_hat, inv_std, self.training)

    def backward(
        self,
        dy: Array,
        ctx: BatchNormContext,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
    ) -> Array | None:
        """Return dx of x's shape.

        Raises
        ------
        ValueError, TypeError
            If dy has another shape or dtype than y.
        """
        x_hat, inv_std, batch_statistics = ctx
        self._expect_gradient(dy, x_hat.shape, x_hat.dtype)
        dgamma = self._sum(dy * x_hat)  # (C,)
        dbeta = self._sum(dy)  # (C,)
        if need_dparams and self.gamma is not None:
            self.gamma.grad += dgamma
            self.beta.grad += dbeta
        if not need_dx:
            return None

        scale = inv_std
        if self.gamma is not None:
            scale = scale * self._along(self.gamma.data)
        if not batch_statistics:
            return dy * scale
        # An x moves its own x̂, and through mean and variance those of all others.
        m = dy.size // self.features
        return scale * (dy - self._along(dbeta / m) - x_hat * self._along(dgamma / m))

    def expect(self, x: Array) -> None:
        """Raise ValueError or TypeError unless x is what `forward` takes."""
        shape = (None, self.features, *(None for _ in self._spatial))
        self._expect(x, shape, self.running_mean.dtype)
        if self.training and x.size // self.features < 2:
            raise ValueError(
                f"{self}: batch statistics need two values a feature, "
                f"x.shape = {tuple(x.shape)}"
            )

    def update_running(self, mean: Array, var: Array, m: int) -> None:
        """Let the running averages follow a batch's mean and biased variance.

        Parameters
        ----------
        mean, var : array of shape (C,)
        m : int
            How many values they are of: m/(m-1)·var estimates the variance unbiased.
        """
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * (m / (m - 1)) - self.running_var)

    def _sum(self, values: Array) -> Array:
        """Return the sum over images and pixels, shape (C,).

        In two steps: short sums of pixels, then of images, keep float32 rounding
        small where one long sum would lose digits.
        """
        return values.sum(axis=self._spatial).sum(axis=0)

    def _along(self, values: Array) -> Array:
        """Return (C,) shaped to broadcast against x."""
        return values.reshape(1, -1, *(1 for _ in self._spatial))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.features})"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of maps, per channel over images and pixels: m = N·H·W.

    x of shape (N, C, H, W); the module has the formulas.

    Parameters
    ----------
    channels : int
        C.
    eps : float, default=1e-5
        Added to the variance; the authors of DCGAN have 1e-8.
    momentum : float, default=0.1
        Weight of the *new* batch in the running averages (PyTorch's convention); their
        variance is the unbiased one, m/(m-1) larger.
    affine : bool, default=True
        Whether there are gamma and beta; the conditional MNIST network has none.
    gamma_init : Initialiser, default=constant(1.0)
        The authors draw gamma from N(1, 0.02²). Beta starts at 0.
    rng : numpy.random.Generator, optional
        Draws gamma; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters, statistics, inputs and outputs.

    Attributes
    ----------
    gamma, beta : Parameter of shape (C,) or None
    running_mean, running_var : array of shape (C,)
        Never used in training mode.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(5, 3, (8, 2, 4, 4))
    >>> y = BatchNorm2d(2, dtype="float64")(x)
    >>> bool(abs(y.mean()) < 1e-12), round(float(y.std()), 3)
    (True, 1.0)
    """

    _spatial = (2, 3)

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(channels, **settings)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of vectors, per unit over images: m = N.

    x of shape (N, F); the module has the formulas. The authors normalise the
    projected z so, before it becomes maps: one gamma and beta for each of its units.

    Parameters
    ----------
    features : int
        Number of units F.
    eps, momentum, affine, gamma_init, rng, dtype
        As in `BatchNorm2d`.

    Attributes
    ----------
    gamma, beta : Parameter of shape (F,) or None
    running_mean, running_var : array of shape (F,)
    """

    _spatial = ()

    def __init__(self, features: int, **settings: Any) -> None:
        super().__init__(features, **settings)
