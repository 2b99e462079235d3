"""The three primitives from which both convolution layers are made.

``conv2d`` computes outputs, ``conv2d_input_grad`` sends gradients back to the input,
``conv2d_weight_grad`` to the weights. A transposed convolution is an input gradient
read forward, so the same three serve it:

=============  ===================  ===================  =======================
layer          forward              dx                   dweight
=============  ===================  ===================  =======================
convolution    conv2d(x, w)         input_grad(dy, w)    weight_grad(x, dy)
transposed     input_grad(x, w)     conv2d(dy, w)        weight_grad(dy, x)
=============  ===================  ===================  =======================

This file checks arguments and chooses the implementation, a module beside this one:

=============  =====================================================================
``reference``  the readable definition
``matmul``     the same multiplications as matrix products: im2col
``fast``       about half of them, by minimal filtering; ``matmul`` where that gains
               nothing. The default; on a GPU it means ``strips``
``strips``     a few large matrix products over strips of rows, for GPUs
=============  =====================================================================

All take NCHW shapes and accept any order in memory.

Reference: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep
learning", arXiv 1603.07285.
"""

from types import ModuleType

import numpy as np

from scratchgan.backend import Array
from scratchgan.functional.conv import fast, matmul, reference, strips
from scratchgan.functional.conv.shapes import Padding, Pair, conv_output_size

IMPLEMENTATIONS: dict[str, ModuleType] = {
    "fast": fast,
    "matmul": matmul,
    "strips": strips,
    "reference": reference,
}
DEFAULT_IMPL = "fast"


def conv2d(
    x: Array,
    weight: Array,
    stride: Pair,
    padding: Padding,
    *,
    impl: str = DEFAULT_IMPL,
) -> Array:
    """Cross-correlate images with kernels.

    y[n,o,h,w] = Σ_cij x[n, c, s·h+i-p, s·w+j-p] · weight[o,c,i,j].

    Parameters
    ----------
    x : array of shape (N, C_in, H, W)
        Images.
    weight : array of shape (C_out, C_in, KH, KW)
        Kernels, not flipped, of the dtype of ``x``.
    stride : (int, int)
        Steps between windows in pixels, (height, width).
    padding : Padding
        Zeros around the image in pixels.
    impl : {"fast", "matmul", "strips", "reference"}
        Implementation; the results differ by rounding only.

    Returns
    -------
    array of shape (N, C_out, OH, OW)
        With OH = (H + top + bottom - KH) // stride + 1, OW likewise.

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    TypeError
        If the dtypes differ.
    """
    _check(x, weight)
    _check_channels("x", x, weight.shape[1], "C_in")
    return choose(impl, x).conv2d(x, weight, stride, padding)


def conv2d_input_grad(
    dy: Array,
    weight: Array,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    *,
    impl: str = DEFAULT_IMPL,
) -> Array:
    """Return the gradient of the loss with respect to the input of `conv2d`.

    dx[n, c, s·h+i-p, s·w+j-p] += Σ_o dy[n,o,h,w] · weight[o,c,i,j]. Also the forward
    pass of a transposed convolution from (C_out, OH, OW) to (C_in, H, W).

    Parameters
    ----------
    dy : array of shape (N, C_out, OH, OW)
        Gradient with respect to the output.
    weight : array of shape (C_out, C_in, KH, KW)
        Kernels of the forward pass.
    input_size : (int, int)
        (H, W) of the input; a stride maps several sizes to one output size, so it
        cannot be worked out from ``dy``.
    stride, padding, impl
        As in `conv2d`.

    Returns
    -------
    array of shape (N, C_in, H, W)

    Raises
    ------
    ValueError
        If shapes do not fit each other or ``input_size``.
    TypeError
        If the dtypes differ.
    """
    _check(dy, weight)
    _check_channels("dy", dy, weight.shape[0], "C_out")
    _check_size(dy, input_size, weight.shape[2:], stride, padding)
    return choose(impl, dy).conv2d_input_grad(dy, weight, input_size, stride, padding)


def conv2d_weight_grad(
    x: Array,
    dy: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    *,
    impl: str = DEFAULT_IMPL,
) -> Array:
    """Return the gradient of the loss with respect to the weights of `conv2d`.

    dweight[o,c,i,j] = Σ_nhw x[n, c, s·h+i-p, s·w+j-p] · dy[n,o,h,w].

    Parameters
    ----------
    x : array of shape (N, C_in, H, W)
        Input of the forward pass.
    dy : array of shape (N, C_out, OH, OW)
        Gradient with respect to its output.
    kernel_size : (int, int)
        (KH, KW); a stride leaves several sizes possible.
    stride, padding, impl
        As in `conv2d`.

    Returns
    -------
    array of shape (C_out, C_in, KH, KW)

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    TypeError
        If the dtypes differ.
    """
    _check(x, dy)
    if len(x) != len(dy):
        raise ValueError(f"x has {len(x)} images and dy has {len(dy)}")
    _check_size(dy, x.shape[2:], kernel_size, stride, padding)
    return choose(impl, x).conv2d_weight_grad(x, dy, kernel_size, stride, padding)


def choose(impl: str, images: Array | None = None) -> ModuleType:
    """Return the module that implements the three primitives.

    For images on a GPU, ``"fast"`` means another one.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if impl == DEFAULT_IMPL and images is not None:
        return fast if isinstance(images, np.ndarray) else strips
    try:
        return IMPLEMENTATIONS[impl]
    except KeyError:
        names = ", ".join(IMPLEMENTATIONS)
        raise ValueError(f"impl is {impl!r}, expected one of {names}") from None


def _check(a: Array, b: Array) -> None:
    if a.ndim != 4 or b.ndim != 4:
        raise ValueError(f"expected 4-D arrays, got shapes {a.shape} and {b.shape}")
    if a.dtype != b.dtype:
        raise TypeError(f"dtypes differ: {a.dtype} and {b.dtype}")


def _check_channels(name: str, x: Array, expected: int, side: str) -> None:
    if x.shape[1] != expected:
        raise ValueError(
            f"{name} has {x.shape[1]} channels, the weight's {side} is {expected}; "
            f"{name}.shape = {x.shape}"
        )


def _check_size(
    dy: Array, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Padding
) -> None:
    expected = conv_output_size(input_size, kernel_size, stride, padding)
    if tuple(dy.shape[2:]) != expected:
        raise ValueError(
            f"an input of {tuple(input_size)} gives an output of {expected} "
            f"(kernel {tuple(kernel_size)}, stride {tuple(stride)}, padding "
            f"{tuple(padding)}); dy.shape = {dy.shape}"
        )
