"""Convolution as one, two or three large matrix products over strips of rows.

The implementation for GPUs, where one large product is worth more than few
multiplications. Images are cut into strips (`scratchgan.kernels.strips`): a few rows,
in them one window of K = KW columns for each output column. With strips of P rows, the
stride, a kernel of height KH lies on A = ⌈KH / P⌉ strips one after another, and with
w_a its rows from a·P on::

    y[i] = Σ_a strips[i + a] · w_a                 a < A, one product each
    dw_a = Σ_i strips[i + a]ᵀ · dy[i]
    dstrips[i] = dy[i] · wᵀ                        with P = KH, one product

Everything here is contiguous: strips one after another are more rows of one matrix, and
the rows of a kernel are rows of the weights as they lie in memory. So nothing is copied
but the images, each row of pixels KW / stride times; im2col, which is the case P = KH
and A = 1, copies them KH / stride times that. The price is that y is read and written
A times. `_cut` counts both and takes what moves fewer bytes.

Results have the memory order (H, W, N, C), images inside, in which the windows of all
images under a row of outputs are one matrix.
"""

from functools import cache

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.chunked import Images, Then, Weight, whole
from scratchgan.functional.shapes import Padding, Pair, conv_output_size
from scratchgan.kernels.arrays import packed_copy
from scratchgan.kernels.products import multiply, product
from scratchgan.kernels.strips import Strips, from_strips, to_strips

LAUNCH_VALUES = 1 << 21
"""Float32 values that a GPU moves in the time of one launch: 5 us at 1.6 TB/s.

An estimate, from data sheets and the launch latency that NVIDIA documents; it decides
only between one product and several.
"""


def conv2d(
    x: Images, weight: Weight, stride: Pair, padding: Padding, then: Then | None = None
) -> Array:
    """Convolve; see `scratchgan.functional.conv.conv2d`."""
    x, weight = whole(x), whole(weight)
    C_out, _, *kernel_size = weight.shape
    OH, OW = conv_output_size(x.shape[2:], kernel_size, stride, padding)
    cut = _cut(len(x), *weight.shape, (OH, OW), stride, padding)
    strips = _matrix(to_strips(x, cut), cut)  # (I·J·N, P·K·C_in)
    rows = OH * OW * len(x)
    y = get_array_module(x).empty((rows, C_out), x.dtype)
    for a, w_a in enumerate(_kernel_rows(weight, cut)):
        multiply(_under(strips, a, rows, cut)[:, : len(w_a)], w_a, y, add=a > 0)
    y = y.reshape(OH, OW, len(x), C_out).transpose(2, 3, 0, 1)
    if then is not None:
        then(0, y)
    return y


def conv2d_input_grad(
    dy: Images,
    weight: Weight,
    input_size: Pair,
    stride: Pair,
    padding: Padding,
    then: Then | None = None,
) -> Array:
    """Input gradient; see `scratchgan.functional.conv.conv2d_input_grad`."""
    dy, weight = whole(dy), whole(weight)
    N, _, *size = dy.shape
    C_in = weight.shape[1]
    KH, KW = weight.shape[2:]
    # Lower strips would be read and written again by every further product: counted,
    # that is never less than the whole windows once.
    cut = Strips(*size, KH, KW, *stride, padding.top, padding.left)
    (w,) = _kernel_rows(weight, cut)  # (KH·KW·C_in, C_out)
    strips = product(_pixels(dy), w.T).reshape(*size, N, KH, KW, C_in)
    dx = from_strips(strips, C_in, *input_size, cut)
    if then is not None:
        then(0, dx)
    return dx


def conv2d_backward(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
) -> tuple[Array | None, Array | None]:
    """Both gradients; see `scratchgan.functional.conv.conv2d_backward`."""
    x, dy, weight = whole(x), whole(dy), whole(weight)
    dx = dweight = None
    if need_dx:
        dx = conv2d_input_grad(dy, weight, x.shape[2:], stride, padding)
    if need_dweight:
        size = dy.shape[2:]
        cut = _cut(len(x), *weight.shape, size, stride, padding)
        strips = _matrix(to_strips(x, cut), cut)
        dweight = _weight_grad(strips, _pixels(dy), weight, cut)
    return dx, dweight


def conv_transpose2d_backward(
    x: Images,
    dy: Images,
    weight: Weight,
    stride: Pair,
    padding: Padding,
    need_dx: bool,
    need_dweight: bool,
) -> tuple[Array | None, Array | None]:
    """Both gradients, from the same strips of dy; see `scratchgan.functional.conv`."""
    x, dy, weight = whole(x), whole(dy), whole(weight)
    N, C_out, *size = x.shape
    cut = _cut(N, *weight.shape, tuple(size), stride, padding)
    strips = _matrix(to_strips(dy, cut), cut)
    rows = size[0] * size[1] * N
    dx = dweight = None
    if need_dx:
        dx = get_array_module(x).empty((rows, C_out), x.dtype)
        for a, w_a in enumerate(_kernel_rows(weight, cut)):
            multiply(_under(strips, a, rows, cut)[:, : len(w_a)], w_a, dx, add=a > 0)
        dx = dx.reshape(*size, N, C_out).transpose(2, 3, 0, 1)
    if need_dweight:
        dweight = _weight_grad(strips, _pixels(x), weight, cut)
    return dx, dweight


def _weight_grad(strips: Array, dy: Array, weight: Array, cut: Strips) -> Array:
    """Return dw, (C_out, C_in, KH, KW), from strips and dy as matrices."""
    C_out, C_in, KH, KW = weight.shape
    dweight = get_array_module(dy).empty((KH, KW, C_in, C_out), dy.dtype)
    for a, dw_a in enumerate(_row_groups(dweight, cut)):
        under = _under(strips, a, len(dy), cut)[:, : len(dw_a)]
        multiply(under.T, dy, dw_a)
    return dweight.transpose(3, 2, 0, 1)


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
    """Return how to cut images, strips of ``stride`` rows or of the whole kernel's.

    Counted are the values that are read or written because of the choice.
    """
    OH, OW = size
    y, windows = OH * OW * N * C_out, OW * N * KW * C_in

    def values(P: int) -> int:
        A = -(-KH // P)
        # Strips written; y written by the first product, read and written by others.
        return (OH + A - 1) * windows * P + (2 * A - 1) * y + A * LAUNCH_VALUES

    P = min((min(stride[0], KH), KH), key=values)
    # Several strips make up a kernel only if they follow one another without a gap.
    if P != stride[0]:
        P = KH
    A = -(-KH // P)
    return Strips(OH + A - 1, OW, P, KW, *stride, padding.top, padding.left)


def _matrix(strips: Array, cut: Strips) -> Array:
    """Return strips (I, J, N, P, K, C) as a matrix with a row for each window."""
    return strips.reshape(cut.I * cut.J * strips.shape[2], -1)


def _under(strips: Array, a: int, rows: int, cut: Strips) -> Array:
    """Return the rows that the a-th part of the kernel lies on."""
    first = a * cut.J * (len(strips) // (cut.I * cut.J))
    return strips[first : first + rows]


def _kernel_rows(weight: Array, cut: Strips) -> list[Array]:
    """Return the parts of the kernel that lie on one strip each, as matrices."""
    taps = packed_copy(weight.transpose(2, 3, 1, 0))  # (KH, KW, C_in, C_out)
    return _row_groups(taps, cut)


def _row_groups(taps: Array, cut: Strips) -> list[Array]:
    """Return views of (KH, KW, C_in, C_out) by P kernel rows, (P·KW·C_in, C_out)."""
    KH, _, _, C_out = taps.shape
    return [taps[a : a + cut.P].reshape(-1, C_out) for a in range(0, KH, cut.P)]


def _pixels(images: Array) -> Array:
    """Return images (N, C, H, W) as a matrix with a row for each pixel and image."""
    images = packed_copy(images.transpose(2, 3, 0, 1))  # (H, W, N, C)
    return images.reshape(-1, images.shape[3])
