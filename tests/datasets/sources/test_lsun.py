"""LSUN: LMDB databases as published, several at once, and cut short."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scratchgan.datasets.sources import lsun, open_source
from tests.datasets.sources.making import (
    decoded,
    jpeg,
    make_tar,
    make_zip,
    prepared,
    refusal,
    write_files,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lmdb():
    return pytest.importorskip("lmdb", reason="reads LMDB; the extra lsun")


def save(folder, first=0, count=6, extra=()):
    """Write an LMDB database: keys of 40 hexadecimal digits, values image files."""
    lmdb = pytest.importorskip("lmdb")
    values = {}
    for i in range(first, first + count):
        key = hashlib.sha1(str(i).encode()).hexdigest()
        values[key] = jpeg(i, height=20, width=24)
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment:
        with environment.begin(write=True) as transaction:
            for key, value in [*values.items(), *extra]:
                transaction.put(key.encode(), value)
    assert (folder / "lock.mdb").is_file()
    return dict(sorted(values.items()))


def check(result, values):
    np.testing.assert_array_equal(result.images, [decoded(v) for v in values])
    assert result.kind == "lsun"
    assert result.skipped == []


@pytest.mark.extras
@pytest.mark.usefixtures("lmdb")
class TestRead:
    def test_one_category(self, tmp_path):
        values = save(tmp_path / "x" / "bedroom_train_lmdb")
        for source in ("bedroom_train_lmdb", "bedroom_train_lmdb/data.mdb", "."):
            result = prepared(tmp_path / "x" / source, tmp_path)
            check(result, values.values())
            assert result.source_files == list(values)
            assert (result.labels, result.split) == (None, None)

    def test_train_and_val(self, tmp_path):
        train = save(tmp_path / "x" / "bedroom_train_lmdb")
        val = save(tmp_path / "x" / "bedroom_val_lmdb", 10, 3)
        result = prepared(tmp_path / "x", tmp_path)
        check(result, [*train.values(), *val.values()])
        assert result.split == [0] * 6 + [1] * 3
        assert result.labels is None
        assert result.source_files[0] == f"bedroom_train_lmdb/{next(iter(train))}"

    def test_categories(self, tmp_path):
        bedroom = save(tmp_path / "x" / "bedroom_train_lmdb")
        church = save(tmp_path / "x" / "church_outdoor_train_lmdb", 10, 3)
        val = save(tmp_path / "x" / "bedroom_val_lmdb", 20, 2)
        result = prepared(tmp_path / "x", tmp_path)
        check(result, [*bedroom.values(), *church.values(), *val.values()])
        assert result.class_names == ["bedroom", "church_outdoor"]
        assert result.labels == [0] * 6 + [1] * 3 + [0] * 2
        assert result.split == [0] * 9 + [1] * 2

    def test_images_of_the_test_are_never_for_training(self, tmp_path):
        save(tmp_path / "x" / "bedroom_train_lmdb")
        save(tmp_path / "x" / "test_lmdb", 10, 3)
        assert prepared(tmp_path / "x", tmp_path).split == [0] * 6 + [2] * 3

    def test_nothing_is_written_beside_it(self, tmp_path):
        """It may lie on a disk that can only be read."""
        folder = tmp_path / "bedroom_train_lmdb"
        save(folder)
        (folder / "lock.mdb").unlink()
        before = (folder / "data.mdb").read_bytes()
        prepared(folder, tmp_path)
        assert [path.name for path in folder.iterdir()] == ["data.mdb"]
        assert (folder / "data.mdb").read_bytes() == before

    def test_value_that_is_no_image(self, tmp_path):
        values = save(tmp_path / "x", extra=[("0" * 40, b"no image")])
        result = prepared(tmp_path / "x", tmp_path)
        assert result.skipped == [("0" * 40, "not an image")]
        np.testing.assert_array_equal(
            result.images, [decoded(value) for value in values.values()]
        )

    def test_images_larger_than_pages(self, tmp_path):
        large = jpeg(1, height=200, width=300)
        save(tmp_path / "x", count=0, extra=[("a", large)])
        with open_source(tmp_path / "x") as source:
            assert [image.read() for image in source] == [large]

    def test_empty_database(self, tmp_path):
        save(tmp_path / "x", count=0)
        assert "holds no images" in refusal(tmp_path / "x")


def run(source):
    """Prepare a source with the command, in a process of its own."""
    command = [sys.executable, str(ROOT / "cli.py"), "data", "prepare", "x"]
    return subprocess.run(
        [*command, str(source), "--data-dir", str(source.parent / "data")],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )


@pytest.mark.extras
@pytest.mark.usefixtures("lmdb")
class TestDamaged:
    """A page of a mapped file that is not there would end the process."""

    @pytest.mark.parametrize(
        "part", [0, 1, 100, 4096, 4097, 8191, 8192, 8193, 0.3, 0.5, 0.99, -4096, -1]
    )
    def test_cut_short(self, tmp_path, part):
        save(tmp_path / "x", count=40)
        path = tmp_path / "x" / "data.mdb"
        data = path.read_bytes()
        stop = int(part * len(data)) if isinstance(part, float) else part
        path.write_bytes(data[:stop])
        result = run(tmp_path / "x")
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        assert "data.mdb is" in line
        assert "copy or download it again" in line

    def test_flipped_bits(self, tmp_path):
        """All in one process, which gets to its end."""
        save(tmp_path / "x", count=40)
        path = tmp_path / "x" / "data.mdb"
        data = path.read_bytes()
        rng = random.Random(0)
        for i in range(40):
            copy = bytearray(data)
            for _ in range(3):
                copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
            (tmp_path / str(i)).mkdir()
            (tmp_path / str(i) / "data.mdb").write_bytes(copy)
        code = (
            "import sys\n"
            "from scratchgan.datasets.sources import open_source\n"
            "from scratchgan.datasets.decode_image import UnreadableImage\n"
            "from scratchgan.errors import DatasetError\n"
            "for i in range(40):\n"
            "    try:\n"
            "        with open_source(f'{sys.argv[1]}/{i}', 'lsun') as source:\n"
            "            for image in source:\n"
            "                try: image.read()\n"
            "                except UnreadableImage: pass\n"
            "    except DatasetError as error: print(error)\n"
            "print('end')"
        )
        result = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=ROOT,
        )
        assert result.returncode == 0
        assert result.stderr == ""
        assert result.stdout.splitlines()[-1] == "end"

    def test_something_else_of_that_name(self, tmp_path):
        folder = write_files(tmp_path / "x", {"data.mdb": b"<html>" * 5000})
        assert "is not a whole LMDB database" in refusal(folder)

    def test_one_of_several(self, tmp_path):
        save(tmp_path / "x" / "bedroom_train_lmdb")
        write_files(tmp_path / "x", {"kitchen_train_lmdb/data.mdb": b"x" * 9000})
        assert "kitchen_train_lmdb" in refusal(tmp_path / "x")


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_packed(tmp_path, pack):
    """As published; a database is mapped from the disk, so it must lie there."""
    path = pack(tmp_path / "x.zip", {"bedroom_train_lmdb/data.mdb": b"x"})
    assert "must lie on the disk; unpack it, and give the folder" in refusal(path)
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder" / "bedroom_train_lmdb.zip")
    assert "must lie on the disk; unpack it" in refusal(tmp_path / "folder")


def test_without_lmdb(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    folder = write_files(tmp_path / "x", {"data.mdb": b"x"})
    assert "pip install 'scratchgan[lsun]'" in refusal(folder)


def test_no_database(tmp_path):
    folder = write_files(tmp_path / "x", {"data.db": b"x"})
    assert "lsun: a folder such as bedroom_train_lmdb" in refusal(folder, "lsun")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("bedroom_train_lmdb", ("bedroom", 0)),
        ("dining_room_val_lmdb", ("dining_room", 1)),
        ("cat", ("cat", 0)),
        ("cat_lmdb", ("cat", 0)),
        ("train", ("train", 0)),
        ("my bedrooms-2", ("my bedrooms-2", 0)),
    ],
)
def test_category_and_split(folder, expected):
    assert lsun.category_and_split(folder) == expected
