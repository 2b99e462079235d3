"""Losses on logits: each returns (loss, gradient with respect to the logits).

D's last layer is linear; its output a, the logit, means the probability s(a) that the
image is real, s being the logistic function. Working on logits keeps the loss exact
where s(a) rounds to 0 or 1.
"""

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


def bce_with_logits(logits: Array, target: float) -> tuple[Array, Array]:
    """Binary cross-entropy, averaged over the batch.

    loss = mean[-t·log s(a) - (1-t)·log(1-s(a))] = mean[softplus(a) - t·a], and its
    gradient is (s(a) - t) / N. Source: Radford et al. 2016, authors' code.

    Parameters
    ----------
    logits : array of shape (N, 1)
        D's output before the sigmoid.
    target : float
        The label t of every image in the batch: 1 for real, 0 for fake.

    Returns
    -------
    loss : array of shape ()
        Kept on the device, so that a GPU is not made to wait.
    dlogits : array of shape (N, 1)
        Gradient, divided by N already.

    Examples
    --------
    An undecided D, s(a) = 1/2, has loss log 2:

    >>> import numpy as np
    >>> loss, dlogits = bce_with_logits(np.zeros((4, 1)), target=1.0)
    >>> round(float(loss), 4), float(dlogits[0, 0])
    (0.6931, -0.125)
    """
    if has_kernels(logits):
        return kernels.sigmoid_cross_entropy(logits, target)
    xp = get_array_module(logits)
    softplus = xp.logaddexp(logits, xp.zeros_like(logits))
    loss = (softplus - target * logits).mean()
    dlogits = (sigmoid(logits) - target) / logits.size
    return loss, dlogits


def softmax_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    """Softmax cross-entropy over K logits, averaged over the batch.

    With p = softmax(a): loss = mean[-log p_t], gradient (p - onehot_t) / N. The
    ``tf28`` network has two logits, fake and real.

    Parameters
    ----------
    logits : array of shape (N, K)
        D's output.
    target : int
        Index t of the right class, for every image in the batch.

    Returns
    -------
    loss : array of shape ()
        Kept on the device.
    dlogits : array of shape (N, K)
        Gradient, divided by N already.
    """
    if has_kernels(logits):
        return kernels.softmax_cross_entropy(logits, target)
    xp = get_array_module(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp cannot overflow
    exponentials = xp.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)  # (N, 1)
    loss = (xp.log(total[:, 0]) - shifted[:, target]).mean()
    dlogits = exponentials / total  # (N, K)
    dlogits[:, target] -= 1
    return loss, dlogits / len(logits)


def class_cross_entropy(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Softmax cross-entropy where each image has a class of its own, averaged.

    With p = softmax(a): loss = mean[-Σ t·log p], gradient (p - t) / N. A classifier is
    trained with it, where D and G have one target for a whole batch
    (`softmax_cross_entropy`).

    Parameters
    ----------
    logits : array of shape (N, K)
    targets : array of shape (N, K)
        One-hot rows t, of the dtype of the logits.

    Returns
    -------
    loss : array of shape ()
        Kept on the device.
    dlogits : array of shape (N, K)
        Gradient, divided by N already.

    Examples
    --------
    Ten classes and no idea have the loss log 10:

    >>> import numpy as np
    >>> loss, dlogits = class_cross_entropy(np.zeros((2, 10)), np.eye(10)[[3, 7]])
    >>> round(float(loss), 4), round(float(dlogits[0, 3]), 4)
    (2.3026, -0.45)
    """
    xp = get_array_module(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)  # exp cannot overflow
    exponentials = xp.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)  # (N, 1)
    loss = -(targets * (shifted - xp.log(total))).sum(axis=1).mean()
    return loss, (exponentials / total - targets) / len(logits)


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
