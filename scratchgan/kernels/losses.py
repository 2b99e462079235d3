"""Losses on logits with their gradients, a kernel each; see `functional.losses`."""

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels.arrays import packed_copy
from scratchgan.kernels.launch import THREADS, launch


def sigmoid_cross_entropy(logits: Array, target: float) -> tuple[Array, Array]:
    """Return (loss, dlogits) as `scratchgan.functional.losses.bce_with_logits`."""
    xp = get_array_module(logits)
    logits = packed_copy(logits)
    loss, dlogits = xp.empty((), logits.dtype), xp.empty(logits.shape, logits.dtype)
    launch(
        "sigmoid_cross_entropy", logits, 1, THREADS,
        logits, loss, dlogits, float(target), logits.size,
    )  # fmt: skip
    return loss, dlogits


def softmax_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    """Return (loss, dlogits) as `scratchgan.functional.losses.softmax_cross_entropy`.

    One target class for all rows of logits (N, classes).
    """
    xp = get_array_module(logits)
    logits = packed_copy(logits)
    rows, classes = logits.shape
    loss, dlogits = xp.empty((), logits.dtype), xp.empty(logits.shape, logits.dtype)
    launch(
        "softmax_cross_entropy", logits, 1, THREADS,
        logits, loss, dlogits, target, classes, rows,
    )  # fmt: skip
    return loss, dlogits


def mean_real_probability(logits: Array) -> Array:
    """Return the mean probability of being real, shape (), of logits (N, 1 or 2).

    That of each is `scratchgan.functional.losses.real_probability`.
    """
    xp = get_array_module(logits)
    logits = packed_copy(logits)
    rows, classes = logits.shape
    mean = xp.empty((), logits.dtype)
    launch("mean_real_probability", logits, 1, THREADS, logits, mean, classes, rows)
    return mean
