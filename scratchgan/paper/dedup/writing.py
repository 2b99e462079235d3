"""The new dataset: rows that are kept, with all that belongs to them."""

from pathlib import Path

import h5py
import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.format.layout import COLUMNS
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.paper.dedup.thumbnails import blocks
from scratchgan.progress import Progress

# Root attributes that the writer makes, for this file and not for its parent.
_OWN = (
    "format format_version name title source licence synthetic created_by command "
    "count sha256 columns_sha256 description_sha256"
).split()


def write_kept(
    dataset: Dataset, path: Path, kept: np.ndarray, command: str, progress: Progress
) -> str:
    """Write the kept rows of a dataset, in their order, to another file.

    Every column goes with its rows, and the description is the parent's, with what was
    done in the root attributes ``parent_sha256``, ``parent_count`` and
    ``removed_count``.

    Parameters
    ----------
    dataset : Dataset
        The parent.
    path : Path
        The file to make or replace.
    kept : ndarray of shape (N,), bool
        The rows to keep, at least one.
    command : str
        The command that makes the file again.
    progress : callable
        Called with (rows read, N).

    Returns
    -------
    str
        The SHA-256 of the new file's pixels.
    """
    removed = int(len(kept) - kept.sum())
    description = {k: v for k, v in dataset.file.attrs.items() if k not in _OWN}
    description |= {
        "parent_name": dataset.name,
        "parent_sha256": dataset.sha256,
        "parent_count": len(dataset),
        "removed_count": removed,
    }
    writer = DatasetWriter(
        path,
        dataset.height,
        dataset.width,
        dataset.channels,
        name=path.stem,
        title=f"{dataset.title}, {removed:,} near-duplicates removed",
        source=dataset.source,
        licence=dataset.licence,
        synthetic=dataset.synthetic,
        command=command,
        class_names=dataset.class_names,
        attribute_names=dataset.attribute_names,
        expected_count=int(kept.sum()),
        **description,
    )
    present = [name for name in COLUMNS if name in dataset.file and name != "split"]
    with writer:
        for rows in blocks(dataset):
            stay = kept[rows]
            if stay.any():
                with dataset.reading():
                    images = dataset.images[rows][stay]
                    columns = {n: _rows(dataset.file[n], rows)[stay] for n in present}
                writer.append(images, **columns)
            progress(rows.stop, len(dataset))
        if dataset.split is not None:
            writer.set_split(dataset.split[kept])
        writer.set_skipped(dataset.skipped_files)
    return writer.sha256


def _rows(column: h5py.Dataset, rows: slice) -> np.ndarray:
    """Return some rows of a column, texts as str."""
    is_text = h5py.check_string_dtype(column.dtype) is not None
    return column.asstr(errors="replace")[rows] if is_text else column[rows]
