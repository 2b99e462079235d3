"""Class labels as the networks take them."""

from collections.abc import Sequence

import numpy as np


def one_hot(labels: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Return float32 rows (N, classes) with a 1 in the column of each label.

    Raises
    ------
    ValueError
        If a label is outside 0 .. classes - 1.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = np.asarray(labels)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}, expected 0 to "
            f"{classes - 1}"
        )
    return np.eye(classes, dtype=np.float32)[labels]
