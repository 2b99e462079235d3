"""NumPy's .npz with ``images`` and ``labels``."""

import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from scratchgan.datasets.decode_image import MIN_SIDE, UnreadableImage
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import Files
from scratchgan.datasets.sources.pixel_arrays import PixelArrays, PixelBlock
from scratchgan.errors import DatasetError

_BLOCK_BYTES = 16 << 20
_MOST_TEXT_BYTES = 16 << 20


class Npz(PixelArrays):
    """An .npz with ``images``: uint8 (N, H, W) or (N, H, W, C), C 1 or 3.

    Optional: ``labels`` (N,), integers from 0; ``classes`` or ``class_names`` (K,),
    text; ``split`` (N,), as in the dataset format. The images are read in blocks.
    """

    kind = "npz"
    needs = "a .npz with images (N, H, W, C) uint8, and labels"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._members = {file.base.removesuffix(".npy"): file for file in files.files}
        if "images" not in self._members:
            found = ", ".join(sorted(self._members)) or "nothing"
            raise DatasetError(f"{files.path} holds {found}, expected 'images'")
        with self._open("images") as stream:
            self._shape = self._header(stream, "images")[0]
        size = self._members["images"].size
        if 0 < size < math.prod(self._shape):
            raise DatasetError(f"{files.path} is cut short: 'images' is {self._shape}")
        self._labels = self._column("labels", "iu")
        self._split = self._column("split", "iu")
        self.labelled = self._labels is not None
        self.has_splits = self._split is not None
        self.channels = 1 if len(self._shape) == 3 or self._shape[3] == 1 else 3
        names = self._text("classes") or self._text("class_names")
        self.class_names = names if self.labelled else None
        self._check_values()

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether it is a zip of .npy files with "images" among them."""
        endings = {file.ending for file in files.files}
        return endings == {".npy"} and bool(files.named("images.npy"))

    def __len__(self) -> int:
        return self._shape[0]

    def blocks(self) -> Iterator[PixelBlock]:
        """Yield some megabytes at a time."""
        count, *shape = self._shape
        image_bytes = math.prod(shape)
        rows = max(1, _BLOCK_BYTES // image_bytes)
        with self._open("images") as stream:
            self._header(stream, "images")
            for start in range(0, count, rows):
                stop = min(start + rows, count)
                data = _read(stream, (stop - start) * image_bytes, self.path)
                yield PixelBlock(
                    [f"{i:06d}" for i in range(start, stop)],
                    np.frombuffer(data, np.uint8).reshape(stop - start, *shape),
                    None if self._labels is None else self._labels[start:stop],
                    SPLITS["train"] if self._split is None else self._split[start:stop],
                )

    def _check_values(self) -> None:
        """Raise DatasetError where labels, names of classes or splits do not fit."""
        if self._labels is not None and len(self._labels):
            least, most = int(self._labels.min()), int(self._labels.max())
            limit = len(self.class_names) if self.class_names else most + 1
            if least < 0 or most >= limit:
                raise DatasetError(
                    f"{self.path}: labels are {least} to {most}, expected 0 to "
                    f"{limit - 1}"
                )
        if (
            self._split is not None
            and not np.isin(self._split, list(SPLITS.values())).all()
        ):
            raise DatasetError(
                f"{self.path}: 'split' has values beside {sorted(SPLITS.values())}"
            )

    def _open(self, name: str) -> BinaryIO:
        try:
            return self.files.open(self._members[name])
        except UnreadableImage as error:
            raise DatasetError(f"{name} in {self.path}: {error}") from error

    def _header(self, stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Read the header of an array and check shape and type of the images."""
        try:
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = read(stream)
        # The header is Python's text of a dict: a damaged one raises nearly anything.
        except Exception as error:
            raise DatasetError(
                f"{name} in {self.path} is no NumPy array ({error})"
            ) from error
        if name == "images":
            right = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
            if dtype != np.uint8 or not right or fortran:
                order = ", in Fortran order" if fortran else ""
                raise DatasetError(
                    f"{self.path}: 'images' is {dtype} {shape}{order}; expected uint8 "
                    "(N, H, W) or (N, H, W, C) with C = 1 or 3, in C order"
                )
            if shape[0] < 1 or min(shape[1:3]) < MIN_SIDE:
                raise DatasetError(
                    f"{self.path}: 'images' is {shape}, expected at least one image of "
                    f"{MIN_SIDE}x{MIN_SIDE} pixels"
                )
        return shape, dtype

    def _column(self, name: str, kinds: str) -> np.ndarray | None:
        """Return an integer array with one value for each image, or None."""
        if name not in self._members:
            return None
        with self._open(name) as stream:
            shape, dtype = self._header(stream, name)
            if dtype.kind not in kinds or shape not in ((len(self),), (len(self), 1)):
                raise DatasetError(
                    f"{self.path}: '{name}' is {dtype} {shape}, expected integers "
                    f"({len(self)},), one for each image"
                )
            data = _read(stream, len(self) * dtype.itemsize, self.path)
        return np.frombuffer(data, dtype).astype(np.int64)

    def _text(self, name: str) -> list[str] | None:
        if name not in self._members:
            return None
        with self._open(name) as stream:
            shape, dtype = self._header(stream, name)
            size = math.prod(shape) * dtype.itemsize
            if dtype.kind != "U" or len(shape) != 1 or not 0 < size < _MOST_TEXT_BYTES:
                raise DatasetError(
                    f"{self.path}: '{name}' is {dtype} {shape}, expected text (K,)"
                )
            data = _read(stream, size, self.path)
        codec = "utf-32-be" if dtype.str.startswith(">") else "utf-32-le"
        parts = [data[i : i + dtype.itemsize] for i in range(0, size, dtype.itemsize)]
        try:
            return [part.decode(codec).rstrip("\0") for part in parts]
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.path}: '{name}' is no text ({error})") from error


def _read(stream: BinaryIO, size: int, path: object) -> bytes:
    try:
        data = stream.read(size)
    except Exception as error:  # a damaged zip member raises nearly anything
        raise DatasetError(f"{path} is damaged ({error})") from error
    if len(data) < size:
        raise DatasetError(f"{path} is cut short")
    return data
