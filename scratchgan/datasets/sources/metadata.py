"""Images with a table beside them: ``metadata.csv`` or ``metadata.jsonl``."""

import csv
import io
import json
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import File, Files
from scratchgan.datasets.sources.image_files import (
    SPLIT_FOLDERS,
    is_image,
    split_folders,
)
from scratchgan.datasets.sources.source import Source, SourceImage
from scratchgan.errors import DatasetError

_TABLES = ("metadata.csv", "metadata.jsonl")
_MOST_CLASSES = 1_000_000  # a larger number is a name
_NOT_ATTRIBUTES = ("file_name", "label", "split", "source_file")


class MetadataFolder(Source):
    """Images with ``metadata.csv`` or ``.jsonl``, as Hugging Face's imagefolder has.

    A table may lie in each folder of a split; ``file_name`` is relative to it. Of the
    other columns, ``label`` is the class (a name, or a number from 0), ``split`` the
    split, and every column that is a number in each row is an attribute. The rest, and
    ``source_file``, are left out.
    Format: https://huggingface.co/docs/datasets/image_dataset
    """

    kind = "metadata"
    needs = "image files with metadata.csv or metadata.jsonl that has file_name"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._images = [file for file in files.files if is_image(file)]
        rows: dict[str, dict[str, Any]] = {}
        for table in files.named(*_TABLES):
            rows |= _read_table(files, table)
        self._rows = [self._row_of(file, rows) for file in self._images]
        strange = rows.keys() - {file.name for file in self._images}
        if strange:
            raise DatasetError(
                f"the table in {files.path} names {min(strange)}, and there is no such "
                "image"
            )
        self.class_names, self._labels = self._read_labels()
        self.labelled = self._labels is not None
        self._splits = self._read_splits()
        self.has_splits = len(set(self._splits)) > 1
        self.attribute_names = self._numeric_columns() or None

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether there are images and a table."""
        return bool(files.named(*_TABLES)) and any(map(is_image, files.files))

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[SourceImage]:
        for i, (file, row) in enumerate(zip(self._images, self._rows, strict=True)):
            attributes = None
            if self.attribute_names is not None:
                attributes = [_number(row[name]) for name in self.attribute_names]
            yield SourceImage(
                file.name,
                partial(self.files.read, file),
                self._labels[i] if self._labels else None,
                self._splits[i],
                attributes,
            )

    def _row_of(self, file: File, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
        if file.name not in rows:
            raise DatasetError(
                f"{file.name} has no row in the table in {self.path}; complete the "
                "table, or choose --kind images to do without it"
            )
        return rows[file.name]

    def _read_labels(self) -> tuple[list[str] | None, list[int] | None]:
        """Return names of classes and labels, or None and None without a label."""
        values = [row.get("label") for row in self._rows]
        if all(value in (None, "") for value in values):
            return None, None
        numbers = [_number(value) for value in values]
        if all(
            n is not None and 0 <= n < _MOST_CLASSES and n % 1 == 0 for n in numbers
        ):
            return None, [int(n) for n in numbers]
        if any(value in (None, "") for value in values):
            row = next(i for i, value in enumerate(values) if value in (None, ""))
            raise DatasetError(
                f"{self._images[row].name} has no label in the table in {self.path}"
            )
        names = sorted({str(value) for value in values})
        index = {name: label for label, name in enumerate(names)}
        return names, [index[str(value)] for value in values]

    def _read_splits(self) -> list[int]:
        if not any(row.get("split") for row in self._rows):
            return split_folders([file.name for file in self._images])[0]
        splits = []
        for file, row in zip(self._images, self._rows, strict=True):
            name = str(row.get("split")).lower()
            if name not in SPLIT_FOLDERS:
                raise DatasetError(
                    f"{file.name} has the split {row.get('split')!r} in the table in "
                    f"{self.path}, expected one of {', '.join(SPLITS)}"
                )
            splits.append(SPLITS[SPLIT_FOLDERS[name]])
        return splits

    def _numeric_columns(self) -> list[str]:
        names = [name for name in self._rows[0] if name not in _NOT_ATTRIBUTES]
        return [
            name
            for name in names
            if all(_number(row.get(name)) is not None for row in self._rows)
        ]


def _read_table(files: Files, table: File) -> dict[str, dict[str, Any]]:
    """Return the rows of a table by the names of their images."""
    where = f"{table.name} in {files.path}"
    text = files.read_text(table)
    folder = table.name[: -len(table.base)]
    try:
        if table.ending == ".csv":
            lines = list(csv.DictReader(io.StringIO(text), strict=True))
        else:
            # Not splitlines(): JSON's texts may hold the line ends of Unicode.
            lines = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (csv.Error, ValueError, RecursionError) as error:
        raise DatasetError(f"{where} cannot be read: {error}") from error
    rows = {}
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict) or not isinstance(line.get("file_name"), str):
            raise DatasetError(f"{where}: row {number} has no file_name")
        name = folder + line["file_name"].replace("\\", "/").removeprefix("./")
        if name in rows:
            raise DatasetError(f"{where}: row {number} names {name} again")
        rows[name] = line
    return rows


def _number(value: Any) -> float | None:
    """Return a finite number, or None for anything else.

    >>> _number("0.5"), _number(True), _number("red"), _number("nan")
    (0.5, 1.0, None, None)
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
