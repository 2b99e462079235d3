"""The HDF5 layout: what is written is read back, and what is not ours is refused."""

import errno
import hashlib

import h5py
import numpy as np
import pytest

from scratchgan.datasets.format.dataset import (
    CHUNK_BYTES,
    images_per_chunk,
    open_dataset,
)
from scratchgan.datasets.format.verify import find_problems
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.errors import DatasetError, OutputError
from scratchgan.storage import hdf5_output

TEXTS = {"name": "toy", "title": "A toy", "source": "test", "licence": "MIT"}


def pixels(count, height=8, width=12, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def write(path, count=20, **options):
    """Write a dataset with every column, in batches of seven."""
    images = pixels(count)
    with DatasetWriter(
        path,
        8,
        12,
        3,
        **TEXTS,
        class_names=["cat", "dog"],
        attribute_names=["smile", "turn"],
        **options,
    ) as writer:
        for start in range(0, count, 7):
            n = len(images[start : start + 7])
            writer.append(
                images[start : start + 7],
                source_files=[f"{start + i}.png" for i in range(n)],
                labels=np.arange(n) % 2,
                attributes=np.full((n, 2), 0.5),
                boxes=np.zeros((n, 3, 4)),
            )
        writer.set_split(np.arange(count) % 4)
        writer.set_skipped([("bad.jpg", "truncated")])
    return images


def folder_names(folder):
    return sorted(entry.name for entry in folder.iterdir())


class TestRoundTrip:
    def test_everything_written_is_read(self, tmp_path):
        path = tmp_path / "toy.h5"
        images = write(path)
        with open_dataset(path) as dataset:
            np.testing.assert_array_equal(dataset.images[:], images)
            assert (len(dataset), dataset.height, dataset.width) == (20, 8, 12)
            assert dataset.channels == 3
            assert dataset.labels.dtype == np.int64
            assert dataset.class_names == ["cat", "dog"]
            assert dataset.attributes.dtype == np.float32
            assert dataset.attribute_names == ["smile", "turn"]
            assert dataset.boxes.shape == (20, 3, 4)
            assert dataset.split.dtype == np.uint8
            assert dataset.source_files[:2] == ["0.png", "1.png"]
            assert dataset.skipped_files == [("bad.jpg", "truncated")]
            assert (dataset.name, dataset.title) == ("toy", "A toy")
            assert dataset.synthetic is False
            assert find_problems(dataset) == []

    def test_optional_columns_are_none(self, tmp_path):
        with DatasetWriter(tmp_path / "a.h5", 8, 12, 1, **TEXTS) as writer:
            writer.append(pixels(3, channels=1))
        with open_dataset(tmp_path / "a.h5") as dataset:
            for name in ("labels", "class_names", "attributes", "attribute_names"):
                assert getattr(dataset, name) is None
            assert dataset.boxes is dataset.split is dataset.source_files is None
            assert dataset.skipped_files == []

    def test_sha256_is_that_of_the_bytes_in_order(self, tmp_path):
        images = write(tmp_path / "toy.h5")
        with open_dataset(tmp_path / "toy.h5") as dataset:
            assert dataset.sha256 == hashlib.sha256(images.tobytes()).hexdigest()

    def test_sha256_of_images_that_are_not_contiguous(self, tmp_path):
        images = pixels(5)[:, :, ::-1]
        with DatasetWriter(tmp_path / "a.h5", 8, 12, 3, **TEXTS) as writer:
            writer.append(images)
        assert writer.sha256 == hashlib.sha256(images.tobytes()).hexdigest()

    def test_chunks_are_whole_images_of_reasonable_size(self, tmp_path):
        for height, channels in ((28, 1), (64, 3), (128, 3), (256, 3), (1024, 3)):
            image_bytes = height * height * channels
            chunk = images_per_chunk(height, height, channels) * image_bytes
            assert CHUNK_BYTES / 2 <= chunk <= max(CHUNK_BYTES, image_bytes)
        write(tmp_path / "toy.h5")
        with open_dataset(tmp_path / "toy.h5") as dataset:
            assert dataset.images.chunks[1:] == dataset.images.shape[1:]

    def test_info_is_plain(self, tmp_path):
        import json

        write(tmp_path / "toy.h5", synthetic=True, fit="crop")
        with open_dataset(tmp_path / "toy.h5") as dataset:
            info = json.loads(json.dumps(dataset.info()))
        assert info["count"] == 20
        assert info["synthetic"] is True
        assert info["fit"] == "crop"
        assert info["split"] == {"train": 5, "validation": 5, "test": 5, "extra": 5}

    def test_text_that_hdf5_cannot_hold_is_escaped(self, tmp_path):
        with DatasetWriter(tmp_path / "a.h5", 8, 12, 3, **TEXTS) as writer:
            writer.append(pixels(3), source_files=["\udcff.png", "a\0b", "żółw 🐢.png"])
        with open_dataset(tmp_path / "a.h5") as dataset:
            assert dataset.source_files == ["\\udcff.png", "a\\x00b", "żółw 🐢.png"]

    def test_more_class_names_than_an_attribute_holds(self, tmp_path):
        names = [f"person {i}" for i in range(6000)]
        with DatasetWriter(
            tmp_path / "a.h5", 8, 12, 3, **TEXTS, class_names=names
        ) as writer:
            writer.append(pixels(1), labels=[5999])
        with open_dataset(tmp_path / "a.h5") as dataset:
            assert dataset.class_names == names


class TestSplits:
    @pytest.fixture
    def dataset(self, tmp_path):
        write(tmp_path / "toy.h5")
        with open_dataset(tmp_path / "toy.h5") as dataset:
            yield dataset

    def test_rows_by_tuple_and_by_text(self, dataset):
        rows = dataset.rows_of_split("train+extra")
        np.testing.assert_array_equal(rows, [0, 3, 4, 7, 8, 11, 12, 15, 16, 19])
        np.testing.assert_array_equal(rows, dataset.rows_of_split(("extra", "train")))
        assert rows.dtype == np.int64

    @pytest.mark.parametrize("names", ["training", "train+", "", ()])
    def test_unknown_names(self, dataset, names):
        with pytest.raises(DatasetError, match="choose from train, validation, test"):
            dataset.rows_of_split(names)

    def test_without_split_all_is_train(self, tmp_path):
        with DatasetWriter(tmp_path / "a.h5", 8, 12, 3, **TEXTS) as writer:
            writer.append(pixels(4))
        with open_dataset(tmp_path / "a.h5") as dataset:
            np.testing.assert_array_equal(dataset.rows_of_split("train"), range(4))
            assert len(dataset.rows_of_split("test")) == 0


class TestRefusedFiles:
    def refusal(self, path):
        with pytest.raises(DatasetError) as caught:
            open_dataset(path)
        text = str(caught.value)
        assert str(path) in text
        return text

    def changed(self, tmp_path, change):
        path = tmp_path / "toy.h5"
        write(path)
        with h5py.File(path, "r+") as file:
            change(file)
        return self.refusal(path)

    def test_missing(self, tmp_path):
        assert "does not exist" in self.refusal(tmp_path / "no.h5")

    def test_folder(self, tmp_path):
        assert "is a folder" in self.refusal(tmp_path)

    def test_not_hdf5(self, tmp_path):
        (tmp_path / "a.h5").write_text("hello " * 1000)
        assert "not an HDF5 file" in self.refusal(tmp_path / "a.h5")

    def test_empty(self, tmp_path):
        (tmp_path / "a.h5").touch()
        assert "not an HDF5 file" in self.refusal(tmp_path / "a.h5")

    def test_truncated(self, tmp_path):
        write(tmp_path / "a.h5")
        data = (tmp_path / "a.h5").read_bytes()
        (tmp_path / "a.h5").write_bytes(data[: len(data) // 2])
        assert "is cut short" in self.refusal(tmp_path / "a.h5")

    def test_another_format(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["images"] = pixels(3)
        assert "not a scratchgan dataset" in self.refusal(tmp_path / "a.h5")

    def test_newer_version(self, tmp_path):
        text = self.changed(tmp_path, lambda f: f.attrs.update(format_version=2))
        assert "version 2" in text
        assert "newer scratchgan" in text

    @pytest.mark.parametrize(
        "images",
        [
            None,
            np.zeros((20, 8, 12), np.uint8),
            np.zeros((20, 8, 12, 3), np.float32),
            np.zeros((20, 8, 12, 4), np.uint8),
            np.zeros((0, 8, 12, 3), np.uint8),
        ],
    )
    def test_wrong_images(self, tmp_path, images):
        def change(file):
            del file["images"]
            if images is not None:
                file["images"] = images

        assert "expected uint8 (N, H, W, 1 or 3)" in self.changed(tmp_path, change)

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("labels", np.zeros(19, np.int64)),
            ("labels", np.zeros(20, np.float32)),
            ("split", np.zeros((20, 1), np.uint8)),
            ("source_files", np.zeros(20, np.int64)),
            ("boxes", np.zeros((20, 4), np.int32)),
        ],
    )
    def test_wrong_columns(self, tmp_path, name, column):
        def change(file):
            del file[name]
            file[name] = column

        assert f"/{name} is" in self.changed(tmp_path, change)

    def test_attributes_without_names(self, tmp_path):
        def change(file):
            file["attributes"].attrs["attribute_names"] = ["one"]

        assert "1 attribute_names" in self.changed(tmp_path, change)

    def test_wrong_count(self, tmp_path):
        text = self.changed(tmp_path, lambda f: f.attrs.update(count=21))
        assert "says 21 images" in text

    def test_images_never_written(self, tmp_path):
        def change(file):
            del file["images"]
            file.create_dataset("images", (20, 8, 12, 3), "u1", chunks=(5, 8, 12, 3))

        assert "not complete" in self.changed(tmp_path, change)

    def test_huge_column_never_written(self, tmp_path):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update(format="scratchgan-dataset", format_version=1)
            shape = (10**10, 64, 64, 3)
            file.create_dataset("images", shape, "u1", chunks=(40, 64, 64, 3))
        assert "not complete" in self.refusal(path)

    def test_images_in_another_file(self, tmp_path):
        def change(file):
            del file["images"]
            file["images"] = h5py.ExternalLink("other.h5", "/images")

        assert "not an array kept in this file" in self.changed(tmp_path, change)

    def test_class_names_that_are_no_text(self, tmp_path):
        def change(file):
            del file["class_names"]
            file.create_group("class_names")

        assert "/class_names" in self.changed(tmp_path, change)


class TestProblems:
    def problems(self, tmp_path, change):
        write(tmp_path / "toy.h5")
        with h5py.File(tmp_path / "toy.h5", "r+") as file:
            change(file)
        with open_dataset(tmp_path / "toy.h5") as dataset:
            return find_problems(dataset)

    def test_changed_pixel(self, tmp_path):
        def change(file):
            file["images"][7, 0, 0, 0] ^= 1

        (problem,) = self.problems(tmp_path, change)
        assert "the pixels were changed" in problem

    def test_label_out_of_range(self, tmp_path):
        def change(file):
            file["labels"][3] = 2
            file["labels"][4] = -1

        changed, outside = self.problems(tmp_path, change)
        assert changed.startswith("/labels does not have its recorded sha256")
        assert outside == "/labels has 2 values outside 0..1"

    def test_attribute_not_finite(self, tmp_path):
        def change(file):
            file["attributes"][3, 0] = np.nan

        *_, problem = self.problems(tmp_path, change)
        assert problem.startswith("/attributes has 1 values")

    def test_unknown_split(self, tmp_path):
        def change(file):
            file["split"][0] = 9

        *_, problem = self.problems(tmp_path, change)
        assert problem.startswith("/split has 1 values")

    def test_no_sha256(self, tmp_path):
        def change(file):
            del file.attrs["sha256"]

        problem, description = self.problems(tmp_path, change)
        assert "no sha256" in problem
        assert "the description was changed" in description

    def test_chunk_that_does_not_read(self, tmp_path):
        """A compressed chunk with damaged bytes: HDF5 fails when it is unpacked."""

        def change(file):
            images = file["images"][:]
            del file["images"]
            file.create_dataset("images", data=images, chunks=(5, 8, 12, 3))
            del file["images"]
            packed = file.create_dataset(
                "images", images.shape, "u1", chunks=(20, 8, 12, 3), compression="gzip"
            )
            packed.id.write_direct_chunk((0, 0, 0, 0), b"not deflated at all")

        (problem,) = self.problems(tmp_path, change)
        assert "/images cannot be read" in problem


class TestWriterMistakes:
    def writer(self, tmp_path, **options):
        return DatasetWriter(tmp_path / "a.h5", 8, 12, 3, **TEXTS, **options)

    @pytest.mark.parametrize(
        "images", [np.zeros((2, 8, 12, 3)), np.zeros((2, 8, 8, 3), np.uint8)]
    )
    def test_wrong_images(self, tmp_path, images):
        with pytest.raises(ValueError, match="expected uint8"):
            with self.writer(tmp_path) as writer:
                writer.append(images)
        assert folder_names(tmp_path) == []

    def test_columns_differ(self, tmp_path):
        with pytest.raises(ValueError, match="the first had"):  # noqa: PT012
            with self.writer(tmp_path) as writer:
                writer.append(pixels(2), labels=[0, 1])
                writer.append(pixels(2))

    def test_column_too_short(self, tmp_path):
        with pytest.raises(ValueError, match="1 labels for 2 images"):
            with self.writer(tmp_path) as writer:
                writer.append(pixels(2), labels=[0])

    def test_attribute_names_missing(self, tmp_path):
        with pytest.raises(ValueError, match="attribute_names"):
            with self.writer(tmp_path) as writer:
                writer.append(pixels(2), attributes=np.zeros((2, 3)))

    def test_no_image(self, tmp_path):
        with pytest.raises(DatasetError, match="no image"):
            with self.writer(tmp_path):
                pass
        assert folder_names(tmp_path) == []

    def test_two_channels(self, tmp_path):
        with pytest.raises(ValueError, match="channels is 2"):
            DatasetWriter(tmp_path / "a.h5", 8, 8, 2, **TEXTS)


class FailingFile:
    """A file on a disk that takes only so many bytes."""

    def __init__(self, file, room, error):
        self._file, self._room, self._error = file, room, error

    def write(self, data):
        self._room -= len(data)
        if self._room < 0:
            raise self._error
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def small_disk(monkeypatch):
    """Make files written from now on fail after some bytes, with any exception."""

    def limit(room, error=None):
        error = error or OSError(errno.ENOSPC, "No space left on device")
        plain_open = open

        def failing_open(path, mode):
            return FailingFile(plain_open(path, mode), room, error)

        monkeypatch.setattr(hdf5_output, "open", failing_open, raising=False)

    return limit


class TestNothingHalfWritten:
    @pytest.fixture
    def old(self, tmp_path):
        """Return the path of an older file, which has to survive."""
        path = tmp_path / "toy.h5"
        write(path, count=3)
        return path

    def assert_untouched(self, path):
        assert folder_names(path.parent) == ["toy.h5"]
        with open_dataset(path) as dataset:
            assert len(dataset) == 3
            assert find_problems(dataset) == []

    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
    def test_exception_in_the_middle(self, old, error):
        with pytest.raises(error):  # noqa: PT012
            with DatasetWriter(old, 8, 12, 3, **TEXTS) as writer:
                writer.append(pixels(50))
                raise error
        self.assert_untouched(old)

    # From nothing at all to all but the last bytes: failing at every stage, closing
    # included. HDF5 itself would end the whole process on some of these.
    @pytest.mark.parametrize("room", [0, 100, 3_000, 20_000, 500_000, 2_000_000])
    def test_full_disk(self, old, small_disk, room):
        small_disk(room)
        with pytest.raises(OutputError, match=r"the disk is full"):  # noqa: PT012
            with DatasetWriter(old, 8, 12, 3, **TEXTS) as writer:
                for _ in range(100):
                    writer.append(pixels(100), source_files=["a.png"] * 100)
        self.assert_untouched(old)

    def test_full_disk_at_every_single_write(self, old, small_disk):
        """Find the size of the file, then stop just short of it in many places."""
        size = old.stat().st_size
        # Of the size, HDF5 leaves some hundred bytes unwritten, which nothing uses.
        for room in range(0, size - 1024, size // 40):
            small_disk(room)
            with pytest.raises(OutputError):
                write(old, count=3)
        self.assert_untouched(old)

    def test_interrupt_inside_a_write(self, old, small_disk):
        small_disk(100_000, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            with DatasetWriter(old, 8, 12, 3, **TEXTS) as writer:
                for _ in range(100):
                    writer.append(pixels(100))
        self.assert_untouched(old)

    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOSPC, "No space left on device"),
            OSError("Unable to synchronously write data"),
            RuntimeError("Can't decrement id ref count"),
        ],
    )
    def test_error_raised_by_h5py(self, old, monkeypatch, error):
        def fail(self, *args):
            raise error

        monkeypatch.setattr(h5py.Dataset, "__setitem__", fail)
        with pytest.raises(OutputError, match="cannot write") as caught:
            write(old)
        assert "\n" not in str(caught.value)
        monkeypatch.undo()
        self.assert_untouched(old)

    def test_sync_fails(self, old, monkeypatch):
        def fail(descriptor):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(hdf5_output.os, "fsync", fail)
        with pytest.raises(OutputError, match="Input/output error"):
            write(old)
        monkeypatch.undo()
        self.assert_untouched(old)

    def test_rename_fails(self, old, monkeypatch):
        def fail(source, target):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(hdf5_output.os, "replace", fail)
        with pytest.raises(OutputError, match="Permission denied"):
            write(old)
        monkeypatch.undo()
        self.assert_untouched(old)

    def test_read_only_folder(self, old, monkeypatch):
        def refuse(path, mode):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(hdf5_output, "open", refuse, raising=False)
        with pytest.raises(OutputError, match=r"Permission denied.*another folder"):
            write(old)
        self.assert_untouched(old)

    def test_folder_that_is_a_file(self, tmp_path):
        (tmp_path / "data").write_text("a file")
        with pytest.raises(OutputError, match="cannot write"):
            write(tmp_path / "data" / "toy.h5")

    def test_not_enough_space_is_known_beforehand(self, old):
        with pytest.raises(OutputError, match="is free on its disk"):
            write(old, expected_count=10**13)
        self.assert_untouched(old)

    def test_folder_is_made(self, tmp_path):
        write(tmp_path / "new" / "folder" / "toy.h5")
        assert folder_names(tmp_path / "new" / "folder") == ["toy.h5"]
