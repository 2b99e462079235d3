"""``--faces``: files give no, one or several images, and everything says so."""

import importlib
import json
import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from scratchgan.commands import main
from scratchgan.datasets import decode_many as decoding
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems
from scratchgan.datasets.prepare import face_crops, face_search
from scratchgan.datasets.prepare import preparation as prepare_module
from scratchgan.datasets.prepare.face_crops import FaceFinder
from scratchgan.datasets.prepare.preparation import PrepareOptions, prepare
from scratchgan.errors import DatasetError

OPTIONS = PrepareOptions(16, 16, faces=FaceFinder())
SMALL = 9  # as a number of faces: a single one of 31 pixels


@pytest.fixture(autouse=True)
def faces_by_first_pixel(monkeypatch):
    """Let the cascade see as many faces as a picture's first pixel says."""

    def search(grey, least):
        count = round(grey.getpixel((0, 0)) / 10)
        if count == SMALL:
            return np.array([[10.0, 20.0, 31.0]])
        places = [(10 + 70 * k, 20, 50) for k in range(count)]
        return np.array(places, np.float64).reshape(-1, 3)

    monkeypatch.setattr(face_search, "cascade", lambda: None)
    monkeypatch.setattr(face_search, "search", search)
    monkeypatch.setattr(face_search, "vote", lambda grey, box: (box, 99))


def write(path, faces):
    """Write a picture; the first face is on red, the second on green, and so on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (300, 100))
    for k, colour in enumerate(("red", "lime", "blue", "white")):
        image.paste(colour, (70 * k, 1, 70 * k + 70, 100))
    image.paste((10 * faces,) * 3, (0, 0, 300, 1))
    image.save(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name, faces in (
        ("a.png", 1),
        ("b.png", 0),
        ("c.png", 3),
        ("d.png", SMALL),
        ("e.png", 1),
        ("f.png", 2),
    ):
        write(folder / name, faces)
    (folder / "g.jpg").write_text("no image")
    return folder


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


NAMES = ["a.png", "c.png", "c.png#2", "c.png#3", "e.png", "f.png", "f.png#2"]
SKIPPED = [
    ("b.png", "no face found"),
    ("d.png", "no face of 48 pixels: the largest has 31"),
    ("g.jpg", "not an image"),
]
PER_FILE = {0: 2, 1: 2, 2: 1, 3: 1}


def test_images_names_and_report(photos, data_dir):
    report = prepare("people", photos, data_dir, OPTIONS)
    assert report.count == 7
    assert report.skipped == SKIPPED
    assert report.faces_per_file == PER_FILE
    with open_dataset(report.path) as dataset:
        assert find_problems(dataset) == []
        assert dataset.source_files == NAMES
        assert dataset.skipped_files == SKIPPED
        info = dataset.info()
        middles = dataset.images[:, 8, 8]
    red, lime, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert [*map(tuple, middles)] == [red, red, lime, blue, red, red, lime]
    assert info["faces_per_file"] == {str(k): n for k, n in PER_FILE.items()}
    assert info["faces"] == "at least 48 pixels, margin 0.25"
    assert info["command"].endswith(
        "--size 16x16 --faces --min-face 48 --margin 0.25 --channels 3"
    )


def test_labels_follow_the_file(tmp_path, data_dir):
    write(tmp_path / "photos" / "anna" / "1.png", 2)
    write(tmp_path / "photos" / "ben" / "1.png", 1)
    report = prepare("people", tmp_path / "photos", data_dir, OPTIONS)
    with open_dataset(report.path) as dataset:
        assert dataset.labels.tolist() == [0, 0, 1]
        assert dataset.source_files == ["anna/1.png", "anna/1.png#2", "ben/1.png"]


def test_goes_on_after_an_interruption(photos, data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(decoding, "GROUP_FILES", 1)

    def interrupt(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("people", photos, data_dir, OPTIONS, interrupt)
    report = prepare("people", photos, data_dir, OPTIONS)
    assert report.continued >= 3
    assert (report.skipped, report.faces_per_file) == (SKIPPED, PER_FILE)
    whole = prepare("people", photos, tmp_path / "other", OPTIONS)
    assert report.sha256 == whole.sha256
    with open_dataset(report.path) as dataset:
        assert dataset.source_files == NAMES


def test_another_margin_is_another_task(photos, data_dir, monkeypatch):
    monkeypatch.setattr(prepare_module, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(decoding, "GROUP_FILES", 1)

    def interrupt(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("people", photos, data_dir, OPTIONS, interrupt)
    other = PrepareOptions(16, 16, faces=FaceFinder(margin=0.5))
    assert prepare("people", photos, data_dir, other).continued == 0


def test_strict_fails_at_damage_and_not_without_a_face(photos, data_dir):
    strict = PrepareOptions(16, 16, faces=FaceFinder(), strict=True)
    with pytest.raises(DatasetError, match=r"g\.jpg .* not an image"):
        prepare("people", photos, data_dir, strict)
    (photos / "g.jpg").unlink()
    assert prepare("people", photos, data_dir, strict).count == 7


def test_no_face_anywhere_is_an_error(tmp_path, data_dir):
    write(tmp_path / "photos" / "a.png", 0)
    write(tmp_path / "photos" / "b.png", SMALL)
    with pytest.raises(
        DatasetError, match=r"none of the 2 .* at least 48 .*--min-face"
    ):
        prepare("people", tmp_path / "photos", data_dir, OPTIONS)
    assert list(data_dir.iterdir()) == []


def test_without_faces_nothing_is_said_of_them(photos, data_dir):
    report = prepare("people", photos, data_dir, PrepareOptions(16, 16))
    assert report.faces_per_file is None
    with open_dataset(report.path) as dataset:
        assert dataset.info()["faces_per_file"] is None
        assert dataset.source_files == [f"{letter}.png" for letter in "abcdef"]


class TestCommand:
    @pytest.fixture
    def run(self, data_dir):
        def run(*args):
            words = ["data", *map(str, args), "--data-dir", str(data_dir)]
            return CliRunner().invoke(main, words)

        return run

    def test_prints_how_many(self, run, photos):
        result = run("prepare", "people", photos, "--faces", "--size", 16)
        assert result.exit_code == 0, result.output
        assert "7 images 16x16 RGB" in result.stdout
        assert "faces: 0 in 2, 1 in 2, 2 in 1, 3 in 1 files" in result.stdout
        assert "skipped 3 files that gave no image:" in result.stdout
        assert "d.png: no face of 48 pixels: the largest has 31" in result.stdout
        info = run("info", "people").stdout
        assert re.search("faces_per_file +0 in 2, 1 in 2, 2 in 1, 3 in 1 files", info)

    def test_json(self, run, photos):
        words = ["--faces", "--size", 16, "--min-face", 30, "--margin", 0.1, "--json"]
        facts = json.loads(run("prepare", "people", photos, *words).stdout)
        assert facts["count"] == 8
        assert facts["faces_per_file"] == {"0": 1, "1": 3, "2": 1, "3": 1}
        assert facts["skipped"] == [
            ["b.png", "no face found"],
            ["g.jpg", "not an image"],
        ]

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["--faces", "--fit", "pad"], "--fit has no effect with --faces"),
            (["--faces", "--crop", "20"], "--crop has no effect with --faces"),
            (["--margin", "0.1"], "--margin needs --faces"),
            (["--min-face", "60"], "--min-face needs --faces"),
            (["--faces", "--size", "16x24"], "faces are cut out square"),
            (["--faces", "--min-face", "23"], "x>=24"),
            (["--faces", "--margin", "2"], "0<=x<=1"),
        ],
    )
    def test_options_that_do_not_fit(self, run, photos, words, expected):
        result = run("prepare", "people", photos, *words)
        assert result.exit_code == 2
        assert expected in result.stderr

    def test_needs_a_source(self, run):
        result = run("prepare", "faces", "--faces")
        assert result.exit_code == 2
        assert "--faces needs a SOURCE" in result.stderr

    def test_missing_extra_is_one_line(self, run, photos, monkeypatch):
        monkeypatch.undo()
        face_search.cascade.cache_clear()
        monkeypatch.setitem(sys.modules, "skimage.data", None)
        result = run("prepare", "people", photos, "--faces", "--size", 16)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert "pip install 'scratchgan[faces]'" in line

    def test_repeated_numbers_are_those_of_the_library(self):
        command = importlib.import_module("scratchgan.commands.data.prepare")
        assert command.LEAST_MIN_FACE == face_search.WINDOW
        assert command.MIN_FACE == face_crops.MINIMUM
        assert command.MARGIN == face_crops.MARGIN
