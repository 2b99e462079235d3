from itertools import product

import numpy as np
import pytest

from scratchgan.functional.minimal_filter import (
    DATA,
    FILTER,
    OUTPUTS,
    POINTS,
    TILE,
    plan_axis,
    supports,
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
    plan = plan_axis(kernel, stride, 8)
    assert sum(plan.phases_at(point) for point in plan.points) ** 2 == products


@pytest.mark.parametrize(("kernel", "stride"), list(product(range(1, 8), range(1, 4))))
def test_support_is_one_to_three_taps_in_every_phase(kernel, stride):
    taps = [len(range(phase, kernel, stride)) for phase in range(stride)]
    assert supports(kernel, stride) == all(1 <= count <= 3 for count in taps)


@pytest.mark.parametrize("outputs", [1, 2, 3, 8])
def test_tiles_cover_the_outputs_and_read_their_blocks(outputs):
    plan = plan_axis(5, 2, outputs)
    assert TILE * (plan.tiles - 1) < outputs <= TILE * plan.tiles
    assert plan.blocks == TILE * (plan.tiles - 1) + 3 + 1  # the last tile reads d0..d3
