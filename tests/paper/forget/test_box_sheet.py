"""The sheet to draw boxes from: every pixel is where its ruler says."""

import numpy as np
import pytest

from scratchgan.paper.forget.box_sheet import LETTERS, MARGIN, TILE, box_sheet
from scratchgan.storage.pictures import GAP


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 3), (16, 24, 1)])
def test_pixels_are_enlarged_in_place(rng, height, width, channels):
    images = rng.integers(0, 255, (5, height, width, channels), dtype=np.uint8)
    sheet = box_sheet(images, range(5), columns=2)
    scale = TILE // max(height, width)
    tile = np.array([MARGIN + LETTERS + 6 + height * scale, MARGIN + width * scale])
    rows, columns = 3, 2
    assert sheet.shape[:2] == tuple((tile + GAP) * (rows, columns) + GAP)
    top, left = (tile + GAP) * (1, 1) + GAP + (LETTERS + 6 + MARGIN, MARGIN)
    shown = sheet[top : top + height * scale, left : left + width * scale]
    expected = np.broadcast_to(images[3], (height, width, 3))
    for corner in (0, scale - 1):
        np.testing.assert_array_equal(shown[corner::scale, corner::scale], expected)


def test_marks_stand_at_the_edges_of_pixels():
    (height, width), scale = (8, 8), TILE // 8
    sheet = box_sheet(np.full((1, height, width, 3), 200, np.uint8), [7], 1)
    top, left = GAP + LETTERS + 6 + MARGIN, GAP + MARGIN
    above = np.flatnonzero(sheet[top - 2, left:, 0] == 0)
    beside = np.flatnonzero(sheet[top:, left - 2, 0] == 0)
    np.testing.assert_array_equal(above, np.arange(8) * scale)
    np.testing.assert_array_equal(beside, np.arange(8) * scale)


def test_large_images_keep_their_size_and_have_eight_numbers_at_most():
    sheet = box_sheet(np.zeros((1, 300, 300, 3), np.uint8), [0], 1)
    assert sheet.shape[1] == 300 + MARGIN + 2 * GAP
    above = sheet[GAP + LETTERS + 6 + MARGIN - 2, GAP + MARGIN :, 0] == 0
    assert np.flatnonzero(above).tolist() == list(range(0, 300, 64))
