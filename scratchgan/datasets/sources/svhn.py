"""SVHN, the cropped digits: MATLAB files of 32x32 pixels."""

import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import File, Files
from scratchgan.datasets.sources.pixel_arrays import PixelArrays, PixelBlock
from scratchgan.errors import DatasetError

_FILES = {
    "train_32x32.mat": SPLITS["train"],
    "test_32x32.mat": SPLITS["test"],
    "extra_32x32.mat": SPLITS["extra"],
}
_NUMBERS = ("uint8", "uint16", "int8", "int16", "int32", "int64", "single", "double")
_MOST_IMAGES = 2_000_000  # extra has 531,131


class Svhn(PixelArrays):
    """Any of ``train_32x32.mat``, ``test_32x32.mat`` and ``extra_32x32.mat``.

    Each holds X, uint8 (32, 32, 3, N), and y (N, 1) with 1 to 10, where 10 stands for
    the digit 0; the label stored is the digit shown. A file is read whole: extra takes
    1.6 GB. Format: http://ufldl.stanford.edu/housenumbers/
    """

    kind = "svhn"
    needs = "train_32x32.mat, test_32x32.mat and/or extra_32x32.mat"
    licence = "non-commercial use, as its page says"
    validation: ClassVar[int] = 10_000
    labelled = True
    has_splits = True

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._parts = [file for name in _FILES for file in files.named(name)]
        if not self._parts:
            raise DatasetError(f"{files.path} has no files of SVHN: {self.needs}")
        self.class_names = [str(digit) for digit in range(10)]
        self._counts = [self._count(file) for file in self._parts]

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether one of the three files is there."""
        return bool(files.named(*_FILES))

    def __len__(self) -> int:
        return sum(self._counts)

    def blocks(self) -> Iterator[PixelBlock]:
        """Yield one file after the other."""
        for file in self._parts:
            content = self._call(file, "loadmat", variable_names=["X", "y"])
            pixels = content["X"].transpose(3, 0, 1, 2)  # (N, 32, 32, 3)
            y = content["y"].ravel()
            if not np.isin(y, range(1, 11)).all():
                raise DatasetError(
                    f"{file.name}: y is {y.min()} to {y.max()}, expected whole numbers "
                    "from 1 to 10"
                )
            part = file.base.partition("_")[0]
            names = [f"{part}/{i:06d}" for i in range(len(y))]
            labels = y.astype(np.int64) % 10
            yield PixelBlock(names, pixels, labels, _FILES[file.base])

    def _count(self, file: File) -> int:
        """Return how many images a file has, from its header alone."""
        variables = {
            name: (shape, kind) for name, shape, kind in self._call(file, "whosmat")
        }
        shape, kind = variables.get("X", ((), "missing"))
        labels, labels_kind = variables.get("y", ((), "missing"))
        is_right = len(shape) == 4 and shape[:3] == (32, 32, 3) and kind == "uint8"
        if not is_right or labels_kind not in _NUMBERS:
            found = ", ".join(f"{n} {k} {s}" for n, (s, k) in variables.items())
            raise DatasetError(
                f"{file.name} in {self.path} holds {found or 'nothing'}; expected X "
                "uint8 (32, 32, 3, N) and y (N, 1): the cropped digits of SVHN"
            )
        if math.prod(labels) != shape[3] or not 0 < shape[3] <= _MOST_IMAGES:
            raise DatasetError(
                f"{file.name} in {self.path}: X has {shape[3]} images and y "
                f"{math.prod(labels)} labels"
            )
        return shape[3]

    def _call(self, file: File, function: str, **options: Any) -> Any:
        """Call one of scipy.io's functions on a file."""
        io = _scipy_io()
        try:
            with self.files.open(file) as stream:
                return getattr(io, function)(stream, **options)
        except UnreadableImage as error:
            raise DatasetError(f"{file.name} in {self.path}: {error}") from error
        # A damaged file makes scipy raise nearly anything.
        except Exception as error:
            raise DatasetError(
                f"{file.name} in {self.path} is not a whole MATLAB file ({error}); "
                "download it again"
            ) from error


def _scipy_io() -> ModuleType:
    try:
        import scipy.io
    except ImportError as error:
        raise DatasetError(
            "SVHN's .mat files need SciPy: pip install 'scratchgan[svhn]'"
        ) from error
    return scipy.io
