"""CIFAR-10: the same images from every published layout, and damage to each."""

import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from scratchgan.datasets.prepare import splits as splits_module
from scratchgan.datasets.sources import cifar10
from scratchgan.datasets.sources.cifar10 import CLASSES
from tests.datasets.sources.making import (
    encoded,
    failure,
    make_tar,
    make_zip,
    names_of,
    prepared,
    refusal,
    write_files,
)

TRAIN, TEST = 50, 7  # images of each of the five training batches, and of the test


class Cifar:
    """Images, labels and file names as CIFAR-10 has them: batches 1 to 5, test."""

    def __init__(self, seed=0, train=TRAIN, test=TEST):
        rng = np.random.default_rng(seed)
        count = 5 * train + test
        self.images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self.labels = rng.integers(0, 10, count).tolist()
        self.batches = {
            f"data_batch_{i + 1}": range(i * train, (i + 1) * train) for i in range(5)
        }
        self.batches["test_batch"] = range(5 * train, count)
        self.split = [0] * 5 * train + [2] * test

    def planes(self, rows):
        """Return uint8 (n, 3072): all red, then all green, then all blue."""
        return self.images[list(rows)].transpose(0, 3, 1, 2).reshape(-1, 3072).copy()

    def name(self, row):
        return f"{CLASSES[self.labels[row]]}_s_{row:06d}.png"

    def batch(self, rows):
        return {
            "batch_label": "training batch 1 of 5",
            "labels": [self.labels[row] for row in rows],
            "data": self.planes(rows),
            "filenames": [self.name(row) for row in rows],
        }

    def python(self, dump):
        files = {name: dump(self.batch(rows)) for name, rows in self.batches.items()}
        meta = {"num_cases_per_batch": TRAIN, "label_names": CLASSES, "num_vis": 3072}
        return files | {"batches.meta": dump(meta), "readme.html": b"<html></html>"}

    def binary(self):
        files = {}
        for name, rows in self.batches.items():
            labels = np.array([self.labels[row] for row in rows], np.uint8)
            records = np.concatenate([labels[:, None], self.planes(rows)], axis=1)
            files[f"{name}.bin"] = records.tobytes()
        files["batches.meta.txt"] = "\n".join([*CLASSES, "", ""]).encode()
        return files | {"readme.html": b"<html></html>"}

    def png(self, name):
        """Return PNG files, numbered from 0 in each split."""
        files = {}
        for row, (label, split) in enumerate(zip(self.labels, self.split, strict=True)):
            number = row if split == 0 else row - 5 * TRAIN
            folder = "test" if split else "train"
            path = name.format(folder=folder, number=number, label=CLASSES[label])
            files[path] = encoded(self.images[row])
        return files


CIFAR = Cifar()


def dump_python_2(batch):
    """Return the bytes that Python 2 with cPickle.dump(batch, file, 2) wrote."""
    memo = iter(range(10**6))

    def put():
        place = next(memo)
        short = place < 256
        return b"q" + bytes([place]) if short else b"r" + struct.pack("<I", place)

    def value(item):
        if isinstance(item, str):
            data = item.encode()
            if len(data) < 256:
                return b"U" + bytes([len(data)]) + data + put()
            return b"T" + struct.pack("<i", len(data)) + data + put()
        if isinstance(item, int):
            return (
                b"K" + bytes([item]) if item < 256 else b"M" + struct.pack("<H", item)
            )
        if isinstance(item, list):
            return b"]" + put() + b"(" + b"".join(map(value, item)) + b"e"
        if isinstance(item, dict):
            pairs = b"".join(value(k) + value(v) for k, v in item.items())
            return b"}" + put() + b"(" + pairs + b"u"
        raw, dtype = item.tobytes(), b"cnumpy\ndtype\n"
        return (
            b"cnumpy.core.multiarray\n_reconstruct\n" + put()
            + b"cnumpy\nndarray\n" + put()
            + b"K\x00\x85" + put() + b"U\x01b" + put() + b"\x87" + put() + b"R" + put()
            + b"(K\x01M" + struct.pack("<H", len(item)) + b"M" + struct.pack("<H", 3072)
            + b"\x86" + put()
            + dtype + put() + b"U\x02u1" + put() + b"K\x00K\x01\x87" + put()
            + b"R" + put() + b"(K\x03U\x01|" + put() + b"NNN"
            + b"J\xff\xff\xff\xff" * 2 + b"K\x00t" + put() + b"b\x89"
            + b"T" + struct.pack("<i", len(raw)) + raw + put() + b"t" + put() + b"b"
        )  # fmt: skip

    return b"\x80\x02" + value(batch) + b"."


def dump_with(protocol):
    return lambda batch: pickle.dumps(batch, protocol)


DUMPS = {"Python 2": dump_python_2} | {
    f"protocol {protocol}": dump_with(protocol) for protocol in (2, 3, 4, 5)
}


def check(result, cifar=CIFAR):
    np.testing.assert_array_equal(result.images, cifar.images)
    assert result.labels == cifar.labels
    assert result.split == cifar.split
    assert result.class_names == CLASSES
    assert result.kind == "cifar10"
    assert result.skipped == []


def test_the_bytes_of_python_2_are_a_pickle():
    rows = range(5)
    content = pickle.loads(dump_python_2(CIFAR.batch(rows)), encoding="bytes")
    np.testing.assert_array_equal(content[b"data"], CIFAR.planes(rows))
    assert content[b"labels"] == CIFAR.labels[:5]


class TestLayouts:
    @pytest.mark.parametrize("dump", DUMPS)
    def test_python(self, tmp_path, dump):
        folder = write_files(
            tmp_path / "cifar-10-batches-py", CIFAR.python(DUMPS[dump])
        )
        result = prepared(folder, tmp_path)
        check(result)
        assert result.source_files[0] == f"data_batch_1/{CIFAR.name(0)}"
        assert result.source_files[-1] == f"test_batch/{CIFAR.name(5 * TRAIN + 6)}"

    def test_archive_as_published(self, tmp_path):
        """In the order of the real one, where batch 4 comes first."""
        files = CIFAR.python(dump_python_2)
        order = ["data_batch_4", "readme.html", "test_batch", "data_batch_3"]
        order += ["batches.meta", "data_batch_2", "data_batch_5", "data_batch_1"]
        files = {f"cifar-10-batches-py/{name}": files[name] for name in order}
        path = make_tar(tmp_path / "cifar-10-python.tar.gz", files, "w:gz")
        check(prepared(path, tmp_path))
        path.replace(write_files(tmp_path / "folder", {"x": b""}) / path.name)
        check(prepared(tmp_path / "folder", tmp_path))

    def test_binary(self, tmp_path):
        files = {f"cifar-10-batches-bin/{n}": d for n, d in CIFAR.binary().items()}
        path = make_tar(tmp_path / "cifar-10-binary.tar.gz", files, "w:gz")
        result = prepared(path, tmp_path)
        check(result)
        assert result.source_files[:2] == ["data_batch_1/00000", "data_batch_1/00001"]
        check(prepared(write_files(tmp_path / "unpacked", files), tmp_path))

    def test_both_side_by_side_are_read_once(self, tmp_path):
        files = CIFAR.binary() | CIFAR.python(dump_python_2)
        check(prepared(write_files(tmp_path / "both", files), tmp_path))

    @pytest.mark.parametrize(
        "name",
        [
            "{folder}/{number}_{label}.png",
            "cifar/{folder}/{label}/{number}_{label}.png",
        ],
    )
    def test_png(self, tmp_path, name):
        """10_cat.png comes after 9_dog.png, and train before test."""
        check(prepared(make_zip(tmp_path / "a.zip", CIFAR.png(name)), tmp_path))

    def test_all_are_the_same_set(self, tmp_path):
        files = [CIFAR.python(dump_python_2), CIFAR.binary()]
        files += [CIFAR.png("{folder}/{number}_{label}.png")]
        results = [
            prepared(write_files(tmp_path / str(i), files[i]), tmp_path)
            for i in range(3)
        ]
        assert len({result.sha256 for result in results}) == 1
        assert len({tuple(result.labels) for result in results}) == 1
        assert len({tuple(result.split) for result in results}) == 1

    def test_class_folders(self, tmp_path):
        """Without its numbers the order is lost, but neither labels nor splits."""
        path = write_files(
            tmp_path / "png", CIFAR.png("{folder}/{label}/x{number}.png")
        )
        result = prepared(path, tmp_path)
        assert (result.kind, result.class_names) == ("images", CLASSES)

        def rows(images, labels, split):
            pairs = zip(images, labels, split, strict=True)
            return sorted((image.tobytes(), label, s) for image, label, s in pairs)

        assert rows(result.images, result.labels, result.split) == rows(
            CIFAR.images, CIFAR.labels, CIFAR.split
        )

    def test_only_the_test_batch(self, tmp_path):
        files = {"test_batch.bin": CIFAR.binary()["test_batch.bin"]}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert result.split == [2] * TEST

    def test_validation_images_are_the_same_in_every_layout(
        self, tmp_path, monkeypatch
    ):
        """As for the whole set, but 100 of 250 instead of 10,000 of 50,000."""
        monkeypatch.setattr(splits_module, "FEWEST_TO_HOLD_OUT", 5 * TRAIN)
        monkeypatch.setattr(cifar10.Cifar10, "validation", 100)
        splits = []
        for i, files in enumerate((CIFAR.python(dump_python_2), CIFAR.binary())):
            result = prepared(write_files(tmp_path / str(i), files), tmp_path)
            np.testing.assert_array_equal(result.images, CIFAR.images)
            splits.append(result.split)
        assert splits[0] == splits[1]
        assert np.bincount(splits[0]).tolist() == [5 * TRAIN - 100, 100, TEST]
        assert splits[0][-TEST:] == [2] * TEST

    def test_real_images(self, tmp_path):
        folder = Path(os.environ.get("SCRATCHGAN_TEST_DATA", ""))
        if not (folder / "cifar10_4k.npz").is_file():
            pytest.skip("SCRATCHGAN_TEST_DATA has no cifar10_4k.npz")
        with np.load(folder / "cifar10_4k.npz") as real:
            assert real["classes"].tolist() == CLASSES
            cifar = Cifar(train=600, test=1000)
            cifar.images = real["images"]
            cifar.labels = real["labels"].tolist()
        python = prepared(
            write_files(tmp_path / "a", cifar.python(dump_python_2)), tmp_path
        )
        check(python, cifar)
        npz = prepared(folder / "cifar10_4k.npz", tmp_path)
        assert npz.sha256 == python.sha256
        assert (npz.labels, npz.class_names) == (cifar.labels, CLASSES)


def batch_refusal(tmp_path, **changes):
    """Return why a batch with other content is refused."""
    batch = CIFAR.batch(range(5)) | changes
    batch = {key: value for key, value in batch.items() if value is not ...}
    path = write_files(tmp_path / "x", {"data_batch_1": pickle.dumps(batch, 4)})
    text = refusal(path)
    assert text.startswith(f"data_batch_1 in {path} ")
    return text


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"labels": [1, 2]}, "has 5 images and 2 labels"),
            ({"labels": [0, 1, 2, 3, 10]}, "has labels 0 to 10, expected 0 to 9"),
            ({"labels": [0, 1, 2, 3, -1]}, "has labels -1 to 3"),
            ({"labels": [0, 1, 2, 3, 10**30]}, "has labels 0 to"),
            ({"labels": [0, 1, 2, 3, -(10**30)]}, "has labels -1 to"),
            ({"labels": [0, 1, 2, 3, None]}, "'labels' are no integers"),
            ({"labels": [[0]] * 5}, "'labels' are no integers"),
            ({"labels": "01234"}, "'labels' are no integers"),
            ({"labels": {}}, "'labels' are no integers"),
            ({"labels": np.zeros((5, 2), int)}, "'labels' are no integers"),
            ({"labels": np.zeros(5)}, "'labels' are no integers"),
            ({"labels": ...}, "expected 'data' and 'labels'"),
            ({"data": ...}, "expected 'data' and 'labels'"),
            ({"data": [1]}, "expected 'data' and 'labels'"),
            ({"data": np.zeros((5, 3072))}, "'data' is float64 (5, 3072)"),
            ({"data": np.zeros((5, 10), np.uint8)}, "'data' is uint8 (5, 10)"),
            ({"data": np.zeros(3072, np.uint8)}, "'data' is uint8 (3072,)"),
            ({"filenames": ["a"]}, "not one for each of 5 images"),
            ({"filenames": 5}, "not one for each"),
            ({"filenames": [1, 2, 3, 4, 5]}, "'filenames' are no text"),
            ({"filenames": [["a"]] * 5}, "'filenames' are no text"),
            ({"labels": {1, 2}}, "it uses EMPTY_SET"),
            ({"data": Path("x")}, "it asks for pathlib"),
        ],
    )
    def test_other_content(self, tmp_path, changes, reason):
        assert reason in batch_refusal(tmp_path, **changes)

    def test_labels_as_an_array(self, tmp_path):
        batch = CIFAR.batch(range(5)) | {"labels": np.array(CIFAR.labels[:5], ">i4")}
        batch[3] = batch[(1, 2)] = "keys that are no text are nobody's concern"
        files = {"data_batch_1": pickle.dumps(batch, 4)}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert result.labels == CIFAR.labels[:5]

    def test_strange_filenames_are_only_text(self, tmp_path):
        names = ["../../x.png", "a\0b", "\udcff", "line\nbreak", "/etc/passwd"]
        batch = CIFAR.batch(range(5)) | {"filenames": names}
        files = {"data_batch_1": pickle.dumps(batch, 4)}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert result.source_files[0] == "data_batch_1/../../x.png"
        np.testing.assert_array_equal(result.images, CIFAR.images[:5])

    def test_no_dict(self, tmp_path):
        path = write_files(tmp_path / "x", {"data_batch_1": pickle.dumps([1], 2)})
        assert "it holds a list, expected a dict" in refusal(path)

    @pytest.mark.parametrize("length", [1, 3072, 3074, 2 * 3073 - 1])
    def test_binary_cut_short(self, tmp_path, length):
        path = write_files(tmp_path / "x", {"data_batch_1.bin": bytes(length)})
        assert f"{length} bytes are not a multiple of 3073" in refusal(path)

    def test_binary_with_other_labels(self, tmp_path):
        """CIFAR-100 has two bytes of labels."""
        data = (b"\x0b" + bytes(3072)) * 3
        path = write_files(tmp_path / "x", {"data_batch_1.bin": data})
        assert "has labels 11 to 11, expected 0 to 9" in refusal(path)

    def test_empty(self, tmp_path):
        path = write_files(tmp_path / "x", {"data_batch_1.bin": b""})
        assert "holds no images" in refusal(path)

    def test_python_cut_short(self, tmp_path):
        data = dump_python_2(CIFAR.batch(range(5)))
        for stop in range(0, len(data), 311):
            path = write_files(tmp_path / "x", {"data_batch_1": data[:stop]})
            assert "is no batch of CIFAR-10: damaged" in refusal(path)

    def test_archive_cut_short(self, tmp_path):
        files = CIFAR.python(dump_python_2)
        path = make_tar(tmp_path / "cifar-10-python.tar.gz", files, "w:gz")
        data = path.read_bytes()
        for stop in range(1, len(data), len(data) // 20):
            path.write_bytes(data[:stop])
            assert "download" in refusal(path)

    def test_foreign_name_among_the_png(self, tmp_path):
        files = CIFAR.png("{folder}/{number}_{label}.png")
        path = write_files(
            tmp_path / "x", files | {"train/1_lion.png": files.popitem()[1]}
        )
        assert prepared(path, tmp_path).kind == "images"
        path = write_files(tmp_path / "y", files)
        os.rename(path / next(iter(files)), path / ("9" * 200 + "_cat.png"))
        assert prepared(path, tmp_path).kind == "images"
        assert "needs" not in refusal(path, "cifar10")

    def test_damaged_png_is_skipped(self, tmp_path):
        files = CIFAR.png("{folder}/{number}_{label}.png")
        first = next(iter(files))
        files[first] = files[first][:100]
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert [name for name, _ in result.skipped] == [first]
        assert result.labels == CIFAR.labels[1:]


def test_names_and_failures_come_from_the_right_place(tmp_path):
    """A batch that is damaged after it was opened ends the preparation, whole."""
    folder = write_files(tmp_path / "x", CIFAR.binary())
    assert len(names_of(folder)) == 5 * TRAIN + TEST
    (folder / "test_batch.bin").write_bytes(b"short")
    assert "5 bytes are not a multiple" in failure(folder, tmp_path)


def test_tar_of_python_is_compressed_with_anything(tmp_path):
    files = CIFAR.python(dump_python_2)
    for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT):
        check(prepared(make_tar(tmp_path / "c", files, "w:xz", form), tmp_path))
