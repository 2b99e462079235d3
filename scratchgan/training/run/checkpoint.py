"""Checkpoint files: HDF5 with plain arrays, one JSON attribute, and a checksum.

Arrays are named by network and parameter: ``generator/up1.conv.weight``,
``adam_d/m/down2.norm.gamma``. Two runs that compute the same have the same arrays; what
may differ between them, such as times, is in the JSON. Nothing is ever unpickled.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scratchgan.errors import CheckpointError, NonFiniteError
from scratchgan.storage.hdf5_output import Hdf5Output

FORMAT = "scratchgan-checkpoint"
VERSION = 1


def save_checkpoint(
    path: Path, arrays: dict[str, np.ndarray], meta: dict[str, Any]
) -> None:
    """Write a checkpoint; ``path`` is the old file or the whole new one, never half.

    Parameters
    ----------
    path : Path
        File to write or replace.
    arrays : dict of ndarray
        By name, groups separated by ``/``.
    meta : dict
        JSON values.

    Raises
    ------
    OutputError
        If the file cannot be written: full disk, read-only folder.
    """
    text = json.dumps(meta)
    output = Hdf5Output(path, sum(array.nbytes for array in arrays.values()))
    with output as file, output.writing():
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["meta"] = text
        file.attrs["sha256"] = _checksum(arrays, text)


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint and verify its checksum.

    Returns
    -------
    arrays : dict of ndarray
        By name.
    meta : dict
        JSON values.

    Raises
    ------
    CheckpointError
        If the file is missing, not a checkpoint, of a newer version, or damaged.
    """
    arrays: dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with _opened(path) as file:
        file.visititems(collect)
        text, checksum = file.attrs["meta"], file.attrs["sha256"]
    if _checksum(arrays, text) != checksum:
        raise CheckpointError(_damaged(path, "its checksum does not match"))
    return arrays, json.loads(text)


def read_meta(path: Path) -> dict[str, Any]:
    """Return the JSON values of a checkpoint, not verified; raises as above."""
    with _opened(path) as file:
        return json.loads(file.attrs["meta"])


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a checkpoint; what goes wrong while it is open becomes a CheckpointError."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise CheckpointError(f"{path} is not a scratchgan checkpoint")
            if file.attrs["version"] > VERSION:
                raise CheckpointError(
                    f"{path} has format version {file.attrs['version']}, this "
                    f"scratchgan reads up to {VERSION}; use a newer scratchgan"
                )
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(_damaged(path, str(error))) from error


def _damaged(path: Path, reason: str) -> str:
    return (
        f"{path} is damaged ({reason.splitlines()[0]}); use an older checkpoint of the "
        "run: give the file instead of the folder"
    )


def _checksum(arrays: dict[str, np.ndarray], meta: str) -> str:
    """Return the SHA-256 of names, dtypes, shapes, values and the JSON text."""
    digest = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def refuse_non_finite(arrays: dict[str, np.ndarray]) -> None:
    """Raise NonFiniteError naming the first array with a NaN or infinite value."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NonFiniteError(
                f"{name} has values that are not finite numbers; a smaller --lr is "
                "the usual cure"
            )
