"""Damage of a dataset's file: what is noticed, and how it is said."""

import hashlib
import json

import h5py
import numpy as np
import pytest
import toy

from scratchgan.datasets.format.checksums import column_bytes, description_sha256
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import (
    find_problems,
    has_column_checksums,
    verify_file,
)
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.errors import DatasetError


@pytest.fixture
def path(tmp_path):
    toy.write_toy(tmp_path / "toy.h5")
    return tmp_path / "toy.h5"


def problems_of(path):
    with open_dataset(path) as dataset:
        return find_problems(dataset)


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return problems_of(path)


class TestDefinition:
    """The checksums are those that docs/dataset-format.md defines."""

    def recorded(self, path):
        with h5py.File(path) as file:
            return json.loads(file.attrs["columns_sha256"])

    def test_numbers(self, path):
        recorded = self.recorded(path)
        with h5py.File(path) as file:
            for name, dtype in {
                "labels": "<i8",
                "attributes": "<f4",
                "boxes": "<i4",
                "split": "u1",
            }.items():
                content = file[name][:].astype(dtype).tobytes()
                assert recorded[name] == hashlib.sha256(content).hexdigest()

    def test_texts(self, path):
        recorded = self.recorded(path)
        with h5py.File(path) as file:
            for name in "source_files", "class_names", "skipped_files":
                content = b"".join(text + b"\0" for text in file[name][:])
                assert recorded[name] == hashlib.sha256(content).hexdigest()
            names = file["attributes"].attrs["attribute_names"]
        content = b"smile\0turn\0"
        assert list(names) == ["smile", "turn"]
        assert recorded["attribute_names"] == hashlib.sha256(content).hexdigest()

    def test_description(self, path):
        with h5py.File(path) as file:
            plain = {
                name: value if isinstance(value, str) else value.item()
                for name, value in file.attrs.items()
            }
        expected = plain.pop("description_sha256")
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == expected

    def test_batches_make_no_difference(self, path, tmp_path):
        images = toy.toy_pixels(9)
        files = [f"{i}.png" for i in range(9)]
        for name, size in ("one", 9), ("many", 2):
            with DatasetWriter(tmp_path / f"{name}.h5", 8, 12, 3, **toy.TEXTS) as out:
                for i in range(0, 9, size):
                    out.append(images[i : i + size], source_files=files[i : i + size])
        assert self.recorded(tmp_path / "one.h5") == self.recorded(tmp_path / "many.h5")

    def test_byte_order_makes_no_difference(self):
        values = np.arange(5, dtype=np.int64)
        assert column_bytes(values.astype(">i8")) == column_bytes(values)

    def test_texts_do_not_run_together(self):
        assert column_bytes(np.array(["ab", "c"], object)) != column_bytes(
            np.array(["a", "bc"], object)
        )

    def test_numbers_and_truth_values_are_told_apart(self):
        assert description_sha256({"a": np.True_}) != description_sha256({"a": 1})


class TestChangedColumns:
    @pytest.mark.parametrize(
        ("name", "row", "value"),
        [
            ("labels", 3, 0),
            ("attributes", (2, 1), 0.5),
            ("boxes", (4, 1, 2), 9),
            ("split", 0, 3),
            ("source_files", 5, "b.png"),
            ("class_names", 1, "dig"),
            ("skipped_files", 0, "bed.jpg"),
            ("skipped_reasons", 0, "truncate"),
        ],
    )
    def test_one_value(self, path, name, row, value):
        def change(file):
            file[name][row] = value

        assert changed(path, change) == [
            f"/{name} does not have its recorded sha256: it was changed"
        ]

    def test_attribute_names(self, path):
        def change(file):
            file["attributes"].attrs["attribute_names"] = ["smile", "turm"]

        (problem,) = changed(path, change)
        assert problem.startswith("/attribute_names does not have")

    def test_title(self, path):
        (problem,) = changed(path, lambda file: file.attrs.modify("title", "A tay"))
        assert "the description was changed" in problem

    def test_column_removed(self, path):
        assert changed(path, lambda file: file.pop("labels")) == ["/labels is missing"]

    def test_column_added(self, tmp_path):
        toy.write_plain(tmp_path / "a.h5", toy.toy_pixels(3))
        (problem,) = changed(
            tmp_path / "a.h5", lambda file: file.update(labels=np.zeros(3, np.int64))
        )
        assert problem == "/labels has no checksum: it was added later"

    @pytest.mark.parametrize("name", ["columns_sha256", "description_sha256"])
    def test_checksum_removed(self, path, name):
        (*_, problem) = reversed(changed(path, lambda file: file.attrs.pop(name)))
        assert "the description was changed" in problem

    def test_checksums_that_are_no_json(self, path):
        problems = changed(path, lambda f: f.attrs.modify("columns_sha256", "[1"))
        assert any("root attributes cannot be read" in text for text in problems)

    def test_file_of_an_older_version(self, path):
        def change(file):
            del file.attrs["columns_sha256"], file.attrs["description_sha256"]

        with open_dataset(path) as dataset:
            assert has_column_checksums(dataset)
        assert changed(path, change) == []
        with open_dataset(path) as dataset:
            assert not has_column_checksums(dataset)


class TestDamagedBytes:
    """Copies of one small file, each with one byte flipped or cut short."""

    # 1/STEP of all bytes, and never the same place of a structure of 4 or 8 bytes.
    STEP = 31
    UNNOTICED = 0.35
    UNNOTICED_NOT_ZERO = 0.05

    def outcome(self, path, content):
        """Return what is said of a file with this content, and what it then holds."""
        path.write_bytes(content)
        try:
            if problems := verify_file(path).problems:
                return problems, None
            with open_dataset(path) as dataset:
                return [], toy.contents(dataset)
        except DatasetError as error:
            return [str(error)], None

    @pytest.mark.parametrize("bits", [0xFF, 0x10])
    def test_flipped_byte(self, path, bits):
        """Each is noticed, or changes nothing that can be read.

        HDF5 leaves room between its structures, zeros, and keeps some that only serve
        later writing. No reader looks at these bytes, so no reader can miss them.
        """
        sound = path.read_bytes()
        with open_dataset(path) as dataset:
            expected = toy.contents(dataset)
        unnoticed = []
        places = range(0, len(sound), self.STEP)
        for place in places:
            content = bytearray(sound)
            content[place] ^= bits
            problems, found = self.outcome(path, content)
            if problems:
                assert all(problems)
            else:
                unnoticed.append(place)
                assert found == expected, f"byte {place}"
        assert len(unnoticed) < self.UNNOTICED * len(places)
        not_zero = [place for place in places if sound[place]]
        missed = sum(1 for place in unnoticed if sound[place])
        assert missed < self.UNNOTICED_NOT_ZERO * len(not_zero)

    def test_flipped_byte_within_columns(self, path):
        """Where columns lie in the file is known, so none of these may go unnoticed."""
        sound = path.read_bytes()
        places = []
        with h5py.File(path) as file:
            offset = file["images"].id.get_chunk_info(0).byte_offset  # the only one
            places += range(offset, offset + file["images"].nbytes, 17)
            for name in "labels", "boxes", "attributes":
                offset = file[name].id.get_offset()
                places += range(offset, offset + file[name].nbytes, 5)
        for place in places:
            content = bytearray(sound)
            content[place] ^= 1
            problems, _ = self.outcome(path, content)
            assert problems, f"byte {place}"

    def test_cut_short(self, path):
        sound = path.read_bytes()
        lengths = {*range(0, len(sound), 97), *range(len(sound) - 5, len(sound))}
        for length in lengths:
            (line,), found = self.outcome(path, sound[:length])
            assert found is None
            assert "is cut short" in line or "is not an HDF5 file" in line, length

    def test_bytes_lost_in_the_middle(self, path):
        sound = path.read_bytes()
        for place in range(0, len(sound) - 600, 613):
            problems, _ = self.outcome(path, sound[:place] + sound[place + 512 :])
            assert problems, place

    def test_zeros_in_the_middle(self, path):
        """As after a power failure, where a block of the disk was never written."""
        sound = path.read_bytes()
        with open_dataset(path) as dataset:
            expected = toy.contents(dataset)
        noticed = 0
        for place in range(0, len(sound), 512):
            content = sound[:place] + bytes(512) + sound[place + 512 :]
            problems, found = self.outcome(path, content[: len(sound)])
            assert problems or found == expected, place
            noticed += bool(problems)
        assert noticed > len(sound) / 512 / 2
