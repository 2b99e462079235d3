"""Reading a whole dataset to see whether it is sound."""

import hashlib
from collections.abc import Callable

import h5py
import numpy as np

from scratchgan.datasets.schema import SPLITS, Dataset, images_per_chunk


def pixels_sha256(
    images: h5py.Dataset, progress: Callable[[int, int], None] | None = None
) -> str:
    """Return the SHA-256 of the pixels, in hexadecimal.

    It is that of the bytes of ``/images`` in row-major order, image after image, as
    ``hashlib.sha256(file["images"][:].tobytes())`` gives; here block by block.

    Parameters
    ----------
    images : h5py.Dataset of shape (N, H, W, C), uint8
        The pixels.
    progress : callable, optional
        Called with (images done, N).
    """
    digest = hashlib.sha256()
    rows = 8 * images_per_chunk(*images.shape[1:])
    for start in range(0, len(images), rows):
        digest.update(images[start : start + rows].tobytes())
        if progress is not None:
            progress(min(start + rows, len(images)), len(images))
    return digest.hexdigest()


def find_problems(
    dataset: Dataset, progress: Callable[[int, int], None] | None = None
) -> list[str]:
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
        Empty where every chunk reads, the pixels have the recorded SHA-256, labels
        have a class name, attributes are finite, and split values are known.
    """
    problems = []
    try:
        found = pixels_sha256(dataset.images, progress)
        if not dataset.sha256:
            problems.append("no sha256 is recorded, so changed pixels go unnoticed")
        elif found != dataset.sha256:
            problems.append(
                f"/images: sha256 is {found}, recorded is {dataset.sha256}: "
                "the pixels were changed"
            )
    except (OSError, RuntimeError) as error:
        problems.append(f"/images cannot be read: {error}")
    checks = {
        "labels": _label_problem,
        "attributes": _attribute_problem,
        "split": _split_problem,
        "boxes": lambda dataset: dataset.boxes is None,
        "source_files": lambda dataset: dataset.source_files is None,
        "skipped_files": lambda dataset: not dataset.skipped_files,
    }
    for name, check in checks.items():
        try:
            problem = check(dataset)
        except (OSError, RuntimeError, ValueError) as error:
            problem = f"cannot be read: {error}"
        if isinstance(problem, str):
            problems.append(f"/{name} {problem}")
    return problems


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
