"""The squared error of values: a loss that returns (loss, gradient)."""

from scratchgan.backend import Array


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

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> squared_error(np.array([[3.0, 0.0]]), np.array([[1.0, 0.0]]))
    (np.float64(2.0), array([[2., 0.]]))
    """
    if y.shape != target.shape:
        raise ValueError(
            f"squared_error: y has shape {tuple(y.shape)}, target {tuple(target.shape)}"
        )
    difference = y - target
    return (difference * difference).mean(), difference * (2 / difference.size)
