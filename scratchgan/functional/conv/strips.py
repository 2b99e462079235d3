"""Convolution as one, two or three large matrix products over strips of rows.

The implementation for GPUs, where few large products are worth more than few
multiplications. Images are cut into strips (`scratchgan.kernels.strips`): a few rows,
in them one window of K = KW columns for each output column. With strips of P rows, the
stride, a kernel of height KH lies on A = ⌈KH / P⌉ strips one after another, and with
w_a its rows from a·P on::

    y[i] = Σ_a strips[i + a] · w_a                 a < A, one product each
    dw_a = Σ_i strips[i + a]ᵀ · dy[i]              likewise
    dstrips[i] = dy[i] · wᵀ                        with P = KH, one product

A 4x4 kernel with stride 2 on 8 rows, padding 1, so 4 rows of outputs: P = 2, A = 2::

    strip     0       1       2       3       4
    rows    0  x0   x1 x2   x3 x4   x5 x6   x7  0
    y[0]    w_0     w_1                             kernel rows w_0 = 0, 1, w_1 = 2, 3
    y[1]            w_0     w_1

so the product with w_0 takes the strips 0 to 3 and that with w_1 the strips 1 to 4.

Everything here is contiguous: strips one after another are more rows of one matrix, and
the rows of a kernel are rows of the weights as they lie in memory. So nothing is copied
but the images, each row of pixels KW / stride times; im2col, which is the case P = KH
and A = 1, copies them KH / stride times that. The price is that y is read and written
A times. `_cut` counts both and takes what moves fewer bytes.

The weight gradient of a convolution is a product with the strips that its output was a
product with. They are kept for it where they are small beside the memory of the GPU.

Symbols: N images, C_in and C_out channels, outputs OH×OW, I = OH + A - 1 strips of
J = OW windows. Strips are (I, J, N, P, K, C_in), weights (KH, KW, C_in, C_out). Results
have the memory order (H, W, N, C), images inside, in which the windows of all images
under a row of outputs are one matrix.
"""

from functools import cache
from types import ModuleType

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.conv.shapes import Padding, Pair, conv_output_size
from scratchgan.kernels.arrays import add_to, packed_copy
from scratchgan.kernels.launch import has_kernels
from scratchgan.kernels.products import multiply, product
from scratchgan.kernels.strips import Strips, from_strips, to_strips

LAUNCH_VALUES = 1 << 21
"""Float32 values that a GPU moves in the time of one launch: 5 us at 1.6 TB/s.

An estimate, from data sheets and the launch latency that NVIDIA documents; it decides
only between one product and several.
"""

KEPT_SHARE = 0.01
"""Of a GPU's memory: strips of a layer that take more are made again for backward."""


def conv2d(x: Array, weight: Array, stride: Pair, padding: Padding) -> Array:
    """Convolve; see `primitives`."""
    return conv2d_and_strips(x, weight, stride, padding)[0]


def conv2d_and_strips(
    x: Array, weight: Array, stride: Pair, padding: Padding
) -> tuple[Array, Array | None]:
    """Return `conv2d`, and x's strips to keep for `conv2d_gradients`, if they may."""
    size = conv_output_size(x.shape[2:], weight.shape[2:], stride, padding)
    cut = _cut(len(x), *weight.shape, size, stride, padding)
    strips = to_strips(x, cut)
    y = _correlate(strips, weight, cut, size)
    return y, strips if _may_be_kept(strips) else None


def conv2d_input_grad(
    dy: Array, weight: Array, input_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Input gradient; see `primitives`."""
    N, _, *size = dy.shape
    C_in, KH, KW = weight.shape[1:]
    # Strips as high as the kernel. Lower ones would be read and written again by each
    # of A products: counted, that is never less than the whole windows once.
    cut = Strips(*size, KH, KW, *stride, padding.top, padding.left)
    (w,) = _kernel_rows(weight, cut)  # (KH·KW·C_in, C_out)
    strips = product(_pixels(dy), w.T)  # (OH·OW·N, KH·KW·C_in)
    strips = strips.reshape(*size, N, KH, KW, C_in)  # (I, J, N, P, K, C_in)
    return from_strips(strips, C_in, *input_size, cut)


def conv2d_weight_grad(
    x: Array, dy: Array, kernel_size: Pair, stride: Pair, padding: Padding
) -> Array:
    """Weight gradient; see `primitives`."""
    weight_shape = dy.shape[1], x.shape[1], *kernel_size
    cut = _cut(len(x), *weight_shape, dy.shape[2:], stride, padding)
    return _weight_grad(to_strips(x, cut), dy, weight_shape, cut)


def conv2d_gradients(
    x: Array,
    dy: Array,
    weight: Array,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
    *,
    total: Array | None = None,
    strips: Array | None = None,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight), of which None where it is not needed.

    If there is a ``total``, dweight is added to it, and a view of it is returned.
    ``strips`` are those of x, if they were kept.
    """
    dx = dweight = None
    if need_dx:
        dx = conv2d_input_grad(dy, weight, x.shape[2:], stride, padding)
    if need_dweight:
        cut = _cut(len(x), *weight.shape, dy.shape[2:], stride, padding)
        if strips is None:
            strips = to_strips(x, cut)
        dweight = _weight_grad(strips, dy, weight.shape, cut, total)
    return dx, dweight


def conv_transpose2d_gradients(
    x: Array,
    dy: Array,
    weight: Array,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
    *,
    total: Array | None = None,
) -> tuple[Array | None, Array | None]:
    """Return (dx, dweight) of a transposed convolution, from the same strips of dy.

    ``total`` as in `conv2d_gradients`.
    """
    size = x.shape[2:]
    cut = _cut(len(x), *weight.shape, size, stride, padding)
    strips = to_strips(dy, cut)
    return (
        _correlate(strips, weight, cut, size) if need_dx else None,
        _weight_grad(strips, x, weight.shape, cut, total) if need_dweight else None,
    )


def _correlate(strips: Array, weight: Array, cut: Strips, size: Pair) -> Array:
    """Return y (N, C_out, OH, OW) of images that were cut into strips."""
    N, C_out = strips.shape[2], len(weight)
    rows = size[0] * size[1] * N
    y = get_array_module(strips).empty((rows, C_out), strips.dtype)
    for a, w_a in enumerate(_kernel_rows(weight, cut)):  # (P·KW·C_in, C_out) each
        multiply(_under(strips, a, rows, len(w_a)), w_a, y, add=a > 0)
    return y.reshape(*size, N, C_out).transpose(2, 3, 0, 1)  # (N, C_out, OH, OW)


def _weight_grad(
    strips: Array,
    dy: Array,
    weight_shape: tuple[int, ...],
    cut: Strips,
    total: Array | None = None,
) -> Array:
    """Return dw (C_out, C_in, KH, KW) for dy (N, C_out, OH, OW), or total with it."""
    C_out, C_in, KH, KW = weight_shape
    if total is None:
        taps = get_array_module(dy).empty((KH, KW, C_in, C_out), dy.dtype)
    else:
        taps = total.transpose(2, 3, 1, 0)  # its memory, if the taps lie first in it
        if not taps.flags.c_contiguous:
            add_to(total, _weight_grad(strips, dy, weight_shape, cut))
            return total
    dy = _pixels(dy)  # (OH·OW·N, C_out)
    for a, taps_a in enumerate(_row_groups(taps, cut)):  # views, one product each
        under = _under(strips, a, len(dy), len(taps_a))
        multiply(under.T, dy, taps_a, add=total is not None)
    return taps.transpose(3, 2, 0, 1)  # (C_out, C_in, KH, KW)


@cache
def _cut(
    N: int,
    C_out: int,
    C_in: int,
    KH: int,
    KW: int,
    size: Pair,
    stride: Pair,
    padding: Padding,
) -> Strips:
    """Return how to cut images: strips of ``stride`` rows, or as high as the kernel.

    Counted are the values that are read or written because of the choice.
    """
    OH, OW = size
    y, windows = OH * OW * N * C_out, OW * N * KW * C_in  # all y; one row of a strip

    def values(P: int) -> int:
        A = -(-KH // P)
        # Strips written; y written by the first product, read and written by others.
        return (OH + A - 1) * windows * P + (2 * A - 1) * y + A * LAUNCH_VALUES

    P = min((min(stride[0], KH), KH), key=values)
    A = -(-KH // P)
    return Strips(OH + A - 1, OW, P, KW, *stride, padding.top, padding.left)


def _may_be_kept(strips: Array) -> bool:
    """Return whether strips are on a GPU and small beside its memory."""
    if not has_kernels(strips):
        return False
    cupy = get_array_module(strips)
    limit = cupy.get_default_memory_pool().get_limit()
    return strips.nbytes <= KEPT_SHARE * _memory(cupy, strips.data.device_id, limit)


@cache
def _memory(cupy: ModuleType, device: int, limit: int) -> int:
    """Return the bytes of a GPU's memory, or the limit of what may be used of it."""
    with cupy.cuda.Device(device):
        _, total = cupy.cuda.runtime.memGetInfo()
    return min(total, limit or total)


def _under(strips: Array, a: int, rows: int, values: int) -> Array:
    """Return what the a-th part of the kernel lies on, a row for each window.

    From strip a on; the first ``values`` of a window, since the kernel's last part may
    have fewer rows than a strip.
    """
    _, J, N, P, K, C = strips.shape
    windows = strips.reshape(-1, P * K * C)  # (I·J·N, P·K·C), a view
    return windows[a * J * N : a * J * N + rows, :values]  # (OH·OW·N, values)


def _kernel_rows(weight: Array, cut: Strips) -> list[Array]:
    """Return the parts of the kernel that lie on one strip each, as matrices."""
    taps = packed_copy(weight.transpose(2, 3, 1, 0))  # (KH, KW, C_in, C_out)
    return _row_groups(taps, cut)


def _row_groups(taps: Array, cut: Strips) -> list[Array]:
    """Return views of (KH, KW, C_in, C_out) by P kernel rows, (P·KW·C_in, C_out)."""
    KH, _, _, C_out = taps.shape
    if cut.P == KH:
        return [taps.reshape(-1, C_out)]
    return [taps[a : a + cut.P].reshape(-1, C_out) for a in range(0, KH, cut.P)]


def _pixels(images: Array) -> Array:
    """Return images (N, C, H, W) as a matrix with a row for each pixel and image."""
    images = packed_copy(images.transpose(2, 3, 0, 1))  # (H, W, N, C)
    return images.reshape(-1, images.shape[3])
