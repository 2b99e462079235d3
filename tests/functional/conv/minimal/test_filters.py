from itertools import product

import numpy as np
import pytest

from scratchgan.functional.conv.minimal.filters import (
    DATA,
    FILTER,
    OUTPUTS,
    POINTS,
    TILE,
    plan_axis,
    products_per_output,
    supports,
    transposed,
)


def value(terms, numbers):
    return sum(coefficient * numbers[index] for index, coefficient in terms)


@pytest.mark.parametrize("taps", [1, 2, 3])
def test_every_filter_gives_what_the_definition_says(taps, rng):
    data, filter_ = rng.normal(size=taps + 1), rng.normal(size=taps)
    outputs = np.zeros(TILE)
    for point in DATA[taps]:
        term = value(DATA[taps][point], data) * value(FILTER[taps][point], filter_)
        for index, coefficient in OUTPUTS[point]:
            outputs[index] += coefficient * term
    expected = np.convolve(data, filter_[::-1], mode="valid")
    np.testing.assert_allclose(outputs, expected, atol=1e-14)


@pytest.mark.parametrize("taps", [1, 2, 3])
def test_filters_need_one_product_more_than_taps(taps):
    assert len(DATA[taps]) == len(FILTER[taps]) == taps + 1
    assert DATA[taps].keys() == FILTER[taps].keys()
    assert set(DATA[taps]) <= set(POINTS)


@pytest.mark.parametrize(
    ("kernel", "stride", "products"), [(4, 2, 36), (5, 2, 49), (3, 2, 25), (3, 1, 16)]
)
def test_products_of_a_tile_are_as_counted(kernel, stride, products):
    plan = plan_axis(8 * stride, kernel, stride, kernel // 2, 8)
    assert sum(plan.phases_at(point) for point in plan.points) ** 2 == products


@pytest.mark.parametrize(("kernel", "stride"), list(product(range(1, 8), range(1, 4))))
def test_support_is_one_to_three_taps_in_every_phase_and_not_one_in_all(kernel, stride):
    taps = [len(range(phase, kernel, stride)) for phase in range(stride)]
    expected = all(1 <= count <= 3 for count in taps) and max(taps) > 1
    assert supports(kernel, stride) == expected
    if expected:
        plan = plan_axis(9 * stride, kernel, stride, 0, 8)
        products = sum(plan.phases_at(point) for point in plan.points)
        assert products_per_output(kernel, stride) == products / TILE


GEOMETRY = [
    (size, kernel, stride, before, after)
    for kernel, stride in ((4, 2), (5, 2), (3, 2), (3, 1), (2, 1), (7, 3), (8, 3))
    for size in range(1, 14)
    for before, after in ((0, 0), (1, 1), (2, 1), (1, 2), (0, 3))
    if size + before + after >= kernel
]


@pytest.mark.parametrize(("size", "kernel", "stride", "before", "after"), GEOMETRY)
def test_every_pixel_that_an_output_reads_is_in_one_block(
    size, kernel, stride, before, after
):
    outputs = (size + before + after - kernel) // stride + 1
    plan = plan_axis(size, kernel, stride, before, outputs)
    assert TILE * (plan.tiles - 1) < outputs <= TILE * plan.tiles
    found = {}
    for group in plan.groups:
        for place in group.pixels:
            blocks = range(group.blocks[place.parity])[place.blocks]
            pixels = range(size)[place.pixels]
            assert len(blocks) == len(pixels)
            for block, pixel in zip(blocks, pixels, strict=True):
                phase = group.first + place.phase
                padded = (TILE * block + place.parity) * stride + phase
                assert padded == pixel + before
                assert pixel not in found
                found[pixel] = True
    read = {
        stride * output + tap - before
        for output, tap in product(range(outputs), range(kernel))
    }
    assert read & set(range(size)) <= set(found)
    assert plan.reads_all == (len(found) == size)


def test_transposed_terms_are_the_transpose():
    for taps in (1, 2, 3):
        points = tuple(DATA[taps])
        back = transposed(DATA[taps], points)
        for number, point in enumerate(points):
            for index, coefficient in DATA[taps][point]:
                assert (number, coefficient) in back[index]
        assert sum(map(len, back.values())) == sum(map(len, DATA[taps].values()))
