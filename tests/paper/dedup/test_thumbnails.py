"""What the autoencoder sees: the centre, 32x32, three channels; samples by blocks."""

import numpy as np
import pytest

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.paper.dedup import thumbnails
from scratchgan.paper.dedup.thumbnails import (
    blocks,
    read_rows,
    read_thumbnails,
    sample_thumbnails,
)
from tests.paper.dedup.sets import write_set


def read_all(path):
    with open_dataset(path) as dataset:
        return read_thumbnails(dataset, slice(0, len(dataset)))


def test_images_of_32_pixels_stay_as_they_are(tmp_path, rng):
    images = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        read_all(write_set(tmp_path / "a.h5", images)), images
    )


def test_the_centre_of_a_wide_image_is_averaged(tmp_path, rng):
    centre = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    images = np.zeros((2, 64, 100, 3), np.uint8)
    images[:, :, 18:82] = centre
    expected = centre.reshape(2, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    small = read_all(write_set(tmp_path / "a.h5", images))
    assert abs(small - expected).max() <= 0.5


def test_grey_is_repeated_and_small_is_enlarged(tmp_path):
    images = np.array([[0, 100], [200, 50]], np.uint8).reshape(1, 2, 2, 1)
    small = read_all(write_set(tmp_path / "a.h5", images))
    assert small.shape == (1, 32, 32, 3)
    expected = images[0, :, :, 0].repeat(16, axis=0).repeat(16, axis=1)
    for channel in range(3):
        np.testing.assert_array_equal(small[0, :, :, channel], expected)


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (33, 31), (8, 70)])
def test_any_size_keeps_a_flat_colour(tmp_path, size):
    images = np.full((2, *size, 3), (10, 130, 255), np.uint8)
    small = read_all(write_set(tmp_path / "a.h5", images))
    assert (small == (10, 130, 255)).all()


@pytest.fixture
def numbered(tmp_path, monkeypatch):
    """Return a set whose image i is i everywhere, in blocks of three rows."""
    images = np.arange(20, dtype=np.uint8).repeat(32 * 32 * 3).reshape(-1, 32, 32, 3)
    monkeypatch.setattr(thumbnails, "BLOCK_BYTES", 3 * 3072)
    with open_dataset(write_set(tmp_path / "numbered.h5", images)) as dataset:
        yield dataset


def test_blocks_cover_all_rows_in_order(numbered):
    rows = [np.arange(20)[block] for block in blocks(numbered)]
    assert [len(block) for block in rows] == [3] * 6 + [2]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(20))


def test_a_sample_is_whole_blocks_chosen_by_the_seed(numbered):
    def sample(seed, most=7):
        generator = np.random.default_rng(seed)
        blocks_read = []
        sampled = sample_thumbnails(
            numbered, most, generator, lambda *call: blocks_read.append(call)
        )
        assert blocks_read[-1] == (len(blocks_read), len(blocks_read))
        return sampled[:, 0, 0, 0]

    rows = sample(0)
    assert 7 <= len(rows) <= 9
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, sample(0))
    assert len({tuple(sample(seed)) for seed in range(5)}) > 1
    np.testing.assert_array_equal(sample(3, most=20), np.arange(20))
    np.testing.assert_array_equal(sample(3, most=999), np.arange(20))


def test_single_rows_in_any_order(numbered):
    rows = read_rows(numbered, np.array([7, 2, 7, 19]))
    np.testing.assert_array_equal(rows[:, 5, 5, 1], [7, 2, 7, 19])
