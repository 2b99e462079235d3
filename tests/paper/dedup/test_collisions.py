"""Distances between pictures, the estimate of false positives, the sheet."""

import numpy as np
import pytest

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.paper.dedup import collisions
from scratchgan.paper.dedup.buckets import Buckets
from scratchgan.paper.dedup.collisions import (
    collision_sheet,
    compare_collisions,
    normalised_distance,
)
from tests.paper.dedup.sets import landscapes, write_set


def one_bucket_for(groups):
    """Return buckets in which rows of one group have one code."""
    codes = np.zeros((len(groups), 16), np.uint8)
    codes[:, 0] = groups
    return Buckets.of(codes)


def test_distance_is_that_of_the_correlation(rng):
    one, other = rng.integers(0, 256, (2, 5, 4, 4, 3), dtype=np.uint8)
    for a, b, distance in zip(one, other, normalised_distance(one, other), strict=True):
        r = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        assert distance == pytest.approx(np.sqrt(2 - 2 * r), rel=1e-12)


def test_distance_of_equal_negative_and_flat_pictures():
    picture = landscapes(1)
    flat = np.full_like(picture, 7)
    assert normalised_distance(picture, picture) == [0]
    assert normalised_distance(picture, 255 - picture) == pytest.approx([2])
    assert normalised_distance(flat, flat + 90) == [0]
    assert normalised_distance(flat, picture) == pytest.approx([1])


def test_a_false_collision_is_counted(tmp_path):
    images = landscapes(12)
    images[1] = images[0]
    images[4] = images[0] // 2 + 20
    path = write_set(tmp_path / "a.h5", images)
    groups = [0, 0, 2, 3, 0, 0, 6, 7, 8, 9, 10, 11]  # row 5 is another picture
    with open_dataset(path) as dataset:
        found = compare_collisions(dataset, one_bucket_for(groups), seed=0)
    np.testing.assert_array_equal(found.removed, [1, 4, 5])
    np.testing.assert_array_equal(found.kept, [0, 0, 0])
    assert found.distance[0] == 0
    assert found.distance[1] < 0.05
    assert found.distance[2] > 0.5
    facts = found.facts()
    assert facts["compared"] == 3
    assert facts["estimated_false_share"] == pytest.approx(1 / 3)
    assert facts["largest_distance"] == found.distance[2]
    assert facts["median_distance"] == found.distance[1]
    # Nine images are kept: four pairs of them, all unlike.
    assert (facts["random_pairs"], facts["random_pairs_nearer"]) == (4, 0)


def test_random_pairs_tell_when_a_distance_means_nothing(tmp_path):
    images = landscapes(1).repeat(6, axis=0)
    with open_dataset(write_set(tmp_path / "a.h5", images)) as dataset:
        facts = compare_collisions(dataset, one_bucket_for(range(6)), seed=0).facts()
    assert facts["random_pairs_nearer"] == 1
    assert facts["estimated_false_share"] is None


def test_many_collisions_are_sampled_by_the_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(collisions, "MOST_COMPARED", 5)
    buckets = one_bucket_for([0] * 30)
    with open_dataset(write_set(tmp_path / "a.h5", landscapes(30))) as dataset:
        first, again, other = (
            compare_collisions(dataset, buckets, seed).removed for seed in (0, 0, 1)
        )
    assert len(first) == 5
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_sheet_has_pairs_side_by_side_the_furthest_first(tmp_path):
    images = landscapes(4, size=64)
    images[1] = images[0]
    with open_dataset(write_set(tmp_path / "a.h5", images)) as dataset:
        found = compare_collisions(dataset, one_bucket_for([0, 0, 0, 0]), seed=0)
        sheet = collision_sheet(dataset, found, seed=0)
    furthest = found.removed[np.argmax(found.distance)]
    assert sheet.shape[1] == 6 * 66 + 2  # three pairs
    np.testing.assert_array_equal(sheet[2:66, 2:66], images[0])
    np.testing.assert_array_equal(sheet[2:66, 68:132], images[furthest])
    np.testing.assert_array_equal(sheet[2:66, 332:396], images[1])


@pytest.mark.parametrize(
    ("size", "tile"),
    [((28, 28), (84, 84)), ((256, 128), (96, 48)), ((1, 9), (64, 576))],
)
def test_tiles_of_any_size(tmp_path, size, tile):
    images = np.zeros((2, *size, 1), np.uint8)
    with open_dataset(write_set(tmp_path / "a.h5", images)) as dataset:
        found = compare_collisions(dataset, one_bucket_for([0, 0]), seed=0)
        sheet = collision_sheet(dataset, found, seed=0)
    assert sheet.shape == (tile[0] + 15 + 4, 2 * tile[1] + 6, 3)


def test_nothing_removed_nothing_to_see(tmp_path):
    with open_dataset(write_set(tmp_path / "a.h5", landscapes(3))) as dataset:
        found = compare_collisions(dataset, one_bucket_for([0, 1, 2]), seed=0)
        assert collision_sheet(dataset, found, seed=0) is None
