"""Writing a prepared dataset, batch by batch, whole or not at all."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from scratchgan import __version__
from scratchgan.datasets.checksums import (
    DESCRIPTION_SHA256,
    column_bytes,
    description_sha256,
    texts_digest,
)
from scratchgan.datasets.schema import FORMAT, FORMAT_VERSION, images_per_chunk
from scratchgan.errors import DatasetError
from scratchgan.hdf5_output import Hdf5Output

ROWS_PER_CHUNK = 4096
"""Of every column but the images."""


class DatasetWriter:
    """Write a dataset of images that come in batches, of a number not yet known.

    Use as a context manager: leaving it finishes the file and puts it in place;
    leaving it with an exception removes what was written (see `Hdf5Output`).

    Parameters
    ----------
    path : str or Path
        The file to make or replace.
    height, width, channels : int
        The size of every image in pixels; channels is 1 or 3.
    name, title, source, licence : str
        What the dataset is and where it comes from, for people.
    synthetic : bool, default=False
        True where a program drew the images.
    command : str, default=""
        The command that makes this file.
    class_names, attribute_names : sequence of str, optional
        The names of the labels' values and of the attributes' columns.
    expected_count : int, default=0
        Images to come, at most: with it, a disk too small is refused at the start,
        and a small file has small chunks.
    **description : str
        More root attributes, such as ``fit`` and ``resize_filter``.

    Raises
    ------
    OutputError
        The file cannot be written: full disk, read-only folder.
    """

    def __init__(
        self,
        path: str | Path,
        height: int,
        width: int,
        channels: int,
        *,
        name: str,
        title: str,
        source: str,
        licence: str,
        synthetic: bool = False,
        command: str = "",
        class_names: Sequence[str] | None = None,
        attribute_names: Sequence[str] | None = None,
        expected_count: int = 0,
        **description: str,
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}, expected 1 or 3")
        self.path = Path(path)
        self.image_shape = (height, width, channels)
        self.count = 0
        self._class_names = class_names
        self._attribute_names = attribute_names
        self._description = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": name,
            "title": title,
            "source": source,
            "licence": licence,
            "synthetic": synthetic,
            "created_by": f"scratchgan {__version__}",
            "command": command,
            **description,
        }
        self._expected_count = expected_count
        image_bytes = height * width * channels
        self._output = Hdf5Output(self.path, needed_bytes=expected_count * image_bytes)
        self._digests = {"images": hashlib.sha256()}
        self._columns: dict[str, h5py.Dataset] = {}

    def __enter__(self) -> "DatasetWriter":
        self._file = self._output.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as failure:
                self._output.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._output.__exit__(kind, error, traceback)

    @property
    def sha256(self) -> str:
        """SHA-256 of the pixels written so far, see `pixels_sha256`."""
        return self._digests["images"].hexdigest()

    def append(
        self,
        images: np.ndarray,
        *,
        source_files: Sequence[str] | None = None,
        labels: np.ndarray | None = None,
        attributes: np.ndarray | None = None,
        boxes: np.ndarray | None = None,
    ) -> None:
        """Add a batch of images, with the same columns in every batch.

        Parameters
        ----------
        images : array of shape (n, H, W, C), uint8
            Pixels in [0, 255].
        source_files : sequence of n str, optional
            The file each image was made from.
        labels : array of shape (n,), int64, optional
            The class of each image, from 0.
        attributes : array of shape (n, A), float32, optional
            One column for each of `attribute_names`.
        boxes : array of shape (n, B, 4), int32, optional
            Rectangles: left, top, right, bottom in pixels; an unused one is zeros.

        Raises
        ------
        ValueError
            A shape or dtype does not fit, or the columns differ between batches.
        OutputError
            The disk refused a write.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"DatasetWriter.append: images are {images.dtype} {images.shape}, "
                f"expected uint8 (n, {', '.join(map(str, self.image_shape))})"
            )
        batch = {"images": images}
        if source_files is not None:
            texts = [_stored_text(name) for name in source_files]
            batch["source_files"] = np.array(texts, dtype=object)
        if labels is not None:
            batch["labels"] = np.asarray(labels, dtype=np.int64)
        if attributes is not None:
            batch["attributes"] = np.asarray(attributes, dtype=np.float32)
        if boxes is not None:
            batch["boxes"] = np.asarray(boxes, dtype=np.int32)
        for name, rows in batch.items():
            if len(rows) != len(images):
                raise ValueError(
                    f"DatasetWriter.append: {len(rows)} {name} for {len(images)} images"
                )
        if self.count == 0:
            self._columns = {n: self._new_column(n, rows) for n, rows in batch.items()}
        if batch.keys() != self._columns.keys():
            raise ValueError(
                f"DatasetWriter.append: this batch has {sorted(batch)}, "
                f"the first had {sorted(self._columns)}"
            )
        end = self.count + len(images)
        for name, rows in batch.items():
            column = self._columns[name]
            with self._output.writing():
                column.resize(end, axis=0)
                column[self.count : end] = rows
            self._digests.setdefault(name, hashlib.sha256()).update(column_bytes(rows))
        self.count = end

    def set_split(self, split: np.ndarray) -> None:
        """Say to which split each image belongs, once all images are there.

        Parameters
        ----------
        split : array of shape (N,), uint8
            Values of `SPLITS`.
        """
        split = np.asarray(split, dtype=np.uint8)
        if len(split) != self.count:
            raise ValueError(f"{len(split)} split values for {self.count} images")
        with self._output.writing():
            self._file.create_dataset("split", data=split)
        self._digests["split"] = hashlib.sha256(column_bytes(split))

    def set_skipped(self, skipped: Sequence[tuple[str, str]]) -> None:
        """Record the files that could not be read, each with the reason."""
        if not skipped:
            return
        for name, texts in zip(
            ("skipped_files", "skipped_reasons"),
            zip(*skipped, strict=True),
            strict=True,
        ):
            self._create_strings(name, texts)

    def describe(self, **attributes: str) -> None:
        """Add root attributes that are known only at the end."""
        self._description.update(attributes)

    def _new_column(self, name: str, rows: np.ndarray) -> h5py.Dataset:
        if name == "images":
            rows_per_chunk = images_per_chunk(*self.image_shape)
        else:
            rows_per_chunk = ROWS_PER_CHUNK
        # HDF5 stores whole chunks: a small dataset would be mostly empty room.
        rows_per_chunk = min(rows_per_chunk, self._expected_count or rows_per_chunk)
        column = self._file.create_dataset(
            name,
            shape=(0, *rows.shape[1:]),
            maxshape=(None, *rows.shape[1:]),
            chunks=(rows_per_chunk, *rows.shape[1:]),
            dtype=h5py.string_dtype() if rows.dtype == object else rows.dtype,
        )
        if name == "attributes":
            names = [_stored_text(name) for name in self._attribute_names or ()]
            if len(names) != rows.shape[1]:
                raise ValueError(
                    f"{rows.shape[1]} attributes and {len(names)} attribute_names"
                )
            column.attrs["attribute_names"] = names
            self._digests["attribute_names"] = texts_digest(names)
        return column

    def _create_strings(self, name: str, texts: Iterable[str]) -> None:
        texts = [_stored_text(text) for text in texts]
        with self._output.writing():
            self._file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
        self._digests[name] = texts_digest(texts)

    def _finish(self) -> None:
        if self.count == 0:
            raise DatasetError(f"{self.path}: no image came, so no file was written")
        if self._class_names is not None:
            self._create_strings("class_names", self._class_names)
        checksums = {name: d.hexdigest() for name, d in self._digests.items()}
        sha256 = checksums.pop("images")
        description = {
            name: _stored_text(value) if isinstance(value, str) else value
            for name, value in self._description.items()
        }
        description |= {"count": self.count, "sha256": sha256}
        description["columns_sha256"] = json.dumps(checksums, sort_keys=True)
        description[DESCRIPTION_SHA256] = description_sha256(description)
        with self._output.writing():
            for name, value in description.items():
                self._file.attrs[name] = value


def _stored_text(text: str) -> str:
    r"""Return text that HDF5 can hold: what UTF-8 cannot say, and NUL, as ``\x..``."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
