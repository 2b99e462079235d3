"""Batch normalisation, per channel and per unit.

``map_images(f, x)`` is f(x), computed on all cores for a few images at a time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.parallel import map_images, sum_images
from scratchgan.kernels import norm as kernels
from scratchgan.kernels.activation import ActivationCode
from scratchgan.kernels.launch import has_kernels
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


class KernelContext(NamedTuple):
    """What backward needs after a forward pass by kernels.

    Attributes
    ----------
    a : array
        Input.
    y : array
        Output, with an activation if there was one.
    statistics : Statistics
        What a was normalised with.
    code : ActivationCode
        The activation.
    """

    a: Array
    y: Array
    statistics: kernels.Statistics
    code: ActivationCode


class _BatchNorm(Layer):
    """Batch normalisation over the axes that a subclass names."""

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

    def forward(self, x: Array) -> tuple[Array, BatchNormContext | KernelContext]:
        """Return y of x's shape and its context.

        In training mode also updates the running averages.

        Raises
        ------
        ValueError, TypeError
            If x has another shape or dtype, or, in training mode, holds one value a
            feature only: its variance would be zero whatever x is.
        """
        shape = (None, self.features, *(None for _ in self._spatial))
        self._expect(x, shape, self.running_mean.dtype)
        if self.training and has_kernels(x):
            return self.forward_by_kernels(x, ActivationCode())
        if self.training:
            m = self.values_averaged(x)
            mean = self._along(self._sum(lambda x: x, x) / m)
            # Biased, divided by m, as in the paper's code.
            var = self._sum(lambda x: (x - mean) ** 2, x) / m
            self.update_running(mean.ravel(), var, m)
        else:
            mean = self._along(self.running_mean)
            var = self.running_var
        xp = get_array_module(x)
        inv_std = self._along(1 / xp.sqrt(var + self.eps))
        x_hat = map_images(lambda x: (x - mean) * inv_std, x)
        y = x_hat
        if self.gamma is not None:
            gamma, beta = self._along(self.gamma.data), self._along(self.beta.data)
            y = map_images(lambda x_hat: x_hat * gamma + beta, x_hat)
        return y, BatchNormContext(x_hat, inv_std, self.training)

    def backward(
        self,
        dy: Array,
        ctx: BatchNormContext | KernelContext,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
    ) -> Array | None:
        """Return dx of x's shape."""
        if isinstance(ctx, KernelContext):
            dx = self.backward_by_kernels(dy, ctx, need_dparams)
            return dx if need_dx else None
        dgamma = self._sum(lambda dy, x_hat: dy * x_hat, dy, ctx.x_hat)
        dbeta = self._sum(lambda dy: dy, dy)
        if need_dparams and self.gamma is not None:
            self.gamma.grad += dgamma
            self.beta.grad += dbeta
        if not need_dx:
            return None
        scale = ctx.inv_std
        if self.gamma is not None:
            scale = scale * self._along(self.gamma.data)
        if not ctx.batch_statistics:
            return map_images(lambda dy: dy * scale, dy)
        # Mean and variance depend on every x of the feature, hence the two averages
        # that are subtracted.
        m = dy.size // self.features
        mean_dy, mean_dy_x_hat = self._along(dbeta / m), self._along(dgamma / m)
        return map_images(
            lambda dy, x_hat: (dy - mean_dy - x_hat * mean_dy_x_hat) * scale,
            dy,
            ctx.x_hat,
        )

    def forward_by_kernels(
        self, a: Array, code: ActivationCode
    ) -> tuple[Array, KernelContext]:
        """Return f(normalised a) and its context, on a GPU in training mode.

        f is the activation that follows, or the identity.
        """
        self.values_averaged(a)
        a = kernels.channels_last(a)
        statistics = kernels.batch_statistics(
            a,
            self.gamma and self.gamma.data,
            self.beta and self.beta.data,
            self.running_mean,
            self.running_var,
            eps=self.eps,
            momentum=self.momentum,
        )
        y = kernels.normalise_activate(a, statistics.scale, statistics.shift, code)
        return y, KernelContext(a, y, statistics, code)

    def backward_by_kernels(
        self, dy: Array, ctx: KernelContext, need_dparams: bool
    ) -> Array:
        """Return the gradient of a, and add those of gamma and beta."""
        wanted = need_dparams and self.gamma is not None
        return kernels.norm_activation_back(
            dy,
            ctx.y,
            ctx.a,
            ctx.statistics,
            self.gamma.grad if wanted else None,
            self.beta.grad if wanted else None,
            ctx.code,
        )

    def values_averaged(self, x: Array) -> int:
        """Return how many values of x each feature's batch statistics are of.

        Raises
        ------
        ValueError
            If it is one only.
        """
        m = x.size // self.features
        if m < 2:
            raise ValueError(
                f"{self}: batch statistics need two values a feature, "
                f"x.shape = {tuple(x.shape)}"
            )
        return m

    def update_running(self, mean: Array, var: Array, m: int) -> None:
        """Let the running averages follow a batch's mean and biased variance."""
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * (m / (m - 1)) - self.running_var)

    def _sum(self, function: Callable[..., Array], *arrays: Array) -> Array:
        """Return the function's sum over images and pixels, shape (features,).

        In two steps: short sums of pixels, then of images, keep float32 rounding
        small where one long sum would lose digits.
        """
        return sum_images(
            lambda *parts: function(*parts).sum(axis=self._spatial).sum(axis=0),
            *arrays,
        )

    def _along(self, values: Array) -> Array:
        """Return (features,) shaped to broadcast against x."""
        return values.reshape(1, -1, *(1 for _ in self._spatial))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.features})"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of maps, per channel over images and pixels.

    x̂ = (x - mean) / sqrt(var + eps), y = gamma·x̂ + beta, with the mean and the biased
    variance of the channel over N, H and W in training mode, and their running averages
    in eval mode. Backward, with m = N·H·W::

        dgamma = Σ dy·x̂,  dbeta = Σ dy
        dx = gamma / sqrt(var + eps) · (dy - dbeta/m - x̂·dgamma/m)

    In eval mode the statistics are constants and the two averages fall away.

    Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 1; used in both networks
    except G's output and D's input layer (Radford et al. 2016, section 3).

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
    """Batch normalisation of vectors, per unit over images.

    As `BatchNorm2d`, with x of shape (N, F) and m = N. The authors normalise the
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
