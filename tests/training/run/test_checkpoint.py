import errno
import json

import h5py
import numpy as np
import pytest

from scratchgan.errors import CheckpointError, NonFiniteError, OutputError
from scratchgan.training.run.checkpoint import (
    load_checkpoint,
    refuse_non_finite,
    save_checkpoint,
)

ARRAYS = {
    "generator/up1.conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "history/step": np.array([], dtype=np.float64),
}
META = {"step": 7, "rng": {"state": 2**100}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "step-000007.h5"
    save_checkpoint(path, ARRAYS, META)
    return path


def test_gives_back_what_was_saved(file):
    arrays, meta = load_checkpoint(file)
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_leaves_no_temporary_file(file):
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_refuses_a_changed_value(file):
    with h5py.File(file, "r+") as hdf5:
        hdf5["generator/up1.conv.weight"][0, 0, 0] = 5
    with pytest.raises(CheckpointError, match=r"checksum does not match.*older"):
        load_checkpoint(file)


def test_refuses_changed_json(file):
    with h5py.File(file, "r+") as hdf5:
        hdf5.attrs["meta"] = json.dumps(META | {"step": 8})
    with pytest.raises(CheckpointError, match="checksum"):
        load_checkpoint(file)


def test_refuses_a_truncated_file(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(file)


@pytest.mark.parametrize("content", [b"", b"not hdf5 at all", b"\x89HDF\r\n\x1a\n"])
def test_refuses_what_is_not_a_checkpoint(tmp_path, content):
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.h5"):
        load_checkpoint(path)


def test_refuses_another_hdf5_file(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as hdf5:
        hdf5["images"] = np.zeros(3)
    with pytest.raises(CheckpointError, match="not a scratchgan checkpoint"):
        load_checkpoint(path)


def test_refuses_a_newer_version(file):
    with h5py.File(file, "r+") as hdf5:
        hdf5.attrs["version"] = 99
    with pytest.raises(CheckpointError, match=r"version 99.*newer scratchgan"):
        load_checkpoint(file)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint .*gone\.h5"):
        load_checkpoint(tmp_path / "gone.h5")


def test_full_disk_leaves_the_old_checkpoint(file, monkeypatch):
    before = file.read_bytes()

    def refuse(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", refuse)
    with pytest.raises(OutputError, match="disk is full"):
        save_checkpoint(file, ARRAYS, META)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_non_finite_arrays_are_named():
    arrays = {"good": np.ones(3), "bad": np.array([1.0, np.nan])}
    with pytest.raises(NonFiniteError, match="bad has values"):
        refuse_non_finite(arrays)
