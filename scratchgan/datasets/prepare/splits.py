"""Holding images out of the training set."""

import numpy as np

from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.errors import DatasetError

# The paper's validation sets are parts of whole training sets; a small part of such a
# set would be left with too little.
FEWEST_TO_HOLD_OUT = 50_000
HOLD_OUT_SEED = 42  # that of the authors' code


def papers_validation(split: np.ndarray, published: int) -> int:
    """Return how many training images become validation images, as in the paper.

    Parameters
    ----------
    split : ndarray of shape (N,), uint8
        Values of `SPLITS`.
    published : int
        What the paper held out of this set, 0 for other sets.
    """
    is_whole = np.count_nonzero(split == SPLITS["train"]) >= FEWEST_TO_HOLD_OUT
    has_its_own = bool((split == SPLITS["validation"]).any())
    return published if is_whole and not has_its_own else 0


def hold_out(split: np.ndarray, count: int, part: str = "validation") -> None:
    """Turn random training images into validation or test images, in place.

    The same number of training images gives the same choice.

    Raises
    ------
    DatasetError
        None would be left to train on.
    """
    train = np.flatnonzero(split == SPLITS["train"])
    if count >= max(len(train), 1):
        raise DatasetError(f"--{part} {count}: there are {len(train)} training images")
    rng = np.random.default_rng(HOLD_OUT_SEED)
    split[rng.permutation(train)[:count]] = SPLITS[part]
