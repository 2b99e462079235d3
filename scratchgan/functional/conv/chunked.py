"""How a convolution is joined to what comes right before and after it.

A convolution works on a few images at a time (`scratchgan.functional.parallel`). What
precedes or follows it can be done on those images while they are in the core's cache,
instead of in a pass over memory of its own:

- an argument may be `Deferred`: computed when its images are asked for;
- a result is shown to ``then``, chunk by chunk, as soon as it is there;
- weights used by several calls may be a `SharedWeight`, so that what an implementation
  makes of them is made once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.conv.shapes import Pair
from scratchgan.functional.parallel import empty

Then = Callable[[int, Array], None]
"""Gets the number of the first image and a chunk of the result, which it may change."""


class Deferred:
    """An array of images that is computed when some of them are asked for.

    ``deferred[start:stop]`` is ``function(*(array[start:stop] for array in arrays))``.

    Parameters
    ----------
    function : callable
        Takes arrays of shape (n, ...) for any n and returns one like the first.
    *arrays : array of shape (N, ...)

    Examples
    --------
    >>> import numpy as np
    >>> twice = Deferred(lambda x: 2 * x, np.arange(4.0))
    >>> twice.shape, twice[1:3]
    ((4,), array([2., 4.]))
    """

    def __init__(self, function: Callable[..., Array], *arrays: Array) -> None:
        self._function = function
        self._arrays = arrays
        # What the functions of convolution ask of an array before they compute.
        self.first = arrays[0]
        self.shape = arrays[0].shape
        self.ndim = arrays[0].ndim
        self.dtype = arrays[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, images: slice) -> Array:
        return self._function(*(array[images] for array in self._arrays))


class SharedWeight:
    """A weight array, and what was made of it, for the calls until it changes.

    Forward and the gradient of x take the same weights, so what minimal filtering makes
    of them serves both.

    Attributes
    ----------
    array : array
        The weights. They must stay as they are while this object is in use.
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape = array.shape
        self.ndim = array.ndim
        self.dtype = array.dtype
        self._made: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[Array], Any]) -> Any:
        """Return ``make(array)``, made the first time that ``key`` is asked for."""
        if key not in self._made:
            self._made[key] = make(self.array)
        return self._made[key]

    def forget(self) -> None:
        """Free what was made; it is made again when asked for."""
        self._made.clear()


Images = Array | Deferred
Weight = Array | SharedWeight


def is_numpy(array: Images) -> bool:
    """Return whether the array lives in this machine's memory, not on a GPU."""
    if isinstance(array, Deferred):
        return is_numpy(array.first)
    return isinstance(array, np.ndarray)


def empty_images(like: Images, channels: int, size: Pair) -> Array:
    """Return an uninitialised (N, channels, *size), channels last in memory.

    With the count, the dtype and the place of ``like``.
    """
    shape = len(like), *size, channels  # (N, H, W, C)
    if is_numpy(like):  # aligned, so that additions run at full speed
        return empty(shape, like.dtype).transpose(0, 3, 1, 2)
    xp = get_array_module(whole(like))
    return xp.empty(shape, like.dtype).transpose(0, 3, 1, 2)


def whole(array: Images | Weight) -> Array:
    """Return all of it as an array."""
    if isinstance(array, SharedWeight):
        return array.array
    return array[:] if isinstance(array, Deferred) else array
