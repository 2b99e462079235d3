"""Sizes of convolutions: what comes out, what went in, how much to pad.

All sizes are in pixels, all pairs are (height, width).
"""

from collections.abc import Sequence
from typing import NamedTuple

Pair = tuple[int, int]


class Padding(NamedTuple):
    """Rows and columns of zeros around an image."""

    top: int
    bottom: int
    left: int
    right: int


def pair(value: int | Sequence[int], name: str) -> Pair:
    """Return ``value`` as (height, width); one number stands for both.

    Raises
    ------
    ValueError
        If it is neither an integer nor two of them.
    """
    if isinstance(value, int):
        return value, value
    if isinstance(value, Sequence) and len(value) == 2:
        height, width = value
        if isinstance(height, int) and isinstance(width, int):
            return height, width
    raise ValueError(f"{name} is {value!r}, expected an integer or (height, width)")


def make_padding(value: int | Sequence) -> Padding:
    """Return ``value`` as `Padding`.

    Parameters
    ----------
    value : int, (int, int) or ((int, int), (int, int))
        The same on all sides; rows and columns; or ((top, bottom), (left, right)).

    Raises
    ------
    ValueError
        If it has another form or is negative.
    """
    if isinstance(value, Padding):
        return value
    # Two integers are rows and columns, two pairs are their sides.
    sides = value if isinstance(value, Sequence) and len(value) == 2 else ()
    if sides and all(isinstance(side, Sequence) for side in sides):
        rows, columns = (pair(side, "padding") for side in sides)
    else:
        height, width = pair(value, "padding")
        rows, columns = (height, height), (width, width)
    padding = Padding(*rows, *columns)
    if min(padding) < 0:
        raise ValueError(f"padding is {value!r}, expected no negative number")
    return padding


def same_padding(kernel_size: int, stride: int, *, extra: str = "before") -> Pair:
    """Return the padding (before, after) with which stride s divides a size exactly.

    An image of s·n pixels needs k - s rows of padding in all to give n outputs, with
    no row left unread. When that number is odd the two sides differ by one: Theano's
    and so the authors' padding of k // 2 reads the extra row before the image,
    TensorFlow's SAME after it; the two layers mirror each other.

    Parameters
    ----------
    kernel_size, stride : int
        Of one axis, in pixels.
    extra : {"before", "after"}
        The side of the extra row.

    Raises
    ------
    ValueError
        If the kernel is smaller than the stride, so that pixels would be skipped, or
        ``extra`` is another word.

    Examples
    --------
    >>> same_padding(4, 2), same_padding(5, 2), same_padding(5, 2, extra="after")
    ((1, 1), (2, 1), (1, 2))
    """
    # n outputs reach over (n - 1)·s + k pixels, which is k - s more than s·n.
    total = kernel_size - stride
    if total < 0:
        raise ValueError(
            f"kernel_size {kernel_size} is smaller than stride {stride}: "
            "some pixels would never be read"
        )
    if extra not in ("before", "after"):
        raise ValueError(f"extra is {extra!r}, expected 'before' or 'after'")
    small, large = total // 2, total - total // 2
    return (large, small) if extra == "before" else (small, large)


def conv_output_size(
    size: Pair, kernel_size: Pair, stride: Pair, padding: Padding
) -> Pair:
    """Return the output size of a convolution: floor((L + pads - k) / s) + 1 an axis.

    Raises
    ------
    ValueError
        If the padded image is smaller than the kernel.
    """
    top, bottom, left, right = padding
    padded = size[0] + top + bottom, size[1] + left + right
    if padded[0] < kernel_size[0] or padded[1] < kernel_size[1]:
        raise ValueError(
            f"an image of {padded[0]}x{padded[1]} pixels with its padding is smaller "
            f"than the kernel of {kernel_size[0]}x{kernel_size[1]}"
        )
    # The kernel at the first place, and one output more for every step that fits.
    return (
        (padded[0] - kernel_size[0]) // stride[0] + 1,
        (padded[1] - kernel_size[1]) // stride[1] + 1,
    )


def conv_transpose_output_size(
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    output_padding: Pair = (0, 0),
) -> Pair:
    """Return the output size (n - 1)s - pads + k + output_padding, an axis.

    It is the size of an image that a convolution takes to n outputs. With a stride
    several sizes do, up to s - 1 larger than the smallest; output_padding chooses.

    Raises
    ------
    ValueError
        If nothing would be left.
    """
    top, bottom, left, right = padding
    height = (size[0] - 1) * stride[0] - top - bottom + kernel_size[0]
    width = (size[1] - 1) * stride[1] - left - right + kernel_size[1]
    height, width = height + output_padding[0], width + output_padding[1]
    if height < 1 or width < 1:
        raise ValueError(
            f"a transposed convolution of {size[0]}x{size[1]} pixels, kernel "
            f"{kernel_size}, stride {stride}, padding {tuple(padding)} would have "
            f"the size {height}x{width}"
        )
    return height, width
