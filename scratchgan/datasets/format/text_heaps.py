"""The part of an HDF5 file that makes HDF5 wait for ever when it is damaged.

HDF5 keeps texts in "global heap collections", which have no checksum. Where a damaged
length leads its reader into the zeros at a collection's end, it goes on in steps of
nothing (seen with HDF5 2.0). So these are walked through before HDF5 reads any.

A collection is ``GCOL``, a version of 1 and three zeros, its size in bytes as 8 bytes,
and then objects: index and reference count as 2 bytes each, 4 zeros, size as 8 bytes,
content filled up to a multiple of 8. Index 0 is the free rest, header included. See
"Disk Format: Level 1E - Global Heap" in the HDF5 file format specification.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"GCOL\x01\0\0\0"
_HEADER = 16  # bytes, of a collection and of an object alike
_BLOCK = 1 << 24


def damaged_text_heap(path: Path) -> int | None:
    """Return where in a file the first damaged collection of texts is, or None.

    The whole file is read once, block by block. That eight bytes of pixels look like
    the beginning of a collection has a chance of 1e-9 in a file of ten gigabytes.

    Parameters
    ----------
    path : Path
        An HDF5 file, or any other.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        for start in _signatures(file):
            file.seek(start + 8)
            length = int.from_bytes(file.read(8), "little")
            # Beyond the end of the file, HDF5 notices by itself.
            if length <= size - start and not _is_whole(
                file.read(max(0, length - _HEADER))
            ):
                return start
    return None


def _signatures(file: BinaryIO) -> Iterator[int]:
    """Yield every place where a collection begins; the caller may move the file."""
    start, block = 0, b""
    while True:
        # The end of the block before, where a signature may have begun.
        tail = block[-len(_SIGNATURE) + 1 :]
        file.seek(start)
        read = file.read(_BLOCK)
        if not read:
            return
        block = tail + read
        found = block.find(_SIGNATURE)
        while found >= 0:
            yield start - len(tail) + found
            found = block.find(_SIGNATURE, found + 1)
        start += len(read)


def _is_whole(objects: bytes) -> bool:
    """Return whether each object of a collection ends where another one begins."""
    at = 0
    while len(objects) - at >= _HEADER:
        index = int.from_bytes(objects[at : at + 2], "little")
        size = int.from_bytes(objects[at + 8 : at + 16], "little")
        if index == 0:
            return size == len(objects) - at
        at += _HEADER + -(-size // 8) * 8
    return at <= len(objects)
