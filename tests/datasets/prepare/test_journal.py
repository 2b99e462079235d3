"""A preparation that is broken off goes on where it was, and equals an unbroken one."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets import decode_many as decoding
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems
from scratchgan.datasets.prepare import preparation as prepare_module
from scratchgan.datasets.prepare.preparation import PrepareOptions, prepare
from scratchgan.errors import DatasetError, OutputError

OPTIONS = PrepareOptions(8, 8)
LEFT_BEHIND = [".toy.h5.journal", ".toy.h5.partial"]


@pytest.fixture(autouse=True)
def frequent_checkpoints(monkeypatch):
    monkeypatch.setattr(prepare_module, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(decoding, "GROUP_FILES", 8)


@pytest.fixture
def photos(tmp_path):
    """150 pictures in two class folders, two of them damaged."""
    rng = np.random.default_rng(0)
    for i in range(150):
        folder = tmp_path / "photos" / ("cat" if i < 70 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        path = folder / f"{i:03d}.png"
        Image.fromarray(pixels).save(path)
        if i in (20, 90):
            path.write_bytes(path.read_bytes()[:60])
    return tmp_path / "photos"


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def interrupt_after(files):
    def progress(done, total):
        if done >= files:
            raise KeyboardInterrupt

    return progress


def interrupt(photos, data_dir, files, options=OPTIONS):
    with pytest.raises(KeyboardInterrupt) as caught:
        prepare("toy", photos, data_dir, options, interrupt_after(files))
    return str(caught.value)


def content(path):
    """Return all that a file says, but for the times of its making."""
    with open_dataset(path) as dataset:
        assert find_problems(dataset) == []
        return {
            "pixels": dataset.images[:].tobytes(),
            "labels": dataset.labels.tolist(),
            "files": dataset.source_files,
            "skipped": dataset.skipped_files,
            "info": dataset.info() | {"path": None},
        }


@pytest.fixture
def unbroken(photos, tmp_path):
    return content(prepare("toy", photos, tmp_path / "other", OPTIONS).path)


@pytest.fixture
def decoded(monkeypatch):
    """Count the files that are decoded."""
    counts = []
    decode = decoding.decode_group

    def counting(group, *options):
        counts.append(len(group))
        return decode(group, *options)

    monkeypatch.setattr(decoding, "decode_group", counting)
    return counts


@pytest.mark.parametrize("files", [30, 80, 140])
def test_goes_on_where_it_was(photos, data_dir, unbroken, decoded, files):
    text = interrupt(photos, data_dir, files)
    assert "the same command goes on from there" in text
    assert names_in(data_dir) == LEFT_BEHIND
    decoded.clear()
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert files - 16 <= report.continued <= files
    assert sum(decoded) == 150 - report.continued
    assert content(report.path) == unbroken
    assert names_in(data_dir) == ["toy.h5"]


def test_interrupted_again_and_again(photos, data_dir, unbroken):
    interrupt(photos, data_dir, 30)
    interrupt(photos, data_dir, 1)  # before it has got anywhere
    interrupt(photos, data_dir, 100)
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert report.continued >= 84
    assert content(report.path) == unbroken


def test_interrupted_before_a_checkpoint_leaves_nothing(photos, data_dir, monkeypatch):
    monkeypatch.setattr(prepare_module, "CHECKPOINT_SECONDS", 1e9)
    assert interrupt(photos, data_dir, 80) == ""
    assert names_in(data_dir) == []


@pytest.mark.skipif(os.name != "posix", reason="kills itself with SIGKILL")
def test_killed(photos, data_dir, unbroken):
    code = f"""
import os, signal
from scratchgan.datasets import decode_many as decoding
from scratchgan.datasets.prepare import preparation as module
module.CHECKPOINT_SECONDS, decoding.GROUP_FILES = -1, 8
def progress(done, total):
    if done >= 100:
        os.kill(os.getpid(), signal.SIGKILL)
options = module.PrepareOptions(8, 8)
module.prepare("toy", {str(photos)!r}, {str(data_dir)!r}, options, progress)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert names_in(data_dir) == LEFT_BEHIND
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert report.continued >= 84
    assert content(report.path) == unbroken


def test_another_task_begins_anew(photos, data_dir, unbroken):
    interrupt(photos, data_dir, 80, PrepareOptions(9, 9))
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert report.continued == 0
    assert content(report.path) == unbroken


def test_a_changed_source_begins_anew(photos, data_dir):
    interrupt(photos, data_dir, 80)
    Image.new("RGB", (10, 12)).save(photos / "cat" / "000a.png")
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert (report.continued, report.count) == (0, 149)


def test_renamed_files_begin_anew(photos, data_dir):
    """As many files as before, but no longer the same ones at the same places."""
    interrupt(photos, data_dir, 80)
    (photos / "dog" / "149.png").rename(photos / "cat" / "000a.png")
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert (report.continued, report.count) == (0, 148)
    with open_dataset(report.path) as dataset:
        assert dataset.source_files[:2] == ["cat/000.png", "cat/000a.png"]


def test_other_workers_and_force_are_the_same_task(photos, data_dir, unbroken):
    interrupt(photos, data_dir, 80)
    options = PrepareOptions(8, 8, workers=1, force=True)
    report = prepare("toy", photos, data_dir, options)
    assert report.continued > 0
    assert content(report.path) == unbroken


def test_a_torn_last_line_loses_only_itself(photos, data_dir, unbroken):
    interrupt(photos, data_dir, 80)
    journal = data_dir / ".toy.h5.journal"
    lines = journal.read_text().splitlines(keepends=True)
    done = sum(len(json.loads(line)["outcomes"]) for line in lines[1:-1])
    journal.write_text("".join(lines)[:-3])
    interrupt(photos, data_dir, 120)  # and what is added after it is read again
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert report.continued > done
    assert content(report.path) == unbroken


@pytest.mark.parametrize("damage", ["empty", "garbage", "half", "gone"])
def test_a_damaged_partial_file_begins_anew(photos, data_dir, unbroken, damage):
    interrupt(photos, data_dir, 80)
    partial = data_dir / ".toy.h5.partial"
    data = partial.read_bytes()
    if damage == "gone":
        partial.unlink()
    else:
        broken = {"empty": b"", "garbage": b"x" * 5000, "half": data[: len(data) // 2]}
        partial.write_bytes(broken[damage])
    report = prepare("toy", photos, data_dir, OPTIONS)
    assert report.continued == 0
    assert content(report.path) == unbroken
    assert names_in(data_dir) == ["toy.h5"]


def test_an_error_after_a_checkpoint_leaves_nothing(photos, data_dir):
    with pytest.raises(DatasetError, match=r"020\.png .* cannot be read"):
        prepare("toy", photos, data_dir, PrepareOptions(8, 8, strict=True))
    assert names_in(data_dir) == []


def test_two_at_once(photos, data_dir, unbroken):
    """The second is refused at once; the first does not notice."""

    def begin_another(done, total):
        with pytest.raises(OutputError, match="is being prepared by another process"):
            prepare("toy", photos, data_dir, OPTIONS)

    report = prepare("toy", photos, data_dir, OPTIONS, begin_another)
    assert content(report.path) == unbroken
    assert names_in(data_dir) == ["toy.h5"]
