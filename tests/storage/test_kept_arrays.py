"""Kept arrays: what comes back, and what a damaged or foreign file leads to."""

import io
import json

import numpy as np
import pytest

from scratchgan.errors import OutputError
from scratchgan.storage.kept_arrays import (
    DamagedFileError,
    OtherKeyError,
    UnusableFileError,
    kept_arrays,
    write_arrays,
)

ARRAYS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "network/count": np.array(7),
}


@pytest.fixture
def file(tmp_path):
    write_arrays(tmp_path / "kept.npz", "key", ARRAYS, {"names": ["a"]})
    return tmp_path / "kept.npz"


def read(path, key="key"):
    with kept_arrays(path, key) as (arrays, about):
        return {name: arrays[name] for name in ARRAYS}, about


def assert_as_written(arrays):
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_what_was_written_comes_back(file):
    arrays, about = read(file)
    assert_as_written(arrays)
    assert about == {"names": ["a"]}
    assert [path.name for path in file.parent.iterdir()] == ["kept.npz"]


def test_equal_content_is_an_equal_file(file):
    other = file.with_name("other.npz")
    write_arrays(other, "key", ARRAYS, {"names": ["a"]})
    assert other.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("flip", [255, 1, 8, 32])
def test_a_flipped_byte_is_harmless_or_damage(file, flip):
    """Among them: another method of packing (8), and encryption (1)."""
    whole, kinds = file.read_bytes(), set()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= flip
        file.write_bytes(damaged)
        try:
            assert_as_written(read(file)[0])
        except DamagedFileError as error:
            kinds.add(type(error.__cause__).__name__)
    assert {"BadZipFile", "NotImplementedError"} <= kinds


def test_a_file_cut_short_anywhere_is_damage(file):
    whole = file.read_bytes()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        with pytest.raises(DamagedFileError, match="is damaged"):
            read(file)


def test_a_header_that_promises_less_than_there_is_is_damage(file):
    # More than a reader takes ahead, so that it would not notice by chance.
    write_arrays(file, "key", {"weight": np.ones((2, 90_000))})
    whole = file.read_bytes()
    assert whole.count(b"(2, 90000)") == 1
    file.write_bytes(whole.replace(b"(2, 90000)", b"(0, 90000)"))
    with pytest.raises(DamagedFileError, match="CRC"):
        read(file)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        npz(about=np.array("{}")),
        npz(about=np.array("{")),
        npz(about=np.array('{"key": "key"}')),
        npz(weight=ARRAYS["weight"]),
    ],
    ids=["empty", "text", "no key", "no JSON", "no arrays", "nothing"],
)
def test_a_file_that_is_none_of_ours_is_damage(file, content):
    file.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read(file)


def test_nothing_is_unpickled(file):
    file.write_bytes(npz(key=np.array("key"), **ARRAYS, more=np.array([{}])))
    with pytest.raises(DamagedFileError, match="allow_pickle=False"):
        read(file)


def test_the_key_is_what_was_asked_for_whatever_else_is_kept(file):
    write_arrays(file, "key", ARRAYS, {"key": "another", "names": []})
    assert read(file)[1] == {"names": []}


def test_a_file_that_is_not_there_is_unusable(tmp_path):
    with pytest.raises(UnusableFileError):
        read(tmp_path / "none.npz")


def test_another_key(file):
    with pytest.raises(OtherKeyError):
        read(file, "other")


def test_arrays_that_do_not_fit_are_damage_and_other_errors_are_not(file):
    with (
        pytest.raises(DamagedFileError, match="3 expected"),
        kept_arrays(file, "key"),
    ):
        raise ValueError("3 expected")
    with pytest.raises(ZeroDivisionError), kept_arrays(file, "key"):
        raise ZeroDivisionError


@pytest.mark.parametrize("name", ["key", "about"])
def test_files_of_the_first_versions_have_their_key_alone(file, name):
    file.write_bytes(npz(**{name: np.array("key 3")}, **ARRAYS))
    arrays, about = read(file, "key 3")
    assert_as_written(arrays)
    assert about == {}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError):
        write_arrays(tmp_path / "gone" / "kept.npz", "key", ARRAYS)


def test_its_text_is_json_and_numpy_reads_it(file):
    with np.load(file) as arrays:
        assert json.loads(str(arrays["about"])) == {"key": "key", "names": ["a"]}
        np.testing.assert_array_equal(arrays["weight"], ARRAYS["weight"])
