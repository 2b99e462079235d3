"""A stand-in for CuPy that needs no GPU and forgives nothing.

Code that runs on a GPU must take the array module from the array. A hard-coded
``np.sqrt(x)`` works on every machine without a GPU and fails on the first one with
one, so `StrictArray` raises TypeError wherever it meets NumPy: operators with plain
arrays or NumPy scalars, any ``numpy.`` function, implicit conversion. It wraps an
array instead of subclassing ndarray, because ``np.asarray`` lets subclasses through.

The namespace that `make_namespace` returns takes the place of ``cupy`` in
``sys.modules``; it has only functions that CuPy has too. CuPy itself is milder in one
point: it lets ``np.exp(x)`` through, because NumPy hands that over to it.
"""

import contextlib
import operator
from types import ModuleType, SimpleNamespace

import numpy as np

FUNCTIONS = (
    "abs arange array broadcast_to concatenate einsum empty empty_like exp eye full "
    "isfinite log logaddexp matmul max maximum mean minimum moveaxis multiply ones "
    "ones_like pad prod reshape sqrt stack subtract sum tanh tensordot transpose where "
    "zeros zeros_like"
).split()
METHODS = frozenset(
    "all any argmax astype clip copy dot fill flatten max mean min ravel reshape "
    "squeeze std sum swapaxes transpose var view".split()
)
PROPERTIES = frozenset("dtype flags itemsize nbytes ndim shape size strides".split())
BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
COMPARISONS = "lt le gt ge eq ne".split()
SCALARS = (bool, int, float, complex)


class StrictArray:
    """An array that lives apart: only its own kind and Python scalars may touch it."""

    __array_ufunc__ = None  # NumPy's operators and ufuncs refuse it
    __hash__ = None

    def __init__(self, data):
        assert isinstance(data, np.ndarray)
        self._data = data

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion of a device array to a NumPy array")

    def __array_function__(self, function, *_):
        raise TypeError(f"numpy.{function.__name__} got a device array")

    def __getattr__(self, name):
        if name in PROPERTIES:
            return getattr(self._data, name)
        if name in METHODS:
            return _wrapped(getattr(self._data, name))
        raise AttributeError(
            f"device arrays have no {name}, or METHODS of tests/strict.py lacks it"
        )

    @property
    def T(self):  # noqa: N802
        return StrictArray(self._data.T)

    def get(self):
        return self._data.copy()

    def set(self, array):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"set needs a NumPy array, got {type(array).__name__}")
        if array.dtype != self.dtype:
            raise TypeError(f"set got {array.dtype} for {self.dtype}")
        if array.shape != self.shape:
            raise ValueError(f"set got shape {array.shape} for {self.shape}")
        self._data[...] = array

    def __getitem__(self, index):
        return wrap(self._data[_index(index)])

    def __setitem__(self, index, value):
        self._data[_index(index)] = unwrap(value)

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        return (wrap(row) for row in self._data)

    def __float__(self):
        return float(self._data)

    def __int__(self):
        return int(self._data)

    def __bool__(self):
        return bool(self._data)

    def __abs__(self):
        return wrap(abs(self._data))

    def __neg__(self):
        return wrap(-self._data)

    def __invert__(self):
        return wrap(~self._data)

    def __repr__(self):
        return f"StrictArray({self._data!r})"


def _binary(function):
    def forward(self, other):
        return wrap(function(self._data, unwrap(other)))

    def reflected(self, other):
        return wrap(function(unwrap(other), self._data))

    return forward, reflected


def _in_place(function):
    def method(self, other):
        function(self._data, unwrap(other))
        return self

    return method


for _name in BINARY:
    _function = getattr(operator, f"__{_name}__")
    _forward, _reflected = _binary(_function)
    setattr(StrictArray, f"__{_name}__", _forward)
    setattr(StrictArray, f"__r{_name}__", _reflected)
    _function = getattr(operator, f"__i{_name}__")
    setattr(StrictArray, f"__i{_name}__", _in_place(_function))
for _name in COMPARISONS:
    _forward, _ = _binary(getattr(operator, f"__{_name}__"))
    setattr(StrictArray, f"__{_name}__", _forward)


def unwrap(value):
    """Return what NumPy may compute with, or raise TypeError."""
    if isinstance(value, StrictArray):
        return value._data
    if isinstance(value, np.ndarray | np.generic):
        raise TypeError(
            f"a device array met a NumPy {type(value).__name__}; "
            "was a NumPy function hard-coded?"
        )
    if isinstance(value, list | tuple):
        return (
            type(value)(*map(unwrap, value))
            if _named(value)
            else type(value)(map(unwrap, value))
        )
    return value


def _named(value):
    return isinstance(value, tuple) and hasattr(value, "_fields")


def wrap(value):
    """Return a NumPy result as a strict one; there are no scalars on the device."""
    if isinstance(value, np.ndarray | np.generic):
        return StrictArray(np.asarray(value))
    return value


def _index(index):
    """Return an index; integers of any kind may be among them, as in CuPy."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    return index if isinstance(index, np.integer) else unwrap(index)


def _wrapped(function):
    def call(*args, **kwargs):
        kwargs = {name: unwrap(value) for name, value in kwargs.items()}
        return wrap(function(*map(unwrap, args), **kwargs))

    return call


def asarray(value, dtype=None):
    """Copy to the device, the one way for a plain array to get there."""
    if isinstance(value, StrictArray):
        return value if dtype is None else value.astype(dtype)
    return StrictArray(np.array(value, dtype=dtype))


def asnumpy(value):
    """Copy to the host."""
    return value.get() if isinstance(value, StrictArray) else np.asarray(value)


def make_namespace():
    """Return a module to stand in for ``cupy``."""
    xp = ModuleType("cupy", doc="strict stand-in for CuPy")

    def missing(name):
        raise AttributeError(
            f"cupy has no {name}, or FUNCTIONS of tests/strict.py lacks it"
        )

    xp.__getattr__ = missing
    for name in FUNCTIONS:
        setattr(xp, name, _wrapped(getattr(np, name)))
    for name in ("float32", "float64", "int32", "int64", "uint8", "bool_", "newaxis"):
        setattr(xp, name, getattr(np, name))
    xp.ndarray = StrictArray
    xp.asarray = asarray
    xp.asnumpy = asnumpy
    windows = _wrapped(np.lib.stride_tricks.sliding_window_view)
    xp.lib = SimpleNamespace(stride_tricks=SimpleNamespace(sliding_window_view=windows))
    xp.cuda = SimpleNamespace(Device=lambda index: contextlib.nullcontext())

    def get_array_module(*arrays):
        strict = any(isinstance(array, StrictArray) for array in arrays)
        return xp if strict else np

    xp.get_array_module = get_array_module
    return xp
