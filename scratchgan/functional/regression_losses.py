"""Losses with a target for each value: each returns (loss, gradient).

A GAN's losses have one target for a whole batch, real or fake; they are in `losses`.
"""

from scratchgan.backend import Array, get_array_module
from scratchgan.functional.losses import sigmoid


def squared_error(y: Array, target: Array) -> tuple[Array, Array]:
    """Squared error, averaged over the values of the batch.

    loss = mean (y - t)², and its gradient is 2(y - t) / (N·F).

    Parameters
    ----------
    y, target : array of shape (N, F)
        What the network says, and what is so.

    Returns
    -------
    loss : array of shape ()
        Kept on the device.
    dy : array of shape (N, F)
        Gradient, divided by N·F already.

    Examples
    --------
    >>> import numpy as np
    >>> squared_error(np.array([[3.0, 0.0]]), np.array([[1.0, 0.0]]))
    (np.float64(2.0), array([[2., 0.]]))
    """
    xp = get_array_module(y)
    difference = y - target
    loss = xp.multiply(difference, difference).mean()
    return loss, difference * (2 / difference.size)


def binary_cross_entropy(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Binary cross-entropy on logits, averaged over the values of the batch.

    loss = mean [log(1 + exp(a)) - t·a], and its gradient is (s(a) - t) / number of
    values, with the logistic function s.

    Parameters
    ----------
    logits : array of any shape
        a, of which s(a) is a probability.
    targets : array of the same shape
        t, in [0, 1].

    Returns
    -------
    loss : array of shape ()
        Kept on the device.
    dlogits : array of the shape of the logits
        Gradient, divided by the number of values already.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dlogits = binary_cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.5]]))
    >>> round(float(loss), 4), dlogits
    (0.6931, array([[-0.25,  0.  ]]))
    """
    xp = get_array_module(logits)
    softplus = xp.logaddexp(logits, xp.zeros_like(logits))
    loss = (softplus - targets * logits).mean()
    return loss, (sigmoid(logits) - targets) / logits.size
