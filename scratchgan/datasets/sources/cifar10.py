"""CIFAR-10 as its authors publish it: Python batches, binary batches; and PNG files."""

import re
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import numpy as np

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import File, Files
from scratchgan.datasets.sources.image_files import is_image, split_folders
from scratchgan.datasets.sources.pixel_arrays import PixelArrays, PixelBlock
from scratchgan.datasets.sources.restricted_pickle import (
    RefusedPickle,
    load_plain_pickle,
)
from scratchgan.datasets.sources.source import Source, SourceImage
from scratchgan.errors import DatasetError

CLASSES = (
    "airplane automobile bird cat deer dog frog horse ship truck".split()
)  # batches.meta of every version
_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE

_BATCH = re.compile(r"(data_batch_\d+|test_batch)(\.bin)?")
_PNG = re.compile(r"\d{1,9}_(\w+)\.png")
_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")


class Cifar10(PixelArrays):
    """The batches of ``cifar-10-python.tar.gz`` or ``cifar-10-binary.tar.gz``.

    Packed or unpacked. Images keep their order: batches 1 to 5 for training, then the
    test batch. Format: https://www.cs.toronto.edu/~kriz/cifar.html
    """

    kind = "cifar10"
    needs = "cifar-10-python.tar.gz, cifar-10-binary.tar.gz, or their batches"
    validation: ClassVar[int] = 10_000
    labelled = True
    has_splits = True

    def __init__(self, files: Files) -> None:
        if not _batches(files):
            archive = files.named(*_ARCHIVES)
            files = files.inside(archive[0]) if archive else files
        super().__init__(files)
        self.class_names = list(CLASSES)
        batches = _batches(files)
        binary = [file for file in batches if file.ending == ".bin"]
        # Both kinds side by side are the same images twice.
        self._batches = [file for file in batches if file not in binary] or binary
        if not self._batches:
            raise DatasetError(f"{files.path} has no batches of CIFAR-10: {self.needs}")
        self._sizes = [len(self._labels_of(file)) for file in self._batches]

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether there are batches, or an archive of them."""
        return bool(_batches(files) or files.named(*_ARCHIVES))

    def __len__(self) -> int:
        return sum(self._sizes)

    def blocks(self) -> Iterator[PixelBlock]:
        """Yield the batches."""
        for file in self._batches:
            pixels, labels, names = self._read(file)
            split = SPLITS["test" if file.base.startswith("test") else "train"]
            yield PixelBlock(names, pixels, labels, split)

    def _labels_of(self, file: File) -> np.ndarray:
        return self._read(file)[1]

    def _read(self, file: File) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Return pixels (n, 32, 32, 3), labels and names of one batch, checked."""
        where = f"{file.name} in {self.path}"
        try:
            data = self.files.read(file)
            if file.ending == ".bin":
                planes, labels, names = _read_binary(data)
            else:
                planes, labels, names = _read_python(data)
        except (UnreadableImage, RefusedPickle, ValueError) as error:
            raise DatasetError(
                f"{where} is no batch of CIFAR-10: {error}; download it again"
            ) from error
        if len(labels) != len(planes):
            raise DatasetError(
                f"{where} has {len(planes)} images and {len(labels)} labels"
            )
        if len(labels) and not (0 <= labels.min() and labels.max() < len(CLASSES)):
            raise DatasetError(
                f"{where} has labels {labels.min()} to {labels.max()}, expected 0 to 9"
            )
        names = names or [f"{i:05d}" for i in range(len(labels))]
        names = [f"{file.base.removesuffix('.bin')}/{name}" for name in names]
        pixels = planes.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
        return pixels, labels, names


class Cifar10Png(Source):
    """CIFAR-10 as PNG files ``train/0_frog.png`` and ``test/0_cat.png``.

    The images are in the order of their numbers, whatever folders they are in.
    """

    kind = "cifar10"
    needs = "train/0_frog.png and so on"
    validation: ClassVar[int] = 10_000
    labelled = True
    has_splits = True

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.class_names = list(CLASSES)
        self._images = [file for file in files.files if is_image(file)]
        strange = [file.name for file in self._images if _class_of(file) is None]
        if strange:
            raise DatasetError(
                f"{strange[0]} in {files.path}: expected a name such as 0_frog.png, "
                f"with one of {', '.join(CLASSES)}"
            )
        splits, _ = split_folders([file.name for file in self._images])
        # By number, not by text: 2_cat comes before 10_cat.
        rows = sorted(
            zip(splits, self._images, strict=True),
            key=lambda row: (row[0], _number(row[1]), row[1].name),
        )
        self._splits = [split for split, _ in rows]
        self._images = [file for _, file in rows]

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether all images are named as in 0_frog.png."""
        images = [file for file in files.files if is_image(file)]
        return bool(images) and all(map(_class_of, images))

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[SourceImage]:
        for file, split in zip(self._images, self._splits, strict=True):
            label = CLASSES.index(_class_of(file))
            yield SourceImage(file.name, partial(self.files.read, file), label, split)


def _batches(files: Files) -> list[File]:
    batches = [file for file in files.files if _BATCH.fullmatch(file.base)]
    return sorted(batches, key=lambda file: (file.base.startswith("test"), file.base))


def _class_of(file: File) -> str | None:
    match = _PNG.fullmatch(file.base)
    return match[1] if match and match[1] in CLASSES else None


def _number(file: File) -> int:
    return int(file.base.partition("_")[0])


def _read_binary(data: bytes) -> tuple[np.ndarray, np.ndarray, None]:
    """Read records of one byte of label and 3072 of pixels, plane by plane."""
    if len(data) % (1 + _PIXELS):
        raise ValueError(
            f"{len(data)} bytes are not a multiple of {1 + _PIXELS}: it is cut short"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS)
    return records[:, 1:], records[:, 0].astype(np.int64), None


def _read_python(data: bytes) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """Read a pickled dict with "data" (n, 3072) and "labels"."""
    content = load_plain_pickle(data)
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, expected a dict")
    content = {
        _text(key): value
        for key, value in content.items()
        if isinstance(key, str | bytes)
    }
    planes, labels = content.get("data"), content.get("labels")
    if not isinstance(planes, np.ndarray) or labels is None:
        found = ", ".join(map(repr, content)) or "nothing"
        raise ValueError(f"it holds {found}, expected 'data' and 'labels'")
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[1] != _PIXELS:
        raise ValueError(
            f"'data' is {planes.dtype} {planes.shape}, expected uint8 (n, {_PIXELS})"
        )
    return planes, _labels(labels), _filenames(content.get("filenames"), len(planes))


def _labels(labels: object) -> np.ndarray:
    if (
        isinstance(labels, np.ndarray)
        and labels.ndim == 1
        and labels.dtype.kind in "iu"
    ):
        return labels.astype(np.int64)
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        # Clipped to what int64 holds; the range is checked, and named, by the caller.
        return np.array([max(-1, min(label, 2**31)) for label in labels], np.int64)
    raise ValueError("'labels' are no integers")


def _filenames(names: object, count: int) -> list[str] | None:
    if names is None:
        return None
    if not isinstance(names, list) or len(names) != count:
        raise ValueError(f"'filenames' are not one for each of {count} images")
    if not all(isinstance(name, str | bytes) for name in names):
        raise ValueError("'filenames' are no text")
    return [_text(name) for name in names]


def _text(value: str | bytes) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value
