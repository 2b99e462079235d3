"""Grids of images and PNG files."""

import numpy as np
import pytest
from PIL import Image

from scratchgan.storage.pictures import (
    CAPTION_PIXELS,
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


def test_captions_of_several_lines():
    images = np.zeros((2, 20, 60, 1), np.uint8)
    one = captioned_grid(images, ["a", "b"], columns=2)
    three = captioned_grid(images, ["a\nb\nc", "d"], columns=2)
    line = CAPTION_PIXELS + 4
    assert three.shape[0] == one.shape[0] + 2 * line
    below = three[GAP + 20 + line : -GAP]  # the lines after the first
    for number in range(2):
        written = below[number * line : (number + 1) * line] < 128
        assert written[:, GAP : GAP + 60].any()
        assert not written[:, 2 * GAP + 60 : -GAP].any()


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
