"""The names, shapes and dtypes that a prepared dataset has in HDF5."""

from pathlib import Path

import h5py
import numpy as np

from scratchgan.errors import DatasetError

FORMAT = "scratchgan-dataset"
FORMAT_VERSION = 1

# Columns beside /images: name -> (dtype, rank). Each has one row per image.
COLUMNS = {
    "source_files": ("string", 1),
    "labels": ("int64", 1),
    "attributes": ("float32", 2),
    "boxes": ("int32", 3),
    "split": ("uint8", 1),
}

# Texts that are not by image.
TEXT_LISTS = ("class_names", "skipped_files", "skipped_reasons")


def check_layout(path: Path, file: h5py.File) -> None:
    """Raise DatasetError unless names, shapes and dtypes are those of the format.

    Parameters
    ----------
    path : Path
        Of the file, for the message.
    file : h5py.File
        The same, open.
    """
    if file.attrs.get("format") != FORMAT:
        raise DatasetError(
            f"{path} is an HDF5 file but not a scratchgan dataset (its attribute "
            f"'format' is {file.attrs.get('format')!r}, expected {FORMAT!r}); "
            "see docs/dataset-format.md"
        )
    version = int(file.attrs.get("format_version", 0))
    if version != FORMAT_VERSION:
        hint = "install a newer scratchgan" if version > FORMAT_VERSION else "remake it"
        raise DatasetError(
            f"{path} has dataset format version {version}, and this scratchgan reads "
            f"version {FORMAT_VERSION}; {hint}"
        )
    images = _own_data(path, file, "images")
    if (
        images is None
        or images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] not in (1, 3)
        or 0 in images.shape
    ):
        found = "missing" if images is None else f"{images.dtype} {images.shape}"
        raise DatasetError(
            f"{path}: /images is {found}, expected uint8 (N, H, W, 1 or 3) with N >= 1"
        )
    if int(file.attrs.get("count", len(images))) != len(images):
        raise DatasetError(
            f"{path}: the attribute 'count' says {file.attrs['count']} images and "
            f"/images holds {len(images)}; prepare it again with --force"
        )
    for name, (dtype, rank) in COLUMNS.items():
        column = _own_data(path, file, name)
        if column is None:
            continue
        is_string = h5py.check_string_dtype(column.dtype) is not None
        if (
            ("string" if is_string else str(column.dtype)) != dtype
            or column.ndim != rank
            or len(column) != len(images)
        ):
            raise DatasetError(
                f"{path}: /{name} is {column.dtype} {column.shape}, expected {dtype} "
                f"of rank {rank} with {len(images)} rows, one for each image"
            )
    attributes = file.get("attributes")
    if attributes is not None:
        names = attributes.attrs.get("attribute_names", ())
        if len(names) != attributes.shape[1]:
            raise DatasetError(
                f"{path}: /attributes has {attributes.shape[1]} columns and "
                f"{len(names)} attribute_names"
            )
    for name in TEXT_LISTS:
        _own_data(path, file, name)


def _own_data(path: Path, file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return a dataset stored whole in this very file, or None where it is absent.

    HDF5 can point into other files, and gives zeros for data never written: neither
    is what a reader of images expects, so both are refused.
    """
    link = file.get(name, getlink=True)
    if link is None:
        return None
    data = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise DatasetError(f"{path}: /{name} is not an array kept in this file")
    if data.chunks is None:
        whole = data.id.get_storage_size() >= data.nbytes
    else:
        chunks_needed = 1
        for size, chunk in zip(data.shape, data.chunks, strict=True):
            chunks_needed *= -(-size // chunk)
        whole = data.id.get_num_chunks() >= chunks_needed
    if not whole:
        raise DatasetError(
            f"{path}: /{name} is not complete; prepare it again with --force"
        )
    return data
