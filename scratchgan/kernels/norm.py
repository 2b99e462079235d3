"""Batch normalisation with an activation in three kernels forward and three back.

For arrays on a GPU what `scratchgan.nn.fused.norm_passes` is for NumPy's, with the
formulas that are there. The definition is `scratchgan.nn.batch_norm` and an activation
after it, with which the kernels are compared.

To the kernels an array is a matrix with a row for each pixel of each image and a column
for each of C channels. Sums over its rows are made for ``parts`` of them first.
"""

from typing import NamedTuple

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels.activation import ActivationCode
from scratchgan.kernels.arrays import (
    empty_dense_like,
    in_order_of,
    is_dense,
    packed_copy,
)
from scratchgan.kernels.launch import launch, launch_each

LANES, ROWS = 32, 8
"""Channels and rows that a block of threads works on at a time; as in norm.cu."""
FOLD_LANES, FOLD_ROWS = 8, 32
"""The same where the parts are combined: channels, and threads for each; likewise."""
BLOCKS = 512
"""Enough to keep a large GPU busy, few enough to be combined quickly."""
FEWEST_ROWS = 64
"""In a part."""


class Statistics(NamedTuple):
    """What a batch was normalised with, arrays of shape (C,)."""

    mean: Array
    inv_std: Array
    scale: Array
    shift: Array


def channels_last(x: Array) -> Array:
    """Return x, (N, C, H, W) or (N, F), dense and with channels last in memory."""
    if x.ndim == 2:
        return packed_copy(x)
    if is_dense(x) and (x.shape[1] == 1 or x.strides[1] == x.itemsize):
        return x
    return packed_copy(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def batch_statistics(
    a: Array,
    gamma: Array | None,
    beta: Array | None,
    running_mean: Array,
    running_var: Array,
    *,
    eps: float,
    momentum: float,
) -> Statistics:
    """Return mean and 1/√(variance + eps) of each channel, and scale and shift.

    y = scale·a + shift is the normalised batch. The running averages follow.

    Parameters
    ----------
    a : array of shape (N, C, H, W) or (N, F)
        On a GPU, from `channels_last`.
    gamma, beta : array of shape (C,) or None
    running_mean, running_var : array of shape (C,)
        Changed in place.
    eps, momentum : float
        As in `scratchgan.nn.batch_norm`.
    """
    xp = get_array_module(a)
    C, rows = a.shape[1], a.size // a.shape[1]
    part_rows, parts = _parts(rows, C)
    means, squares = xp.empty((2, parts, C), a.dtype)  # (parts, C) each
    launch(
        "moments_of_parts", a, (-(-C // LANES), parts), (LANES, ROWS),
        a, means, squares, rows, C, part_rows,
    )  # fmt: skip
    mean, inv_std, scale, shift = xp.empty((4, C), a.dtype)  # (C,) each
    launch(
        "fold_moments", a, -(-C // FOLD_LANES), (FOLD_LANES, FOLD_ROWS),
        means, squares, gamma, beta, running_mean, running_var,
        mean, inv_std, scale, shift, rows, part_rows, parts, eps, momentum, C,
    )  # fmt: skip
    return Statistics(mean, inv_std, scale, shift)


def normalise_activate(
    a: Array, scale: Array, shift: Array, code: ActivationCode
) -> Array:
    """Return y = f(scale·a + shift), of a's shape and order in memory."""
    y = empty_dense_like(a)
    launch_each(
        "normalise_activate", a, a.size,
        a, scale, shift, y, a.shape[1], code.number, code.slope,
    )  # fmt: skip
    return y


def norm_activation_back(
    dy: Array,
    a: Array,
    statistics: Statistics,
    gamma_grad: Array | None,
    beta_grad: Array | None,
    code: ActivationCode,
) -> Array:
    """Return da, the gradient with respect to a, and add those of gamma and beta.

    Parameters
    ----------
    dy, a : array of shape (N, C, H, W) or (N, F)
        On a GPU; a from forward.
    statistics : Statistics
        Of the batch.
    gamma_grad, beta_grad : array of shape (C,) or None
        Added to; None leaves them out.
    code : ActivationCode
        Between the normalised values and the output that dy belongs to.
    """
    xp = get_array_module(a)
    C, rows = a.shape[1], a.size // a.shape[1]
    part_rows, parts = _parts(rows, C)
    mean, inv_std, scale, shift = statistics
    # To the kernels element i of all arrays is the same one.
    dy = in_order_of(a, dy)
    sums, centred = xp.empty((2, parts, C), a.dtype)  # (parts, C) each
    launch(
        "sums_of_parts", a, (-(-C // LANES), parts), (LANES, ROWS),
        dy, a, mean, scale, shift, sums, centred, rows, C, part_rows,
        code.number, code.slope,
    )  # fmt: skip
    b, c = xp.empty((2, C), a.dtype)  # (C,) each
    launch(
        "fold_sums", a, -(-C // FOLD_LANES), (FOLD_LANES, FOLD_ROWS),
        sums, centred, mean, inv_std, gamma_grad, beta_grad, b, c, rows, parts, C,
    )  # fmt: skip
    da = empty_dense_like(a)
    launch_each(
        "norm_back", a, a.size,
        dy, a, scale, shift, b, c, da, C, code.number, code.slope,
    )  # fmt: skip
    return da


def _parts(rows: int, channels: int) -> tuple[int, int]:
    """Return (rows in a part, number of parts)."""
    across = -(-channels // LANES)  # blocks side by side, for all channels
    parts = max(1, min(BLOCKS // across, -(-rows // FEWEST_ROWS)))
    part_rows = -(-rows // parts)
    return part_rows, -(-rows // part_rows)  # rounding up may leave fewer parts
