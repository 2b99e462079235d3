"""Which positions are inside boxes, and which maps the regression finds."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.paper.forget.regression import (
    choose_positions,
    find_maps,
    likeliest_boxes,
    positions_inside,
    random_choices,
)


def cells(boxes, grid=(4, 4), size=(16, 16)):
    return np.argwhere(positions_inside(np.array(boxes), grid, size)).tolist()


def test_positions_whose_centre_is_in_a_box():
    assert cells([[4, 8, 12, 12]]) == [[2, 1], [2, 2]]
    assert cells([[2, 2, 6, 6]]) == [[0, 0]]  # centres at 2, 6, 10, 14
    assert cells([[3, 3, 7, 7]]) == [[1, 1]]
    assert cells([[0, 0, 16, 16]]) == [[r, c] for r in range(4) for c in range(4)]
    assert cells([[0, 0, 4, 4], [12, 12, 16, 16]]) == [[0, 0], [3, 3]]


def test_a_box_between_centres_has_the_position_it_lies_in():
    assert cells([[8, 4, 9, 5]]) == [[1, 2]]
    assert cells([[15, 15, 16, 16]]) == [[3, 3]]
    assert cells([[3, 4, 4, 16]]) == [[1, 0], [2, 0], [3, 0]]


def test_image_that_is_not_square():
    assert cells([[6, 2, 12, 8]], (2, 3), (8, 18)) == [[0, 1], [1, 1]]


def test_as_many_negatives_from_the_same_images():
    boxes = {3: np.array([[0, 0, 8, 8]]), 7: np.array([[8, 8, 12, 12]])}
    positions = choose_positions(boxes, (4, 4), (16, 16), seed=1)
    assert positions.inside.sum() == 4 + 1
    assert (~positions.inside).sum() == 5
    assert set(positions.image) == {3, 7}
    at = list(zip(positions.image, positions.row, positions.column, strict=True))
    assert len(set(at)) == 10
    for (image, row, column), inside in zip(at, positions.inside, strict=True):
        assert positions_inside(boxes[image], (4, 4), (16, 16))[row, column] == inside
    again = choose_positions(boxes, (4, 4), (16, 16), seed=1)
    other = choose_positions(boxes, (4, 4), (16, 16), seed=2)
    np.testing.assert_array_equal(positions.row, again.row)
    assert (positions.row != other.row).any() or (
        positions.column != other.column
    ).any()


def test_boxes_over_everything_leave_nothing_to_tell_apart():
    with pytest.raises(ConfigError, match=r"16 positions .* inside and 0 outside"):
        choose_positions({0: np.array([[0, 0, 16, 16]])}, (4, 4), (16, 16), 0)
    most = np.array([[0, 0, 16, 12]])  # fewer outside than inside: all of them
    positions = choose_positions({0: most}, (4, 4), (16, 16), 0)
    assert (~positions.inside).sum() == 4


def test_the_maps_that_draw_the_boxed_are_found(rng):
    """Of 8 maps, 1 and 6 are active inside boxes, 2 outside, the rest is noise."""
    boxes = {i: np.array([[4 * (i % 4), 4, 4 * (i % 4) + 4, 12]]) for i in range(60)}
    features = np.maximum(rng.normal(0, 0.1, (60, 8, 4, 4)), 0)
    for image, found in boxes.items():
        inside = positions_inside(found, (4, 4), (16, 16))
        features[image, 1][inside] += 1
        features[image, 6][inside] += 0.7
        features[image, 2][~inside] += 1
    positions = choose_positions(boxes, (4, 4), (16, 16), 0)
    found = find_maps(features, positions)
    assert found.accuracy == 1
    assert (found.positives, found.negatives) == (120, 120)
    assert np.argsort(-found.weight)[:2].tolist() == [1, 6]
    assert found.weight.argmin() == 2
    assert found.dropped[[1, 6]].all()
    assert not found.dropped[2]
    np.testing.assert_array_equal(found.dropped, found.weight > 0)
    few = find_maps(features, positions, threshold=1.0)
    np.testing.assert_array_equal(few.dropped, found.weight > 1)
    assert np.flatnonzero(few.dropped).tolist() == [1, 6]
    weak = find_maps(features, positions, strength=1e4)
    assert abs(weak.weight).max() < 0.1 * abs(found.weight).max()


def test_the_control_drops_as_many():
    dropped = np.arange(40) < 11
    choices = random_choices(dropped, 6, seed=2)
    assert [int(choice.sum()) for choice in choices] == [11] * 6
    assert len({choice.tobytes() for choice in choices}) == 6
    again = random_choices(dropped, 6, seed=2)
    assert all((a == b).all() for a, b in zip(choices, again, strict=True))
    assert random_choices(dropped, 0, seed=2) == []


def test_likeliest_places():
    probabilities = np.full((4, 4, 4), 0.01)
    probabilities[1, 1, 1:3] = 0.2, 0.3
    probabilities[3, 2:, 0] = 0.25, 0.4
    boxes = likeliest_boxes(probabilities, (16, 32), 2)
    assert {image: box.tolist() for image, box in boxes.items()} == {
        1: [[8, 4, 24, 8]],
        3: [[0, 8, 8, 16]],
    }


def test_likeliest_places_are_half_an_image_at_most():
    flat = np.full((3, 8, 8), 0.3)
    flat[:, 6, 1] = 0.31
    for box in likeliest_boxes(flat, (8, 8), 3).values():
        assert box.tolist() == [[0, 4, 3, 8]]
