import json
import tempfile
import threading

import pytest
from click.testing import CliRunner
from tiny import write_dataset

from scratchgan.bench import data as bench_data
from scratchgan.bench.preparation import PHOTOGRAPH, random_photographs
from scratchgan.commands import main
from scratchgan.datasets.decode_image import decode_image
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Measure for moments only, and make temporary files where they can be seen."""
    monkeypatch.setattr(bench_data, "FAST_SECONDS", 0.05)
    monkeypatch.setattr(bench_data, "STEPPING_SECONDS", 0.1)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run(*args):
    return CliRunner().invoke(main, ["bench", "data", *map(str, args)])


def record_of(*args):
    result = run("--step-seconds", "0.01", "--json", *args)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_random_pixels_are_measured_and_deleted(temporary):
    record = record_of("--images", 20, "--size", "8x4", "--batch-size", 4)
    assert (record["images"], record["batch_size"]) == (20, 4)
    assert (record["height"], record["width"]) == (8, 4)
    assert record["file_bytes"] > 20 * 8 * 4 * 3
    assert record["dataset"] is None
    assert 0 <= record["wait_fraction"] < 1
    assert 0 < record["steps"] <= 10  # of 0.01 s in 0.1 s
    assert record["first_batch_seconds"] > 0
    pixels = record["images_per_second"] * 8 * 4 * 3
    assert record["megabytes_per_second"] == pytest.approx(pixels / 1e6)
    assert list(temporary.iterdir()) == []


def test_random_pixels_are_deleted_after_an_error(temporary):
    result = run("--images", 3, "--size", 8, "--batch-size", 4)
    assert "3 images" in result.output
    assert "Traceback" not in result.output
    assert result.exit_code == 1
    assert list(temporary.iterdir()) == []


def test_random_file_is_a_prepared_dataset(monkeypatch):
    monkeypatch.setattr(bench_data, "WRITE_BYTES", 8 * 4 * 3 * 4)  # four images
    with bench_data.random_dataset(10, 8, 4) as path:
        with open_dataset(path) as dataset:
            assert find_problems(dataset) == []
            assert dataset.images.shape == (10, 8, 4, 3)
            assert len({image.tobytes() for image in dataset.images[:]}) == 10


@pytest.mark.parametrize("by_name", [True, False])
def test_a_prepared_dataset_by_name_or_path(tmp_path, by_name):
    path = write_dataset(tmp_path / "tiny.h5")
    args = ("tiny", "--data-dir", tmp_path) if by_name else (path,)
    record = record_of(*args, "--batch-size", 4)
    assert (record["images"], record["height"], record["width"]) == (18, 8, 8)
    assert record["file_bytes"] == path.stat().st_size


def test_size_averages_a_dataset_down(tmp_path):
    path = write_dataset(tmp_path / "tiny.h5")
    record = record_of(path, "--size", 4, "--batch-size", 4)
    assert (record["height"], record["width"]) == (4, 4)


def test_slow_reading_is_waiting(tmp_path, monkeypatch):
    class SlowLoader(bench_data.BatchLoader):
        def __next__(self):
            threading.Event().wait(0.03)
            return super().__next__()

    path = write_dataset(tmp_path / "tiny.h5")
    monkeypatch.setattr(bench_data, "BatchLoader", SlowLoader)
    assert record_of(path, "--batch-size", 4)["wait_fraction"] > 0.5


def test_says_it_in_words(tmp_path):
    path = write_dataset(tmp_path / "tiny.h5")
    result = run(path, "--batch-size", 4, "--step-seconds", "0")
    assert result.exit_code == 0, result.output
    assert "18 images" in result.stdout
    assert "images a second" in result.stdout
    assert "steps of 0 s" in result.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing"], "no dataset 'nothing'"),
        (["tiny", "--images", "5"], "--images is for random pixels"),
        (["tiny", "--batch-size", "19"], "--batch-size 18"),
        (["tiny", "--batch-size", "4", "--size", "16"], "8x8"),
        (["tiny", "--step-seconds", "-1"], "--step-seconds is -1"),
        (["tiny", "--step-seconds", "nan"], "--step-seconds is nan"),
    ],
)
def test_what_cannot_be_measured_is_one_plain_line(tmp_path, args, message):
    write_dataset(tmp_path / "tiny.h5")
    result = run(*args, "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1
    assert result.output.startswith("Error: ")


def test_the_default_file_is_more_than_is_kept_in_memory():
    from scratchgan.commands.bench import RANDOM_IMAGES, RANDOM_SIZE
    from scratchgan.datasets.loader import WINDOW_BYTES

    height, width = RANDOM_SIZE
    assert RANDOM_IMAGES * height * width * 3 > 2 * WINDOW_BYTES


class TestPrepare:
    def test_json(self):
        result = run("--prepare", "--images", 60, "--size", 16, "--json")
        assert result.exit_code == 0, result.output
        record = json.loads(result.stdout)
        assert record["images"] == 60
        assert record["images_per_second"] > 0
        assert record["bare_images_per_second"] > 0
        assert record["ratio"] > 0

    def test_in_words(self):
        result = run("--prepare", "--images", 2, "--size", 16)
        assert "to 16x16" in result.stdout
        assert "decoded and resized alone" in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [(("toy",), "leave DATASET away"), (("--size", "16x8"), "square")],
    )
    def test_what_does_not_fit(self, arguments, message):
        result = run("--prepare", *arguments)
        assert result.exit_code == 1
        assert message in result.stderr

    def test_photographs_are_jpeg_files_that_decode(self):
        first, second = random_photographs(2)
        assert first != second
        assert decode_image(first, 3).pixels.shape == (*PHOTOGRAPH, 3)
        assert decode_image(first, 3).pixels.std() > 20
