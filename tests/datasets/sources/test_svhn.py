"""SVHN: MATLAB files as published, and others."""

import gzip
import sys

import numpy as np
import pytest

from scratchgan.datasets.sources import svhn as svhn_module
from tests.datasets.sources.making import (
    failure,
    make_tar,
    make_zip,
    prepared,
    refusal,
    write_files,
)

COUNTS = {"train": 11, "test": 5, "extra": 3}
SPLITS = {"train": 0, "test": 2, "extra": 3}
RNG = np.random.default_rng(0)
IMAGES = {
    part: RNG.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    for part, count in COUNTS.items()
}
DIGITS = {part: RNG.integers(0, 10, count) for part, count in COUNTS.items()}
DIGITS["train"][:2] = 0, 9


@pytest.fixture
def scipy_io():
    return pytest.importorskip("scipy.io", reason="reads .mat; the extra svhn")


def save(folder, compressed=True, parts=COUNTS, **changes):
    """Write the files as published: X (32, 32, 3, N), y (N, 1) with 10 for the 0."""
    scipy_io = pytest.importorskip("scipy.io")
    folder.mkdir(exist_ok=True)
    for part in parts:
        digits = DIGITS[part]
        content = {
            "X": IMAGES[part].transpose(1, 2, 3, 0),
            "y": np.where(digits == 0, 10, digits).astype(np.uint8)[:, None],
        }
        content |= changes
        content = {name: value for name, value in content.items() if value is not None}
        path = folder / f"{part}_32x32.mat"
        scipy_io.savemat(path, content, do_compression=compressed)
    return folder


def check(result, parts=tuple(COUNTS)):
    images = np.concatenate([IMAGES[part] for part in parts])
    np.testing.assert_array_equal(result.images, images)
    assert result.labels == [digit for part in parts for digit in DIGITS[part]]
    assert result.split == [SPLITS[part] for part in parts for _ in DIGITS[part]]
    assert result.class_names == list("0123456789")
    assert result.kind == "svhn"
    assert result.source_files[0] == f"{parts[0]}/000000"


@pytest.mark.extras
@pytest.mark.usefixtures("scipy_io")
class TestRead:
    @pytest.mark.parametrize("compressed", [True, False])
    def test_all_three(self, tmp_path, compressed):
        check(prepared(save(tmp_path / "x", compressed), tmp_path))

    @pytest.mark.parametrize("parts", [("train",), ("test",), ("train", "extra")])
    def test_some(self, tmp_path, parts):
        check(prepared(save(tmp_path / "x", parts=parts), tmp_path), parts)

    def test_one_file_alone(self, tmp_path):
        path = save(tmp_path / "x") / "test_32x32.mat"
        check(prepared(path, tmp_path), ("test",))

    def test_in_a_zip(self, tmp_path):
        folder = save(tmp_path / "x")
        files = {f"a/{path.name}": path.read_bytes() for path in folder.iterdir()}
        check(prepared(make_zip(tmp_path / "x.zip", files), tmp_path))

    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_in_a_tar(self, tmp_path, mode):
        folder = save(tmp_path / "x")
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        check(prepared(make_tar(tmp_path / "x.tar", files, mode), tmp_path))

    def test_labels_as_matlab_numbers(self, tmp_path):
        """MATLAB's own type is the double."""
        y = np.array([[10.0, 1, 2, 3, 9]]).T
        folder = save(tmp_path / "x", parts=["test"], y=y)
        assert prepared(folder, tmp_path).labels == [0, 1, 2, 3, 9]

    def test_more_variables(self, tmp_path):
        check(prepared(save(tmp_path / "x", note="text"), tmp_path))


@pytest.mark.extras
@pytest.mark.usefixtures("scipy_io")
class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"X": None}, "holds y uint8 (5, 1); expected X"),
            ({"y": None}, "holds X uint8 (32, 32, 3, 5); expected X"),
            ({"X": None, "y": None, "digitStruct": 1}, "holds digitStruct int64"),
            ({"X": np.zeros((32, 32, 3, 5))}, "holds X double (32, 32, 3, 5)"),
            ({"X": np.zeros((5, 32, 32, 3), "u1")}, "holds X uint8 (5, 32, 32, 3)"),
            ({"X": np.zeros((32, 32, 5), "u1")}, "holds X uint8 (32, 32, 5)"),
            ({"y": np.ones((4, 1), "u1")}, "X has 5 images and y 4 labels"),
            ({"y": np.ones((5, 2), "u1")}, "X has 5 images and y 10 labels"),
            ({"y": np.array(["a"] * 5)}, "char"),
            ({"y": np.array([{}] * 5, dtype=object)[:, None]}, "y cell (5, 1)"),
            ({"X": np.zeros((32, 32, 3, 0), "u1"), "y": np.zeros((0, 1))}, "0 images"),
        ],
    )
    def test_variables(self, tmp_path, changes, reason):
        text = refusal(save(tmp_path / "x", parts=["test"], **changes))
        assert reason in text
        assert text.startswith("test_32x32.mat in ")

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (0, "y is 0 to 9"),
            (11, "y is 1 to 11, expected whole"),
            (-1.0, "y is -1.0 to 9"),
            (np.nan, "expected whole numbers from 1 to 10"),
            (1.5, "expected whole numbers from 1 to 10"),
            (1e300, "expected whole numbers from 1 to 10"),
        ],
    )
    def test_labels(self, tmp_path, value, reason):
        y = np.array([[value, 1, 2, 3, 9]]).T
        folder = save(tmp_path / "x", parts=["test"], y=y)
        assert reason in failure(folder, tmp_path)

    @pytest.mark.parametrize("compressed", [True, False])
    def test_cut_anywhere(self, tmp_path, compressed):
        folder = save(tmp_path / "x", compressed, parts=["test"])
        path = folder / "test_32x32.mat"
        data = path.read_bytes()
        for stop in {0, 1, 127, 128, 129, *range(200, len(data), len(data) // 30)}:
            path.write_bytes(data[:stop])
            assert "test_32x32.mat in" in failure(folder, tmp_path)

    @pytest.mark.parametrize("compressed", [True, False])
    def test_flipped_bits(self, tmp_path, compressed):
        """Pixels may be others where nothing is compressed; nothing else happens."""
        folder = save(tmp_path / "x", compressed, parts=["test"])
        path = folder / "test_32x32.mat"
        data = path.read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(60):
            copy = bytearray(data)
            copy[rng.integers(1000)] ^= 1 << rng.integers(8)
            path.write_bytes(copy)
            try:
                prepared(folder, tmp_path)
            except svhn_module.DatasetError as error:
                text = str(error)
                assert text.startswith("test_32x32.mat")

    def test_version_7_3(self, tmp_path):
        """HDF5 with a header of MATLAB's: no published file of SVHN is one."""
        head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
        data = head.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(2000)
        folder = write_files(tmp_path / "x", {"train_32x32.mat": data})
        assert "matlab v7.3" in refusal(folder)

    @pytest.mark.parametrize("data", [b"", b"<html>", gzip.compress(b"x"), bytes(999)])
    def test_no_matlab_file(self, tmp_path, data):
        folder = write_files(tmp_path / "x", {"train_32x32.mat": data})
        assert "train_32x32.mat in" in refusal(folder)


def test_without_scipy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    folder = write_files(tmp_path / "x", {"train_32x32.mat": b"x"})
    assert "pip install 'scratchgan[svhn]'" in refusal(folder)


def test_no_files_of_svhn(tmp_path):
    folder = write_files(tmp_path / "x", {"digits.mat": b"x"})
    assert "svhn: train_32x32.mat, test_32x32.mat" in refusal(folder, "svhn")
