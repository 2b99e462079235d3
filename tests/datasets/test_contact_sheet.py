"""Contact sheets: which images, how large, with what below them."""

import numpy as np
import pytest
import toy

from scratchgan.datasets.contact_sheet import contact_sheet
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.storage.pictures import captioned_grid, image_grid


@pytest.fixture
def sheet(tmp_path):
    def sheet(images, *args, write=toy.write_plain):
        write(tmp_path / "a.h5", images)
        with open_dataset(tmp_path / "a.h5") as dataset:
            return contact_sheet(dataset, *args)

    return sheet


def enlarged(images, factor):
    return np.kron(images, np.ones((1, factor, factor, 1), np.uint8))


def test_all_images_in_order(sheet):
    images = toy.toy_pixels(5)
    np.testing.assert_array_equal(sheet(images), image_grid(enlarged(images, 5), 3))


def test_grey_image_alone(sheet):
    images = toy.toy_pixels(1, channels=1)
    np.testing.assert_array_equal(sheet(images), image_grid(enlarged(images, 5), 1))


def test_drawn_by_lot_without_repetition(sheet):
    images = np.arange(100, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(images, (100, 64, 64, 1))

    def shown(seed):
        grid = sheet(images, 16, seed)
        return [grid[r, c, 0] for r in range(2, 266, 66) for c in range(2, 266, 66)]

    first = shown(0)
    assert len(set(first)) == 16
    assert first == sorted(first) == shown(0)
    assert first != shown(1)
    assert max(first) > 50  # not only the beginning of the file


def test_large_images_are_reduced(sheet):
    images = np.full((1, 300, 600, 3), 77, np.uint8)
    assert sheet(images).shape == (2 + 128 + 2, 2 + 256 + 2, 3)
    assert (sheet(images)[2:-2, 2:-2] == 77).all()


@pytest.mark.parametrize("names", [("cat", "dog"), None])
def test_captions(tmp_path, names):
    images = toy.toy_pixels(4)
    toy.write_toy(tmp_path / "a.h5", images=images, class_names=names)
    captions = [*(names or "01")] * 2
    with open_dataset(tmp_path / "a.h5") as dataset:
        found = contact_sheet(dataset)
    np.testing.assert_array_equal(
        found, captioned_grid(enlarged(images, 5), captions, 2)
    )
