"""Reading a whole dataset to see whether it is sound."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratchgan.datasets.format.checksums import (
    DESCRIPTION_SHA256,
    column_sha256,
    description_sha256,
    pixels_sha256,
    texts_digest,
)
from scratchgan.datasets.format.dataset import (
    READ_ERRORS,
    SPLITS,
    Dataset,
    open_dataset,
)
from scratchgan.datasets.format.layout import COLUMNS, TEXT_LISTS
from scratchgan.datasets.format.text_heaps import damaged_text_heap
from scratchgan.errors import DatasetError
from scratchgan.progress import Progress


@dataclass(frozen=True)
class Verification:
    """What reading a whole file has shown.

    Attributes
    ----------
    problems : list of str
        What is wrong, a line each; empty where the file is sound.
    count : int or None
        Images, where the file can be opened.
    sha256 : str or None
        The one recorded of the pixels.
    columns_checked : bool
        False for a file of an older version, which has a checksum of its pixels only.
    """

    problems: list[str]
    count: int | None = None
    sha256: str | None = None
    columns_checked: bool = True


def verify_file(path: Path, progress: Progress | None = None) -> Verification:
    """Read a whole file and say whether it is as it was written.

    Parameters
    ----------
    path : Path
        A prepared dataset.
    progress : callable, optional
        Called with (images done, N).

    Raises
    ------
    DatasetError
        It cannot be opened, see `open_dataset`.
    """
    try:
        heap = damaged_text_heap(path)
    except OSError:
        heap = None  # open_dataset says it in plain words
    if heap is not None:
        return Verification([f"the texts stored from byte {heap:,} on are damaged"])
    with open_dataset(path) as dataset:
        problems = find_problems(dataset, progress)
        return Verification(
            problems,
            len(dataset),
            dataset.sha256,
            # What cannot be read is among the problems, and no older file.
            bool(problems) or has_column_checksums(dataset),
        )


def find_problems(dataset: Dataset, progress: Progress | None = None) -> list[str]:
    """Read the whole dataset and return what is wrong with it, one line each.

    Parameters
    ----------
    dataset : Dataset
        An open dataset; `open_dataset` has checked its shapes already.
    progress : callable, optional
        Called with (images done, N).

    Returns
    -------
    list of str
        Empty where everything reads and has its recorded SHA-256, labels have a class
        name, attributes are finite, and split values are known. A file of before
        there were checksums of columns (`has_column_checksums`) is sound without.
    """
    problems = list(_pixel_problems(dataset, progress))
    problems += _column_problems(dataset)
    checks = {
        "labels": _label_problem,
        "attributes": _attribute_problem,
        "split": _split_problem,
    }
    for name, check in checks.items():
        try:
            problem = check(dataset)
        except DatasetError:
            continue  # named among the columns already
        if problem is not None:
            problems.append(f"/{name} {problem}")
    return problems


def has_column_checksums(dataset: Dataset) -> bool:
    """Return whether the file records checksums of more than its pixels.

    Raises
    ------
    DatasetError
        The attributes cannot be read.
    """
    names = "columns_sha256", DESCRIPTION_SHA256
    with dataset.reading():
        return any(name in dataset.file.attrs for name in names)


def _pixel_problems(dataset: Dataset, progress: Progress | None) -> Iterator[str]:
    try:
        found = pixels_sha256(dataset.images, progress)
    except READ_ERRORS as error:
        yield f"/images cannot be read: {error}"
        return
    if not dataset.sha256:
        yield "no sha256 is recorded, so changed pixels go unnoticed"
    elif found != dataset.sha256:
        yield (
            f"/images: sha256 is {found}, recorded is {dataset.sha256}: "
            "the pixels were changed"
        )


def _column_problems(dataset: Dataset) -> Iterator[str]:
    """Compare every column but the pixels, and the description, with their checksums.

    What cannot be read is named in files without checksums too.
    """
    found = {}
    for name in (*COLUMNS, *TEXT_LISTS):
        try:
            if name in dataset.file:
                found[name] = column_sha256(dataset.file[name])
            if name == "attributes" and name in dataset.file:
                found["attribute_names"] = texts_digest(
                    dataset.attribute_names
                ).hexdigest()
        except (DatasetError, *READ_ERRORS) as error:
            found[name] = None
            yield f"/{name} cannot be read: {error}"
    try:
        if not has_column_checksums(dataset):
            return
        description = dict(dataset.file.attrs)
        if description_sha256(description) != description.get(DESCRIPTION_SHA256):
            yield (
                f"the root attributes do not have their {DESCRIPTION_SHA256}: "
                "the description was changed"
            )
        recorded = dict(json.loads(description.get("columns_sha256", "{}")))
    except (DatasetError, *READ_ERRORS) as error:
        yield f"the root attributes cannot be read: {error}"
        return
    for name in sorted({*found, *recorded}):
        if name not in found:
            yield f"/{name} is missing"
        elif name not in recorded:
            yield f"/{name} has no checksum: it was added later"
        elif found[name] not in (None, recorded[name]):
            yield f"/{name} does not have its recorded sha256: it was changed"


def _label_problem(dataset: Dataset) -> str | None:
    labels, class_names = dataset.labels, dataset.class_names
    if labels is None:
        return None
    limit = len(class_names) if class_names else int(labels.max()) + 1
    outside = int(((labels < 0) | (labels >= limit)).sum())
    return f"has {outside} values outside 0..{limit - 1}" if outside else None


def _attribute_problem(dataset: Dataset) -> str | None:
    attributes = dataset.attributes
    if attributes is None:
        return None
    bad = int((~np.isfinite(attributes)).sum())
    return f"has {bad} values that are not finite numbers" if bad else None


def _split_problem(dataset: Dataset) -> str | None:
    split = dataset.split
    if split is None:
        return None
    bad = int((~np.isin(split, list(SPLITS.values()))).sum())
    return f"has {bad} values outside {sorted(SPLITS.values())}" if bad else None
