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

Backward needs both of a row at once, and they share work: `conv2d_backward` and
`conv_transpose2d_backward`.

This file checks arguments and chooses the implementation. ``impl="reference"`` is the
readable definition in `conv_reference`; ``"matmul"`` in `conv_matmul` does the same
multiplications as matrix products; ``"fast"``, the default, in `conv_fast` needs about
half of them, and takes `conv_matmul` where that gains nothing; ``"strips"`` in
`conv_strips` makes few large products and is what ``"fast"`` means on a GPU. All take
NCHW shapes and accept any order in memory. An implementation says by ``IN_CHUNKS``
whether it takes a few images at a time, or whole arrays only, which it then gets.

Reference: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep
learning", arXiv 1603.07285.
"""

from types import ModuleType

import numpy as np

from scratchgan.backend import Array
from scratchgan.functional.conv import fast as conv_fast
from scratchgan.functional.conv import matmul as conv_matmul
from scratchgan.functional.conv import reference as conv_reference
from scratchgan.functional.conv import strips as conv_strips
from scratchgan.functional.conv.chunked import Images, Then, Weight, is_numpy, whole
from scratchgan.functional.conv.shapes import Padding, Pair, conv_output_size

IMPLEMENTATIONS: dict[str, ModuleType] = {
    "fast": conv_fast,
    "matmul": conv_matmul,
    "strips": conv_strips,
    "reference": conv_reference,
}
DEFAULT_IMPL = "fast"


def conv2d(
    x: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    *,
    impl: str = DEFAULT_IMPL,
    then: Then | None = None,
) -> Array:
    """Cross-correlate images with kernels.

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
    then : callable, optional
        Called as ``then(start, chunk)`` with images from ``start`` on of the result, on
        the core that has just computed them.

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
    module = choose(impl, x)
    if module.IN_CHUNKS:
        return module.conv2d(x, weight, stride, padding, then)
    return _shown(module.conv2d(whole(x), whole(weight), stride, padding), then)


def conv2d_input_grad(
    dy: Images,
    weight: Weight,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    *,
    impl: str = DEFAULT_IMPL,
    then: Then | None = None,
) -> Array:
    """Return the gradient of the loss with respect to the input of `conv2d`.

    Also the forward pass of a transposed convolution from (C_out, OH, OW) to
    (C_in, H, W).

    Parameters
    ----------
    dy : array of shape (N, C_out, OH, OW)
        Gradient with respect to the output.
    weight : array of shape (C_out, C_in, KH, KW)
        Kernels of the forward pass.
    input_size : (int, int)
        (H, W) of the input; a stride maps several sizes to one output size, so it
        cannot be worked out from ``dy``.
    stride, padding, impl, then
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
    module, settings = choose(impl, dy), (input_size, stride, padding)
    if module.IN_CHUNKS:
        return module.conv2d_input_grad(dy, weight, *settings, then)
    return _shown(module.conv2d_input_grad(whole(dy), whole(weight), *settings), then)


def conv2d_weight_grad(
    x: Images,
    dy: Images,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    *,
    impl: str = DEFAULT_IMPL,
) -> Array:
    """Return the gradient of the loss with respect to the weights of `conv2d`.

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
    # Nothing but the weight's shape is needed: one number, seen in that shape.
    shape = dy.shape[1], x.shape[1], *kernel_size
    weight = np.broadcast_to(np.zeros((), x.dtype), shape)
    settings = stride, padding, False, True
    _, dweight = _backward(impl, "conv2d_backward", x, dy, weight, *settings)
    return dweight


def conv2d_backward(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    *,
    need_dx: bool = True,
    need_dweight: bool = True,
    impl: str = DEFAULT_IMPL,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight) of `conv2d`: both gradients in one pass over dy.

    Parameters
    ----------
    x : array of shape (N, C_in, H, W)
        Input of the forward pass.
    dy : array of shape (N, C_out, OH, OW)
        Gradient with respect to its output.
    weight : array of shape (C_out, C_in, KH, KW)
        Kernels of the forward pass.
    need_dx, need_dweight : bool
        False gives None, and skips the work.
    stride, padding, impl
        As in `conv2d`.

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    TypeError
        If the dtypes differ.
    """
    _check(dy, weight)
    _check_channels("dy", dy, weight.shape[0], "C_out")
    _check_size(dy, x.shape[2:], weight.shape[2:], stride, padding)
    settings = stride, padding, need_dx, need_dweight
    return _backward(impl, "conv2d_backward", x, dy, weight, *settings)


def conv_transpose2d_backward(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    *,
    need_dx: bool = True,
    need_dweight: bool = True,
    impl: str = DEFAULT_IMPL,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight) of a transposed convolution, in one pass over dy.

    Forward is `conv2d_input_grad`, so x and dy have exchanged their roles: dy is the
    image that the kernel slides over.

    Parameters
    ----------
    x : array of shape (N, C_in, H, W)
        Input of the forward pass.
    dy : array of shape (N, C_out, OH, OW)
        Gradient with respect to its output, larger than x by the stride.
    weight : array of shape (C_in, C_out, KH, KW)
        Kernels of the forward pass.
    need_dx, need_dweight, stride, padding, impl
        As in `conv2d_backward`.

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    TypeError
        If the dtypes differ.
    """
    _check(dy, weight)
    _check_channels("dy", dy, weight.shape[1], "C_in")
    _check_size(x, dy.shape[2:], weight.shape[2:], stride, padding)
    settings = stride, padding, need_dx, need_dweight
    return _backward(impl, "conv_transpose2d_backward", x, dy, weight, *settings)


def choose(impl: str, images: Images | None = None) -> ModuleType:
    """Return the module that implements the three primitives.

    On a GPU, ``"fast"`` is another one.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if impl == DEFAULT_IMPL and images is not None and not is_numpy(images):
        return conv_strips
    try:
        return IMPLEMENTATIONS[impl]
    except KeyError:
        names = ", ".join(IMPLEMENTATIONS)
        raise ValueError(f"impl is {impl!r}, expected one of {names}") from None


def _backward(
    impl: str,
    function: str,
    x: Images,
    dy: Images,
    weight: Weight,
    *settings: Padding | Pair | bool,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight) of the implementation's function of that name."""
    module = choose(impl, x)
    if not module.IN_CHUNKS:
        x, dy, weight = whole(x), whole(dy), whole(weight)
    return getattr(module, function)(x, dy, weight, *settings)


def _shown(result: Array, then: Then | None) -> Array:
    if then is not None:
        then(0, result)
    return result


def _check(a: Images, b: Images | Weight) -> None:
    if a.ndim != 4 or b.ndim != 4:
        raise ValueError(f"expected 4-D arrays, got shapes {a.shape} and {b.shape}")
    if a.dtype != b.dtype:
        raise TypeError(f"dtypes differ: {a.dtype} and {b.dtype}")


def _check_channels(name: str, x: Images, expected: int, side: str) -> None:
    if x.shape[1] != expected:
        raise ValueError(
            f"{name} has {x.shape[1]} channels, the weight's {side} is {expected}; "
            f"{name}.shape = {x.shape}"
        )


def _check_size(
    dy: Images, input_size: Pair, kernel_size: Pair, stride: Pair, padding: Padding
) -> None:
    expected = conv_output_size(input_size, kernel_size, stride, padding)
    if tuple(dy.shape[2:]) != expected:
        raise ValueError(
            f"an input of {tuple(input_size)} gives an output of {expected} "
            f"(kernel {tuple(kernel_size)}, stride {tuple(stride)}, padding "
            f"{tuple(padding)}); dy.shape = {dy.shape}"
        )
