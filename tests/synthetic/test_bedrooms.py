"""Synthetic bedrooms: showing what they claim, where they claim it.

Attributes and boxes are compared with the pixels through pictures that differ in one
thing only.
"""

from dataclasses import replace

import numpy as np
import pytest

from scratchgan.synthetic.bedrooms import bedroom, windows
from scratchgan.synthetic.bedrooms.bedroom import ATTRIBUTE_NAMES, draw
from scratchgan.synthetic.bedrooms.contents import sample_contents
from scratchgan.synthetic.bedrooms.layout import sample_layout
from scratchgan.synthetic.bedrooms.patterns import Fabric
from scratchgan.synthetic.bedrooms.space import (
    Box,
    Camera,
    Room,
    back_to_front,
)


@pytest.fixture(scope="module")
def rooms():
    """The first 500 rooms of one seed, small."""
    return [draw(5, index, 16) for index in range(500)]


def column(rooms, name):
    return np.array([room.attributes[ATTRIBUTE_NAMES.index(name)] for room in rooms])


# Attributes


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("bed", 0.95),
        ("lamp", 0.6),
        ("picture", 0.55),
        ("door", 0.35),
        ("wardrobe", 0.35),
        ("table", 0.5),
        ("rug", 0.45),
        ("plant", 0.35),
        ("light", 0.65),
    ],
)
def test_things_are_as_frequent_as_drawn(rooms, name, share):
    values = column(rooms, name)
    assert set(np.unique(values)) == {0.0, 1.0}
    # Four standard deviations of 500 draws are 0.09.
    assert abs(values.mean() - share) < 0.09


def test_about_half_of_the_rooms_have_windows(rooms):
    counts = np.bincount(column(rooms, "windows").astype(int), minlength=3) / len(rooms)
    assert counts == pytest.approx([0.5, 0.34, 0.16], abs=0.09)


def test_attributes_are_independent(rooms):
    names = [name for name in ATTRIBUTE_NAMES if name != "curtains"]
    table = np.corrcoef([column(rooms, name) for name in names])
    np.fill_diagonal(table, 0)
    # Four standard deviations of no correlation.
    assert np.abs(table).max() < 0.18


def test_curtains_hang_at_windows_only(rooms):
    curtains, count = column(rooms, "curtains"), column(rooms, "windows")
    assert not curtains[count == 0].any()
    assert 0.4 < curtains[count > 0].mean() < 0.7


def test_the_camera_looks_straight_or_into_a_corner(rooms):
    turn = column(rooms, "turn")
    assert 0.35 < (np.abs(turn) < 6).mean() < 0.65
    assert (turn > 15).any()
    assert (turn < -15).any()


def test_what_is_in_a_room_does_not_depend_on_the_size(rooms):
    for index in range(5):
        np.testing.assert_array_equal(
            draw(5, index, 64).attributes, rooms[index].attributes
        )


def test_nearly_every_room_holds_all_that_is_wanted():
    missing = 0
    for index in range(150):
        rng = np.random.default_rng([9, index])
        contents = sample_contents(rng)
        things = sample_layout(rng, contents).things
        wanted = contents.windows + sum(
            bool(getattr(contents, name))
            for name in ATTRIBUTE_NAMES
            if name not in ("windows", "curtains", "light", "turn")
        )
        missing += len(things) < wanted
    assert missing <= 3


# Boxes


def test_there_is_a_box_for_every_window(rooms):
    for room in rooms:
        used = room.boxes.any(axis=1)
        assert used.sum() == room.attributes[0]
        # Used rows come first, from left to right.
        assert list(used) == sorted(used, reverse=True)
        boxes = room.boxes[used]
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= 16).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert list(boxes[:, 0]) == sorted(boxes[:, 0])


def test_boxes_grow_with_the_picture():
    for index in range(12):
        small, large = draw(2, index, 64).boxes, draw(2, index, 128).boxes
        assert np.abs(2 * small - large).max() <= 2


def _with_window_colour(monkeypatch, index, colour):
    """Draw a room whose panes show one colour, and whose light comes from nowhere."""
    monkeypatch.setattr(
        windows.Outside,
        "paint",
        lambda self, directions: np.repeat(
            np.array(colour, np.float32)[:, None], directions.shape[1], axis=1
        ),
    )
    return draw(2, index)


def test_boxes_are_where_the_windows_are(monkeypatch):
    checked = 0
    for index in range(24):
        red = _with_window_colour(monkeypatch, index, (1.0, 0.0, 0.0))
        blue = _with_window_colour(monkeypatch, index, (0.0, 0.0, 1.0))
        np.testing.assert_array_equal(red.boxes, blue.boxes)
        moved = np.abs(red.image.astype(int) - blue.image).max(axis=2) > 100
        inside = np.zeros((64, 64), bool)
        for left, top, right, bottom in red.boxes:
            inside[top:bottom, left:right] = True
            if right:
                checked += 1
                # Panes fill most of a window's box, and reach to its edges.
                part = moved[top:bottom, left:right]
                assert part.mean() > 0.2
                frame = 5
                rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
                assert rows[0] < frame
                assert columns[0] < frame
                assert rows[-1] >= len(part) - frame
                assert columns[-1] >= part.shape[1] - frame
        assert not (moved & ~inside).any()
    assert checked > 10


# Pictures


def test_day_windows_are_bright_and_night_windows_blue():
    """Panes are a concept of their own: not as bright or as coloured as walls."""
    by_light = {0.0: [], 1.0: []}
    for index in range(60):
        room = draw(4, index)
        left, top, right, bottom = room.boxes[0]
        if right:
            pane = room.image[top:bottom, left:right].reshape(-1, 3)
            light = room.attributes[ATTRIBUTE_NAMES.index("light")]
            by_light[float(light)].append(pane.mean(axis=0))
    day, night = (np.array(by_light[light]) for light in (1.0, 0.0))
    assert day.mean() > night.mean() + 40
    # Against the warm light of the room.
    assert np.median(night[:, 2] - night[:, 0]) > 5


def test_night_is_darker_and_warmer_than_day(rooms):
    light = column(rooms, "light")
    means = np.array([room.image.mean(axis=(0, 1)) for room in rooms])
    day, night = means[light == 1].mean(axis=0), means[light == 0].mean(axis=0)
    assert (day > night).all()
    assert night[0] - night[2] > day[0] - day[2] + 20


def test_pictures_are_varied_and_well_exposed():
    images = np.stack([draw(6, index).image for index in range(80)]).astype(float)
    assert 90 < images.mean() < 180
    assert (images == 255).mean() < 0.05
    assert (images < 5).mean() < 0.05
    # At every place, in every channel.
    assert (images.std(axis=0) > 15).all()


def test_resolution_changes_no_more_than_edges():
    large = draw(6, 3, 128).image.astype(float)
    reduced = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(reduced - draw(6, 3, 64).image).mean() < 5


def test_more_in_the_room_changes_the_picture():
    contents = sample_contents(np.random.default_rng(1))
    contents = replace(contents, windows=0, curtains=False, lamp="", rug=False)
    plain = bedroom.draw_room(contents, np.random.default_rng(2), 32)
    lamp = bedroom.draw_room(replace(contents, lamp="floor"), np.random.default_rng(2))
    names = dict(zip(ATTRIBUTE_NAMES, lamp.attributes.tolist(), strict=True))
    assert names["lamp"] == 1
    assert plain.attributes[ATTRIBUTE_NAMES.index("lamp")] == 0
    assert not plain.boxes.any()


# Space


@pytest.fixture
def room():
    return Room(width=4.0, depth=3.5, height=2.5)


@pytest.mark.parametrize("wall", ["back", "left", "right"])
def test_unplace_undoes_place(room, wall):
    point = np.array(room.place(wall, 1.2, 0.7, 0.3))
    back = room.unplace(wall, point[:, None])
    assert np.concatenate(back) == pytest.approx([1.2, 0.7, 0.3])
    # Inwards is away from the wall.
    further = np.array(room.place(wall, 1.2, 0.7, 0.4))
    assert further - point == pytest.approx(0.1 * room.inward(wall))


def test_camera_projects_straight_ahead_to_the_horizon():
    camera = Camera((1.0, 1.5, 0.0), 30.0, 0.8, 0.4)
    ahead = np.array(camera.eye) + 2 * camera.forward
    assert camera.polygons([ahead[None]])[0] == pytest.approx(np.array([(0.5, 0.4)]))
    aside = ahead + camera.right  # a metre to the right at two metres
    assert camera.place(*aside) == pytest.approx((0.5 + 0.8 / 2, 0.4, 2.0))


def test_rays_meet_what_is_projected():
    camera = Camera((1.0, 1.5, 0.0), -20.0, 0.9, 0.45)
    rays = camera.rays(8).reshape(3, 8, 8)
    point = np.array(camera.eye) + 3 * rays[:, 2, 5]
    assert camera.place(*point)[:2] == pytest.approx((5.5 / 8, 2.5 / 8), abs=1e-6)


def test_what_is_behind_the_camera_is_cut_off():
    camera = Camera((0.0, 0.0, 0.0), 0.0, 1.0, 0.5)
    floor = np.array([(-1, -1, -5), (1, -1, -5), (1, -1, 4), (-1, -1, 4)], float)
    polygon = camera.polygons([floor])[0]
    assert len(polygon) == 4
    assert polygon[:, 1].min() == pytest.approx(0.75)  # its far edge
    assert (polygon[:, 1] > 0.5).all()
    behind = camera.polygons([floor - (0, 0, 10)])[0]
    assert len(behind) == 0


def test_boxes_are_painted_from_back_to_front():
    near = Box((0, 0, 1), (1, 1, 2))
    far = Box((0, 0, 3), (1, 1, 4))
    on_top = Box((0, 1, 1), (1, 1.5, 2))
    eye = (0.5, 3.0, -1.0)
    boxes = [on_top, near, far]
    assert back_to_front(boxes, eye) == [2, 1, 0]
    # From behind, it is the other way round.
    assert back_to_front([near, far], (0.5, 0.5, 9.0)) == [0, 1]
    # What cannot be told keeps its order.
    assert back_to_front([near, near], eye) == [0, 1]


def test_faces_turned_away_are_not_seen():
    box = Box((0, 0, 1), (1, 1, 2))
    normals = [tuple(n) for _, n in box.seen_faces((0.5, 3.0, -1.0))]
    assert sorted(normals) == [(0, 0, -1), (0, 1, 0)]


@pytest.mark.parametrize(
    "kind", ["plain", "stripes", "checks", "dots", "planks", "tiles", "panels"]
)
def test_patterns_stay_between_their_two_colours(kind):
    fabric = Fabric((0.2, 0.4, 0.6), (0.8, 0.5, 0.1), kind, 0.3)
    a, b = np.random.default_rng(0).uniform(-3, 3, (2, 4000)).astype(np.float32)
    colours = fabric.paint(a, b)
    assert colours.shape == (3, 4000)
    weight = (colours[0] - 0.2) / 0.6
    assert weight.min() > -0.1
    assert weight.max() < 1.16
    if kind != "plain":
        assert np.ptp(weight) > 0.5
