"""A prepared dataset becomes PNG files again, with a table of what is known of each.

The table, ``metadata.csv``, is that of an image folder as Hugging Face's datasets
library reads it: a line for each image, with ``file_name`` as its first column. Names
of files come from row numbers; text that came from elsewhere never becomes a path.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scratchgan.datasets.decode_many import in_order
from scratchgan.datasets.format.dataset import SPLITS, Dataset, images_per_chunk
from scratchgan.errors import DatasetError, OutputError
from scratchgan.machine import usable_cores
from scratchgan.progress import Progress
from scratchgan.storage.files import TEMPORARY_SUFFIX, complete_contents

METADATA = "metadata.csv"
IMAGES = "images"
FILES_PER_FOLDER = 10_000

# Columns with a meaning of their own; an attribute of such a name gets another one.
_RESERVED = ("file_name", "label", "split", "boxes", "source_file")

# A class's name that can be a folder's on every system; what Windows keeps for itself,
# with any ending, cannot, nor can what would pass for the number of another class.
_SAFE = re.compile(r"\w([\w .-]{0,98}[\w-])?")
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|class\d+", re.I)


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes
    ----------
    folder : Path
        Where it is.
    count : int
        PNG files.
    columns : list of str
        Of ``metadata.csv``.
    """

    folder: Path
    count: int
    columns: list[str]


def export_dataset(
    dataset: Dataset,
    folder: str | Path,
    rows: np.ndarray | None = None,
    *,
    by_class: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write images as PNG files with their labels, attributes and splits beside them.

    ``folder/images/000012.png`` is row 12, and ``folder/metadata.csv`` has a line for
    it. More than `FILES_PER_FOLDER` images go to folders of that many each. `prepare`
    makes the same dataset of the folder again. Only one block of images for each
    thread is in memory.

    Parameters
    ----------
    dataset : Dataset
        An open dataset.
    folder : str or Path
        Where to write; it must be empty or not exist.
    rows : array of shape (M,), int64, optional
        Ascending row numbers; all by default.
    by_class : bool, default=False
        Put each class into a folder below ``images``, called like the class where
        that is a safe name for a folder, else ``class00003``.
    force : bool, default=False
        Replace an earlier export in the folder.
    progress : callable, optional
        Called with (images done, M).

    Raises
    ------
    DatasetError
        The dataset is damaged, there are no rows, or no labels to sort by.
    OutputError
        The folder is not empty, or cannot be written.
    """
    folder = Path(folder).expanduser()
    rows = np.arange(len(dataset)) if rows is None else rows
    if len(rows) == 0:
        raise DatasetError(f"{dataset.path}: no image was chosen, nothing is written")
    _check_folder(folder, force)
    table = _Table(dataset)
    names = _FileNames(dataset, rows, by_class)
    blocks = _blocks(dataset, rows)
    workers = usable_cores()
    done = 0
    with complete_contents(folder) as new:
        for parent in {names[row].rpartition("/")[0] for row in rows}:
            (new / parent).mkdir(parents=True, exist_ok=True)
        write = partial(_write_block, dataset, names, new)
        with (
            open(new / METADATA, "w", encoding="utf-8", newline="") as file,
            ThreadPoolExecutor(workers) as pool,
            closing(in_order(pool, write, blocks, in_flight=workers + 2)) as written,
        ):
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(table.columns)
            for block in written:
                lines.writerows(table.lines(block, [names[row] for row in block]))
                done += len(block)
                if progress is not None:
                    progress(done, len(rows))
    return ExportReport(folder, done, table.columns)


def choose_rows(
    dataset: Dataset,
    splits: str | None = None,
    ranges: list[tuple[int, int]] | None = None,
    count: int | None = None,
) -> np.ndarray:
    """Return the rows that are meant, ascending.

    Parameters
    ----------
    dataset : Dataset
        An open dataset.
    splits : str, optional
        Only rows of these splits, see `Dataset.rows_of_split`.
    ranges : list of (first, last), optional
        Only rows from first to last, both included.
    count : int, optional
        Only the first of what the others leave.

    Raises
    ------
    DatasetError
        A split has no such name, or a row is beyond the last one.
    """
    chosen = np.zeros(len(dataset), bool)
    for first, last in ranges or [(0, len(dataset) - 1)]:
        if last >= len(dataset):
            raise DatasetError(
                f"{dataset.path} has rows 0 to {len(dataset) - 1}, and row {last} was "
                "asked for"
            )
        chosen[first : last + 1] = True
    if splits is not None:
        outside = np.ones(len(dataset), bool)
        outside[dataset.rows_of_split(splits)] = False
        chosen[outside] = False
    return np.flatnonzero(chosen)[:count]


def _check_folder(folder: Path, force: bool) -> None:
    """Raise OutputError unless the folder may be written to."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, expected a folder")
    # What a killed program left behind is nobody's.
    names = {entry.name for entry in folder.iterdir()}
    names = {name for name in names if not name.endswith(TEMPORARY_SUFFIX)}
    if foreign := sorted(names - {METADATA, IMAGES}):
        raise OutputError(
            f"{folder} is not empty (it holds {foreign[0]!r}) and stays as it is; "
            "choose a new folder"
        )
    if names and not force:
        raise OutputError(
            f"{folder} holds an earlier export and stays as it is; choose a new "
            "folder, or replace it with --force"
        )


def _blocks(dataset: Dataset, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows in blocks, each of which lies in one chunk of the file."""
    per_chunk = images_per_chunk(*dataset.images.shape[1:])
    yield from np.split(rows, np.flatnonzero(np.diff(rows // per_chunk)) + 1)


class _FileNames:
    """The path of each row's file below the target, with "/"."""

    def __init__(self, dataset: Dataset, rows: np.ndarray, by_class: bool) -> None:
        self._digits = max(6, len(str(int(rows[-1]))))
        self._labels: np.ndarray | None = None
        if by_class:
            self._labels = dataset.labels
            if self._labels is None:
                raise DatasetError(
                    f"{dataset.path} has no labels to sort by; leave out --by-class"
                )
            self._classes = _class_folders(dataset.class_names or [])
        sizes = Counter([None] * len(rows) if not by_class else self._labels[rows])
        self._crowded = {of for of, n in sizes.items() if n > FILES_PER_FOLDER}

    def __getitem__(self, row: int) -> str:
        parts, label = [IMAGES], None
        if self._labels is not None:
            label = int(self._labels[row])
            parts.append(self._classes.get(label, _numbered_class(label)))
        if label in self._crowded:
            width = self._digits - len(str(FILES_PER_FOLDER)) + 1
            parts.append(f"{row // FILES_PER_FOLDER:0{width}}")
        return "/".join((*parts, f"{row:0{self._digits}}.png"))


def _class_folders(class_names: list[str]) -> dict[int, str]:
    """Return the folder of each class: its name, or its number where that is unsafe."""
    folders: dict[int, str] = {}
    taken = set()
    for label, name in enumerate(class_names):
        safe = _SAFE.fullmatch(name) and not _TAKEN.fullmatch(name)
        # Many file systems do not tell Cat from cat.
        if not safe or name.casefold() in taken:
            name = _numbered_class(label)
        taken.add(name.casefold())
        folders[label] = name
    return folders


def _numbered_class(label: int) -> str:
    return f"class{label:05}"


def _write_block(
    dataset: Dataset, names: _FileNames, folder: Path, rows: np.ndarray
) -> np.ndarray:
    """Write the images of some rows of one chunk, and return the rows.

    Runs in a worker thread: Pillow lets go of the interpreter lock while it packs.
    """
    with dataset.reading():
        stretch = dataset.images[rows[0] : rows[-1] + 1]
    for row in rows:
        pixels = stretch[row - rows[0]]
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        image.save(folder / names[row], format="png")
    return rows


class _Table:
    """The lines of ``metadata.csv``."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._class_names = dict(enumerate(dataset.class_names or ()))
        self._columns: dict[str, np.ndarray] = {
            "labels": dataset.labels,
            "split": dataset.split,
            "attributes": dataset.attributes,
            "boxes": dataset.boxes,
        }
        self._has_files = dataset.source_files_at(np.zeros(0, np.int64)) is not None
        self.columns = ["file_name"]
        self.columns += ["label"] * (self._columns["labels"] is not None)
        self.columns += ["split"] * (self._columns["split"] is not None)
        self.columns += _attribute_columns(dataset.attribute_names or [])
        self.columns += ["boxes"] * (self._columns["boxes"] is not None)
        self.columns += ["source_file"] * self._has_files

    def lines(self, rows: np.ndarray, names: list[str]) -> Iterator[list[Any]]:
        """Yield the line of each row; ``names`` are those of the files."""
        files = self._dataset.source_files_at(rows) if self._has_files else None
        parts = {
            name: column[rows]
            for name, column in self._columns.items()
            if column is not None
        }
        for i, name in enumerate(names):
            line = [name]
            if "labels" in parts:
                label = int(parts["labels"][i])
                line.append(self._class_names.get(label, label))
            if "split" in parts:
                line.append(self._split_name(int(parts["split"][i])))
            if "attributes" in parts:
                line += [_number(value) for value in parts["attributes"][i]]
            if "boxes" in parts:
                line.append(json.dumps(parts["boxes"][i].tolist()))
            if files is not None:
                line.append(files[i])
            yield line

    def _split_name(self, value: int) -> str:
        for name, number in SPLITS.items():
            if number == value:
                return name
        raise DatasetError(
            f"{self._dataset.path} has the split {value}, which means nothing; see "
            "what else is wrong with: scratchgan data verify"
        )


def _attribute_columns(names: list[str]) -> list[str]:
    """Return a column for each attribute, none twice and none with another meaning."""
    columns: list[str] = []
    for name in names:
        while name in columns or name in _RESERVED:
            name = f"{name}_attribute"
        columns.append(name)
    return columns


def _number(value: np.float32) -> str:
    """Return the fewest digits that give the same float32 again: 1, 0.1, -34.9."""
    return np.format_float_positional(value, trim="-")
