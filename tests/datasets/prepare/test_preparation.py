"""Preparing: files in, one HDF5 file out, in order, in bounded memory, or nothing."""

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets import decode_many as decoding
from scratchgan.datasets.decode_many import in_order
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems
from scratchgan.datasets.prepare.preparation import PrepareOptions, prepare
from scratchgan.errors import DatasetError, OutputError


def colour(index):
    return (index * 37 % 256, index * 11 % 256, index * 5 % 256)


def make_images(folder, count, size=(16, 16), ending="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", size, colour(i)).save(folder / f"{i:04d}.{ending}")
    return folder


def make_truncated(path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])


def files_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def photos(tmp_path):
    return make_images(tmp_path / "photos", 150)


class TestOutput:
    def test_order_names_and_description(self, photos, data_dir):
        options = PrepareOptions(8, 12, "stretch")
        report = prepare("toy", photos, data_dir, options)
        assert report.path == data_dir / "toy.h5"
        assert (report.count, report.height, report.width) == (150, 8, 12)
        assert report.skipped == []
        assert report.modes == {"RGB": 150}
        assert files_in(data_dir) == ["toy.h5"]
        with open_dataset(report.path) as dataset:
            assert dataset.source_files == [f"{i:04d}.png" for i in range(150)]
            np.testing.assert_array_equal(
                dataset.images[:, 0, 0], [colour(i) for i in range(150)]
            )
            info = dataset.info()
            assert find_problems(dataset) == []
        assert info["fit"] == "stretch"
        assert info["resize_filter"] == "lanczos"
        assert info["source"] == "photos"
        assert info["command"].startswith("data prepare toy photos --size 8x12")
        assert info["source_modes"] == {"RGB": 150}
        assert info["sha256"] == report.sha256
        assert info["split"] is None
        assert not info["synthetic"]

    def test_path_on_this_computer_is_not_recorded(self, photos, data_dir):
        report = prepare("toy", photos, data_dir)
        assert str(photos.parent).encode() not in report.path.read_bytes()

    def test_result_does_not_depend_on_threads(self, photos, data_dir):
        make_truncated(photos / "0070x.jpg")
        found = set()
        for workers in (1, 2, 7):
            options = PrepareOptions(8, 8, workers=workers, force=True)
            report = prepare("toy", photos, data_dir, options)
            with open_dataset(report.path) as dataset:
                found.add((report.sha256, *dataset.source_files))
        assert len(found) == 1

    def test_progress_ends_at_the_number_of_files(self, photos, data_dir):
        make_truncated(photos / "bad.jpg")
        calls = []
        prepare("toy", photos, data_dir, progress=lambda *call: calls.append(call))
        assert calls[-1] == (151, 151)
        assert calls == sorted(calls)

    def test_grey(self, photos, data_dir):
        report = prepare("toy", photos, data_dir, PrepareOptions(channels=1))
        with open_dataset(report.path) as dataset:
            assert dataset.images.shape == (150, 16, 16, 1)

    def test_duplicates_are_kept(self, tmp_path, data_dir):
        make_images(tmp_path / "photos" / "a", 2)
        make_images(tmp_path / "photos" / "b", 2)
        assert prepare("toy", tmp_path / "photos", data_dir).count == 4

    def test_class_folders_become_labels(self, tmp_path, data_dir):
        make_images(tmp_path / "pets" / "dog", 3)
        make_images(tmp_path / "pets" / "cat", 2)
        make_truncated(tmp_path / "pets" / "cat" / "0000x.jpg")
        report = prepare("pets", tmp_path / "pets", data_dir)
        assert report.class_names == ["cat", "dog"]
        with open_dataset(report.path) as dataset:
            np.testing.assert_array_equal(dataset.labels, [0, 0, 1, 1, 1])
            assert dataset.class_names == ["cat", "dog"]


class TestSizes:
    def test_own_size(self, tmp_path, data_dir):
        make_images(tmp_path / "photos", 5, size=(20, 10))
        report = prepare("toy", tmp_path / "photos", data_dir)
        assert (report.height, report.width) == (10, 20)
        with open_dataset(report.path) as dataset:
            assert dataset.info()["resize_filter"] == "none"

    def test_different_sizes_are_named(self, tmp_path, data_dir):
        make_images(tmp_path / "photos" / "a", 3, size=(20, 10))
        make_images(tmp_path / "photos" / "b", 2, size=(16, 16))
        with pytest.raises(DatasetError) as caught:
            prepare("toy", tmp_path / "photos", data_dir)
        assert "3 of 10x20, 2 of 16x16; choose one with --size" in str(caught.value)
        assert files_in(data_dir) == []

    def test_many_different_sizes_end_early(self, tmp_path, data_dir):
        for i in range(300):
            make_images(tmp_path / "photos" / f"{i:03d}", 1, size=(8 + i, 8))
        calls = []
        with pytest.raises(DatasetError, match=r"and others; choose one with --size"):
            prepare(
                "toy", tmp_path / "photos", data_dir, None, lambda *c: calls.append(c)
            )
        assert calls[-1][0] < 100
        assert files_in(data_dir) == []

    def test_own_size_ignores_what_is_skipped(self, tmp_path, data_dir):
        photos = make_images(tmp_path / "photos", 3)
        Image.new("RGB", (1, 1)).save(photos / "0000a.png")
        report = prepare("toy", photos, data_dir)
        assert (report.count, report.height) == (3, 16)

    def test_own_size_too_large(self, tmp_path, data_dir):
        make_images(tmp_path / "photos", 1, size=(5000, 8))
        with pytest.raises(DatasetError, match="choose a smaller one with --size"):
            prepare("toy", tmp_path / "photos", data_dir)

    @pytest.mark.parametrize(
        "options",
        [
            {"height": 64},
            {"height": 0, "width": 8},
            {"height": 8, "width": 5000},
            {"fit": "squeeze"},
            {"channels": 2},
        ],
    )
    def test_options_out_of_range(self, options):
        with pytest.raises(ValueError, match=r"expected|give both"):
            PrepareOptions(**options)


class TestDamagedFiles:
    @pytest.fixture
    def photos(self, tmp_path):
        photos = make_images(tmp_path / "photos", 20)
        make_truncated(photos / "0005x.jpg")
        Image.new("RGB", (1, 1)).save(photos / "0010x.png")
        (photos / "0015x.gif").write_text("no image")
        return photos

    def test_skipped_and_listed(self, photos, data_dir):
        report = prepare("toy", photos, data_dir, PrepareOptions(8, 8))
        assert report.count == 20
        names, reasons = zip(*report.skipped, strict=True)
        assert names == ("0005x.jpg", "0010x.png", "0015x.gif")
        assert "truncated" in reasons[0]
        assert "1x1 pixels" in reasons[1]
        assert reasons[2] == "not an image"
        with open_dataset(report.path) as dataset:
            assert dataset.skipped_files == report.skipped
            assert "0005x.jpg" not in dataset.source_files

    def test_strict_fails(self, photos, data_dir):
        with pytest.raises(DatasetError, match=r"0005x\.jpg in .* cannot be read"):
            prepare("toy", photos, data_dir, PrepareOptions(8, 8, strict=True))
        assert files_in(data_dir) == []

    def test_nothing_readable(self, tmp_path, data_dir):
        (tmp_path / "photos").mkdir()
        for i in range(3):
            (tmp_path / "photos" / f"{i}.jpg").write_text("no image")
        with pytest.raises(DatasetError, match=r"none of the 3 .* 0\.jpg: not an"):
            prepare("toy", tmp_path / "photos", data_dir)
        assert files_in(data_dir) == []


class TestFailures:
    def test_existing_file_needs_force(self, photos, data_dir):
        first = prepare("toy", photos, data_dir)
        before = first.path.read_bytes()
        with pytest.raises(OutputError, match="is there already"):
            prepare("toy", photos, data_dir, PrepareOptions(8, 8))
        assert first.path.read_bytes() == before
        second = prepare("toy", photos, data_dir, PrepareOptions(8, 8, force=True))
        assert second.sha256 != first.sha256

    @pytest.mark.parametrize("name", ["", "a/b", "../x", "a\\b", ".x", "a b", "x.h5"])
    def test_bad_names(self, photos, data_dir, name):
        with pytest.raises(DatasetError, match="dataset name"):
            prepare(name, photos, data_dir)
        assert files_in(data_dir) == []

    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt, MemoryError, OSError(errno.ENOSPC, "No space")]
    )
    def test_failure_in_the_middle(self, photos, data_dir, monkeypatch, error):
        old = prepare("toy", photos, data_dir).path.read_bytes()
        threads = threading.active_count()
        write, calls = h5py.Dataset.__setitem__, []

        def fail_later(self, *args):
            calls.append(args)
            if len(calls) > 2:
                raise error
            write(self, *args)

        monkeypatch.setattr(h5py.Dataset, "__setitem__", fail_later)
        expected = OutputError if isinstance(error, OSError) else error
        with pytest.raises(expected):
            prepare("toy", photos, data_dir, PrepareOptions(8, 8, force=True))
        assert files_in(data_dir) == ["toy.h5"]
        assert (data_dir / "toy.h5").read_bytes() == old
        assert threading.active_count() == threads

    def test_interrupt_from_the_progress_display(self, photos, data_dir):
        def interrupt(done, total):
            if done > 64:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare("toy", photos, data_dir, PrepareOptions(8, 8), interrupt)
        assert files_in(data_dir) == []

    def test_disk_too_small_is_known_beforehand(self, photos, data_dir, monkeypatch):
        usage = type("Usage", (), {"free": 1000})()
        monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
        with pytest.raises(OutputError, match=r"needs 0\.1 MB and 0\.0 MB is free"):
            prepare("toy", photos, data_dir)
        assert files_in(data_dir) == []

    def test_output_folder_that_cannot_be(self, photos, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot write"):
            prepare("toy", photos, tmp_path / "file" / "data")


class TestBoundedMemory:
    def test_in_order_never_runs_ahead(self):
        """However slow the consumer, few tasks have been taken from the source."""
        taken = 0

        def tasks():
            nonlocal taken
            for i in range(500):
                taken += 1
                yield i

        rng = np.random.default_rng(0)
        delays = rng.uniform(0, 2e-4, 500)

        def work(i):
            time.sleep(delays[i])
            return i

        with ThreadPoolExecutor(4) as pool:
            for done, result in enumerate(in_order(pool, work, tasks(), in_flight=6)):
                assert result == done
                assert taken <= done + 6
        assert taken == 500

    def test_in_order_cancels_what_is_left(self):
        started = []

        def work(i):
            started.append(i)
            time.sleep(0.001)
            if i == 3:
                raise ValueError("3")
            return i

        with ThreadPoolExecutor(1) as pool:
            results = in_order(pool, work, range(1000), in_flight=50)
            assert [next(results) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(ValueError, match="3"):
                next(results)
        assert len(started) < 60

    def test_few_images_are_alive_at_once(self, tmp_path, data_dir, monkeypatch):
        """Of 600 images, only those on the way between reading and writing."""
        photos = make_images(tmp_path / "photos", 600)
        read = written = most = 0
        decode = decoding.decode_group
        lock = threading.Lock()

        def counting(group, *options):
            nonlocal read, most
            with lock:
                read += len(group)
                most = max(most, read - written)
            return decode(group, *options)

        def count_written(done, total):
            nonlocal written
            written = done

        monkeypatch.setattr(decoding, "decode_group", counting)
        monkeypatch.setattr(decoding, "GROUP_FILES", 8)
        options = PrepareOptions(8, 8, workers=2)
        prepare("toy", photos, data_dir, options, count_written)
        assert read == written == 600
        assert most <= 8 * (2 + 2 + 1)

    def test_large_pictures_travel_alone(self, tmp_path, data_dir, monkeypatch):
        photos = make_images(tmp_path / "photos", 12, size=(1200, 1200))
        sizes = []
        decode = decoding.decode_group

        def noting(group, *options):
            sizes.append(len(group))
            return decode(group, *options)

        monkeypatch.setattr(decoding, "decode_group", noting)
        prepare("own", photos, data_dir)
        assert set(sizes) == {1}
