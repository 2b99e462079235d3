"""Numbers that describe a dataset, against NumPy on all pixels at once."""

import dataclasses
import json

import h5py
import numpy as np
import pytest
import toy

from scratchgan.datasets import statistics
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.datasets.statistics import (
    attribute_summary,
    class_counts,
    pixel_statistics,
)
from scratchgan.errors import DatasetError


@pytest.fixture
def describe(tmp_path):
    """Return the statistics of images, read in blocks of five."""

    def describe(images, progress=None):
        toy.write_plain(tmp_path / "a.h5", images)
        with open_dataset(tmp_path / "a.h5") as dataset:
            return pixel_statistics(dataset, progress)

    return describe


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(statistics, "images_per_chunk", lambda *shape: 5)


class TestPixels:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("count", [1, 5, 23])
    def test_against_numpy(self, describe, channels, count):
        images = toy.toy_pixels(count, channels) // 2 + 20
        found = describe(images)
        assert (found.minimum, found.maximum) == (images.min(), images.max())
        values = images.reshape(-1, channels).astype(np.float64)
        np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.std, values.std(axis=0), rtol=1e-12)
        assert found.constant_images == found.duplicates == 0

    def test_black_and_white_mean_all_channels(self, describe):
        images = toy.toy_pixels(7) // 2 + 20  # neither 0 nor 255
        images[0, :2, :3] = 0
        images[1, 0, :4] = 255
        images[2, 0, 0] = [0, 0, 1]
        images[2, 0, 1] = [255, 254, 255]
        found = describe(images)
        assert found.black == 6 / (7 * 96)
        assert found.white == 4 / (7 * 96)

    def test_images_of_a_single_colour(self, describe):
        images = toy.toy_pixels(8)
        images[2] = [1, 2, 3]
        images[6] = 0
        images[7] = 9
        images[7, 3, 4, 1] = 8
        assert describe(images).constant_images == 2

    def test_progress(self, describe):
        seen = []
        describe(toy.toy_pixels(12), lambda *done: seen.append(done))
        assert seen == [(5, 12), (10, 12), (12, 12)]

    def test_plain_for_json(self, describe):
        facts = dataclasses.asdict(describe(toy.toy_pixels(3)))
        assert json.loads(json.dumps(facts)) == facts

    def test_pixels_that_do_not_read(self, tmp_path):
        toy.write_plain(tmp_path / "a.h5", toy.toy_pixels(20))
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            del file["images"]
            packed = file.create_dataset(
                "images", (20, 8, 12, 3), "u1", chunks=(20, 8, 12, 3), compression=1
            )
            packed.id.write_direct_chunk((0, 0, 0, 0), b"not deflated at all")
        with open_dataset(tmp_path / "a.h5") as dataset:
            with pytest.raises(DatasetError, match="is damaged"):
                pixel_statistics(dataset)


class TestDuplicates:
    def test_groups(self, tmp_path):
        images = toy.toy_pixels(14)
        images[[3, 13]] = images[1]  # 1, 3, 13: across blocks
        images[[9, 10]] = images[6]  # as many, later
        images[12] = images[0]
        toy.write_toy(tmp_path / "a.h5", images=images)
        with open_dataset(tmp_path / "a.h5") as dataset:
            found = pixel_statistics(dataset)
            names = dataset.source_files
        assert found.duplicates == 5
        assert found.duplicate_groups == 3
        assert found.largest_group == 3
        assert found.largest_rows == [1, 3, 13]
        assert found.largest_files == [names[1], names[3], names[13]]

    def test_one_pixel_makes_a_difference(self, describe):
        images = np.zeros((4, 8, 12, 3), np.uint8)
        for i in range(4):
            images[i, i, i, 0] = 1
        assert describe(images).duplicates == 0

    def test_a_frequent_image_is_not_listed_whole(self, describe):
        found = describe(np.zeros((500, 8, 8, 1), np.uint8))
        assert found.duplicates == 499
        assert found.largest_group == 500
        assert found.largest_rows == list(range(statistics.GROUP_SHOWN))
        assert found.largest_files == []
        assert found.constant_images == 500

    def test_none(self, describe):
        found = describe(toy.toy_pixels(2))
        assert found.duplicate_groups == found.largest_group == 0
        assert found.largest_rows == []


class TestClasses:
    def counts(self, tmp_path, labels, split=None, **options):
        with DatasetWriter(tmp_path / "a.h5", 8, 12, 3, **toy.TEXTS, **options) as out:
            out.append(toy.toy_pixels(len(labels)), labels=np.array(labels))
            if split is not None:
                out.set_split(np.array(split))
        with open_dataset(tmp_path / "a.h5") as dataset:
            return class_counts(dataset)

    def test_by_split(self, tmp_path):
        found = self.counts(
            tmp_path,
            [2, 0, 2, 2, 0],
            split=[0, 0, 2, 0, 2],
            class_names=["ant", "bee", "cow"],
        )
        assert found == [
            {"label": 0, "name": "ant", "count": 2, "split": {"train": 1, "test": 1}},
            {"label": 1, "name": "bee", "count": 0, "split": {"train": 0, "test": 0}},
            {"label": 2, "name": "cow", "count": 3, "split": {"train": 2, "test": 1}},
        ]

    def test_numbers_without_names(self, tmp_path):
        found = self.counts(tmp_path, [7, 7, 1000000])
        assert [c["label"] for c in found] == [7, 1000000]
        assert found[0] == {"label": 7, "name": None, "count": 2, "split": None}

    def test_no_labels(self, tmp_path):
        toy.write_plain(tmp_path / "a.h5", toy.toy_pixels(1))
        with open_dataset(tmp_path / "a.h5") as dataset:
            assert class_counts(dataset) is None
            assert attribute_summary(dataset) is None


def test_attributes(tmp_path):
    values = np.array(
        [[1, -3.5, np.nan, np.inf], [0, 1, np.nan, 2], [1, 1, np.nan, 4]], np.float32
    )
    names = ["smile", "turn", "lost", "age"]
    with DatasetWriter(
        tmp_path / "a.h5", 8, 12, 3, **toy.TEXTS, attribute_names=names
    ) as out:
        out.append(toy.toy_pixels(3), attributes=values)
    with open_dataset(tmp_path / "a.h5") as dataset:
        smile, turn, lost, age = attribute_summary(dataset)
    assert smile == {"name": "smile", "ones": pytest.approx(2 / 3)}
    assert turn == {"name": "turn", "min": -3.5, "mean": -0.5, "max": 1}
    assert lost == {"name": "lost", "min": None, "mean": None, "max": None}
    assert age == {"name": "age", "min": 2, "mean": 3, "max": 4}
