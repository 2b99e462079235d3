"""Arrays that are kept in a file to save work, and made anew where it is of no use.

The file is NumPy's .npz: a zip of plain arrays, not compressed. One of them, ``about``,
is a JSON text; its ``key`` says what the arrays depend on. A file of another key is as
good as none, and so is a damaged one: wherever a bit of it is flipped, reading gives
what was written or raises `DamagedFileError`.
"""

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchgan.errors import ScratchGANError
from scratchgan.storage.files import complete_file

ABOUT = "about"
DAMAGE = (
    OSError,  # also: damaged bzip2 data
    EOFError,
    ValueError,  # also: names that are no text, JSON that is none
    TypeError,
    AttributeError,
    LookupError,
    RuntimeError,  # also: encrypted; a compression method Python does not have
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)
"""What reading a damaged file raises, or using what was read, depending on where."""


class UnusableFileError(ScratchGANError):
    """A kept file that is damaged, or of something else: its content is made anew."""


class DamagedFileError(UnusableFileError):
    """A kept file that cannot be read; also one that is not there."""


class OtherKeyError(UnusableFileError):
    """A kept file of another key."""


class Kept(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    arrays : dict of ndarray
    about : dict
        Plain values.
    """

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def write_arrays(
    path: Path,
    key: str,
    arrays: Mapping[str, np.ndarray],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Keep arrays in a file, whole or not at all.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    key : str
        Says what the arrays depend on.
    arrays : mapping of ndarray
        By names other than ``about``.
    about : mapping, optional
        Values that JSON has.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = json.dumps({**(about or {}), "key": key})
    with complete_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{ABOUT: np.array(text), **arrays})


@contextmanager
def kept_arrays(path: Path, key: str) -> Iterator[Kept]:
    """Give what a file holds to a ``with`` block that makes something of it.

    Arrays that do not fit are found out inside the block, so what goes wrong there is
    damage too.

    Raises
    ------
    DamagedFileError
        It cannot be read, is not there, or the block failed as on wrong arrays.
    OtherKeyError
        It was written with another key.
    """
    try:
        kept, found = _read(path)
        if found != key:
            raise OtherKeyError(f"{path} depends on other things; remove it")
        yield kept
    except DAMAGE as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error


def _read(path: Path) -> tuple[Kept, str]:
    """Return what a file holds, and its key.

    NumPy's own reader asks a zip for no more bytes than an array's header promises; if
    it promises too few the checksum is never compared. Here all bytes are read first.
    """
    with zipfile.ZipFile(path) as archive:
        arrays = {
            name.removesuffix(".npy"): np.lib.format.read_array(
                BytesIO(archive.read(name)), allow_pickle=False
            )
            for name in archive.namelist()
        }
    about = _about(arrays)
    return Kept(arrays, about), about.pop("key")


def _about(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Take the JSON text out of the arrays.

    Files of the first versions have only a key: as an array of its own, or in place of
    the JSON text.
    """
    if ABOUT not in arrays:
        return {"key": str(arrays.pop("key"))}
    text = str(arrays.pop(ABOUT))
    return json.loads(text) if text.startswith("{") else {"key": text}
