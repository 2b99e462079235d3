"""Convolution and transposed convolution layers.

Both are made of the three primitives of `scratchgan.functional.conv.primitives`: what
is the forward pass of one is the way of the gradient back through the other.
"""

from collections.abc import Sequence

import numpy as np

from scratchgan.backend import Array
from scratchgan.functional.conv.primitives import (
    DEFAULT_IMPL,
    choose,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
)
from scratchgan.functional.conv.shapes import (
    Pair,
    conv_output_size,
    conv_transpose_output_size,
    make_padding,
    pair,
)
from scratchgan.nn import init
from scratchgan.nn.layer import Layer, Parameter


class Convolution(Layer):
    """The settings and parameters that both layers have."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Sequence = 0,
        *,
        bias: bool = False,
        weight_init: init.Initialiser | None = None,
        impl: str = DEFAULT_IMPL,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride = pair(stride, "stride")
        self.padding = make_padding(padding)
        if min(*self.kernel_size, *self.stride) < 1:
            raise ValueError(
                f"kernel_size is {self.kernel_size} and stride {self.stride}, expected "
                "at least 1"
            )
        self.impl = impl
        choose(impl)  # refuses an unknown name now, not at the first image
        area = self.kernel_size[0] * self.kernel_size[1]
        draw = weight_init or init.normal(0.02)
        weight = draw(
            rng or np.random.default_rng(),
            self._weight_shape(),
            in_channels * area,
            out_channels * area,
        )
        # In memory the taps come first and then channels, the order in which the
        # implementations read them; as an array it is what the shape says.
        taps = np.ascontiguousarray(weight.transpose(2, 3, 1, 0), dtype)
        self.weight = Parameter(taps.transpose(3, 2, 0, 1))
        self.bias = Parameter(np.zeros(out_channels, dtype)) if bias else None

    def output_size(self, input_size: Pair) -> Pair:
        """Return (OH, OW) for images of (H, W) pixels."""
        raise NotImplementedError(f"{type(self).__name__} is abstract")

    def expect(self, x: Array) -> None:
        """Raise ValueError or TypeError unless x is what `forward` takes."""
        shape = (None, self.in_channels, None, None)
        self._expect(x, shape, self.weight.data.dtype)

    def expect_gradient(self, dy: Array, x: Array) -> None:
        """Raise ValueError or TypeError unless dy has the shape of the output for x."""
        shape = (len(x), self.out_channels, *self.output_size(x.shape[2:]))
        self._expect_gradient(dy, shape, x.dtype)

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels, *self.kernel_size)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride})"
        )


class Conv2d(Convolution):
    """Convolution of images, stepping ``stride`` pixels at a time.

    y[n,o,h,w] = Σ_cij x[n, c, s·h+i-p, s·w+j-p] · weight[o,c,i,j], and the size
    OH = (H + top + bottom - KH) // stride + 1. It is the cross-correlation that
    deep learning calls convolution: the kernel is not flipped.

    The ctx is x. Backward, dx is the sum of the kernels times dy, each put where its
    window was (``conv2d_input_grad``), dweight the sum of the windows times dy
    (``conv2d_weight_grad``), dbias the sum of dy.

    In D, strides of 2 take the place of pooling (Radford et al. 2016, section 3).

    Parameters
    ----------
    in_channels, out_channels : int
        C_in and C_out.
    kernel_size : int or (int, int)
        KH, KW in pixels.
    stride : int or (int, int), default=1
        Step in pixels.
    padding : int, (int, int) or ((int, int), (int, int)), default=0
        Rows and columns of zeros; ((top, bottom), (left, right)) may differ by side.
    bias : bool, default=False
        The paper's networks have none.
    weight_init : Initialiser, default=normal(0.02)
        Radford et al. 2016, section 4.
    impl : {"fast", "matmul", "strips", "reference"}, default="fast"
        See `scratchgan.functional.conv.primitives`.
    rng : numpy.random.Generator, optional
        Draws the weights; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters, inputs and outputs.

    Attributes
    ----------
    weight : Parameter of shape (C_out, C_in, KH, KW)
    bias : Parameter of shape (C_out,) or None

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv2d(3, 8, kernel_size=4, stride=2, padding=1)
    >>> layer(np.zeros((2, 3, 32, 32), "float32")).shape
    (2, 8, 16, 16)
    """

    def output_size(self, input_size: Pair) -> Pair:
        """Return (OH, OW) for images of (H, W) pixels."""
        return conv_output_size(input_size, self.kernel_size, self.stride, self.padding)

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return y of shape (N, C_out, OH, OW) for x (N, C_in, H, W), and x.

        Raises
        ------
        ValueError, TypeError
            If x has another number of channels or dtype, or is smaller than the kernel.
        """
        self.expect(x)
        y = conv2d(
            x, self.weight.data, self.stride, self.padding, impl=self.impl
        )  # (N, C_out, OH, OW)
        if self.bias is not None:
            y = y + self.bias.data[:, None, None]
        return y, x

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx of shape (N, C_in, H, W).

        Raises
        ------
        ValueError, TypeError
            If dy has another shape or dtype than y.
        """
        x = ctx
        self.expect_gradient(dy, x)
        if need_dparams:
            self.weight.grad += conv2d_weight_grad(
                x, dy, self.kernel_size, self.stride, self.padding, impl=self.impl
            )  # (C_out, C_in, KH, KW)
            if self.bias is not None:
                self.bias.grad += dy.sum(axis=(0, 2, 3))  # (C_out,)
        if not need_dx:
            return None
        return conv2d_input_grad(
            dy,
            self.weight.data,
            x.shape[2:],
            self.stride,
            self.padding,
            impl=self.impl,
        )  # (N, C_in, H, W)


class ConvTranspose2d(Convolution):
    """Transposed convolution: every input pixel adds one kernel to the output.

    y[n, o, s·h+i-p, s·w+j-p] += Σ_c x[n,c,h,w] · weight[c,o,i,j], which is the input
    gradient of a `Conv2d` from the output's size to the input's. Size: OH =
    (H - 1)·stride - top - bottom + KH + output_padding.

    The ctx is x. Backward is the convolution itself: dx = conv2d(dy), and dweight that
    of a convolution whose input is dy and whose output's gradient is x.

    The paper calls it fractionally-strided convolution; "deconvolution" is a
    misnomer. G grows images with it (Radford et al. 2016, section 3).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias, weight_init, impl, \
rng, dtype
        As in `Conv2d`; the padding is cut off the output.
    output_padding : int or (int, int), default=0
        Rows and columns added at the bottom and right of the output: a stride maps
        several sizes to one, and this chooses among them.

    Attributes
    ----------
    weight : Parameter of shape (C_in, C_out, KH, KW)
    bias : Parameter of shape (C_out,) or None

    Raises
    ------
    ValueError
        If ``output_padding`` is not smaller than the stride.

    Examples
    --------
    >>> import numpy as np
    >>> layer = ConvTranspose2d(8, 3, kernel_size=4, stride=2, padding=1)
    >>> layer(np.zeros((2, 8, 16, 16), "float32")).shape
    (2, 3, 32, 32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Sequence = 0,
        output_padding: int | Pair = 0,
        *,
        bias: bool = False,
        weight_init: init.Initialiser | None = None,
        impl: str = DEFAULT_IMPL,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            bias=bias,
            weight_init=weight_init,
            impl=impl,
            rng=rng,
            dtype=dtype,
        )
        self.output_padding = pair(output_padding, "output_padding")
        for extra, step in zip(self.output_padding, self.stride, strict=True):
            if not 0 <= extra < step:
                raise ValueError(
                    f"{self}: output_padding is {self.output_padding}, expected at "
                    f"least 0 and less than the stride {self.stride}"
                )

    def _weight_shape(self) -> tuple[int, ...]:
        # That of the convolution whose input gradient this is: its output is our x.
        return (self.in_channels, self.out_channels, *self.kernel_size)

    def output_size(self, input_size: Pair) -> Pair:
        """Return (OH, OW) for images of (H, W) pixels."""
        return conv_transpose_output_size(
            input_size,
            self.kernel_size,
            self.stride,
            self.padding,
            self.output_padding,
        )

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return y of shape (N, C_out, OH, OW) for x (N, C_in, H, W), and x.

        Raises
        ------
        ValueError, TypeError
            If x has another number of channels or dtype, or nothing would be left.
        """
        self.expect(x)
        y = conv2d_input_grad(
            x,
            self.weight.data,
            self.output_size(x.shape[2:]),
            self.stride,
            self.padding,
            impl=self.impl,
        )  # (N, C_out, OH, OW)
        if self.bias is not None:
            y = y + self.bias.data[:, None, None]
        return y, x

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx of shape (N, C_in, H, W).

        Raises
        ------
        ValueError, TypeError
            If dy has another shape or dtype than y.
        """
        x = ctx
        self.expect_gradient(dy, x)
        if need_dparams:
            # dy is the image that the kernel slides over, x what it makes of it.
            self.weight.grad += conv2d_weight_grad(
                dy, x, self.kernel_size, self.stride, self.padding, impl=self.impl
            )  # (C_in, C_out, KH, KW)
            if self.bias is not None:
                self.bias.grad += dy.sum(axis=(0, 2, 3))  # (C_out,)
        if not need_dx:
            return None
        return conv2d(
            dy, self.weight.data, self.stride, self.padding, impl=self.impl
        )  # (N, C_in, H, W)
