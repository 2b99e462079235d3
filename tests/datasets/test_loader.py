import itertools
import threading
import time
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import write_dataset

from scratchgan.datasets import loader as loader_module
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.loader import (
    BatchLoader,
    reduce_images,
    scale_images,
    unscale_images,
)
from scratchgan.errors import DatasetError

SETTINGS = {"batch_size": 4, "height": 8, "width": 8, "output": "tanh", "seed": 0}
IMAGE_BYTES = 8 * 8 * 3


def batches_of(file, count, split="train", **changes):
    """Return the first batches, each with the numbers of its images."""
    with open_dataset(file) as dataset:
        rows = dataset.rows_of_split(split)
        with BatchLoader(dataset, rows, **(SETTINGS | changes)) as loader:
            return list(itertools.islice(loader, count))


def numbers(batch):
    pixels = unscale_images(batch.images, "tanh")
    return pixels[:, 0, 0, 0].tolist()


@pytest.fixture
def file(tmp_path):
    return write_dataset(tmp_path / "tiny.h5", labels=True)


def test_an_epoch_has_every_image_once(file):
    for start in (0, 5):
        epoch = batches_of(file, 10)[start : start + 5]
        assert [len(batch.images) for batch in epoch] == [4, 4, 4, 4, 2]
        seen = [n for batch in epoch for n in numbers(batch)]
        assert sorted(seen) == list(range(18))


def test_order_is_that_of_the_seed(file):
    one, same, other = (batches_of(file, 5, seed=seed) for seed in (3, 3, 4))
    assert [numbers(b) for b in one] == [numbers(b) for b in same]
    assert [numbers(b) for b in one] != [numbers(b) for b in other]


def test_epochs_have_different_orders(file):
    batches = [numbers(b) for b in batches_of(file, 10)]
    assert batches[:5] != batches[5:]


@pytest.mark.parametrize("position", [(0, 1), (0, 4), (1, 0), (1, 3)])
def test_starts_anywhere_as_if_it_had_run_there(file, position):
    epoch, index = position
    whole = batches_of(file, 12)
    part = batches_of(file, 4, epoch=epoch, index=index)
    skipped = 5 * epoch + index
    for batch, expected in zip(part, whole[skipped:], strict=False):
        assert (batch.epoch, batch.index) == (expected.epoch, expected.index)
        np.testing.assert_array_equal(batch.images, expected.images)


def test_labels_belong_to_their_images(file):
    for batch in batches_of(file, 5):
        assert [n % 3 for n in numbers(batch)] == batch.labels.tolist()


def test_images_are_the_stored_pixels_scaled(file):
    batch = batches_of(file, 1)[0]
    with open_dataset(file) as dataset:
        stored = dataset.images[:][numbers(batch)]
    np.testing.assert_array_equal(unscale_images(batch.images, "tanh"), stored)
    assert batch.images.dtype == np.float32
    assert batch.images.shape == (4, 3, 8, 8)


def test_last_batch_of_one_image_is_left_out(tmp_path):
    file = write_dataset(tmp_path / "nine.h5", count=9)
    batches = batches_of(file, 4)
    assert [len(batch.images) for batch in batches] == [4, 4, 4, 4]
    assert [batch.epoch for batch in batches] == [0, 0, 1, 1]


def test_only_the_rows_of_the_split_are_used(tmp_path):
    split = np.arange(18) % 3
    file = write_dataset(tmp_path / "split.h5", split=split)
    seen = {n for batch in batches_of(file, 4) for n in numbers(batch)}
    assert seen == set(np.flatnonzero(split == 0).tolist())


@pytest.mark.parametrize("window_images", [4, 8, 12])
def test_windows_smaller_than_the_data_still_give_every_image_once(
    file, monkeypatch, window_images
):
    monkeypatch.setattr(loader_module, "WINDOW_BYTES", window_images * 8 * 8 * 3)
    monkeypatch.setattr(loader_module, "BLOCK_IMAGES", 3)
    epoch = batches_of(file, 5)
    assert sorted(n for batch in epoch for n in numbers(batch)) == list(range(18))
    again = batches_of(file, 3, index=2)
    assert [numbers(b) for b in again[:3]] == [numbers(b) for b in epoch[2:]]


@pytest.fixture
def windows(monkeypatch):
    """Make windows of two batches and blocks of two images; no batch before it is due.

    Gives how many images each window had, and how many windows were alive then.
    """
    monkeypatch.setattr(loader_module, "WINDOW_BYTES", 8 * IMAGE_BYTES)
    monkeypatch.setattr(loader_module, "BLOCK_IMAGES", 2)
    monkeypatch.setattr(loader_module, "BATCHES_AHEAD", 0)
    alive, made = weakref.WeakSet(), []

    class Recorded(loader_module._Window):
        def __init__(self, dataset, rows, positions, height, width):
            super().__init__(dataset, rows, positions, height, width)
            alive.add(self)
            made.append((len(positions), len(alive)))

    monkeypatch.setattr(loader_module, "_Window", Recorded)
    return SimpleNamespace(made=made, alive=alive)


class ReadImages:
    """Stands in for a dataset's images and notes which rows are read."""

    def __init__(self, images, before=lambda rows: None):
        self.images = images
        self.before = before
        self.rows = []

    def __getitem__(self, rows):
        self.before(rows)
        self.rows += range(rows.start, rows.stop)
        return self.images[rows]


@contextmanager
def watched_loader(file, before=lambda rows: None):
    with open_dataset(file) as dataset:
        rows = dataset.rows_of_split("train")
        dataset.images = images = ReadImages(dataset.images, before)
        with BatchLoader(dataset, rows, **SETTINGS) as loader:
            yield loader, images


@pytest.fixture
def three_windows(tmp_path, windows):
    return write_dataset(tmp_path / "three.h5", count=24)


def test_next_window_is_read_while_one_is_served_across_epochs(three_windows):
    with watched_loader(three_windows) as (loader, images):
        read = []
        for _ in range(7):
            next(loader)
            read.append(len(images.rows))
    # A window of 8 at first, then 4 with each batch of 4, into the next epoch.
    assert read == [8, 12, 16, 20, 24, 28, 32]
    assert sorted(images.rows[:24]) == list(range(24))


def test_two_windows_are_in_memory_and_none_after_closing(three_windows, windows):
    with watched_loader(three_windows) as (loader, _):
        for _ in range(14):
            next(loader)
    assert windows.made == [(8, 1)] + [(8, 2)] * 7
    assert len(windows.alive) == 0


def test_windows_are_about_as_large_as_each_other(tmp_path, windows, monkeypatch):
    monkeypatch.setattr(loader_module, "WINDOW_BYTES", 16 * IMAGE_BYTES)
    file = write_dataset(tmp_path / "uneven.h5", count=36)
    batches_of(file, 10)
    # Nine batches, four of which would fit: not 4 + 4 + 1.
    assert {images for images, _ in windows.made} == {12}


@pytest.mark.parametrize(("spare_bytes", "made"), [(0, 1), (-1, 7)])
def test_what_fits_in_two_windows_is_read_once_and_kept(
    three_windows, windows, monkeypatch, spare_bytes, made
):
    window_bytes = 12 * IMAGE_BYTES + spare_bytes
    monkeypatch.setattr(loader_module, "WINDOW_BYTES", window_bytes)
    with watched_loader(three_windows) as (loader, images):
        for _ in range(12):
            next(loader)
    assert len(windows.made) == made
    if made == 1:
        assert sorted(images.rows) == list(range(24))


@pytest.mark.parametrize("position", [(0, 1), (0, 2), (0, 5), (1, 0), (1, 3)])
def test_starts_anywhere_in_windows_as_if_it_had_run_there(three_windows, position):
    epoch, index = position
    expected = batches_of(three_windows, 18)[6 * epoch + index :]
    part = batches_of(three_windows, len(expected), epoch=epoch, index=index)
    for batch, other in zip(part, expected, strict=True):
        assert (batch.epoch, batch.index) == (other.epoch, other.index)
        np.testing.assert_array_equal(batch.images, other.images)


def test_starting_late_reads_no_window_before(three_windows, windows):
    batches_of(three_windows, 1, index=5)
    assert len(windows.made) == 2  # its own and the next


def test_a_lone_last_image_has_no_window(tmp_path, windows):
    file = write_dataset(tmp_path / "lone.h5", count=17)
    batches = batches_of(file, 8)
    assert [len(batch.images) for batch in batches] == [4] * 8
    assert {images for images, _ in windows.made} == {8}


def test_error_in_the_next_window_reaches_the_caller(three_windows):
    count = itertools.count()

    def fail_after_a_window(rows):
        if next(count) == 4:
            raise OSError("the disk is gone")

    with watched_loader(three_windows, fail_after_a_window) as (loader, _):
        next(loader)
        with pytest.raises(OSError, match="the disk is gone"):
            next(loader)


def test_closing_amid_reading_waits_for_the_thread(three_windows, monkeypatch):
    monkeypatch.setattr(loader_module, "BATCHES_AHEAD", 3)
    with watched_loader(three_windows, lambda rows: time.sleep(0.05)) as (_, images):
        pass
    assert not [t for t in threading.enumerate() if t.name.startswith("loader")]
    assert len(images.rows) <= 8  # the batches ordered were not waited for


def test_larger_images_are_averaged_down(tmp_path):
    file = write_dataset(tmp_path / "large.h5", height=16, width=16)
    batch = batches_of(file, 1)[0]
    with open_dataset(file) as dataset:
        stored = dataset.images[:][numbers(batch)].astype(float)
    expected = stored.reshape(4, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    pixels = unscale_images(batch.images, "tanh")
    assert abs(pixels - expected).max() <= 1  # rounded to whole values


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 16), (6, 8)])
def test_other_sizes_are_refused_with_the_command_that_prepares_them(
    tmp_path, height, width
):
    file = write_dataset(tmp_path / "odd.h5", height=height, width=width)
    with pytest.raises(DatasetError, match=rf"{height}x{width}.*8x8.*--size 8"):
        batches_of(file, 1)


def test_batch_larger_than_the_data_is_refused(file):
    with pytest.raises(DatasetError, match=r"18 images.*batch of 19.*--batch-size 18"):
        batches_of(file, 1, batch_size=19)


def test_error_while_reading_ahead_reaches_the_caller(file, monkeypatch):
    def fail(*args):
        raise OSError("cannot read")

    monkeypatch.setattr(loader_module, "reduce_images", fail)
    with pytest.raises(OSError, match="cannot read"):
        batches_of(file, 1)


@pytest.mark.parametrize("output", ["tanh", "sigmoid"])
@pytest.mark.parametrize("channels", [1, 3])
def test_scaling_back_gives_every_value_again(output, channels):
    pixels = np.arange(256, dtype=np.uint8).reshape(2, 128, 1, 1)
    pixels = np.repeat(pixels, channels, axis=3)
    images = scale_images(pixels, output)
    low = -1 if output == "tanh" else 0
    assert images.min() == low
    assert images.max() == 1
    np.testing.assert_array_equal(unscale_images(images, output), pixels)


def test_unscaling_clips_what_is_out_of_range():
    images = np.array([-1.5, 1.5], np.float32).reshape(2, 1, 1, 1)
    assert unscale_images(images, "tanh").ravel().tolist() == [0, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_reducing_by_a_fraction_weighs_by_area(channels):
    pixels = np.zeros((1, 3, 3, channels), np.uint8)
    pixels[0, 1, 1] = 240  # the centre is shared by all four new pixels
    reduced = reduce_images(pixels, 2, 2)
    assert reduced.shape == (1, 2, 2, channels)
    # A quarter of the centre in an area of 2.25 old pixels.
    np.testing.assert_allclose(reduced, 240 * 0.25 / 2.25, atol=1)
