"""The definition of convolution, as short as it can be written.

"Convolution" in neural networks is cross-correlation: the kernel is not flipped.
Every faster version is tested against this file; nothing here is tuned.

Symbols: N images, C_in and C_out channels, image H×W, kernel KH×KW, output OH×OW.
Strides and sizes are (height, width), padding is `Padding`; arguments are checked in
`primitives`.
"""

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.conv.shapes import Padding, Pair, conv_output_size


def conv2d(x: Array, weight: Array, stride: Pair, padding: Padding) -> Array:
    """Return y[n,o,h,w] = Σ_cij x[n, c, s·h+i-p, s·w+j-p] · weight[o,c,i,j]."""
    xp = get_array_module(x)
    windows = _windows(x, weight.shape[2:], stride, padding)  # (N, C, OH, OW, KH, KW)
    return xp.einsum("nchwij,ocij->nohw", windows, weight)  # (N, C_out, OH, OW)


def conv2d_weight_grad(
    x: Array, dy: Array, kernel_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Return dweight[o,c,i,j] = Σ_nhw x[n, c, s·h+i-p, s·w+j-p] · dy[n,o,h,w]."""
    xp = get_array_module(x)
    windows = _windows(x, kernel_size, stride, padding)  # (N, C, OH, OW, KH, KW)
    return xp.einsum("nchwij,nohw->ocij", windows, dy)  # (C_out, C_in, KH, KW)


def conv2d_input_grad(
    dy: Array, weight: Array, input_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Return dx[n, c, s·h+i-p, s·w+j-p] += Σ_o dy[n,o,h,w] · weight[o,c,i,j]."""
    xp = get_array_module(dy)
    H, W = input_size
    N, C_out, OH, OW = dy.shape
    top, bottom, left, right = padding
    padded = (N, weight.shape[1], H + top + bottom, W + left + right)
    dx = xp.zeros(padded, dtype=dy.dtype)
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            rows = slice(i, i + stride[0] * OH, stride[0])
            columns = slice(j, j + stride[1] * OW, stride[1])
            tap = weight[:, :, i, j]  # (C_out, C_in)
            dx[:, :, rows, columns] += xp.einsum("nohw,oc->nchw", dy, tap)
    return dx[:, :, top : top + H, left : left + W]  # (N, C_in, H, W)


def _windows(x: Array, kernel_size: Pair, stride: Pair, padding: Padding) -> Array:
    """Return every kernel-sized window of x, a view (N, C, OH, OW, KH, KW)."""
    xp = get_array_module(x)
    conv_output_size(x.shape[2:], kernel_size, stride, padding)  # refuses what is small
    top, bottom, left, right = padding
    x = xp.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = xp.lib.stride_tricks.sliding_window_view(x, kernel_size, axis=(2, 3))
    return windows[:, :, :: stride[0], :: stride[1]]
