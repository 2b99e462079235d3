"""A block on a GPU: normalisation and activation in kernels that they share.

Six kernels do what some forty launches would, one for each array operation of the
layers (`scratchgan.kernels.norm`).
"""

from typing import NamedTuple

from scratchgan.backend import Array
from scratchgan.functional.conv import strips
from scratchgan.functional.conv.primitives import choose
from scratchgan.kernels import activation as kernels
from scratchgan.kernels import norm as norm_kernels
from scratchgan.kernels.activation import ActivationCode
from scratchgan.kernels.launch import has_kernels
from scratchgan.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from scratchgan.nn.conv import Convolution
from scratchgan.nn.fused.operations import operation_of
from scratchgan.nn.layer import Layer


class GpuContext(NamedTuple):
    """What backward needs.

    Attributes
    ----------
    x : array
        Input of the operation.
    kept : array or None
        What the operation made of it and can use again.
    a : array
        Its output.
    y : array
        Output of the activation. After normalisation it is computed again.
    statistics : Statistics or None
        What a was normalised with.
    """

    x: Array
    kept: Array | None
    a: Array
    y: Array
    statistics: norm_kernels.Statistics | None

    def shrink(self) -> None:
        """Free nothing: all of it is needed."""


class FusedOnGpu:
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
        self._code = code_of(act) if act else ActivationCode()

    @staticmethod
    def knows(act: Layer) -> bool:
        """Return whether a layer is an activation that can be merged here."""
        return code_of(act) is not None

    def fits(self, x: Array) -> bool:
        """Return whether x and the operation's implementation are for this class."""
        return has_kernels(x) and (
            not isinstance(self._layer, Convolution)
            or choose(self._layer.impl, x) is strips
        )

    @property
    def in_eval(self) -> bool:
        """Whether normalisation takes its running averages: then only call this."""
        return self._norm is not None and not self._norm.training

    def __call__(self, x: Array) -> Array:
        """Return y alone."""
        if not self.in_eval:
            return self.forward(x)[0]
        norm, (a, _) = self._norm, self._operate(x)
        scale = (norm.running_var + norm.eps) ** -0.5  # (C,)
        if norm.gamma is not None:
            scale = norm.gamma.data * scale
        shift = -norm.running_mean * scale
        if norm.beta is not None:
            shift = shift + norm.beta.data
        a = norm_kernels.channels_last(a)
        return norm_kernels.normalise_activate(a, scale, shift, self._code)

    def forward(self, x: Array) -> tuple[Array, GpuContext]:
        """Return y = f(norm(operation(x))) and what backward needs."""
        norm, (a, kept) = self._norm, self._operate(x)  # a (N, C, OH, OW) or (N, F)
        if norm is None:
            y = a if self._code.is_identity else kernels.activate(a, self._code)
            return y, GpuContext(x, kept, a, y, None)

        norm.expect(a)
        a = norm_kernels.channels_last(a)
        statistics = norm_kernels.batch_statistics(
            a,
            norm.gamma and norm.gamma.data,
            norm.beta and norm.beta.data,
            norm.running_mean,
            norm.running_var,
            eps=norm.eps,
            momentum=norm.momentum,
        )
        y = norm_kernels.normalise_activate(
            a, statistics.scale, statistics.shift, self._code
        )
        return y, GpuContext(x, kept, a, y, statistics)

    def backward(
        self, dy: Array, ctx: GpuContext, *, need_dx: bool, need_dparams: bool
    ) -> Array | None:
        """Return dx, and add the gradients of all parameters."""
        layer, norm = self._layer, self._norm
        if norm is not None:
            wanted = need_dparams and norm.gamma is not None
            da = norm_kernels.norm_activation_back(
                dy,
                ctx.a,
                ctx.statistics,
                norm.gamma.grad if wanted else None,
                norm.beta.grad if wanted else None,
                self._code,
            )
        elif self._code.is_identity:
            da = dy
        else:
            da = kernels.activate_back(dy, ctx.y, self._code)
        if layer.bias is not None and need_dparams:
            layer.bias.grad += da.sum(axis=(0, *range(2, da.ndim)))
        return self._operation.backward(
            ctx.x, da, layer.weight.data, need_dx, need_dparams, ctx.kept
        )

    def _operate(self, x: Array) -> tuple[Array, Array | None]:
        """Return the operation's output, with its bias, and what it keeps."""
        layer = self._layer
        layer.expect(x)
        a, kept = self._operation.forward_keeping(x, layer.weight.data)
        if layer.bias is not None:
            a = a + layer.bias.data.reshape(-1, *(1 for _ in a.shape[2:]))
        return a, kept


def code_of(act: Layer) -> ActivationCode | None:
    """Return what the kernels know an activation by; None if they do not know it."""
    if type(act) is LeakyReLU:
        return ActivationCode(kernels.LEAKY_RELU, act.negative_slope)
    return _CODES.get(type(act))


_CODES = {
    ReLU: ActivationCode(kernels.LEAKY_RELU, 0.0),
    Tanh: ActivationCode(kernels.TANH),
    Sigmoid: ActivationCode(kernels.SIGMOID),
}
