"""MNIST and Fashion-MNIST: four idx files, gzipped or not."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import numpy as np

from scratchgan.datasets.images import UnreadableImage
from scratchgan.datasets.schema import SPLITS
from scratchgan.datasets.sources.files import File, Files
from scratchgan.datasets.sources.pixel_arrays import PixelArrays, PixelBlock
from scratchgan.errors import DatasetError

# train-images-idx3-ubyte.gz; some copies have a dot: train-images.idx3-ubyte
_NAME = re.compile(r"(train|t10k)-(images|labels)[-.]idx([13])-ubyte(\.gz)?")
_SPLITS = {"train": SPLITS["train"], "t10k": SPLITS["test"]}
_BLOCK = 4096

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
                for start in range(0, len(labels), _BLOCK):
                    stop = min(start + _BLOCK, len(labels))
                    shape = (stop - start, *self._shape)
                    pixels = _read_bytes(stream, file, int(np.prod(shape)))
                    names = [f"{part}/{i:05d}" for i in range(start, stop)]
                    yield PixelBlock(
                        names,
                        pixels.reshape(shape),
                        labels[start:stop],
                        _SPLITS[part],
                    )

    def _add(self, part: str, images: File, labels: File) -> None:
        """Read sizes and labels of a pair of files, and check that they fit."""
        with self._stream(images) as stream:
            count, *shape = _read_sizes(stream, images, dimensions=3)
        with self._stream(labels) as stream:
            (label_count,) = _read_sizes(stream, labels, dimensions=1)
            values = _read_bytes(stream, labels, label_count).astype(np.int64)
            if stream.read(1):
                raise DatasetError(f"{labels.name} has more than {label_count} labels")
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

    def _stream(self, file: File) -> BinaryIO:
        try:
            stream = self.files.open(file)
        except UnreadableImage as error:
            raise DatasetError(f"{file.name} in {self.path}: {error}") from error
        # By the content, not the name: browsers unpack some downloads by themselves.
        buffered = io.BufferedReader(stream)
        is_gzip = buffered.peek(2)[:2] == b"\x1f\x8b"
        return gzip.GzipFile(fileobj=buffered) if is_gzip else buffered


def _find(files: Files, part: str, what: str) -> File | None:
    for file in files.files:
        match = _NAME.fullmatch(file.base)
        if match and match[1] == part and match[2] == what:
            return file
    return None


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
    try:
        data = stream.read(count)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{file.name} is damaged ({error}); download it again"
        ) from error
    if len(data) < count:
        raise DatasetError(f"{file.name} is cut short; download it again")
    return np.frombuffer(data, np.uint8)
