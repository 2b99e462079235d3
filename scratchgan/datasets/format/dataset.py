"""The reader of a prepared dataset.

One file holds one dataset, pixels as they are viewed: ``/images`` is uint8
(N, H, W, C) in [0, 255]. ``docs/dataset-format.md`` describes every name, shape
and attribute, and how another program reads the file.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from scratchgan.datasets.format.layout import check_layout
from scratchgan.errors import DatasetError

# The values of /split, by name.
SPLITS = {"train": 0, "validation": 1, "test": 2, "extra": 3}

# A chunk is the least that HDF5 reads at once: whole images, near this many bytes.
CHUNK_BYTES = 512 * 1024

# What h5py raises where a file is damaged, depending on where.
READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def images_per_chunk(height: int, width: int, channels: int) -> int:
    """Return how many whole images make a chunk of about `CHUNK_BYTES`.

    >>> images_per_chunk(64, 64, 3)
    42
    """
    return max(1, CHUNK_BYTES // (height * width * channels))


class Dataset:
    """A prepared dataset, open for reading; made by `open_dataset`.

    Attributes
    ----------
    path : Path
        The file.
    file : h5py.File
        The same, open.
    images : h5py.Dataset of shape (N, H, W, C), uint8
        Pixels in [0, 255], C = 1 (grey) or 3 (RGB); read by slices, not loaded.
    height, width, channels : int
        The image size in pixels, and C.
    name, title, source, licence : str
        What the dataset is and where it comes from.
    synthetic : bool
        True where a program drew the images.
    sha256 : str
        Hexadecimal SHA-256 of the pixels, see `pixels_sha256`.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self.file = file
        self.images: h5py.Dataset = file["images"]
        _, self.height, self.width, self.channels = self.images.shape
        self.name = self._text("name") or path.stem
        self.title = self._text("title") or self.name
        self.source = self._text("source")
        self.licence = self._text("licence")
        self.sha256 = self._text("sha256")
        self.synthetic = bool(file.attrs.get("synthetic", False))

    def __len__(self) -> int:
        return self.images.shape[0]

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; `images` can no longer be read."""
        self.file.close()

    @property
    def labels(self) -> np.ndarray | None:
        """The class of each image, int64 (N,), or None."""
        return self._column("labels")

    @property
    def class_names(self) -> list[str] | None:
        """The name of class 0, 1, ..., or None."""
        return self._strings("class_names")

    @property
    def attributes(self) -> np.ndarray | None:
        """Values 0/1 or measured, float32 (N, A), or None."""
        return self._column("attributes")

    @property
    def attribute_names(self) -> list[str] | None:
        """The A names of the columns of `attributes`, or None."""
        with self.reading():
            if "attributes" not in self.file:
                return None
            names = self.file["attributes"].attrs["attribute_names"]
            return [str(name) for name in names]

    @property
    def boxes(self) -> np.ndarray | None:
        """Rectangles, int32 (N, B, 4): left, top, right, bottom in pixels, or None."""
        return self._column("boxes")

    @property
    def split(self) -> np.ndarray | None:
        """The split of each image, uint8 (N,), values of `SPLITS`; None: all train."""
        return self._column("split")

    @property
    def source_files(self) -> list[str] | None:
        """The file each image was made from, or None."""
        return self._strings("source_files")

    def source_files_at(self, rows: np.ndarray) -> list[str] | None:
        """Return the source files of some rows, without reading those of all.

        Parameters
        ----------
        rows : array of shape (M,), int64
            Ascending row numbers.
        """
        return self._strings("source_files", rows)

    @property
    def skipped_files(self) -> list[tuple[str, str]]:
        """The files that could not be read when it was prepared, each with why."""
        names = self._strings("skipped_files") or []
        return list(zip(names, self._strings("skipped_reasons") or [], strict=True))

    def rows_of_split(self, names: str | Iterable[str]) -> np.ndarray:
        """Return the rows of one or more splits.

        Parameters
        ----------
        names : str or iterable of str
            Names out of `SPLITS`: ``("train", "extra")`` or ``"train+extra"``.

        Returns
        -------
        array of shape (M,), int64
            Increasing row numbers; empty where the file has no such rows. A file
            without ``/split`` is all train.

        Raises
        ------
        DatasetError
            A name is not a split.
        """
        names = names.split("+") if isinstance(names, str) else list(names)
        unknown = [name for name in names if name not in SPLITS]
        if unknown or not names:
            raise DatasetError(
                f"split {'+'.join(names)!r}: {', '.join(map(repr, unknown))} unknown; "
                f"choose from {', '.join(SPLITS)}, joined by +"
            )
        split = self.split
        if split is None:
            return np.arange(len(self) if "train" in names else 0, dtype=np.int64)
        wanted = [SPLITS[name] for name in names]
        return np.flatnonzero(np.isin(split, wanted)).astype(np.int64)

    def info(self) -> dict[str, Any]:
        """Return what the file says of itself, as plain values for JSON."""
        split, class_names = self.split, self.class_names
        return {
            "path": str(self.path),
            "name": self.name,
            "title": self.title,
            "synthetic": self.synthetic,
            "count": len(self),
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "labels": "labels" in self.file,
            "class_names": class_names,
            "attribute_names": self.attribute_names,
            "boxes": "boxes" in self.file,
            "split": None
            if split is None
            else {name: int((split == value).sum()) for name, value in SPLITS.items()},
            "source": self.source,
            "licence": self.licence,
            "kind": self._text("kind"),
            "crop": self._text("crop"),
            "fit": self._text("fit"),
            "resize_filter": self._text("resize_filter"),
            "background": self._text("background"),
            "source_modes": json.loads(self._text("source_modes") or "null"),
            "faces": self._text("faces"),
            "faces_per_file": json.loads(self._text("faces_per_file") or "null"),
            "skipped": len(self._strings("skipped_files") or []),
            "images_per_chunk": self._chunk_rows(),
            "created_by": self._text("created_by"),
            "command": self._text("command"),
            "format_version": int(self.file.attrs["format_version"]),
            "sha256": self.sha256,
            "file_bytes": self.path.stat().st_size,
        }

    def _chunk_rows(self) -> int | None:
        """Return how many images HDF5 stores together; None: all as one."""
        with self.reading():
            return self.images.chunks[0] if self.images.chunks else None

    def _text(self, attribute: str) -> str:
        with self.reading():
            return str(self.file.attrs.get(attribute, ""))

    def _column(self, name: str) -> np.ndarray | None:
        with self.reading():
            return self.file[name][:] if name in self.file else None

    def _strings(
        self, name: str, rows: np.ndarray | slice = slice(None)
    ) -> list[str] | None:
        with self.reading():
            if name not in self.file:
                return None
            return list(self.file[name].asstr(errors="replace")[rows])

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Surround what reads the file: damage becomes one plain line."""
        try:
            yield
        except READ_ERRORS as error:
            raise _damaged(self.path, error) from error


def open_dataset(path: str | Path) -> Dataset:
    """Open a prepared dataset after checking that it is one.

    The checks read only the description, not the pixels; `find_problems` does that.

    Parameters
    ----------
    path : str or Path
        An HDF5 file in the layout of this module.

    Returns
    -------
    Dataset
        Also a context manager that closes the file.

    Raises
    ------
    DatasetError
        The file is missing, not HDF5, cut short, of another or a newer format, or
        its shapes and dtypes do not fit together.
    """
    path = Path(path)
    file = _open_hdf5(path)
    try:
        check_layout(path, file)
        return Dataset(path, file)
    except READ_ERRORS as error:
        file.close()
        raise _damaged(path, error) from error
    except BaseException:
        file.close()
        raise


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} is damaged ({error}); prepare it again with --force")


def _open_hdf5(path: Path) -> h5py.File:
    if path.is_dir():
        raise DatasetError(
            f"{path} is a folder, not a prepared dataset; "
            f"make one with: scratchgan data prepare NAME {path}"
        )
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist") from error
    except PermissionError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        if "truncated" in str(error):
            reason = "is cut short; copy it again, or prepare it again with --force"
        elif "lock" in str(error):
            reason = "is being written by another program; try again later"
        else:
            reason = (
                "is not an HDF5 file; make one from images with: "
                "scratchgan data prepare NAME SOURCE"
            )
        raise DatasetError(f"{path} {reason}") from error
