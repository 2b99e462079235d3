"""Built-in sets: the same pixels from any number of processes, and no half files."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems
from scratchgan.errors import DatasetError, OutputError
from scratchgan.synthetic import prepare as synthetic
from scratchgan.synthetic.prepare import prepare_synthetic

# Drawing is tested elsewhere; here a quick one stands in for it, that worker
# processes can import as well.
STAND_IN = """
    import numpy as np

    from scratchgan.synthetic.drawn_image import DrawnImage

    ATTRIBUTE_NAMES = ("first", "second")
    CLASS_NAMES = ("even", "odd")
    CHANNELS = 3
    DEFAULT_SIZE = 9

    def draw(seed, index, size):
        if size > 500:
            raise ValueError(f"size = {size}, expected at most 500")
        rng = np.random.default_rng([seed, index])
        return DrawnImage(
            rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
            attributes=np.array([index, 0.5], dtype=np.float32),
            label=index % 2,
            boxes=np.array([[0, 0, index, 8]], dtype=np.int32),
        )
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    (tmp_path / "stand_in_faces.py").write_text(textwrap.dedent(STAND_IN))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(synthetic.DRAWING_MODULES, "faces", "stand_in_faces")


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def test_whole_dataset(data_dir):
    report = prepare_synthetic("faces", data_dir, 400, 8, seed=3, workers=1)
    assert report.path == data_dir / "faces.h5"
    with open_dataset(report.path) as dataset:
        assert dataset.images.shape == (400, 8, 8, 3)
        assert dataset.attribute_names == ["first", "second"]
        np.testing.assert_array_equal(dataset.attributes[:, 0], np.arange(400))
        assert dataset.class_names == ["even", "odd"]
        np.testing.assert_array_equal(dataset.labels, np.arange(400) % 2)
        np.testing.assert_array_equal(dataset.boxes[:, 0, 2], np.arange(400))
        assert dataset.synthetic
        assert "synthetic" in dataset.title
        assert "drawn by scratchgan, seed 3" in dataset.source
        assert dataset.source_files is None
        assert dataset.sha256 == report.sha256
        assert find_problems(dataset) == []


def test_size_is_the_modules_own_unless_told(data_dir):
    report = prepare_synthetic("faces", data_dir, 2, workers=1)
    assert (report.height, report.width) == (9, 9)
    assert report.class_names == ["even", "odd"]


def test_split_is_random_seeded_and_disjoint(data_dir):
    splits = []
    for seed in (0, 0, 1):
        path = prepare_synthetic(
            "faces", data_dir, 400, 8, seed, force=True, workers=1
        ).path
        with open_dataset(path) as dataset:
            splits.append(dataset.split)
            counts = [len(dataset.rows_of_split(s)) for s in ("train", "validation")]
            assert counts == [360, 20]
            assert len(dataset.rows_of_split("train+validation+test")) == 400
    np.testing.assert_array_equal(splits[0], splits[1])
    assert (splits[0] != splits[2]).any()


def test_default_split_is_18000_1000_1000():
    counts = np.bincount(synthetic._random_split(20_000, 0))
    np.testing.assert_array_equal(counts, [18_000, 1_000, 1_000])


def test_tiny_count(data_dir):
    assert prepare_synthetic("faces", data_dir, 1, 8).count == 1


def test_same_pixels_from_any_number_of_processes(data_dir):
    found = {
        prepare_synthetic("faces", data_dir, 300, 8, force=True, workers=n).sha256
        for n in (1, 2, 3)
    }
    assert len(found) == 1


def test_image_does_not_depend_on_count(data_dir):
    images = []
    for count in (70, 130):
        path = prepare_synthetic(
            "faces", data_dir, count, 8, force=True, workers=1
        ).path
        with open_dataset(path) as dataset:
            images.append(dataset.images[:70])
    np.testing.assert_array_equal(*images)


def test_progress(data_dir):
    calls = []
    prepare_synthetic(
        "faces", data_dir, 150, 8, progress=lambda *c: calls.append(c), workers=1
    )
    assert calls == [(64, 150), (128, 150), (150, 150)]


def test_one_process_where_no_pool_can_start(data_dir, monkeypatch):
    expected = prepare_synthetic("faces", data_dir, 200, 8, workers=1).sha256

    def fail(*args, **kwargs):
        raise OSError("no semaphores here")

    monkeypatch.setattr(synthetic, "_Workers", fail)
    report = prepare_synthetic("faces", data_dir, 200, 8, force=True, workers=2)
    assert report.sha256 == expected


def test_processes_that_die_half_way(data_dir, monkeypatch):
    expected = prepare_synthetic("faces", data_dir, 300, 8, workers=1).sha256

    def die(pool, function, tasks, in_flight):
        yield from map(function, tasks[:2])
        raise synthetic.BrokenProcessPool

    monkeypatch.setattr(synthetic, "in_order", die)
    report = prepare_synthetic("faces", data_dir, 300, 8, force=True, workers=2)
    assert report.sha256 == expected


def test_a_script_without_a_guard_is_not_run_by_the_processes(tmp_path):
    """Spawned processes import the main module again, which would draw again."""
    script = tmp_path / "script.py"
    script.write_text(
        "from scratchgan.synthetic.prepare import prepare_synthetic\n"
        "print('once', flush=True)\n"
        "print(prepare_synthetic('digits', 'drawn', count=130, workers=2).count)\n"
    )
    result = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    assert result.stdout.split() == ["once", "130"]


def test_interrupt_leaves_nothing(data_dir):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_synthetic("faces", data_dir, 300, 8, 0, interrupt, workers=2)
    assert list(data_dir.iterdir()) == []


def test_refusals(data_dir):
    with pytest.raises(DatasetError, match=r"no built-in set 'facez'.*faces"):
        prepare_synthetic("facez", data_dir)
    with pytest.raises(DatasetError, match="count is 0"):
        prepare_synthetic("faces", data_dir, 0)
    with pytest.raises(DatasetError, match="size = 600, expected at most 500"):
        prepare_synthetic("faces", data_dir, 10, 600)
    prepare_synthetic("faces", data_dir, 10, 8)
    with pytest.raises(OutputError, match="is there already"):
        prepare_synthetic("faces", data_dir, 10, 8)


@pytest.mark.parametrize(
    ("name", "shape", "columns"),
    [
        ("faces", (32, 32, 3), {"attributes"}),
        ("bedrooms", (32, 32, 3), {"attributes", "boxes"}),
        ("digits", (32, 32, 1), {"labels"}),
    ],
)
def test_the_real_drawing(data_dir, monkeypatch, name, shape, columns):
    """Every built-in name has a module that draws."""
    monkeypatch.undo()
    report = prepare_synthetic(name, data_dir, 5, 32, workers=1)
    assert report.channels == shape[2]
    with open_dataset(report.path) as dataset:
        assert dataset.images.shape == (5, *shape)
        for column in ("attributes", "boxes", "labels"):
            assert (getattr(dataset, column) is not None) == (column in columns)
        assert find_problems(dataset) == []
