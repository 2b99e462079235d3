"""Faces become square images: which are kept, how they are framed, what is said."""

import io
import os
import pickle
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.prepare import face_crops, face_search
from scratchgan.datasets.prepare.face_crops import Face, FaceCrops, FaceFinder

EXTRA = "finds faces with scikit-image; pip install -e '.[faces]'"
pytestmark = pytest.mark.extras


@pytest.fixture
def astronaut():
    """Return a photograph of 512x512 with one face: brows to chin (173, 67, 97)."""
    data = pytest.importorskip("skimage.data", reason=EXTRA)
    return Image.fromarray(data.astronaut())


@pytest.fixture
def texture():
    data = pytest.importorskip("skimage.data", reason=EXTRA)
    return Image.fromarray(data.gravel()).convert("RGB").resize((1000, 700))


@pytest.fixture
def cascade_says(monkeypatch):
    """Replace the cascade by a list of (left, top, size, votes)."""

    def say(*faces):
        places = np.array(faces, np.float64).reshape(-1, 4)
        answers = {tuple(place[:3]): int(place[3]) for place in places}
        monkeypatch.setattr(face_search, "cascade", lambda: None)
        monkeypatch.setattr(face_search, "search", lambda grey, least: places[:, :3])
        monkeypatch.setattr(
            face_search, "vote", lambda grey, box: (box, answers[tuple(box)])
        )

    return say


def photograph(width=400, height=300):
    return Image.new("RGB", (width, height), "white")


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class TestSettings:
    @pytest.mark.parametrize("settings", [{"minimum": 23}, {"margin": -0.1}])
    def test_out_of_range(self, settings):
        with pytest.raises(ValueError, match="expected"):
            FaceFinder(**settings)
        with pytest.raises(ValueError, match="expected 0 to 1"):
            FaceFinder(margin=1.5)

    def test_picklable(self):
        finder = FaceFinder(60, 0.4)
        assert pickle.loads(pickle.dumps(finder)) == finder


class TestWhichFaces:
    def test_left_to_right(self, cascade_says):
        cascade_says((200, 20, 60, 90), (20, 100, 70, 50), (110, 10, 50, 70))
        found = FaceFinder().find(photograph())
        assert found == [
            Face(20, 100, 70, 50),
            Face(110, 10, 50, 70),
            Face(200, 20, 60, 90),
        ]

    def test_small_ones_are_seen_and_not_kept(self, cascade_says):
        cascade_says((20, 20, 47, 90), (200, 20, 48, 90))
        assert [face.size for face in FaceFinder(48).find(photograph())] == [48]
        assert [face.size for face in FaceFinder(48).detect(photograph())] == [47, 48]
        assert len(FaceFinder(47).find(photograph())) == 2

    def test_of_overlapping_ones_the_one_with_most_votes(self, cascade_says):
        cascade_says((20, 20, 100, 60), (60, 30, 50, 90), (120, 90, 90, 70))
        found = FaceFinder().find(photograph())
        assert [(face.left, face.votes) for face in found] == [(60, 90), (120, 70)]

    def test_what_lies_in_the_same_head_is_left_out(self, cascade_says):
        # The frame of the first reaches 25 pixels beyond it; the chin's "face" has its
        # middle there, the neighbour's is outside.
        cascade_says((100, 50, 100, 90), (120, 145, 50, 60), (202, 60, 50, 60))
        found = FaceFinder().find(photograph())
        assert [face.left for face in found] == [100, 202]

    def test_a_third_of_the_smaller_one_is_too_much(self, cascade_says):
        for left, kept in (16, 2), (20, 1):  # 16 and 20 of 60 columns
            cascade_says((100, 20, 60, 90), (left, 20, 100, 70))
            assert len(FaceFinder().find(photograph())) == kept

    def test_small_faces_need_more_votes(self, cascade_says):
        # 400x300 by 50x50 is 48, 5.6 doublings; by 200x200 it is 3, 1.6 doublings.
        for size, votes, count in (50, 22, 0), (50, 23, 1), (200, 6, 0), (200, 7, 1):
            cascade_says((20, 20, size, votes))
            assert len(FaceFinder().find(photograph())) == count

    def test_large_photographs_are_searched_reduced(self, cascade_says):
        cascade_says((100, 50, 60, 99))
        found = FaceFinder().find(photograph(4096, 2048))
        assert found == [Face(400, 200, 240, 99)]

    def test_nothing_found(self, cascade_says):
        cascade_says()
        assert FaceFinder().find(photograph()) == []


class TestFrame:
    def test_margin_on_each_side_and_more_above(self):
        left, top, side = FaceFinder(margin=0.25).frame(
            Face(400, 400, 100, 9), 999, 999
        )
        assert side == 150
        assert left == 375
        assert 400 - top > top + side - 500 > 0

    def test_at_the_border_it_is_shifted(self):
        # Wanted is 375 to 525; 15 pixels of 150 may be shifted.
        left, _, side = FaceFinder().frame(Face(400, 400, 100, 9), 512, 999)
        assert (left, side) == (362, 150)

    def test_far_over_the_border_it_is_smaller(self):
        finder = FaceFinder(margin=0.5)
        left, top, side = finder.frame(Face(0, 400, 100, 9), 999, 999)
        # The middle of the face stays within a tenth of the frame's.
        assert left == 0
        assert side == pytest.approx(50 / 0.4)
        assert abs(left + side / 2 - 50) <= 0.1 * side + 1e-9
        assert top < 400

    @pytest.mark.parametrize("seed", range(20))
    def test_never_leaves_the_picture(self, seed):
        rng = np.random.default_rng(seed)
        width, height = (int(n) for n in rng.integers(24, 300, 2))
        size = int(rng.integers(8, min(width, height) + 5))
        face = Face(*(int(n) for n in rng.integers(-9, 300, 2)), size, 9)
        left, top, side = FaceFinder(margin=rng.uniform()).frame(face, width, height)
        assert side >= 1
        assert left >= 0
        assert top >= 0
        assert left + side <= width + 1e-9
        assert top + side <= height + 1e-9

    def test_no_margin_is_the_face(self, monkeypatch):
        monkeypatch.setattr(face_crops, "_RAISED", 0)
        frame = FaceFinder(margin=0).frame(Face(30, 40, 50, 9), 200, 200)
        assert frame == (30, 40, 50)


class TestCrop:
    def test_shows_the_frame(self):
        image = photograph(300, 300)
        finder, face = FaceFinder(margin=0.25), Face(100, 110, 80, 9)
        left, top, side = finder.frame(face, 300, 300)
        box = (round(left), round(top), round(left + side), round(top + side))
        image.paste("red", box)
        crop = finder.crop(image, face, 64)
        assert crop.size == (64, 64)
        inner = np.asarray(crop)[2:-2, 2:-2].astype(int)
        assert abs(inner - (255, 0, 0)).max() <= 3

    def test_own_size(self):
        image = Image.fromarray(np.arange(100, dtype=np.uint8)[None].repeat(100, 0))
        crop = FaceFinder(margin=0.25).crop(image, Face(40, 40, 20, 9))
        assert crop.size == (30, 30)
        assert list(np.asarray(crop)[0]) == list(range(35, 65))


class TestDecoding:
    def test_a_picture_for_each_face(self, cascade_says):
        cascade_says((200, 20, 60, 90), (20, 100, 70, 50))
        image = photograph()
        image.paste("blue", (0, 0, 120, 300))
        pictures = FaceCrops(3, 32, FaceFinder())(encoded(image))
        assert [picture.pixels.shape for picture in pictures] == [(32, 32, 3)] * 2
        np.testing.assert_array_equal(pictures[0].pixels[16, 16], (0, 0, 255))
        np.testing.assert_array_equal(pictures[1].pixels[16, 16], (255, 255, 255))
        assert {picture.mode for picture in pictures} == {"RGB"}

    def test_grey_and_pixels(self, cascade_says):
        cascade_says((200, 20, 60, 90))
        pixels = np.full((300, 400), 77, np.uint8)
        (picture,) = FaceCrops(1, 16, FaceFinder())(pixels)
        np.testing.assert_array_equal(picture.pixels, np.full((16, 16, 1), 77))
        assert picture.mode == "L"

    @pytest.mark.parametrize(
        ("faces", "reason"),
        [
            ([], "no face found"),
            ([(9, 9, 31, 99), (200, 9, 25, 99)], "no face of 48 pixels: .* has 31"),
        ],
    )
    def test_why_there_is_none(self, cascade_says, faces, reason):
        cascade_says(*faces)
        with pytest.raises(UnreadableImage, match=reason):
            FaceCrops(3, 64, FaceFinder(48))(encoded(photograph()))

    def test_a_damaged_file_is_no_matter_of_faces(self, cascade_says):
        cascade_says()
        with pytest.raises(UnreadableImage, match="not an image"):
            FaceCrops(3, 64, FaceFinder())(b"nonsense")


def assert_is_the_astronaut(face, left=173, top=67, size=97):
    tolerance = 0.12 * size
    assert face.left == pytest.approx(left, abs=tolerance)
    assert face.top == pytest.approx(top, abs=tolerance)
    assert face.size == pytest.approx(size, abs=tolerance)


class TestOnPictures:
    def test_one_face(self, astronaut):
        (face,) = FaceFinder().find(astronaut)
        assert_is_the_astronaut(face)

    @pytest.mark.parametrize("angle", [-20, 20])
    def test_a_head_held_at_an_angle(self, astronaut, angle):
        head = astronaut.crop((98, 0, 346, 248)).rotate(angle, fillcolor="grey")
        (face,) = FaceFinder().find(head)
        assert abs(face.left + face.size / 2 - 124) < 25
        assert abs(face.top + face.size / 2 - 115) < 25

    def test_several_sizes_on_a_texture(self, astronaut, texture):
        head = astronaut.crop((98, 0, 346, 248))
        for left, top, side in (20, 30, 248), (420, 300, 330), (820, 90, 170):
            texture.paste(head.resize((side, side)), (left, top))
        found = FaceFinder().find(texture)
        assert len(found) == 3
        for face, (left, top, side) in zip(
            found, [(20, 30, 248), (420, 300, 330), (820, 90, 170)], strict=True
        ):
            scale = side / 248
            place = (left + 75 * scale, top + 67 * scale, 97 * scale)
            assert_is_the_astronaut(face, *place)

    def test_too_small_is_said(self, astronaut):
        small = astronaut.resize((200, 200))  # a face of 38 pixels
        assert FaceFinder(48).find(small) == []
        with pytest.raises(UnreadableImage, match="no face of 48 pixels"):
            FaceCrops(3, 64, FaceFinder(48))(encoded(small))
        assert len(FaceFinder(30).find(small)) == 1

    @pytest.mark.parametrize("name", ["brick", "grass", "coffee", "page"])
    def test_no_face(self, name):
        data = pytest.importorskip("skimage.data", reason=EXTRA)
        image = Image.fromarray(getattr(data, name)()).convert("RGB")
        assert FaceFinder().find(image) == []

    @pytest.mark.parametrize("size", [(1, 1), (8, 300), (25, 25)])
    def test_tiny_images(self, size):
        pytest.importorskip("skimage", reason=EXTRA)
        assert FaceFinder().find(photograph(*size)) == []

    def test_threads_and_processes_find_the_same(self, astronaut):
        import multiprocessing

        finder, head = FaceFinder(), astronaut.crop((98, 0, 346, 248))
        alone = finder.find(head)
        assert len(alone) == 1
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(finder.find, [head] * 4)) == [alone] * 4
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn) as pool:
            assert pool.submit(finder.find, head).result() == alone


@pytest.fixture
def portraits():
    """Return every 40th of 1,572 official portraits, one person in each."""
    pytest.importorskip("skimage", reason=EXTRA)
    folder = os.environ.get("SCRATCHGAN_TEST_DATA", "")
    path = Path(folder) / "portraits.zip"
    if not folder or not path.is_file():
        pytest.skip("SCRATCHGAN_TEST_DATA names no folder with portraits.zip")
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        return [Image.open(io.BytesIO(archive.read(name))) for name in names[::40]]


def test_portraits_give_one_face_each(portraits):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(FaceFinder().find, portraits))
    one = [faces[0] for faces in found if len(faces) == 1]
    # Of all 1,572 it is 96 %.
    assert len(one) >= 0.92 * len(portraits)
    # Heads are near the middle, and half a portrait high.
    middles = np.array([(f.left + f.size / 2, f.top + f.size / 2) for f in one])
    assert (abs(middles - (128, 118)) < 60).all()
    assert all(60 <= face.size <= 190 for face in one)
