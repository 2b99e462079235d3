"""The learning rate over time."""


def decayed_lr(
    lr: float, completed: int, decay_start: int | None, decay_length: int
) -> float:
    """Return the learning rate of an epoch or step: constant, then falling evenly to 0.

    The authors' MNIST schedule: lr falls by lr / decay_length after each epoch from
    the one after ``decay_start`` on, and is 0 after ``decay_start + decay_length``.

    Parameters
    ----------
    lr : float
        Starting value.
    completed : int
        Epochs completed so far, from 0; or steps, where the others are steps too.
    decay_start : int or None
        Epochs at the starting value; None keeps it for good.
    decay_length : int
        Epochs from there to 0.

    Examples
    --------
    >>> [round(decayed_lr(2e-4, e, 100, 100), 8) for e in (0, 100, 101, 150, 200)]
    [0.0002, 0.0002, 0.000198, 0.0001, 0.0]
    """
    if decay_start is None or completed <= decay_start:
        return lr
    return lr * max(0.0, 1 - (completed - decay_start) / decay_length)
