"""Writing a prepared dataset, batch by batch, whole or not at all."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from scratchgan import __version__
from scratchgan.datasets.format.checksums import (
    DESCRIPTION_SHA256,
    column_bytes,
    description_sha256,
    texts_digest,
)
from scratchgan.datasets.format.dataset import (
    SPLITS,
    images_per_chunk,
)
from scratchgan.datasets.format.layout import FORMAT, FORMAT_VERSION
from scratchgan.errors import DatasetError
from scratchgan.storage.hdf5_output import Hdf5Output

# The file grows by up to so many bytes of pixels at a time, and is cut at the end.
# Between two such steps only pixels are written, at places that are fixed already:
# whenever the process is killed, the file can be opened, and what was written is there.
GROWTH_BYTES = 64 << 20


class DatasetWriter:
    """Write a dataset of images that come in batches, of a number not yet known.

    Use as a context manager: leaving it finishes the file and puts it in place;
    leaving it with an exception removes what was written (see `Hdf5Output`). The
    pixels go to the disk as they come, the columns are kept until the end.

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
        Images to come, at most: with it, a disk too small is refused at the start.
    partial : Path, optional
        The temporary name, if the writing may be broken off and continued.
    continued : bool, default=False
        Go on with the file of that temporary name: say with `keep` what is in it.
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
        partial: Path | None = None,
        continued: bool = False,
        **description: str,
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}, expected 1 or 3")
        self.path = Path(path)
        self.image_shape = (height, width, channels)
        self.count = 0
        self._class_names = class_names
        self._attribute_names = [_stored_text(name) for name in attribute_names or ()]
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
        image_bytes = height * width * channels
        self._output = Hdf5Output(
            self.path,
            needed_bytes=expected_count * image_bytes,
            partial=partial,
            continued=continued,
        )
        self._expected_count = expected_count
        self._continued = continued
        self._digest = hashlib.sha256()
        self._columns: dict[str, list[np.ndarray]] = {}
        self._split: np.ndarray | None = None
        self._skipped: list[tuple[str, str]] = []
        self._keep_on_interrupt = False

    def __enter__(self) -> "DatasetWriter":
        self._file = self._output.__enter__()
        try:
            if self._continued:
                self._images = self._file["images"]
            else:
                self._images = self._new_images()
        except BaseException as error:
            self._output.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._output.keep_partial = self._keep_on_interrupt and isinstance(
            error, KeyboardInterrupt
        )
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
        return self._digest.hexdigest()

    def append(
        self,
        images: np.ndarray,
        *,
        source_files: Sequence[str] | None = None,
        labels: Sequence[int] | np.ndarray | None = None,
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
        columns = {
            "source_files": source_files,
            "labels": labels,
            "attributes": attributes,
            "boxes": boxes,
        }
        self._add_columns(len(images), columns)
        end = self.count + len(images)
        with self._output.writing():
            if end > len(self._images):
                self._grow(end)
            self._images[self.count : end] = images
        self._digest.update(np.ascontiguousarray(images))
        self.count = end

    def keep(self, count: int, **columns: Sequence | np.ndarray) -> None:
        """Take over images that a continued file holds already, with their columns.

        Parameters
        ----------
        count : int
            How many, following on those before.
        **columns
            As `append`.
        """
        self._add_columns(count, columns)
        step = 8 * images_per_chunk(*self.image_shape)
        for start in range(self.count, self.count + count, step):
            stop = min(start + step, self.count + count)
            self._digest.update(self._images[start:stop])
        self.count += count

    def checkpoint(self) -> None:
        """Force all images so far to the disk, to be kept if the work is broken off."""
        self._output.checkpoint()

    def keep_partial_on_interrupt(self) -> None:
        """Leave the temporary file, as of the last checkpoint, if Ctrl-C follows."""
        self._keep_on_interrupt = True

    def split_counts(self) -> dict[str, int] | None:
        """Return how many images are in which split; None where all are train."""
        if self._split is None:
            return None
        return {name: int((self._split == n).sum()) for name, n in SPLITS.items()}

    def set_split(self, split: np.ndarray) -> None:
        """Say to which split each image belongs, once all images are there.

        Parameters
        ----------
        split : array of shape (N,), uint8
            Values of `SPLITS`.
        """
        if len(split) != self.count:
            raise ValueError(f"{len(split)} split values for {self.count} images")
        self._split = np.asarray(split, dtype=np.uint8)

    def set_skipped(self, skipped: Sequence[tuple[str, str]]) -> None:
        """Record the files that could not be read, each with the reason."""
        self._skipped = list(skipped)

    def describe(self, **attributes: str) -> None:
        """Add root attributes that are known only at the end."""
        self._description.update(attributes)

    def _new_images(self) -> h5py.Dataset:
        """Make /images without rows; what it grows by has its place on disk at once."""
        shape = self.image_shape
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        # HDF5 stores whole chunks: a small dataset would be mostly empty room.
        rows = images_per_chunk(*shape)
        rows = min(rows, self._expected_count or rows)
        settings.set_chunk((rows, *shape))
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((0, *shape), (h5py.h5s.UNLIMITED, *shape))
        with self._output.writing():
            h5py.h5d.create(
                self._file.id, b"images", h5py.h5t.STD_U8LE, space, dcpl=settings
            )
            return self._file["images"]

    def _grow(self, needed: int) -> None:
        """Make room for more images: twice as many, within `GROWTH_BYTES` of them."""
        most = GROWTH_BYTES // int(np.prod(self.image_shape))
        room = max(needed, len(self._images) + min(len(self._images), most))
        if needed <= self._expected_count:
            room = min(room, self._expected_count)
        self._images.resize(room, axis=0)
        self._file.flush()

    def _add_columns(self, count: int, columns: dict[str, Sequence | None]) -> None:
        """Keep the columns of a batch, after checking that they fit."""
        batch = {
            name: _as_column(name, rows)
            for name, rows in columns.items()
            if rows is not None
        }
        for name, rows in batch.items():
            if len(rows) != count:
                raise ValueError(
                    f"DatasetWriter.append: {len(rows)} {name} for {count} images"
                )
        if self.count == 0:
            self._columns = {name: [] for name in batch}
        if batch.keys() != self._columns.keys():
            raise ValueError(
                f"DatasetWriter.append: this batch has {sorted(batch)}, "
                f"the first had {sorted(self._columns)}"
            )
        if "attributes" in batch:
            width = batch["attributes"].shape[1]
            if width != len(self._attribute_names):
                raise ValueError(
                    f"{width} attributes and {len(self._attribute_names)} "
                    "attribute_names"
                )
        for name, rows in batch.items():
            self._columns[name].append(rows)

    def _finish(self) -> None:
        """Cut the images to their number, and write all that belongs to them."""
        if self.count == 0:
            raise DatasetError(f"{self.path}: no image came, so no file was written")
        columns = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        if self._split is not None:
            columns["split"] = self._split
        if self._class_names is not None:
            columns["class_names"] = _as_column("class_names", self._class_names)
        if self._skipped:
            names, reasons = zip(*self._skipped, strict=True)
            columns["skipped_files"] = _as_column("skipped_files", names)
            columns["skipped_reasons"] = _as_column("skipped_reasons", reasons)
        checksums = {name: _sha256(rows) for name, rows in columns.items()}
        if "attributes" in columns:
            digest = texts_digest(self._attribute_names)
            checksums["attribute_names"] = digest.hexdigest()
        description = {
            name: _stored_text(value) if isinstance(value, str) else value
            for name, value in self._description.items()
        }
        description |= {"count": self.count, "sha256": self.sha256}
        description["columns_sha256"] = json.dumps(checksums, sort_keys=True)
        description[DESCRIPTION_SHA256] = description_sha256(description)
        with self._output.writing():
            self._images.resize(self.count, axis=0)
            for name, rows in columns.items():
                is_text = rows.dtype == object
                dtype = h5py.string_dtype() if is_text else rows.dtype
                self._file.create_dataset(name, data=rows, dtype=dtype)
            if "attributes" in columns:
                attributes = self._file["attributes"].attrs
                attributes["attribute_names"] = self._attribute_names
            for name, value in description.items():
                self._file.attrs[name] = value


def _sha256(column: np.ndarray) -> str:
    return hashlib.sha256(column_bytes(column)).hexdigest()


_COLUMN_TYPES = {
    "labels": np.int64,
    "attributes": np.float32,
    "boxes": np.int32,
}


def _as_column(name: str, rows: Sequence | np.ndarray) -> np.ndarray:
    """Return the rows with the type that the format has for this column."""
    if name in _COLUMN_TYPES:
        return np.asarray(rows, dtype=_COLUMN_TYPES[name])
    return np.array([_stored_text(text) for text in rows], dtype=object)


def _stored_text(text: str) -> str:
    r"""Return text that HDF5 can hold: what UTF-8 cannot say, and NUL, as ``\x..``."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
