"""Adam's update of all parameters in one kernel: they are parts of one array."""

import numpy as np

from scratchgan.backend import (
    Array,
    copy_to_device,
    get_array_module,
    inverse_order,
    memory_order,
)
from scratchgan.kernels.launch import launch_each


class FlatArrays:
    """One array of zeros on a GPU, and views of its parts by name.

    Parameters
    ----------
    like : dict of array
        Give the parts their names, shapes and orders in memory. What is at one place
        of several flat arrays made alike belongs together.

    Attributes
    ----------
    whole : array of shape (total,)
        All elements.
    views : dict of array
        The parts.
    """

    def __init__(self, like: dict[str, Array]) -> None:
        first = next(iter(like.values()))
        total = sum(array.size for array in like.values())
        self.whole = get_array_module(first).zeros(total, first.dtype)
        self.views: dict[str, Array] = {}
        start = 0
        for name, array in like.items():
            # A run of the whole, with the axes as they lie in the array's memory.
            order = memory_order(array)
            shape = tuple(array.shape[axis] for axis in order)
            part = self.whole[start : start + array.size].reshape(shape)
            self.views[name] = part.transpose(inverse_order(order))
            start += array.size

    def take(self, arrays: dict[str, Array]) -> None:
        """Take over the values of the parts."""
        for name, array in arrays.items():
            view = self.views[name]
            view[...] = get_array_module(view).asarray(array)

    def are(self, arrays: dict[str, Array]) -> bool:
        """Return whether these arrays are the views."""
        # All at once: it is asked for four dicts of some thirty arrays in each step.
        return [*map(id, arrays.values())] == [*map(id, self.views.values())]


def rates_array(like: Array) -> Array:
    """Return room on the device for the two numbers that change from step to step."""
    return get_array_module(like).empty(2, like.dtype)


def set_rates(rates: Array, step_size: float, root_correction: float) -> None:
    """Send lr/(1 - β1ᵗ) and √(1 - β2ᵗ) to the device."""
    copy_to_device(rates, np.array([step_size, root_correction], rates.dtype))


def adam(
    theta: Array,
    grad: Array,
    m: Array,
    v: Array,
    rates: Array,
    *,
    betas: tuple[float, float],
    eps: float,
    l2: float,
) -> None:
    """Update all elements of flat arrays on a GPU; see `scratchgan.optim.adam.Adam`."""
    beta1, beta2 = betas
    launch_each(
        "adam",
        theta,
        theta.size,
        theta,
        grad,
        m,
        v,
        rates,
        beta1,
        beta2,
        eps,
        l2,
        in_place=(theta, m, v),
    )
