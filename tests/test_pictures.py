"""Grids of images and PNG files."""

import numpy as np
import pytest
from PIL import Image

from scratchgan.pictures import (
    GAP,
    captioned_grid,
    image_grid,
    save_animation,
    save_png,
)


def test_grid_places_images_in_reading_order():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones(
        (5, 3, 2, 3), np.uint8
    )
    grid = image_grid(images, 3)
    assert grid.shape == (2 * (3 + GAP) + GAP, 3 * (2 + GAP) + GAP, 3)
    for position in range(5):
        row, column = divmod(position, 3)
        assert (grid[GAP + row * (3 + GAP), GAP + column * (2 + GAP)] == position).all()
    assert (grid[-GAP - 1, -GAP - 1] == 128).all()  # the empty sixth place


@pytest.mark.parametrize("channels", [1, 3])
def test_png_has_the_pixels(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, channels), np.uint8)
    save_png(pixels, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        read = np.asarray(image).reshape(5, 4, channels)
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_caption_stands_under_each_image(channels):
    images = np.full((3, 20, 30, channels), 200, np.uint8)
    plain = captioned_grid(images, ["", "", ""], columns=2)
    written = captioned_grid(images, ["7 of 9", "", "a much too long caption"], 2)
    assert plain.shape == written.shape
    assert plain.shape[2] == 3
    changed = (plain != written).any(axis=2)
    assert not changed[: GAP + 20].any()  # nothing is written over the image
    tile_height = (plain.shape[0] - 3 * GAP) // 2
    line = changed[GAP + 20 : GAP + tile_height]
    assert line[:, GAP : GAP + 30].any()
    assert not line[:, GAP + 30 :].any()  # the second caption is empty
    assert not changed[:, GAP + 30 : GAP + 30 + GAP].any()  # cut off at the tile's edge


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_an_animation_has_all_frames(tmp_path, ending, channels):
    frames = [np.full((6, 4, channels), value, np.uint8) for value in (0, 100, 255)]
    save_animation(frames, tmp_path / f"x.{ending}")
    with Image.open(tmp_path / f"x.{ending}") as image:
        assert image.size == (4, 6)
        assert image.n_frames == 3
        image.seek(1)
        assert abs(np.asarray(image.convert("L")).astype(int) - 100).max() <= 1
