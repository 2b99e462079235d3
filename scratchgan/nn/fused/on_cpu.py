"""A block on the CPU: normalisation and activation on the images in a core's cache.

Layer by layer, each pass reads and writes whole arrays. Here the statistics are taken
from the chunks that the operation has just computed, one pass normalises and activates,
and the gradient is computed as the operation's own backward reads it
(`scratchgan.nn.fused.norm_passes` has the formulas).
"""

from typing import NamedTuple

import numpy as np

from scratchgan.functional.conv import fast, matmul
from scratchgan.functional.conv.chunked import (
    Deferred,
    Images,
    SharedWeight,
    Then,
    whole,
)
from scratchgan.functional.conv.primitives import choose
from scratchgan.functional.parallel import scratch
from scratchgan.nn.conv import Convolution
from scratchgan.nn.fused.activation_passes import passes_of
from scratchgan.nn.fused.norm_passes import (
    Moments,
    activation_back,
    norm_back,
    normalise_activate,
)
from scratchgan.nn.fused.operations import operation_of
from scratchgan.nn.layer import Layer

IN_CHUNKS = (fast, matmul)
"""Implementations of convolution that work on a few images at a time."""


class CpuContext(NamedTuple):
    """What backward needs.

    Attributes
    ----------
    x : array
        Input of the operation.
    weight : SharedWeight
        Its weights, as transformed in the forward pass.
    a : array or None
        Its output; None without normalisation.
    mean, inv_std : array of shape (C,) or None
        Of a.
    y : array
        Output of the activation.
    """

    x: np.ndarray
    weight: SharedWeight
    a: np.ndarray | None
    mean: np.ndarray | None
    inv_std: np.ndarray | None
    y: np.ndarray

    def shrink(self) -> None:
        """Free transformed weights: backward transforms them again."""
        self.weight.forget()


class FusedOnCpu:
    """An operation, batch normalisation or none, and an activation or none.

    Parameters
    ----------
    layer : Convolution or Linear
    norm : BatchNorm2d or BatchNorm1d, or None
    act : Layer or None
    """

    def __init__(self, layer: Layer, norm: Layer | None, act: Layer | None) -> None:
        self._layer = layer
        self._operation = operation_of(layer)
        self._norm = norm
        self._act = act and passes_of(act)

    @staticmethod
    def knows(act: Layer) -> bool:
        """Return whether a layer is an activation that can be merged here."""
        return passes_of(act) is not None

    def fits(self, x: np.ndarray) -> bool:
        """Return whether x and the operation's implementation are for this class."""
        return isinstance(x, np.ndarray) and (
            not isinstance(self._layer, Convolution)
            or choose(self._layer.impl) in IN_CHUNKS
        )

    @property
    def in_eval(self) -> bool:
        """Whether normalisation takes its running averages: then only call this."""
        return self._norm is not None and not self._norm.training

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return y alone."""
        if not self.in_eval:
            return self.forward(x)[0]
        self._layer.expect(x)
        norm, bias = self._norm, self._layer.bias
        scale = 1 / np.sqrt(norm.running_var + norm.eps)  # (C,)
        if norm.gamma is not None:
            scale = norm.gamma.data * scale
        mean = norm.running_mean if bias is None else norm.running_mean - bias.data
        shift = -mean * scale
        if norm.beta is not None:
            shift = shift + norm.beta.data
        then = self._finish(scale, shift)
        return self._operation.forward(x, self._layer.weight.data, then)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, CpuContext]:
        """Return y = f(norm(operation(x))) and what backward needs."""
        self._layer.expect(x)
        weight = SharedWeight(self._layer.weight.data)
        if self._norm is None:
            bias = self._layer.bias
            then = self._finish(None, None if bias is None else bias.data)
            y = self._operation.forward(x, weight, then)
            return y, CpuContext(x, weight, None, None, None, y)

        norm, moments = self._norm, Moments()
        a = self._operation.forward(x, weight, moments.add)
        norm.expect(a)
        mean, var, count = moments.total()  # (C,), float64
        bias = self._layer.bias
        # A bias moves the mean, and nothing that is left when the mean is subtracted.
        norm.update_running(mean if bias is None else mean + bias.data, var, count)
        inv_std = 1 / np.sqrt(var + norm.eps)
        scale = inv_std if norm.gamma is None else norm.gamma.data * inv_std
        shift = -mean * scale
        if norm.beta is not None:
            shift = shift + norm.beta.data
        y = normalise_activate(_maps(a), scale, shift, self._act and self._act.apply)
        y = y.reshape(a.shape)
        return y, CpuContext(x, weight, a, mean, inv_std, y)

    def backward(
        self, dy: np.ndarray, ctx: CpuContext, *, need_dx: bool, need_dparams: bool
    ) -> np.ndarray | None:
        """Return dx, and add the gradients of all parameters."""
        if ctx.a is None:
            da = self._back_through_activation(dy, ctx.y, need_dparams)
        else:
            da = self._back_through_norm(dy, ctx, need_dparams)
        return self._operation.backward(ctx.x, da, ctx.weight, need_dx, need_dparams)

    def _finish(
        self, scale: np.ndarray | None, shift: np.ndarray | None
    ) -> Then | None:
        """Return what is done to each chunk a of the operation's output, in place.

        It becomes f(scale·a + shift), with what is not None.
        """
        act = self._act
        if scale is None and shift is None and act is None:
            return None

        def finish(start: int, chunk: np.ndarray) -> None:
            pixels = chunk.transpose(0, 2, 3, 1)  # (n, H, W, C), contiguous
            if scale is not None:
                pixels *= scale
            if shift is not None:
                pixels += shift
            if act is not None:
                before = scratch("before activation", pixels.shape, pixels.dtype)
                np.copyto(before, pixels)
                act.apply(before, pixels)

        return finish

    def _back_through_activation(
        self, dy: np.ndarray, y: np.ndarray, need_dparams: bool
    ) -> Images:
        """Return the gradient of the operation's output, and add the bias's."""
        da: Images = _maps(dy)  # (N, C, H, W)
        if self._act is not None:
            da = Deferred(self._pull_back, da, _maps(y))
        bias = self._layer.bias
        if bias is not None and need_dparams:
            da = whole(da)  # read here and by the operation: computed once
            bias.grad += da.sum(axis=(2, 3)).sum(axis=0)
        return da

    def _pull_back(self, dy: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return dy · f'(x) for a few images (n, C, H, W)."""
        n, C, H, W = y.shape
        out = scratch("da", (n, H, W, C), y.dtype).transpose(0, 3, 1, 2)
        self._act.pull_back(dy, y, out)
        return out

    def _back_through_norm(
        self, dy: np.ndarray, ctx: CpuContext, need_dparams: bool
    ) -> Deferred:
        """Return the gradient of the operation's output, and add gamma's and beta's.

        The bias's is zero: the gradients of a feature sum to nothing.
        """
        norm, a, inv_std = self._norm, _maps(ctx.a), ctx.inv_std
        g, dbeta, sum_g_centred = activation_back(
            _maps(dy), _maps(ctx.y), a, ctx.mean, self._act and self._act.pull_back
        )
        dgamma = sum_g_centred * inv_std
        if need_dparams and norm.gamma is not None:
            norm.gamma.grad += dgamma
            norm.beta.grad += dbeta
        m = a.size // a.shape[1]
        scale = inv_std if norm.gamma is None else norm.gamma.data * inv_std
        b = -inv_std * dgamma / m
        c = -dbeta / m - b * ctx.mean
        return norm_back(g, a, scale, b, c)


def _maps(x: np.ndarray) -> np.ndarray:
    """Return vectors (N, F) as maps of one pixel (N, F, 1, 1), and maps as they are."""
    return x if x.ndim == 4 else x[:, :, None, None]
