"""A convolution with the normalisation and activation around it, in few passes."""

from typing import Any, NamedTuple

import numpy as np

from scratchgan.backend import Array
from scratchgan.functional.conv import primitives as conv
from scratchgan.functional.conv.chunked import Deferred, SharedWeight, Then, is_numpy
from scratchgan.functional.norm_passes import (
    Moments,
    activation_back,
    norm_back,
    normalise_activate,
)
from scratchgan.functional.parallel import scratch
from scratchgan.kernels.launch import has_kernels
from scratchgan.nn.activations import Activation
from scratchgan.nn.batch_norm import BatchNorm2d, KernelContext
from scratchgan.nn.conv import Convolution
from scratchgan.nn.layer import Layer
from scratchgan.nn.sequential import Sequential


class BlockContext(NamedTuple):
    """What backward needs.

    Attributes
    ----------
    before : list
        Contexts of the layers before the convolution.
    x : array
        Input of the convolution.
    weight : SharedWeight
        Its weights, as transformed in the forward pass.
    a : array or None
        Its output; None without normalisation.
    mean, inv_std : array of shape (C,) or None
        Of a.
    y : array
        Output of the block.
    """

    before: list[Any]
    x: Array
    weight: SharedWeight
    a: Array | None
    mean: np.ndarray | None
    inv_std: np.ndarray | None
    y: Array


class KernelBlockContext(NamedTuple):
    """What backward needs on a GPU: the contexts of what is before and of the parts."""

    before: list[Any]
    conv: Any
    norm: KernelContext


class Block(Sequential):
    """Layers one after another around a convolution, merged where that is fast.

    Computes what `Sequential` does with the same layers, which is its definition: any
    layers, a convolution, then batch normalisation or not and an activation or not. On
    the CPU in training, the passes over memory between them are merged into the
    convolution's own (`scratchgan.functional.norm_passes`); on a GPU normalisation and
    activation share their kernels (`scratchgan.kernels.norm`). In eval mode, and on the
    CPU for a convolution with a bias or of an implementation that has no chunks, the
    layers run one by one.

    Parameters
    ----------
    **layers : Layer
        In order of computation, as for `Sequential`.
    """

    def __init__(self, **layers: Layer) -> None:
        super().__init__(**layers)
        in_order = list(layers.values())
        position = next(
            i for i, layer in enumerate(in_order) if isinstance(layer, Convolution)
        )
        self._before = Sequential(
            **{name: layers[name] for name in list(layers)[:position]}
        )
        self._conv, *rest = in_order[position:]
        self._norm = rest.pop(0) if rest and isinstance(rest[0], BatchNorm2d) else None
        self._act = rest.pop(0) if rest and isinstance(rest[0], Activation) else None
        self._complete = not rest

    def forward(
        self, x: Array, labels: Array | None = None
    ) -> tuple[Array, list | BlockContext | KernelBlockContext]:
        """Return y and what backward needs."""
        if self._fuses_on_gpu(x):
            x, before = self._before.forward(x, labels)
            a, conv = self._conv.forward(x)
            y, norm = self._norm.forward_by_kernels(a, self._act.code)
            return y, KernelBlockContext(before, conv, norm)
        if not self._fuses(x):
            return super().forward(x, labels)
        x, before = self._before.forward(x, labels)
        weight = SharedWeight(self._conv.weight.data)
        if self._norm is None:
            y = self._conv.convolve(x, weight, self._activate_in_place())
            return y, BlockContext(before, x, weight, None, None, None, y)
        norm, moments = self._norm, Moments()
        a = self._conv.convolve(x, weight, moments.add)
        norm.values_averaged(a)
        mean, var, count = moments.total()
        norm.update_running(mean, var, count)
        inv_std = 1 / np.sqrt(var + norm.eps)
        scale = inv_std if norm.gamma is None else norm.gamma.data * inv_std
        shift = -mean * scale
        if norm.beta is not None:
            shift = shift + norm.beta.data
        y = normalise_activate(a, scale, shift, self._act and self._act.apply)
        return y, BlockContext(before, x, weight, a, mean, inv_std, y)

    def backward(
        self,
        dy: Array,
        ctx: list | BlockContext | KernelBlockContext,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
    ) -> Array | None:
        """Return dx, and add parameter gradients."""
        if isinstance(ctx, KernelBlockContext):
            da = self._norm.backward_by_kernels(dy, ctx.norm, need_dparams)
            dx = self._conv.backward(
                da, ctx.conv, need_dx=need_dx, need_dparams=need_dparams
            )
            if not need_dx:
                return None
            return self._before.backward(dx, ctx.before, need_dparams=need_dparams)
        if not isinstance(ctx, BlockContext):
            return super().backward(dy, ctx, need_dx=need_dx, need_dparams=need_dparams)
        if ctx.a is None:
            da = self._back_through_activation(dy, ctx.y)
        else:
            da = self._back_through_norm(dy, ctx, need_dparams)
        dx = self._conv.convolve_back(ctx.x, da, ctx.weight, need_dx, need_dparams)
        if not need_dx:
            return None
        return self._before.backward(dx, ctx.before, need_dparams=need_dparams)

    def _fuses_on_gpu(self, x: Array) -> bool:
        return (
            has_kernels(x)
            and self._complete
            and self._norm is not None
            and self._norm.training
            and self._act is not None
        )

    def _fuses(self, x: Array) -> bool:
        return (
            self._complete
            and is_numpy(x)
            and self._conv.bias is None
            and conv.choose(self._conv.impl).IN_CHUNKS
            and (self._norm is None or self._norm.training)
        )

    def _activate_in_place(self) -> Then | None:
        if self._act is None:
            return None

        def activate(start: int, chunk: np.ndarray) -> None:
            pixels = chunk.transpose(0, 2, 3, 1)  # (n, H, W, C), contiguous
            before = scratch("before activation", pixels.shape, pixels.dtype)
            np.copyto(before, pixels)
            self._act.apply(before, pixels)

        return activate

    def _back_through_activation(self, dy: Array, y: Array) -> Array | Deferred:
        if self._act is None:
            return dy

        def pull_back(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
            out = scratch("da", y.transpose(0, 2, 3, 1).shape, y.dtype)
            out = out.transpose(0, 3, 1, 2)  # (n, C, H, W)
            self._act.pull_back(dy, y, out)
            return out

        return Deferred(pull_back, dy, y)

    def _back_through_norm(
        self, dy: Array, ctx: BlockContext, need_dparams: bool
    ) -> Deferred:
        """Return the gradient of the convolution's output; see `norm_passes`."""
        norm, a, inv_std = self._norm, ctx.a, ctx.inv_std
        g, dbeta, sum_g_centred = activation_back(
            dy, ctx.y, a, ctx.mean, self._act and self._act.pull_back
        )
        dgamma = sum_g_centred * inv_std
        if need_dparams and norm.gamma is not None:
            norm.gamma.grad += dgamma
            norm.beta.grad += dbeta
        m = norm.values_averaged(a)
        scale = inv_std if norm.gamma is None else norm.gamma.data * inv_std
        b = -inv_std * dgamma / m
        c = -dbeta / m - b * ctx.mean
        return norm_back(g, a, scale, b, c)
