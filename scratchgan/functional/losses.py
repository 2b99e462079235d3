"""Losses on logits: each returns (loss, gradient with respect to the logits).

D's last layer is linear; its output a, the logit, means the probability s(a) that the
image is real, s being the logistic function. Working on logits keeps the loss exact
where s(a) rounds to 0 or 1.
"""

from numbers import Integral, Real
from typing import Any

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels import losses as kernels
from scratchgan.kernels.launch import has_kernels


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), exact to the last digits at both ends.

    With t = exp(-|x|), which cannot overflow, it is 1 / (1 + t) for x >= 0 and
    t / (1 + t) otherwise. A small result is not rounded to 0: D's gradient on a fake
    it is sure of is one.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    xp = get_array_module(x)
    t = xp.exp(-abs(x))
    return xp.where(x >= 0, xp.ones_like(t), t) / (1 + t)


def bce_with_logits(logits: Array, target: float | Array) -> tuple[Array, Array]:
    """Binary cross-entropy, averaged over all logits.

    loss = mean[-t·log s(a) - (1-t)·log(1-s(a))] = mean[softplus(a) - t·a], and its
    gradient is (s(a) - t) / (N·K). Source: Radford et al. 2016, authors' code.

    Parameters
    ----------
    logits : array of shape (N, K)
        D's output before the sigmoid, K = 1; or K questions to be answered yes or no.
    target : float or array of shape (N, K)
        The probability t, in [0, 1]: one number for the whole batch, 1 for real and 0
        for fake, or one for each logit, of the logits' dtype.

    Returns
    -------
    loss : array of shape ()
        Kept on the device, so that a GPU is not made to wait.
    dlogits : array of shape (N, K)
        Gradient, divided by N·K already.

    Raises
    ------
    ValueError
        If logits are not 2-D, a target array has another shape than they, or a target
        number is outside [0, 1]. The numbers in a target array are not looked at.
    TypeError
        If logits are not floating-point numbers, or targets of another dtype.

    Examples
    --------
    An undecided D, s(a) = 1/2, has loss log 2:

    >>> import numpy as np
    >>> loss, dlogits = bce_with_logits(np.zeros((4, 1)), target=1.0)
    >>> round(float(loss), 4), float(dlogits[0, 0])
    (0.6931, -0.125)
    """
    target = _checked_probability(logits, target)
    if isinstance(target, float) and has_kernels(logits):
        return kernels.sigmoid_cross_entropy(logits, target)
    xp = get_array_module(logits)
    softplus = xp.logaddexp(logits, xp.zeros_like(logits))
    loss = (softplus - target * logits).mean()
    dlogits = (sigmoid(logits) - target) / logits.size
    return loss, dlogits


def softmax_cross_entropy(logits: Array, target: int | Array) -> tuple[Array, Array]:
    """Softmax cross-entropy over K logits, averaged over the batch.

    With p = softmax(a): loss = mean[-Σ t·log p], gradient (p - t) / N. D of the
    ``tf28`` network has two logits, fake and real; a classifier one for each class.

    Parameters
    ----------
    logits : array of shape (N, K)
        Output of the last layer.
    target : int or array of shape (N, K)
        What is right: the index of one class for the whole batch, or one-hot rows t,
        of the logits' dtype, which `scratchgan.functional.labels.one_hot` makes.

    Returns
    -------
    loss : array of shape ()
        Kept on the device.
    dlogits : array of shape (N, K)
        Gradient, divided by N already.

    Raises
    ------
    ValueError
        If logits are not 2-D, rows have another shape than they, or there is no such
        class. The numbers in the rows are not looked at.
    TypeError
        If logits are not floating-point numbers, or rows of another dtype.

    Examples
    --------
    Ten classes and no idea have the loss log 10:

    >>> import numpy as np
    >>> loss, dlogits = softmax_cross_entropy(np.zeros((2, 10)), np.eye(10)[[3, 7]])
    >>> round(float(loss), 4), round(float(dlogits[0, 3]), 4)
    (2.3026, -0.45)
    """
    target = _checked_class(logits, target)
    if isinstance(target, int):
        if has_kernels(logits):
            return kernels.softmax_cross_entropy(logits, target)
        target = _rows_of_class(target, logits)
    xp = get_array_module(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp cannot overflow
    exponentials = xp.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)  # (N, 1)
    loss = -(target * (shifted - xp.log(total))).sum(axis=1).mean()
    return loss, (exponentials / total - target) / len(logits)


def expect_logits(name: str, logits: Array, columns: int | None = None) -> None:
    """Raise unless logits are floating-point numbers of shape (N, columns).

    Parameters
    ----------
    name : str
        Whose argument they are, for the message.
    logits : array
        To be looked at: shape and dtype only, so that a GPU need not answer.
    columns : int, optional
        Logits that an image must have; any number by default.
    """
    shape = tuple(logits.shape)
    if len(shape) != 2 or columns not in (None, shape[1]):
        expected = "(N, K)" if columns is None else f"(N, {columns})"
        raise ValueError(f"{name}: logits have shape {shape}, expected {expected}")
    if logits.dtype.kind != "f":
        raise TypeError(f"{name}: logits are {logits.dtype}, expected floats")


def _checked_probability(logits: Array, target: float | Array) -> float | Array:
    """Return the target of `bce_with_logits`, a float if it is one number."""
    expect_logits("bce_with_logits", logits)
    if not isinstance(target, Real):
        _expect_like("bce_with_logits", target, logits, "a number, or an array")
        return target
    if not 0 <= target <= 1:
        raise ValueError(f"bce_with_logits: target is {target}, expected [0, 1]")
    return float(target)  # a NumPy number could change the dtype of the results


def _checked_class(logits: Array, target: int | Array) -> int | Array:
    """Return the target of `softmax_cross_entropy`, an int if it is one class."""
    expect_logits("softmax_cross_entropy", logits)
    if not isinstance(target, Integral):
        name = "softmax_cross_entropy"
        _expect_like(name, target, logits, "a class, or one_hot(...)")
        return target
    if not 0 <= target < logits.shape[1]:
        raise ValueError(
            f"softmax_cross_entropy: target is class {target}, expected 0 to "
            f"{logits.shape[1] - 1}: logits have shape {tuple(logits.shape)}"
        )
    return int(target)


def _rows_of_class(target: int, logits: Array) -> Array:
    """Return the one-hot row of a class for each image."""
    rows = get_array_module(logits).zeros_like(logits)  # (N, K)
    rows[:, target] = 1
    return rows


def _expect_like(name: str, target: Any, logits: Array, kinds: str) -> None:
    """Raise unless a target that is no number has the shape and dtype of the logits."""
    shape = getattr(target, "shape", None)
    if shape != logits.shape:
        got = type(target).__name__ if shape is None else f"of shape {tuple(shape)}"
        raise ValueError(
            f"{name}: target is {got}, expected {kinds} of shape {tuple(logits.shape)}"
        )
    if target.dtype != logits.dtype:
        raise TypeError(f"{name}: target is {target.dtype}, logits {logits.dtype}")


def real_probability(logits: Array) -> Array:
    """Return D's probability that each image is real, shape (N,), from its logits.

    One logit goes through the sigmoid, two through the softmax, which for two classes
    is the sigmoid of their difference.
    """
    if logits.shape[1] == 1:
        return sigmoid(logits[:, 0])
    return sigmoid(logits[:, 1] - logits[:, 0])


def mean_real_probability(logits: Array) -> Array:
    """Return the mean of `real_probability` over the batch, shape ()."""
    if has_kernels(logits):
        return kernels.mean_real_probability(logits)
    return real_probability(logits).mean()
