"""MNIST and Fashion-MNIST: four idx files, gzipped or not."""

import contextlib
import gzip
import io
import math
import re
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import numpy as np

from scratchgan.datasets.decode_image import MAX_PIXELS, MIN_SIDE, UnreadableImage
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import (
    DAMAGE,
    MAX_FILE_BYTES,
    File,
    Files,
)
from scratchgan.datasets.sources.pixel_arrays import PixelArrays, PixelBlock
from scratchgan.errors import DatasetError

# train-images-idx3-ubyte.gz; some copies have a dot: train-images.idx3-ubyte
_NAME = re.compile(r"(train|t10k)-(images|labels)[-.]idx([13])-ubyte(\.gz)?")
_SPLITS = {"train": SPLITS["train"], "t10k": SPLITS["test"]}
_BLOCK_BYTES = 4 << 20

FASHION = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip
# The sets' files have the same names; their first labels differ.
_FASHION_BEGINS = {
    "train": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
    "t10k": [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
}


class Mnist(PixelArrays):
    """Images and labels in idx files, in their order: training, then test.

    Format: http://yann.lecun.com/exdb/mnist/: a magic number, sizes as big-endian
    32-bit integers, then bytes. Either pair of files will do alone.
    """

    kind = "mnist"
    needs = "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, and/or t10k"
    channels: ClassVar[int] = 1
    validation: ClassVar[int] = 10_000
    labelled = True
    has_splits = True

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._pairs: list[tuple[str, File, np.ndarray]] = []
        self._shape: tuple[int, ...] = ()
        for part in ("train", "t10k"):
            images, labels = _find(files, part, "images"), _find(files, part, "labels")
            if images is None and labels is None:
                continue
            if images is None or labels is None:
                missing = "images" if images is None else "labels"
                raise DatasetError(
                    f"{files.path} lacks the {part}-{missing} file that belongs to "
                    f"{(images or labels).name}"
                )
            self._add(part, images, labels)
        if not self._pairs:
            raise DatasetError(f"{files.path} has no idx files: it needs {self.needs}")
        self.class_names = self._names_of_classes()

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether there are idx files."""
        return any(_NAME.fullmatch(file.base) for file in files.files)

    def __len__(self) -> int:
        return sum(len(labels) for _, _, labels in self._pairs)

    def blocks(self) -> Iterator[PixelBlock]:
        """Yield a few thousand images at a time."""
        for part, file, labels in self._pairs:
            with self._stream(file) as stream:
                _read_sizes(stream, file, dimensions=3)
                rows = max(1, _BLOCK_BYTES // math.prod(self._shape))
                for start in range(0, len(labels), rows):
                    stop = min(start + rows, len(labels))
                    shape = (stop - start, *self._shape)
                    pixels = _read_bytes(stream, file, math.prod(shape))
                    names = [f"{part}/{i:05d}" for i in range(start, stop)]
                    yield PixelBlock(
                        names,
                        pixels.reshape(shape),
                        labels[start:stop],
                        _SPLITS[part],
                    )
                _expect_end(stream, file)

    def _add(self, part: str, images: File, labels: File) -> None:
        """Read sizes and labels of a pair of files, and check that they fit."""
        with self._stream(images) as stream:
            count, *shape = _read_sizes(stream, images, dimensions=3)
        with self._stream(labels) as stream:
            (label_count,) = _read_sizes(stream, labels, dimensions=1)
            values = _read_bytes(stream, labels, label_count).astype(np.int64)
            _expect_end(stream, labels)
        if min(shape) < MIN_SIDE or math.prod(shape) > MAX_PIXELS:
            raise DatasetError(
                f"{images.name} says its images are {shape[0]}x{shape[1]} pixels; "
                "download it again"
            )
        if count != label_count:
            raise DatasetError(
                f"{images.name} has {count} images and {labels.name} {label_count} "
                "labels; download both again"
            )
        if self._shape not in ((), tuple(shape)):
            raise DatasetError(
                f"{images.name} has images of {shape[0]}x{shape[1]} pixels, the "
                f"training file {self._shape[0]}x{self._shape[1]}"
            )
        self._shape = tuple(shape)
        self._pairs.append((part, images, values))

    def _names_of_classes(self) -> list[str]:
        part, _, labels = self._pairs[0]
        if labels[:10].tolist() == _FASHION_BEGINS[part]:
            return FASHION
        return [str(digit) for digit in range(max(9, labels.max(initial=0)) + 1)]

    @contextlib.contextmanager
    def _stream(self, file: File) -> Iterator[BinaryIO]:
        """Open a file, through gzip if it needs that; damage is a DatasetError."""
        try:
            with contextlib.ExitStack() as stack:
                stream = stack.enter_context(io.BufferedReader(self.files.open(file)))
                # By the content, not the name: browsers unpack some downloads.
                if stream.peek(2)[:2] == b"\x1f\x8b":
                    stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
                yield stream
        except (UnreadableImage, *DAMAGE) as error:
            raise DatasetError(
                f"{file.name} in {self.path} is damaged ({error}); download it again"
            ) from error


def _find(files: Files, part: str, what: str) -> File | None:
    """Return a set's file of images or labels, packed or not, if it is there."""
    found: list[File] = []
    for file in files.files:
        match = _NAME.fullmatch(file.base)
        if match and match[1] == part and match[2] == what:
            found.append(file)
    if len({file.base for file in found}) < len(found):
        raise DatasetError(
            f"{files.path} holds {found[0].name} and {found[1].name}, so several sets; "
            "name the folder of one of them"
        )
    return found[0] if found else None


def _read_sizes(stream: BinaryIO, file: File, dimensions: int) -> list[int]:
    """Read the header: two zeros, 8 for bytes, the number of dimensions, the sizes."""
    header = _read_bytes(stream, file, 4 + 4 * dimensions)
    if header[:4].tolist() != [0, 0, 8, dimensions]:
        raise DatasetError(
            f"{file.name} begins with {header[:4].tobytes().hex()}, expected "
            f"{bytes([0, 0, 8, dimensions]).hex()}: it is no idx file of bytes in "
            f"{dimensions} dimensions; download it again"
        )
    return header[4:].view(">u4").astype(int).tolist()


def _read_bytes(stream: BinaryIO, file: File, count: int) -> np.ndarray:
    """Read so many bytes, or raise DatasetError."""
    if count > MAX_FILE_BYTES:
        raise DatasetError(
            f"{file.name} says that {count:,} bytes follow; download it again"
        )
    data = stream.read(count)
    if len(data) < count:
        raise DatasetError(f"{file.name} is cut short; download it again")
    return np.frombuffer(data, np.uint8)


def _expect_end(stream: BinaryIO, file: File) -> None:
    """Raise DatasetError where something follows; gzip compares its checksum here."""
    if stream.read(1):
        raise DatasetError(f"{file.name} is longer than it says; download it again")
