"""Layers around a convolution or matrix product, computed as one where that is faster.

A `Block` is a `Sequential` and is defined by it. It only chooses: `on_cpu` and `on_gpu`
compute the layers that it merges.
"""

from typing import Any, NamedTuple

from scratchgan.backend import Array
from scratchgan.nn.batch_norm import BatchNorm1d, BatchNorm2d
from scratchgan.nn.conv import Conv2d, ConvTranspose2d
from scratchgan.nn.fused.on_cpu import CpuContext, FusedOnCpu
from scratchgan.nn.fused.on_gpu import FusedOnGpu, GpuContext
from scratchgan.nn.layer import Layer
from scratchgan.nn.linear import Linear
from scratchgan.nn.sequential import Sequential


class BlockContext(NamedTuple):
    """What backward needs.

    Attributes
    ----------
    number : int
        Which of the block's ways of merging computed y.
    before, after : list
        Contexts of the layers before the operation and after what was merged.
    ctx : CpuContext or GpuContext
        Of what was merged.
    """

    number: int
    before: list[Any]
    ctx: CpuContext | GpuContext
    after: list[Any]

    def shrink(self) -> None:
        """Free what backward can make again."""
        self.ctx.shrink()


class Block(Sequential):
    """Layers one after another around an operation, merged where that is fast.

    Computes what `Sequential` does with the same layers: any layers, a convolution or
    matrix product, then batch normalisation or not and an activation or not, then any
    layers. The middle is computed as one, on the CPU by `scratchgan.nn.fused.on_cpu`
    and on a GPU by `scratchgan.nn.fused.on_gpu`: in training, and where a block in eval
    mode is only called. The layers run one by one with an implementation of convolution
    that these do not know, and forward and backward in eval mode; so does an activation
    that they do not know.

    Parameters
    ----------
    **layers : Layer
        In order of computation, as for `Sequential`.

    Raises
    ------
    ValueError
        If none of them is a convolution or matrix product.
    """

    def __init__(self, **layers: Layer) -> None:
        super().__init__(**layers)
        self._merged = [
            _Merged.of(layers, fusion) for fusion in (FusedOnCpu, FusedOnGpu)
        ]

    def __call__(self, x: Array, labels: Array | None = None) -> Array:
        """Return y alone."""
        for merged in self._merged:
            if merged.fused.fits(x):
                x = merged.before(x, labels)
                return merged.after(merged.fused(x), labels)
        return super().__call__(x, labels)

    def forward(
        self, x: Array, labels: Array | None = None
    ) -> tuple[Array, list[Any] | BlockContext]:
        """Return y and what backward needs; see `Sequential`."""
        for number, merged in enumerate(self._merged):
            if merged.fused.fits(x) and not merged.fused.in_eval:
                x, before = merged.before.forward(x, labels)
                x, ctx = merged.fused.forward(x)
                y, after = merged.after.forward(x, labels)
                return y, BlockContext(number, before, ctx, after)
        return super().forward(x, labels)

    def backward(
        self,
        dy: Array,
        ctx: list[Any] | BlockContext,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
        keep_ctx: bool = True,
    ) -> Array | None:
        """Return dx, and add parameter gradients; see `Sequential`."""
        needs = {"need_dx": need_dx, "need_dparams": need_dparams}
        if not isinstance(ctx, BlockContext):
            return super().backward(dy, ctx, **needs, keep_ctx=keep_ctx)
        before, fused, after = self._merged[ctx.number]
        dy = after.backward(dy, ctx.after, need_dparams=need_dparams)
        self._expect_gradient(dy, ctx.ctx.y.shape, ctx.ctx.y.dtype)
        # Layers in front that learn want the gradient that nobody else does.
        inner = need_dx or (need_dparams and bool(before.parameters()))
        dy = fused.backward(dy, ctx.ctx, need_dx=inner, need_dparams=need_dparams)
        return before.backward(dy, ctx.before, **needs) if inner else None


class _Merged(NamedTuple):
    """A block's layers, as one of the fusions divides them."""

    before: Sequential
    fused: FusedOnCpu | FusedOnGpu
    after: Sequential

    @classmethod
    def of(
        cls, layers: dict[str, Layer], fusion: type[FusedOnCpu | FusedOnGpu]
    ) -> "_Merged":
        """Return the operation with what the fusion merges, and what is around it."""
        names, in_order = list(layers), list(layers.values())
        start = next((i for i, o in enumerate(in_order) if type(o) in _NORMS), None)
        if start is None:
            raise ValueError(
                f"Block({', '.join(names)}): none of the layers is a convolution or "
                "Linear; use Sequential"
            )
        operation, *rest = in_order[start:]
        norm = rest.pop(0) if rest and _normalises(rest[0], operation) else None
        act = rest.pop(0) if rest and fusion.knows(rest[0]) else None
        end = len(names) - len(rest)
        return cls(
            Sequential(**{name: layers[name] for name in names[:start]}),
            fusion(operation, norm, act),
            Sequential(**{name: layers[name] for name in names[end:]}),
        )


_NORMS = {Conv2d: BatchNorm2d, ConvTranspose2d: BatchNorm2d, Linear: BatchNorm1d}
"""The operations, each with its normalisation; a subclass may compute anything."""


def _normalises(layer: Layer, operation: Layer) -> bool:
    """Return whether a layer is batch normalisation of what an operation gives.

    One of another width or dtype is run on its own, and refuses its input there.
    """
    dense = type(operation) is Linear
    features = operation.out_features if dense else operation.out_channels
    return (
        type(layer) is _NORMS[type(operation)]
        and layer.features == features
        and layer.running_mean.dtype == operation.weight.data.dtype
    )
