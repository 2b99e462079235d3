"""What is known of each image of a labelled dataset, as targets for a network."""

import hashlib
from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import DatasetError

HELD_OUT = 0.2
"""Share that is held out where a dataset has neither a test nor a validation split."""
UNITS = {"turn": "degrees"}
"""Of the measured attributes that have one."""


@dataclass(frozen=True)
class AttributeTable:
    """The attributes of a dataset.

    Attributes
    ----------
    names : tuple of str
        A names.
    values : ndarray of shape (N, A), float32
        As the dataset has them: 0 or 1, or in the attribute's own unit.
    binary : ndarray of shape (A,), bool
        Which are 0 or 1 everywhere; the others are measured.
    """

    names: tuple[str, ...]
    values: np.ndarray
    binary: np.ndarray

    def digest(self) -> str:
        """Return the SHA-256 of names and values, in hexadecimal."""
        digest = hashlib.sha256("\0".join(self.names).encode())
        digest.update(np.ascontiguousarray(self.values).tobytes())
        return digest.hexdigest()


def read_attributes(dataset: Dataset) -> AttributeTable:
    """Return a dataset's attributes, or its classes as 0/1 attributes.

    Raises
    ------
    DatasetError
        It has neither, or values that are not finite.
    """
    names, values = dataset.attribute_names, dataset.attributes
    if not names or values is None:
        names, values = _classes(dataset)
    if not np.isfinite(values).all():
        raise DatasetError(
            f"{dataset.path}: /attributes holds values that are not finite numbers"
        )
    binary = np.isin(values, (0, 1)).all(axis=0)
    return AttributeTable(tuple(names), values, binary)


def _classes(dataset: Dataset) -> tuple[list[str], np.ndarray]:
    """Return the classes' names, and rows of 0 with a 1 at the class."""
    labels = dataset.labels
    if labels is None:
        raise DatasetError(
            f"{dataset.path} has neither attributes nor labels, so nothing can be "
            "learnt from it of what an image shows; name a labelled dataset with "
            "--judge (scratchgan data info DATASET tells which attributes it has)"
        )
    classes = int(labels.max()) + 1
    names = dataset.class_names or [str(k) for k in range(classes)]
    return names, (labels[:, None] == np.arange(len(names))).astype(np.float32)


def split_rows(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the rows to learn from, those to be tested on, and what the latter are.

    The test split is held out, or the validation split where there is no other. A
    dataset without either gives a fifth of its training images, drawn by the seed.
    """
    train = dataset.rows_of_split("train")
    for name in ("test", "validation"):
        rows = dataset.rows_of_split(name)
        if len(train) and len(rows):
            return train, rows, name
    if len(train) < 2:
        raise DatasetError(
            f"{dataset.path} has {len(train)} images in its train split, at least 2 "
            "are needed to learn attributes and to test what was learnt"
        )
    order = np.random.default_rng(seed).permutation(train)
    held = max(1, round(HELD_OUT * len(train)))
    return np.sort(order[held:]), np.sort(order[:held]), "drawn from train"
