"""Walks: where they go, how their evenness is measured, and what is called sharp."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.paper import walk as walk_module
from scratchgan.paper.walk import (
    Walk,
    between,
    chained_rows,
    frames,
    make_walk,
    measure_smoothness,
    swept_rows,
    verdict,
)


@pytest.mark.parametrize("path", ["linear", "great-circle"])
def test_rows_are_chained_and_hold_both_ends(rng, path):
    points = rng.normal(size=(5, 7)).astype(np.float32)
    z = chained_rows(points, 6, path)
    assert z.shape == (4, 6, 7)
    np.testing.assert_allclose(z[:, 0], points[:-1], rtol=1e-5)
    np.testing.assert_allclose(z[:, -1], points[1:], rtol=1e-5)


def test_a_line_is_even(rng):
    start, end = rng.normal(size=(2, 9))
    z = between(start, end, 5, "linear")
    steps = np.diff(z, axis=0)
    np.testing.assert_allclose(steps, np.tile((end - start) / 4, (4, 1)), atol=1e-6)


def test_a_great_circle_turns_evenly_and_keeps_the_length(rng):
    start, end = rng.normal(size=(2, 50))
    end *= 2 * np.linalg.norm(start) / np.linalg.norm(end)
    z = between(start, end, 9, "great-circle").astype(np.float64)
    lengths = np.linalg.norm(z, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(1, 2, 9) * lengths[0], rtol=1e-5)
    units = z / lengths[:, None]
    angles = np.arccos((units[1:] * units[:-1]).sum(axis=1))
    np.testing.assert_allclose(angles, angles[0], rtol=1e-4)


@pytest.mark.parametrize("factor", [1.0, -1.0, 3.0])
def test_a_great_circle_through_the_origin_is_a_line(factor):
    start = np.array([1.0, 2.0, -1.0])
    z = between(start, factor * start, 5, "great-circle")
    np.testing.assert_allclose(z, between(start, factor * start, 5, "linear"))


def test_a_sweep_changes_one_component_only(rng):
    points = rng.normal(size=(3, 4))
    z = swept_rows(points, 2, 1.5, 7)
    np.testing.assert_allclose(z[1, :, 2], np.linspace(-1.5, 1.5, 7))
    np.testing.assert_array_equal(
        np.delete(z, 2, axis=2), np.repeat(np.delete(points, 2, axis=1)[:, None], 7, 1)
    )
    assert points[0, 2] not in (-1.5, 1.5)  # the points themselves are as they were


def test_tiles_are_the_images_of_their_z(networks):
    walk = make_walk(networks, seed=5, rows=2, tiles=4)
    np.testing.assert_array_equal(walk.z[0, 0], networks.latent([5])[0])
    np.testing.assert_allclose(walk.z[1, -1], networks.latent([7])[0], rtol=1e-5)
    alone = networks.images(walk.z[1, 2:3])
    # Another batch sums in another order: a rounding of one grey level at most.
    difference = walk.images[1, 2].astype(int) - alone[0]
    assert abs(difference).max() <= 1


def test_path_follows_the_distribution_of_z(networks):
    """The tiny network has a Gaussian z: auto is the great circle."""
    auto, circle, line = (
        make_walk(networks, 0, 1, 5, path).z
        for path in ("auto", "great-circle", "linear")
    )
    np.testing.assert_array_equal(auto, circle)
    assert not np.allclose(auto, line)


def test_a_component_that_is_not_there(networks):
    with pytest.raises(ConfigError, match="--coordinate 4: z has 4 components"):
        make_walk(networks, 0, 1, 5, coordinate=4)


class Plain:
    """Stands in for networks: features are the pixels, unrelated images far apart."""

    def latent(self, seeds):
        return np.array(list(seeds))[:, None]

    def images(self, z, labels=None):
        value = np.where(np.arange(len(z)) % 2, 200, 100).astype(np.uint8)
        return np.broadcast_to(value[:, None, None, None], (len(z), 2, 2, 1))

    def features(self, images, labels=None):
        return images.reshape(len(images), -1).astype(np.float32)


def line_of(*values):
    images = np.array(values, np.uint8).reshape(1, -1, 1, 1, 1)
    return Walk(
        np.zeros((1, len(values), 1)),
        np.broadcast_to(images, (1, len(values), 2, 2, 1)),
    )


@pytest.mark.parametrize(
    ("values", "sharp"),
    [
        ((10, 20, 30, 40, 50), False),  # even
        ((10, 20, 90, 100, 110), True),  # 70 against 10, and unrelated ones are 100
        ((10, 20, 60, 70, 80), False),  # 40: sharp for the row, but not far
        ((10, 60, 110, 200, 250), False),  # 90 is far, but less than 3 times 50
        ((10, 10, 10, 80, 80), True),  # nothing but one jump
    ],
)
def test_what_is_a_sharp_transition(values, sharp):
    report = measure_smoothness(Plain(), line_of(*values), seed=0)
    assert report["pixels"]["unrelated"] == 100
    (row,) = report["pixels"]["rows"]
    np.testing.assert_allclose(row["steps"], np.diff(values))
    assert row["sharp"] is sharp
    assert report["sharp_rows"] == ([1] if sharp else [])
    assert ("no sharp" in verdict(report)) is not sharp


def test_features_are_those_of_the_class_that_was_drawn():
    asked = []

    class Conditional(Plain):
        def features(self, images, labels=None):
            asked.append(labels)
            return super().features(images)

    measure_smoothness(Conditional(), line_of(10, 20, 30), seed=0, label=3)
    assert asked == [3, 3]


def test_frames_go_through_every_tile(networks):
    walk = make_walk(networks, 0, 2, 3)
    made = frames(networks, walk, between_tiles=4)
    assert len(made) == 5 * 4 + 1
    tiles = walk.images.reshape(6, *walk.images.shape[2:]).astype(int)
    for tile, frame in zip(tiles, made[::4], strict=True):
        assert abs(tile - frame).max() <= 1


def test_measures_are_those_of_the_constants():
    assert walk_module.SHARP > 1
    assert 0 < walk_module.FAR < 1
