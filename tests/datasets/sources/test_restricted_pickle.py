"""Pickles: arrays and plain data come back, anything else is refused and not run."""

import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

from scratchgan.datasets.sources.restricted_pickle import (
    RefusedPickle,
    load_plain_pickle,
)

PLAIN = {
    "a": [1, -2, 255, 65536, 2**40, True, None, 1.5],
    "b": ("text", "żółw", b"bytes", ()),
    b"c": {"d": ["e" * 300] * 3},
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data(protocol):
    assert load_plain_pickle(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "<f4", ">f8", "?", "i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(protocol, dtype, order, rng):
    array = rng.integers(0, 2, (3, 4, 5)).astype(dtype, order=order)
    content = load_plain_pickle(pickle.dumps({"x": array, "n": [1]}, protocol))
    assert content["n"] == [1]
    assert content["x"].dtype == array.dtype
    np.testing.assert_array_equal(content["x"], array)
    with pytest.raises(ValueError, match="read-only"):
        content["x"][0] = 1
    np.testing.assert_array_equal(
        load_plain_pickle(pickle.dumps(array, protocol)), array
    )


def test_empty_array():
    array = load_plain_pickle(pickle.dumps(np.empty((0, 3072), np.uint8), 3))
    assert array.shape == (0, 3072)


def test_old_name_of_numpy():
    """NumPy 1 wrote numpy.core; so are all published files."""
    data = pickle.dumps(np.arange(3), 2).replace(b"numpy._core", b"numpy.core")
    assert load_plain_pickle(data).tolist() == [0, 1, 2]


def refusal(data):
    with pytest.raises(RefusedPickle) as caught:
        load_plain_pickle(data)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
    return str(caught.value)


class Call:
    """Pickled, it is a call of a function."""

    def __init__(self, function, *args, state=None):
        self.result = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.result


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """Return the name of a file that a pickle would make if it could."""
    monkeypatch.chdir(tmp_path)
    yield "canary"
    assert list(tmp_path.iterdir()) == []


def evil_objects(canary):
    code = f"open({canary!r}, 'w')"
    array = np.arange(3)
    return {
        "os": Call(os.system, f"touch {canary}"),
        "subprocess": Call(subprocess.check_call, ["touch", canary]),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "open": Call(open, canary, "w"),
        "getattr": Call(getattr, os, "system"),
        "import": Call(__import__, "os"),
        "numpy.load": Call(np.load, canary),
        "numpy.save": Call(np.save, canary, 1),
        "memmap": Call(np.memmap, canary, "u1", "w+", 0, (5,)),
        "pickle": Call(pickle.loads, pickle.dumps(Call(eval, code))),
        "objects": np.array([Call(eval, code)], dtype=object),
        "record": np.zeros(3, dtype=[("a", "i4"), ("b", "O")]),
        "text": np.array(["a"]),
        "scalar": np.float64(1),
        "subclass": np.ma.array([1]),
        "function": Call(array.__reduce__()[0], np.matrix, (0,), b"b"),
        "set": {1, 2},
        "frozenset": frozenset([1]),
        "complex": 1j,
        "range": range(3),
        "class": Call,
        "builtin": len,
    }


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", evil_objects(""))
def test_refused(canary, name, protocol):
    evil = evil_objects(canary)[name]
    try:
        data = pickle.dumps({"data": evil}, protocol)
    except (pickle.PicklingError, AttributeError, TypeError):
        pytest.skip("pickle itself refuses it")
    refusal(data)


ARRAY = pickle.dumps(np.arange(3, dtype=np.uint8), 2)
CALL_OPEN = b"\x80\x02c__builtin__\nopen\n(X\x06\x00\x00\x00canaryX\x01\x00\x00\x00wtR."
DTYPE = b"cnumpy\ndtype\n"
MAKE = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (CALL_OPEN, "asks for __builtin__.open"),
        (b"cos\nsystem\n(S'touch canary'\ntR.", "STRING"),
        (b"(S'touch canary'\nios\nsystem\n.", "STRING"),
        (b"(X\x06\x00\x00\x00canaryios\nsystem\n.", "INST"),
        (b"(cos\nsystem\nX\x06\x00\x00\x00canaryo.", "OBJ"),
        (b"\x80\x02cos\nsystem\n)\x81.", "NEWOBJ"),
        (b"\x80\x04cos\nsystem\n)}\x92.", "NEWOBJ_EX"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"P1\n.", "PERSID"),
        (b"\x80\x02K\x01Q.", "BINPERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x04\x8f.", "EMPTY_SET"),
        (b"\x80\x04(\x91.", "FROZENSET"),
        (b"\x80\x02L" + b"9" * 10000 + b"L\n.", "damaged"),
        # Our own functions, wrongly used.
        (b"\x80\x02" + DTYPE + b"U\x01O\x85R.", "type"),
        (b"\x80\x02" + DTYPE + b"U\x02u1\x85RU\x01x\x85b.", None),
        (b"\x80\x02" + DTYPE + b"K\x05\x85R.", "type"),
        (b"\x80\x02" + MAKE + b")R.", "damaged"),
        (b"\x80\x02" + MAKE + MAKE + b"NN\x87R.", "another class"),
        (b"\x80\x02" + MAKE + b"cnumpy\nndarray\nNN\x87R.", "damaged"),
        (b"\x80\x02" + MAKE + b"cnumpy\nndarray\nNN\x87R}b.", "damaged"),
        (b"\x80\x02" + MAKE + b"cnumpy\nndarray\nNN\x87R(K\x01)NNNtb.", "objects"),
        (b"\x80\x02c_codecs\nencode\nU\x01aU\x05rot13\x86R.", "text in"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "damaged"),
        (b"\x80\x02cnumpy\nndarray.__new__\n)R.", "asks for"),
        # States for what has none, and attributes for functions.
        (b"\x80\x02}U\x01aK\x01\x86b.", "damaged"),
        (b"\x80\x02]}U\x01aK\x01sb.", "damaged"),
        (b"\x80\x02" + MAKE + b"N}U\x08__code__K\x01s\x86b)R.", "damaged"),
        (b"\x80\x02cnumpy\nndarray\nN}U\x01aK\x01s\x86b.", "damaged"),
        # Damage.
        (b"", "damaged"),
        (b".", "damaged"),
        (b"\x80\x02", "damaged"),
        (b"\x80\x63K\x01.", "damaged"),
        (b"no pickle", None),
        (ARRAY[:-20], "damaged"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x02}]K\x01s.", "damaged"),
        (b"\x80\x04B\xff\xff\xff\xff.", "damaged"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.", "damaged"),
        (b"\x80\x04\x95" + b"\xff" * 8 + b"K\x01.", "damaged"),
    ],
)
def test_refused_programs(canary, data, reason):
    assert (reason or "") in refusal(data)


def test_those_programs_would_run():
    """One of them, as pickle itself reads it."""
    with pytest.raises(FileNotFoundError):
        pickle.loads(CALL_OPEN.replace(b"canary", b"no/dir").replace(b"w", b"r"))


def test_functions_stay_as_they_are():
    """A pickle may set attributes of what it is given; it is given copies."""
    name = b"X\x01\x00\x00\x00a"
    changed = load_plain_pickle(b"\x80\x02" + MAKE + b"N}" + name + b"K\x01s\x86b.")
    assert vars(changed) == {"a": 1}
    assert vars(load_plain_pickle(b"\x80\x02" + MAKE + b".")) == {}


def test_shape_that_claims_more(canary):
    data = ARRAY.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    assert data != ARRAY
    assert "cannot reshape" in refusal(data)


BOMBS = {
    "memo": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "tuples in tuples as a key": b"\x80\x02}N" + b"\x85" * 900_000 + b"K\x01s.",
    "marked tuples": b"\x80\x02}" + b"(" * 400_000 + b"t" * 400_000 + b"K\x01s.",
    "millions of lists": b"\x80\x02" + b"]" * 3_000_000 + b".",
    "lists in lists": b"\x80\x02" + b"]" * 900_000 + b"a" * 899_999 + b".",
    "bytes": b"\x80\x04\x8e" + struct.pack("<q", 1 << 45) + b".",
    "bytearray": b"\x80\x05\x96" + struct.pack("<q", 1 << 45) + b".",
    "text": b"\x80\x04\x8d" + struct.pack("<q", 1 << 45) + b".",
    "number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    # Each dict holds the one before twice: 2**60 in all.
    "dicts of dicts": b"\x80\x02}q\x00"
    + b"".join(b"}(U\x01ah%cU\x01bh%cuq%c" % (i, i, i + 1) for i in range(60))
    + b".",
    "list of itself": b"\x80\x02]q\x00h\x00a.",
    "dict of itself": b"\x80\x02}q\x00U\x01ah\x00s.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name, tmp_path):
    """They neither end the process, nor fill the memory, nor go on for ever."""
    (tmp_path / "bomb").write_bytes(BOMBS[name])
    code = (
        "import sys\n"
        "from scratchgan.datasets.sources.restricted_pickle import *\n"
        "try: import resource\n"
        "except ImportError: pass\n"
        "else: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "try: load_plain_pickle(open(sys.argv[1], 'rb').read())\n"
        "except RefusedPickle as error: print(error)\n"
        "else: print('read')\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "bomb")],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_random_programs(canary):
    """Opcodes in any order, with names worth having: read or refused, no harm."""
    rng = random.Random(0)
    names = [
        b"os\nsystem\n",
        b"builtins\neval\n",
        b"numpy\ndtype\n",
        b"numpy\nndarray\n",
    ]
    names += [b"numpy.core.multiarray\n_reconstruct\n", b"_codecs\nencode\n"]
    names += [b"numpy._core.numeric\n_frombuffer\n"]
    pieces = [code.code.encode("latin1") for code in pickletools.opcodes]
    pieces += [b"c" + name for name in names] * 4
    pieces += [b"U\x06canary", b"U\x02u1", b"K\x01", b"q\x00", b"h\x00", b"U\x01|"] * 4
    pieces += [b"(", b"t", b"R", b"b", b"\x85", b"}", b"]", b")"] * 4
    outcomes = set()
    for _ in range(10_000):
        data = b"\x80\x02" + b"".join(rng.choices(pieces, k=rng.randint(1, 25))) + b"."
        try:
            load_plain_pickle(data)
            outcomes.add("read")
        except RefusedPickle:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_flipped_bits(canary):
    rng = random.Random(0)
    batch = {"data": np.zeros((2, 12), np.uint8), "labels": [1, 2], "names": ["a"] * 2}
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps(batch, protocol)
        for _ in range(1000):
            copy = bytearray(data)
            copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
            try:
                load_plain_pickle(bytes(copy))
            except RefusedPickle as error:
                text = str(error)
                assert len(text) < 300
