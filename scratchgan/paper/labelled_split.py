"""Which labelled images are trained on, which choose settings, which only test.

Test images are used once, when everything is chosen. What needs no labels, such as the
statistics of batch normalisation, may see the training images but no others.
"""

from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import ConfigError, DatasetError

SHARES = (0.60, 0.15, 0.25)
"""Of training, validation and test images of every class, where there is no split."""


@dataclass(frozen=True)
class LabelledSplit:
    """The rows of a labelled dataset, by what they are for.

    Attributes
    ----------
    labels : ndarray of shape (N,), int64
        The class of each row of the dataset, 0 to K - 1; of others than those below
        it may be -1.
    class_names : list of str
        K names.
    train, validation, test : ndarray of int64
        Ascending rows; no row is in two of them.
    note : str
        How they were chosen where the dataset does not say; else empty.
    validation_is_drawn : bool
        Whether the validation images were taken from the training images here.
    """

    labels: np.ndarray
    class_names: list[str]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    note: str
    validation_is_drawn: bool


def split_labelled(
    dataset: Dataset, *, seed: int = 0, attribute: str | None = None
) -> LabelledSplit:
    """Return the dataset's own splits, or stratified ones drawn by seed.

    Without any split, 60 % train, 15 % choose and 25 % test. With a test split but no
    validation split, a fifth of the training images chooses.

    Parameters
    ----------
    dataset : Dataset
    seed : int
        Draws what the dataset does not fix.
    attribute : str, optional
        A 0/1 attribute to be used as the class, instead of the labels.

    Raises
    ------
    ConfigError
        There is no such attribute, or it is measured.
    DatasetError
        There are no labels, or a part would be empty or have one class only.
    """
    labels, names = _classes(dataset, attribute)
    rows = {
        part: dataset.rows_of_split(part) for part in ("train", "validation", "test")
    }
    rng = np.random.default_rng(seed)
    note = ""
    if not len(rows["test"]):
        if len(rows["validation"]):  # what was held out tests; it must not choose too
            rows["test"] = rows["validation"]
        else:
            fit, select, test = draw_stratified(labels, rows["train"], SHARES, rng)
            rows = {"train": fit, "validation": select, "test": test}
            note = f"no split in {dataset.path.name}: 60/15/25 % drawn with seed {seed}"
            return _checked(dataset, labels, names, rows, note, drawn=True)
        note = "no test split: the validation images test"
    drawn = not len(rows["validation"]) or rows["validation"] is rows["test"]
    if drawn:
        shares = (SHARES[0], SHARES[1])
        rows["train"], rows["validation"] = draw_stratified(
            labels, rows["train"], shares, rng
        )
        note += (
            "; " if note else ""
        ) + f"no validation split: a fifth of the training images, seed {seed}, chooses"
    return _checked(dataset, labels, names, rows, note, drawn=drawn)


def draw_stratified(
    labels: np.ndarray,
    rows: np.ndarray,
    shares: tuple[float, ...],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return the rows in parts, every class in the same proportion.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Of all rows of the dataset.
    rows : ndarray of int64
        Those to be divided.
    shares : tuple of float
        Of the parts; their sum counts as all rows.
    rng : numpy.random.Generator

    Returns
    -------
    list of ndarray of int64
        Ascending rows, for each share.
    """
    bounds = np.cumsum(shares)[:-1] / sum(shares)
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for label in np.unique(labels[rows]):
        of_class = rng.permutation(rows[labels[rows] == label])
        cuts = np.round(bounds * len(of_class)).astype(int)
        for part, chosen in zip(parts, np.split(of_class, cuts), strict=True):
            part.append(chosen)
    return [np.sort(np.concatenate(part)) for part in parts]


def draw_per_class(
    labels: np.ndarray, rows: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return ``count`` rows of every class, drawn without replacement, ascending.

    Raises
    ------
    DatasetError
        A class has fewer.
    """
    chosen = []
    for label in np.unique(labels[rows]):
        of_class = rows[labels[rows] == label]
        if len(of_class) < count:
            raise DatasetError(
                f"class {label} has {len(of_class)} training images, "
                f"{count} of every class are needed"
            )
        chosen.append(rng.choice(of_class, count, replace=False))
    return np.sort(np.concatenate(chosen))


def _classes(dataset: Dataset, attribute: str | None) -> tuple[np.ndarray, list[str]]:
    """Return the class of every image, and the names of classes 0, 1, ..."""
    if attribute is not None:
        return _attribute_classes(dataset, attribute)
    labels = dataset.labels
    if labels is None:
        names = dataset.attribute_names
        way_out = (
            f"take one of its attributes as the class with --attribute, from "
            f"{', '.join(names)}"
            if names
            else "prepare it from a source with labels, such as class folders"
        )
        raise DatasetError(f"{dataset.path} has no labels; {way_out}")
    used = labels[dataset.rows_of_split(("train", "validation", "test"))]
    if (used < 0).any():
        raise DatasetError(
            f"{dataset.path} has {int((used < 0).sum()):,} images without a class "
            "(label -1), expected a class for each outside the split extra"
        )
    count = int(labels.max()) + 1
    names = dataset.class_names or [str(number) for number in range(count)]
    if len(names) < count:
        raise DatasetError(
            f"{dataset.path} has labels up to {count - 1} and names of {len(names)} "
            "classes; prepare it again"
        )
    return labels, names


def _attribute_classes(
    dataset: Dataset, attribute: str
) -> tuple[np.ndarray, list[str]]:
    names = dataset.attribute_names or []
    if attribute not in names:
        raise ConfigError(
            f"--attribute {attribute}: {dataset.path} has "
            f"{', '.join(names) or 'no attributes'}"
        )
    values = dataset.attributes[:, names.index(attribute)]
    if not np.isin(values, (0, 1)).all():
        raise ConfigError(
            f"--attribute {attribute}: its values are measured, expected 0 and 1"
        )
    return values.astype(np.int64), [f"not {attribute}", attribute]


def _checked(
    dataset: Dataset,
    labels: np.ndarray,
    names: list[str],
    rows: dict[str, np.ndarray],
    note: str,
    *,
    drawn: bool,
) -> LabelledSplit:
    for part, chosen in rows.items():
        if not len(chosen):
            raise DatasetError(
                f"{dataset.path} has no images to {_PURPOSE[part]}; it has "
                f"{len(dataset):,} in all"
            )
    if len(np.unique(labels[rows["train"]])) < 2:
        raise DatasetError(
            f"{dataset.path}: all training images are of one class, expected at least 2"
        )
    return LabelledSplit(labels, names, *rows.values(), note, drawn)


_PURPOSE = {
    "train": "train on",
    "validation": "choose settings on",
    "test": "test on",
}


def describe_split(dataset: Dataset, split: LabelledSplit) -> str:
    """Return the dataset and how many of its images do what, as one line."""
    parts = {"train": split.train, "choose": split.validation, "test": split.test}
    counts = ", ".join(f"{len(rows):,} {what}" for what, rows in parts.items())
    return f"{dataset.name}: {counts}" + (f"; {split.note}" if split.note else "")
