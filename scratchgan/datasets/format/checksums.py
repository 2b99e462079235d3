"""SHA-256 of what a dataset holds: written with it, compared by `find_problems`.

Each is that of values, not of the file's bytes: equal content has equal checksums,
however HDF5 lays it out. ``docs/dataset-format.md`` defines all three kinds.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from scratchgan.datasets.format.dataset import images_per_chunk
from scratchgan.progress import Progress

# Rows of a column, other than pixels, that are in memory at a time.
_ROWS = 65_536

DESCRIPTION_SHA256 = "description_sha256"
"""The root attribute that no checksum covers, as it holds that of all others."""


def pixels_sha256(images: h5py.Dataset, progress: Progress | None = None) -> str:
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


def column_bytes(values: np.ndarray) -> bytes:
    r"""Return the bytes of some rows of a column that go into its checksum.

    Numbers are little-endian in row-major order. Texts are UTF-8, each ended by a
    zero byte, which no text in a dataset contains.

    >>> column_bytes(np.array([1, 2], np.int64))[:9]
    b'\x01\x00\x00\x00\x00\x00\x00\x00\x02'
    >>> column_bytes(np.array(["cat", "dog"], object))
    b'cat\x00dog\x00'
    """
    if values.dtype == object:
        texts = (text.encode("utf-8", "surrogatepass") for text in values)
        return b"".join(text + b"\0" for text in texts)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def column_sha256(column: h5py.Dataset) -> str:
    """Return the SHA-256 of a column of a file, in hexadecimal.

    Parameters
    ----------
    column : h5py.Dataset
        Numbers, or texts of variable length, with one row or more.
    """
    is_text = h5py.check_string_dtype(column.dtype) is not None
    rows = column.asstr(errors="replace") if is_text else column
    digest = hashlib.sha256()
    for start in range(0, len(column), _ROWS):
        digest.update(column_bytes(rows[start : start + _ROWS]))
    return digest.hexdigest()


def texts_digest(texts: Iterable[str]) -> "hashlib._Hash":
    """Return the SHA-256 of a list of texts, as of a column that holds them."""
    return hashlib.sha256(column_bytes(np.array(list(texts), object)))


def description_sha256(attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the root attributes, in hexadecimal.

    It is that of one JSON object with sorted names, without spaces, other than ASCII
    escaped. The attribute that holds this checksum does not count.

    Parameters
    ----------
    attributes : mapping
        Texts, numbers and truth values, as h5py gives them.
    """
    plain = {
        name: value if isinstance(value, str) else np.asarray(value).tolist()
        for name, value in attributes.items()
        if name != DESCRIPTION_SHA256
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
