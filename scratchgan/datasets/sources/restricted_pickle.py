"""Reading a pickle that may be hostile: arrays, lists, dicts, strings and numbers.

A pickle is a program that may call any function. This reader first looks through the
whole program, and runs it only if it is short and has no instructions but those that
plain data needs. Then it resolves a few names, all to functions of its own that can
only build an `_ArrayRecord`, and refuses any other; so not even NumPy's own code for
pickles runs on foreign bytes.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

_ALLOWED = ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")

# What Python 2 and 3 use in protocols 2 to 5 for dicts, lists, arrays and so on.
_OPCODES = frozenset(
    "PROTO FRAME STOP MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET"
    " NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT"
    " SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8"
    " SHORT_BINUNICODE BINUNICODE BINUNICODE8"
    " EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS"
    " EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GLOBAL STACK_GLOBAL REDUCE BUILD".split()
)
# A batch of CIFAR-10 has about 60,000.
_MOST_OPCODES = 1_000_000
# An array takes a few. To hash a tuple in a tuple in a tuple ... ends the process, as
# Python does not count how deep it is.
_MOST_TUPLES = 1000


class RefusedPickle(ValueError):  # noqa: N818  the caller says what is wrong
    """A pickle that asks for more than plain data; the message says for what."""


class _TypeRecord:
    """A dtype as a pickle describes it: a code, and then the byte order."""

    def __init__(self, code: str | bytes, *flags: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code
        if self.code not in _ALLOWED:
            raise RefusedPickle(f"an array of type {self.code!r}")
        self.order = "|"

    def __setstate__(self, state: tuple) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "=") or any(part for part in state[2:5]):
            raise RefusedPickle("a structured array")
        self.order = order

    def dtype(self) -> np.dtype:
        """Return the NumPy dtype."""
        return np.dtype(self.code).newbyteorder(self.order)


class _ArrayRecord:
    """An array as a pickle describes it: shape, type, order and bytes."""

    array: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, record, fortran, data = state
        if type(record) is not _TypeRecord or type(data) is not bytes:
            raise RefusedPickle("an array of objects")
        flat = np.frombuffer(data, record.dtype())
        self.array = flat.reshape(shape, order="F" if fortran else "C")


def load_plain_pickle(data: bytes) -> Any:
    """Return what a pickle holds, if it is plain data.

    Parameters
    ----------
    data : bytes
        A pickle of Python 2 or 3. Its strings of Python 2 come as bytes.

    Returns
    -------
    object
        Dicts, lists, tuples, strings, bytes and numbers. An array comes as a read-only
        ndarray where it stands alone, or is a value of the outermost dict. One list may
        occur many times, also in itself: walk through no more than one level.

    Raises
    ------
    RefusedPickle
        The pickle is damaged, or has more than plain data and arrays.
    """
    try:
        _check_opcodes(data)
        return _unwrapped(_Reader(io.BytesIO(data), encoding="bytes").load())
    except RefusedPickle:
        raise
    # A pickle made to do harm can raise nearly anything.
    except Exception as error:
        reason = f"damaged ({type(error).__name__}: {error})"
        raise RefusedPickle(reason[:200]) from error


def _check_opcodes(data: bytes) -> None:
    """Raise RefusedPickle for a program that does, or takes, more than data needs."""
    tuples = 0
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in _OPCODES:
            raise RefusedPickle(f"it uses {opcode.name}")
        tuples += "TUPLE" in opcode.name
        # Memory is taken for all places up to the one that is put to.
        place = argument if opcode.name.endswith("PUT") else 0
        if max(number, place) > _MOST_OPCODES or tuples > _MOST_TUPLES:
            raise RefusedPickle("it is longer than a batch of images")


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: item.array if isinstance(item, _ArrayRecord) else item
            for key, item in value.items()
        }
    return value.array if isinstance(value, _ArrayRecord) else value


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable | object:
        """Return our own stand-in for one of the names that arrays need."""
        module = module.replace("numpy.core", "numpy._core")
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) not in _STAND_INS:
            raise RefusedPickle(f"it asks for {module}.{name}")
        stand_in = _STAND_INS[module, name]
        # A new function each time: a pickle may set attributes of what it was given.
        return lambda *args: stand_in(*args)


_NDARRAY = object()


def _new_array(kind: object, shape: tuple, code: str | bytes) -> _ArrayRecord:
    if kind is not _NDARRAY:
        raise RefusedPickle("an array of another class")
    return _ArrayRecord()


def _array_from_buffer(
    data: bytes | bytearray, record: _TypeRecord, shape: tuple, order: str
) -> _ArrayRecord:
    array = _ArrayRecord()
    array.__setstate__((1, shape, record, order == "F", bytes(data)))
    return array


def _latin1_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise RefusedPickle(f"text in {encoding!r}")
    return text.encode("latin1")


_STAND_INS = {
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.numeric", "_frombuffer"): _array_from_buffer,  # protocol 5
    ("numpy", "dtype"): _TypeRecord,
    ("_codecs", "encode"): _latin1_bytes,  # bytes in protocol 2 of Python 3
}
