"""Damage of the texts' heaps, on which HDF5 itself would wait for ever."""

import pytest
import toy

from scratchgan.datasets.format import text_heaps
from scratchgan.datasets.format.text_heaps import damaged_text_heap
from scratchgan.datasets.format.verify import verify_file

HEADER = 16


@pytest.fixture
def path(tmp_path):
    toy.write_toy(tmp_path / "toy.h5")
    return tmp_path / "toy.h5"


def heaps(content):
    """Return where the collections of texts begin."""
    places, place = [], content.find(b"GCOL")
    while place >= 0:
        places.append(place)
        place = content.find(b"GCOL", place + 1)
    return places


def test_sound(path):
    assert heaps(path.read_bytes())
    assert damaged_text_heap(path) is None


@pytest.mark.parametrize("block", [7, 64, 1000, 1 << 24])
def test_zeros_in_each_heap(path, monkeypatch, block):
    """Found wherever the blocks end in which the file is read."""
    monkeypatch.setattr(text_heaps, "_BLOCK", block)
    sound = path.read_bytes()
    for place in heaps(sound):
        content = bytearray(sound)
        content[place + HEADER : place + HEADER + 64] = bytes(64)
        path.write_bytes(content)
        assert damaged_text_heap(path) == place


def test_length_of_one_text(path):
    sound = path.read_bytes()
    place = heaps(sound)[0]
    content = bytearray(sound)
    content[place + HEADER + 8 + 1] ^= 2  # 512 bytes longer: into the zeros at the end
    path.write_bytes(content)
    assert damaged_text_heap(path) == place
    (problem,) = verify_file(path).problems
    assert problem == f"the texts stored from byte {place:,} on are damaged"


def test_heap_beyond_the_end_is_left_to_hdf5(path):
    content = path.read_bytes()
    place = heaps(content)[-1]
    path.write_bytes(content[: place + 100])
    assert damaged_text_heap(path) is None


@pytest.mark.parametrize("content", [b"", b"GCOL", b"GCOL\x01\0\0\0", b"hello" * 99])
def test_other_files(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert damaged_text_heap(tmp_path / "a") is None
