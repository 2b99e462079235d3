"""Sizes and padding of convolutions."""

import re

import pytest

from scratchgan.functional.conv.shapes import (
    Padding,
    conv_output_size,
    conv_transpose_output_size,
    make_padding,
    pair,
    same_padding,
)


@pytest.mark.parametrize(
    ("value", "expected"), [(3, (3, 3)), ((2, 5), (2, 5)), ([2, 5], (2, 5))]
)
def test_pair_takes_one_number_or_two(value, expected):
    assert pair(value, "stride") == expected


@pytest.mark.parametrize("value", [1.5, "4", (1, 2, 3), (1, 2.0), None, ()])
def test_pair_refuses_the_rest_by_name(value):
    with pytest.raises(ValueError, match="stride is ") as error:
        pair(value, "stride")
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, (2, 2, 2, 2)),
        ((1, 3), (1, 1, 3, 3)),
        (((2, 1), (0, 4)), (2, 1, 0, 4)),
        (((2, 1), [0, 4]), (2, 1, 0, 4)),
        (Padding(4, 3, 2, 1), (4, 3, 2, 1)),
    ],
)
def test_padding_forms(value, expected):
    assert make_padding(value) == Padding(*expected)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (-1, "-1"),
        ((1, -2), "(1, -2)"),
        (((0, 0), (-1, 0)), "((0, 0), (-1, 0))"),
        ((1, 2, 3, 4), "(1, 2, 3, 4)"),
        (((1, 2), (3, 4), (5, 6)), "((1, 2), (3, 4), (5, 6))"),
        (((1, 2), (3, 4, 5)), "(3, 4, 5)"),
        ((), "()"),
        ("2", "'2'"),
    ],
)
def test_padding_refuses_the_rest_with_the_value(value, named):
    with pytest.raises(ValueError, match=f"padding is {re.escape(named)}, expected"):
        make_padding(value)


@pytest.mark.parametrize("kernel", range(1, 7))
@pytest.mark.parametrize("stride", range(1, 4))
@pytest.mark.parametrize("extra", ["before", "after"])
def test_same_padding_divides_a_size_exactly(kernel, stride, extra):
    if kernel < stride:
        with pytest.raises(
            ValueError, match=f"kernel_size {kernel} is smaller than stride {stride}"
        ):
            same_padding(kernel, stride, extra=extra)
        return
    side = same_padding(kernel, stride, extra=extra)
    assert 0 <= (side[0] - side[1]) * (1 if extra == "before" else -1) <= 1
    padding = Padding(*side, *side)
    for n in (1, 2, 5):
        size = stride * n
        down = conv_output_size(
            (size, size), (kernel, kernel), (stride, stride), padding
        )
        assert down == (n, n)
        # No row of the padded image is left unread.
        assert (n - 1) * stride + kernel == size + sum(side)
        up = conv_transpose_output_size(
            (n, n), (kernel, kernel), (stride, stride), padding
        )
        assert up == (size, size)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        ((64, 64), (5, 5), (2, 2), (2, 2, 2, 2), (32, 32)),
        ((14, 14), (5, 5), (2, 2), (2, 2, 2, 2), (7, 7)),
        ((7, 6), (3, 2), (2, 3), (0, 0, 1, 1), (3, 3)),
        ((4, 4), (4, 4), (1, 1), (0, 0, 0, 0), (1, 1)),
    ],
)
def test_output_size(size, kernel, stride, padding, expected):
    assert conv_output_size(size, kernel, stride, Padding(*padding)) == expected


def test_image_smaller_than_the_kernel_is_refused_with_the_sizes():
    with pytest.raises(ValueError, match=r"image of 3x9 .* kernel of 4x5"):
        conv_output_size((2, 9), (4, 5), (1, 1), Padding(0, 1, 0, 0))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "extra", "expected"),
    [
        ((1, 1), (4, 4), (1, 1), (0, 0, 0, 0), (0, 0), (4, 4)),
        ((7, 7), (5, 5), (2, 2), (2, 2, 2, 2), (1, 1), (14, 14)),
        ((7, 7), (5, 5), (2, 2), (1, 2, 1, 2), (0, 0), (14, 14)),
        ((3, 4), (2, 3), (3, 2), (0, 0, 1, 0), (2, 0), (10, 8)),
    ],
)
def test_transposed_output_size(size, kernel, stride, padding, extra, expected):
    got = conv_transpose_output_size(size, kernel, stride, Padding(*padding), extra)
    assert got == expected


def test_transposed_convolution_of_nothing_is_refused_with_the_values():
    with pytest.raises(ValueError, match=r"of 1x5 pixels.*\(2, 2, 2, 2\).*size 0x8"):
        conv_transpose_output_size((1, 5), (4, 4), (1, 2), Padding(2, 2, 2, 2))
