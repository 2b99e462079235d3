"""Reading a pickle that may be hostile: arrays, lists, dicts, strings and numbers.

A pickle is a program that may call any function. This reader resolves four names, all
to functions of its own that can only build an `ArrayRecord`, and refuses any other; so
not even NumPy's own code for pickles runs on foreign bytes.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

_ALLOWED = ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


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
        Dicts, lists, tuples, strings, bytes and numbers; an array anywhere among them
        comes as a read-only ndarray, where it is the value of a dict, or stands alone.

    Raises
    ------
    RefusedPickle
        The pickle is damaged, or names any class or function but those of arrays.
    """
    try:
        return _unwrapped(_Reader(io.BytesIO(data), encoding="bytes").load())
    except RefusedPickle:
        raise
    # A pickle made to do harm can raise nearly anything.
    except Exception as error:
        reason = f"damaged ({type(error).__name__}: {error})"
        raise RefusedPickle(reason[:200]) from error


def _unwrapped(value: Any) -> Any:
    if isinstance(value, _ArrayRecord):
        return value.array
    if isinstance(value, dict):
        return {key: _unwrapped(item) for key, item in value.items()}
    return value


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
