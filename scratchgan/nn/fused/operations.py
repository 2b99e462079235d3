"""The linear operation of a block, as its fusions call it.

A layer alone uses the three primitives. An implementation of convolution offers more:
it computes both gradients in one pass over dy, and on the CPU it shows its result chunk
by chunk, takes a gradient that is still to be computed, and keeps transformed weights
(`scratchgan.functional.conv.chunked`).
"""

import operator
from types import ModuleType

from scratchgan.backend import Array
from scratchgan.functional.conv import strips
from scratchgan.functional.conv.chunked import (
    Images,
    Then,
    Weight,
    whole,
)
from scratchgan.functional.conv.primitives import choose
from scratchgan.functional.parallel import (
    images_per_chunk,
    run_chunks,
    update_in_parts,
)
from scratchgan.kernels.products import multiply, product
from scratchgan.nn.conv import Convolution, ConvTranspose2d
from scratchgan.nn.layer import Layer
from scratchgan.nn.linear import Linear


class ConvolutionOperation:
    """A convolution or transposed convolution, without its bias."""

    def __init__(self, layer: Convolution) -> None:
        self._layer = layer
        self._transposed = isinstance(layer, ConvTranspose2d)

    def module(self, x: Array) -> ModuleType:
        """Return the implementation for arrays like x."""
        return choose(self._layer.impl, x)

    def forward(self, x: Array, weight: Weight, then: Then | None = None) -> Array:
        """Return a (N, C_out, OH, OW); on the CPU ``then`` is shown its chunks."""
        layer, module = self._layer, self.module(x)
        settings = (layer.stride, layer.padding, *([then] if then else ()))
        if self._transposed:
            size = layer.output_size(x.shape[2:])
            return module.conv2d_input_grad(x, weight, size, *settings)
        return module.conv2d(x, weight, *settings)

    def forward_keeping(self, x: Array, weight: Array) -> tuple[Array, Array | None]:
        """Return a, and what `backward` can use again; for arrays on a GPU."""
        if self._transposed:
            return self.forward(x, weight), None
        layer = self._layer
        return strips.conv2d_and_strips(x, weight, layer.stride, layer.padding)

    def backward(
        self,
        x: Array,
        da: Images,
        weight: Weight,
        need_dx: bool,
        need_dparams: bool,
        kept: Array | None = None,
    ) -> Array | None:
        """Return dx, and add the weight's gradient."""
        layer, module = self._layer, self.module(x)
        gradients = (
            module.conv_transpose2d_gradients
            if self._transposed
            else module.conv2d_gradients
        )
        arguments = x, da, weight, layer.stride, layer.padding, need_dx, need_dparams
        if module is strips:
            # Its products add to the gradient where that lies in memory.
            known = {} if kept is None else {"strips": kept}
            dx, _ = gradients(*arguments, total=layer.weight.grad, **known)
            return dx
        dx, dweight = gradients(*arguments)
        if need_dparams:
            update_in_parts(operator.iadd, layer.weight.grad, dweight)
        return dx


class LinearOperation:
    """A matrix product, without its bias; it takes (N, F) and gives (N, F)."""

    def __init__(self, layer: Linear) -> None:
        self._layer = layer

    def forward(self, x: Array, weight: Weight, then: Then | None = None) -> Array:
        """Return a (N, F_out); ``then`` is shown its chunks as maps of one pixel."""
        a = product(x, whole(weight).T)  # (N, F_out)
        if then is not None:
            maps = a[:, :, None, None]  # (N, F_out, 1, 1)
            run_chunks(
                lambda worker, start, stop: then(start, maps[start:stop]),
                len(a),
                images_per_chunk(a),
            )
        return a

    def forward_keeping(self, x: Array, weight: Array) -> tuple[Array, None]:
        """Return a, and nothing else that `backward` could use."""
        return self.forward(x, weight), None

    def backward(
        self,
        x: Array,
        da: Images,
        weight: Weight,
        need_dx: bool,
        need_dparams: bool,
        kept: None = None,
    ) -> Array | None:
        """Return dx, and add the weight's gradient."""
        da = whole(da).reshape(len(x), -1)  # (N, F_out)
        if need_dparams:
            multiply(da.T, x, self._layer.weight.grad, add=True)  # (F_out, F_in)
        return product(da, whole(weight)) if need_dx else None  # (N, F_in)


Operation = ConvolutionOperation | LinearOperation


def operation_of(layer: Layer) -> Operation:
    """Return the operation of a convolution or linear layer."""
    if isinstance(layer, Linear):
        return LinearOperation(layer)
    return ConvolutionOperation(layer)
