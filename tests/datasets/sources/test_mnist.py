"""MNIST and Fashion-MNIST: idx files under all their names, and damage to them."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.sources.making import (
    failure,
    make_tar,
    make_zip,
    prepared,
    refusal,
    write_files,
)

IMAGES = {"train": "train-images-idx3-ubyte", "t10k": "t10k-images-idx3-ubyte"}
LABELS = {"train": "train-labels-idx1-ubyte", "t10k": "t10k-labels-idx1-ubyte"}
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt"]
FASHION += ["Sneaker", "Bag", "Ankle boot"]


def idx(array):
    """Return the bytes of an idx file: big-endian sizes, then the values."""
    header = struct.pack(">HBB", 0, 8, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def make_set(train=30, test=8, seed=0):
    """Return files by name, and the images and labels in them, training first."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (train + test, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, train + test)
    files = {
        IMAGES["train"]: idx(images[:train]),
        LABELS["train"]: idx(labels[:train]),
        IMAGES["t10k"]: idx(images[train:]),
        LABELS["t10k"]: idx(labels[train:]),
    }
    return files, images, labels


FILES, VALUES, DIGITS = make_set()


def check(result):
    np.testing.assert_array_equal(result.images, VALUES[..., None])
    assert result.labels == DIGITS.tolist()
    assert result.split == [0] * 30 + [2] * 8
    assert result.class_names == list("0123456789")
    assert result.kind == "mnist"
    assert result.source_files[0] == "train/00000"
    assert result.source_files[30:32] == ["t10k/00000", "t10k/00001"]


class TestLayouts:
    def test_plain(self, tmp_path):
        check(prepared(write_files(tmp_path / "x", FILES), tmp_path))

    def test_gzipped(self, tmp_path):
        files = {f"{name}.gz": gzip.compress(data) for name, data in FILES.items()}
        check(prepared(write_files(tmp_path / "x", files), tmp_path))

    def test_unpacked_by_the_browser(self, tmp_path):
        """The name says .gz, the content does not; and the other way round."""
        files = {f"{name}.gz": data for name, data in FILES.items()}
        check(prepared(write_files(tmp_path / "x", files), tmp_path))
        files = {name: gzip.compress(data) for name, data in FILES.items()}
        check(prepared(write_files(tmp_path / "y", files), tmp_path))

    def test_dots_in_the_names(self, tmp_path):
        files = {name.replace("-idx", ".idx"): data for name, data in FILES.items()}
        check(prepared(write_files(tmp_path / "x", files), tmp_path))

    def test_torchvision_keeps_both(self, tmp_path):
        files = FILES | {f"{n}.gz": gzip.compress(d) for n, d in FILES.items()}
        files = {f"MNIST/raw/{name}": data for name, data in files.items()}
        check(prepared(write_files(tmp_path / "x", files), tmp_path))

    def test_kaggle_has_each_twice(self, tmp_path):
        files = {name.replace("-idx", ".idx"): data for name, data in FILES.items()}
        files |= {f"{name}/{name}": data for name, data in FILES.items()}
        check(prepared(make_zip(tmp_path / "archive.zip", files), tmp_path))

    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_in_a_tar(self, tmp_path, mode):
        files = {f"a/{name}.gz": gzip.compress(data) for name, data in FILES.items()}
        check(prepared(make_tar(tmp_path / "x", files, mode), tmp_path))

    def test_only_the_test_set(self, tmp_path):
        files = {name: FILES[name] for name in (IMAGES["t10k"], LABELS["t10k"])}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert result.split == [2] * 8
        np.testing.assert_array_equal(result.images, VALUES[30:, ..., None])

    def test_many_blocks(self, tmp_path):
        files, images, labels = make_set(train=12_000)
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        np.testing.assert_array_equal(result.images, images[..., None])
        assert result.labels == labels.tolist()

    def test_other_sizes_and_labels(self, tmp_path):
        """EMNIST and others use the same files."""
        images = VALUES[:3, :20, :24]
        labels = idx(np.array([1, 26, 0]))
        files = {IMAGES["train"]: idx(images), LABELS["train"]: labels}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        np.testing.assert_array_equal(result.images, images[..., None])
        assert result.class_names == [str(i) for i in range(27)]

    def test_rgb_when_asked(self, tmp_path):
        folder = write_files(tmp_path / "x", FILES)
        result = prepared(folder, tmp_path, channels=3, height=32, width=32)
        assert result.images.shape == (38, 32, 32, 3)


class TestFashion:
    @pytest.mark.parametrize(
        ("part", "first"),
        [
            ("train", [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]),
            ("t10k", [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]),
        ],
    )
    def test_class_names(self, tmp_path, part, first):
        files = {IMAGES[part]: idx(VALUES[:10]), LABELS[part]: idx(np.array(first))}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert result.class_names == FASHION

    def test_beside_mnist(self, tmp_path):
        """torchvision's folder of several sets, whose files have the same names."""
        files = {
            f"{name}/raw/{file}": data
            for name in ("FashionMNIST", "MNIST")
            for file, data in FILES.items()
        }
        folder = write_files(tmp_path / "x", files)
        text = refusal(folder)
        assert "holds FashionMNIST/raw/train-images-idx3-ubyte and MNIST/raw" in text
        assert "name the folder of one of them" in text
        check(prepared(folder / "MNIST", tmp_path))

    def test_real_files(self, tmp_path):
        """Debian's package dataset-fashion-mnist."""
        folder = Path("/usr/share/datasets/fashion-mnist")
        if not folder.is_dir():
            pytest.skip("dataset-fashion-mnist is not installed")
        result = prepared(folder, tmp_path)
        assert result.class_names == FASHION
        assert np.bincount(result.labels).tolist() == [7000] * 10


class TestRealMnist:
    @pytest.fixture
    def folder(self):
        folder = Path(os.environ.get("SCRATCHGAN_TEST_DATA", "")) / "mnist"
        if not folder.is_dir():
            pytest.skip("SCRATCHGAN_TEST_DATA has no mnist")
        return folder

    def test_whole(self, folder, tmp_path):
        result = prepared(folder, tmp_path)
        assert result.images.shape == (70_000, 28, 28, 1)
        assert np.bincount(result.split).tolist() == [50_000, 10_000, 10_000]
        assert result.split[60_000:] == [2] * 10_000
        assert result.class_names == list("0123456789")
        # Known of the published files: means of 0.1307 and 0.1325, and the counts.
        train, test = result.images[:60_000], result.images[60_000:]
        assert int(train.sum(dtype=np.int64)) == 1_567_298_545
        assert int(test.sum(dtype=np.int64)) == 264_923_200
        assert result.labels[:10] == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert result.labels[60_000:60_005] == [7, 2, 1, 0, 4]
        assert np.bincount(result.labels[:60_000]).tolist() == [
            5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
        ]  # fmt: skip
        assert np.bincount(result.labels[60_000:]).tolist() == [
            980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
        ]  # fmt: skip

    def test_order_is_that_of_the_files(self, folder, tmp_path):
        result = prepared(folder, tmp_path, validation=0)
        assert np.bincount(result.split).tolist() == [60_000, 0, 10_000]
        raw = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
        assert result.images[60_000:].tobytes() == raw[16:]


def changed(tmp_path, name, data):
    """Return a folder where one file has other content; None leaves it out."""
    files = FILES | {name: data}
    files = {name: data for name, data in files.items() if data is not None}
    return write_files(tmp_path / "x", files)


class TestRefused:
    def test_other_number_of_labels(self, tmp_path):
        folder = changed(tmp_path, LABELS["train"], idx(DIGITS[:29]))
        assert "has 30 images and train-labels-idx1-ubyte 29 labels" in refusal(folder)

    @pytest.mark.parametrize("name", [*IMAGES.values(), *LABELS.values()])
    def test_missing_half(self, tmp_path, name):
        text = refusal(changed(tmp_path, name, None))
        assert f"lacks the {'-'.join(name.split('-')[:2])} file that belongs to" in text

    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            (IMAGES["train"], b"", "is cut short"),
            (IMAGES["train"], b"\0\0\x08\x03", "is cut short"),
            (IMAGES["train"], FILES[LABELS["train"]], "is no idx file"),
            (IMAGES["train"], b"<html>" * 20, "begins with 3c68746d, expected"),
            (LABELS["train"], FILES[IMAGES["train"]], "begins with 00000803, expected"),
            (LABELS["train"], FILES[LABELS["train"]] + b"\0", "is longer than it says"),
            (LABELS["train"], FILES[LABELS["train"]][:-1], "is cut short"),
            # 32-bit floats, which some tools write.
            (IMAGES["train"], b"\0\0\x0d\x03" + bytes(99), "is no idx file of bytes"),
            (IMAGES["t10k"], idx(VALUES[:8, :20]), "20x28 pixels, the training file"),
            (IMAGES["train"], idx(VALUES[:30, :0]), "says its images are 0x28 pixels"),
        ],
    )
    def test_other_content(self, tmp_path, name, data, reason):
        text = refusal(changed(tmp_path, name, data))
        assert reason in text
        assert name in text

    @pytest.mark.parametrize(
        "sizes", [(2**32 - 1,) * 3, (30, 2**31, 2**31), (30, 2**32 - 1, 2**32 - 1)]
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_sizes_that_claim_more(self, tmp_path, sizes, pack):
        data = b"\0\0\x08\x03" + struct.pack(">3I", *sizes) + bytes(1000)
        text = refusal(changed(tmp_path, IMAGES["train"], pack(data)))
        assert "pixels; download it again" in text

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_labels_that_claim_more(self, tmp_path, pack):
        data = pack(b"\0\0\x08\x01" + struct.pack(">I", 2**32 - 1) + bytes(1000))
        text = refusal(changed(tmp_path, LABELS["train"], data))
        assert "says that 4,294,967,295 bytes follow" in text

    def test_images_cut_short(self, tmp_path):
        for stop in (16, 17, 1000, len(FILES[IMAGES["train"]]) - 1):
            data = FILES[IMAGES["train"]][:stop]
            text = failure(changed(tmp_path, IMAGES["train"], data), tmp_path)
            assert "train-images-idx3-ubyte is cut short" in text

    def test_images_too_long(self, tmp_path):
        folder = changed(tmp_path, IMAGES["train"], FILES[IMAGES["train"]] + b"\0")
        assert "is longer than it says" in failure(folder, tmp_path)

    @pytest.mark.parametrize("name", [IMAGES["train"], LABELS["train"]])
    def test_gzip_cut_anywhere(self, tmp_path, name):
        packed = gzip.compress(FILES[name])
        stops = {*range(3, len(packed), 997), *range(len(packed) - 12, len(packed))}
        for stop in stops:
            folder = changed(tmp_path, name, packed[:stop])
            assert f"{name} in {folder} is damaged" in failure(folder, tmp_path)

    @pytest.mark.parametrize("name", [IMAGES["t10k"], LABELS["t10k"]])
    def test_gzip_with_a_wrong_checksum(self, tmp_path, name):
        packed = bytearray(gzip.compress(FILES[name], 0))
        packed[-20] ^= 1
        folder = changed(tmp_path, name, bytes(packed))
        assert "CRC check failed" in failure(folder, tmp_path)

    def test_damaged_member_of_a_zip(self, tmp_path):
        path = make_zip(tmp_path / "x.zip", FILES, compression=0)
        data = bytearray(path.read_bytes())
        data[data.index(FILES[LABELS["train"]]) + 10] ^= 1
        path.write_bytes(data)
        assert "train-labels-idx1-ubyte in" in refusal(path)
