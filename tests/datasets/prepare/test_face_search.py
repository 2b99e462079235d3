"""Places that look like a face: geometry of the search, and votes on real pictures."""

import sys

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets.prepare import face_search
from scratchgan.errors import DatasetError

EXTRA = "finds faces with scikit-image; pip install -e '.[faces]'"
pytestmark = pytest.mark.extras


@pytest.fixture
def skimage_data():
    return pytest.importorskip("skimage.data", reason=EXTRA)


class TestOverlap:
    def test_is_common_over_joint_area(self):
        boxes = np.array([[0.0, 0, 10], [5, 0, 10], [20, 20, 10], [2, 2, 5]])
        table = face_search.overlap(boxes, boxes)
        assert table.shape == (4, 4)
        np.testing.assert_allclose(np.diag(table), 1)
        np.testing.assert_allclose(table, table.T)
        assert table[0, 1] == pytest.approx(50 / 150)
        assert table[0, 2] == 0
        assert table[0, 3] == pytest.approx(25 / 100)

    def test_apart_in_one_direction_only_is_apart(self):
        boxes = np.array([[0.0, 0, 10], [30, 0, 10], [30, 30, 10]])
        np.testing.assert_array_equal(face_search.overlap(boxes, boxes), np.eye(3))


class TestGroups:
    def test_most_first_and_every_row_once(self, rng):
        centres = [(50, 50, 20)] * 3 + [(200, 80, 40)] * 9 + [(90, 300, 30)]
        boxes = np.array(centres) + rng.uniform(-1, 1, (13, 3))
        found = face_search.groups(boxes)
        assert [list(rows) for rows in found] == [[*range(3, 12)], [0, 1, 2], [12]]

    def test_sizes_far_apart_are_two_faces(self):
        boxes = np.array([[0.0, 0, 100], [30, 30, 40]])
        assert len(face_search.groups(boxes)) == 2

    def test_nothing(self):
        assert face_search.groups(np.empty((0, 3))) == []


@pytest.mark.parametrize("angle", [0, -15, 15, 40])
@pytest.mark.parametrize("size", [(61, 91), (90, 60)])
def test_points_of_a_turned_picture_are_found_again(angle, size):
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    pixels[33:36, 41:44] = 255  # around (42.5, 34.5)
    turned = np.asarray(face_search._turned(Image.fromarray(pixels), angle)).copy()
    turned[turned == 128] = 0  # corners that were outside
    y, x = (np.average(i + 0.5, weights=turned) for i in np.indices(turned.shape))
    back = face_search._turned_back(np.array([[x, y]]), angle, size)
    np.testing.assert_allclose(back, [[42.5, 34.5]], atol=0.3)


def test_missing_extra_is_one_line(monkeypatch):
    face_search.cascade.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(DatasetError, match=r"pip install 'scratchgan\[faces\]'"):
        face_search.cascade()


class TestOnPictures:
    def test_cascade_is_in_the_package_and_fetches_nothing(self, skimage_data):
        from pathlib import Path

        path = Path(skimage_data.lbp_frontal_face_cascade_filename())
        assert Path(skimage_data.__file__).parent in path.parents

    @pytest.mark.parametrize("size", [512, 300, 180])
    def test_votes_hold_at_every_size(self, skimage_data, size):
        grey = Image.fromarray(skimage_data.astronaut()).convert("L")
        scale = size / 512
        box = np.array([173.0, 67, 97]) * scale  # brows to chin, seen by eye
        mean, votes = face_search.vote(grey.resize((size, size)), box)
        assert votes >= 20
        np.testing.assert_allclose(mean, box, atol=12 * scale)

    def test_search_finds_the_place(self, skimage_data):
        grey = Image.fromarray(skimage_data.astronaut()).convert("L")
        places = face_search.search(grey, 40)
        shared = face_search.overlap(places, np.array([[173.0, 67, 97]]))
        assert shared.max() > 0.5

    def test_nothing_smaller_than_asked(self, skimage_data):
        grey = Image.fromarray(skimage_data.astronaut()).convert("L")
        assert face_search.search(grey, 60)[:, 2].min() >= 60
        assert len(face_search.search(grey, 513)) == 0

    @pytest.mark.parametrize("size", [(1, 1), (23, 400), (24, 24), (25, 24), (400, 30)])
    def test_tiny_and_thin(self, skimage_data, size):
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, size[::-1], dtype=np.uint8)
        places = face_search.search(Image.fromarray(pixels), 24)
        assert places.shape[1] == 3

    def test_a_flat_place_has_no_votes(self, skimage_data):
        box = np.array([20.0, 20, 40])
        mean, votes = face_search.vote(Image.new("L", (90, 90), 77), box)
        assert votes == 0
        np.testing.assert_array_equal(mean, box)

    def test_sums_stay_exact_in_large_pictures(self, skimage_data):
        # Sums in float32 are off where they grow beyond 2^24: the windows of one face
        # are the same alone, and far from the corner of a large picture.
        small = Image.fromarray(skimage_data.astronaut()).convert("L").resize((90, 90))
        large = Image.new("L", (1024, 1024), 250)
        large.paste(Image.new("L", (1024, 512), 5), (0, 0))
        large.paste(small, (900, 900))
        alone = face_search._faces_in(small, 1)
        together = face_search._faces_in(large, 1)
        inside = together[(900 <= together).all(1) & (together < 966).all(1)]
        assert len(alone) > 0
        np.testing.assert_array_equal(inside, alone + 900)

    def test_tiles_join_without_gap_or_repetition(self, skimage_data, monkeypatch):
        grey = Image.fromarray(skimage_data.astronaut()).convert("L").resize((130, 110))
        whole = face_search._faces_in(grey, 2)
        monkeypatch.setattr(face_search, "_TILE", 14)
        np.testing.assert_array_equal(face_search._faces_in(grey, 2), whole)
        assert len(whole) > 0
