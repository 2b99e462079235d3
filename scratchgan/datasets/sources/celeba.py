"""CelebA: aligned faces with 40 attributes, and the official partition."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import Files
from scratchgan.datasets.sources.image_files import is_image
from scratchgan.datasets.sources.source import Source, SourceImage
from scratchgan.errors import DatasetError

_FOLDER = "img_align_celeba"
_ARCHIVE = f"{_FOLDER}.zip"
_ATTRIBUTES = "list_attr_celeba"
_PARTITION = "list_eval_partition"
_IDENTITIES = "identity_CelebA"
_PARTITIONS = {
    "0": SPLITS["train"],
    "1": SPLITS["validation"],
    "2": SPLITS["test"],
}

Value = TypeVar("Value")


class CelebA(Source):
    """``img_align_celeba.zip``, or its folder, with the list files.

    SOURCE is the folder they were downloaded into. ``list_attr_celeba.txt`` gives the
    attributes, where -1 and 1 are stored as 0 and 1; ``list_eval_partition.txt`` the
    split; ``identity_CelebA.txt``, where it is there, the person as label. Lists as
    .csv, as some mirrors have them, will do too.
    Format: https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html
    """

    kind = "celeba"
    needs = "img_align_celeba.zip, or its folder, with list_attr_celeba.txt"
    licence = "CelebA's terms: non-commercial research"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._pictures = files
        self._images = [file for file in files.files if is_image(file)]
        if not self._images:
            archives = files.named(_ARCHIVE)
            if not archives:
                raise DatasetError(f"{files.path} has no images: it needs {self.needs}")
            self._pictures = files.inside(archives[0])
            self._images = [file for file in self._pictures.files if is_image(file)]
        self.attribute_names, self._attributes = _read_list(
            files, _ATTRIBUTES, _zeros_and_ones
        )
        _, self._splits = _read_list(files, _PARTITION, _split)
        self.has_splits = self._splits is not None
        _, self._people = _read_list(files, _IDENTITIES, _person)
        self.labelled = self._people is not None
        self._check()

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether CelebA's archive, or its list of attributes, is there."""
        if files.named(_ARCHIVE):
            return True
        is_celeba = files.path.name in (_ARCHIVE, _FOLDER) or files.named(
            f"{_ATTRIBUTES}.txt", f"{_ATTRIBUTES}.csv"
        )
        return bool(is_celeba) and any(is_image(file) for file in files.files)

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[SourceImage]:
        for file in self._images:
            yield SourceImage(
                file.name,
                partial(self._pictures.read, file),
                self._people[file.base] if self._people else None,
                self._splits[file.base] if self._splits else SPLITS["train"],
                self._attributes[file.base] if self._attributes else None,
            )

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Members of the archive that are no plain files, each with the reason."""
        return self._pictures.refused

    def close(self) -> None:
        """Close the archive."""
        self._pictures.close()
        super().close()

    def _check(self) -> None:
        """Raise DatasetError for an image that a list does not know."""
        lists = {
            _ATTRIBUTES: self._attributes,
            _PARTITION: self._splits,
            _IDENTITIES: self._people,
        }
        for title, lines in lists.items():
            for file in self._images if lines is not None else ():
                if file.base not in lines:
                    raise DatasetError(
                        f"{file.name} has no line in {title} in {self.path}; the list "
                        "and the images do not belong together"
                    )


def _read_list(
    files: Files, title: str, read: Callable[[list[str]], Value]
) -> tuple[list[str] | None, dict[str, Value] | None]:
    """Return names of columns and what each image's line says; None without the list.

    As .txt: perhaps a line with the number of images, perhaps one with the names of
    the columns, then an image and its values on each line. As .csv: names, then lines.
    """
    found = files.named(f"{title}.txt", f"{title}.csv")
    if not found:
        return None, None
    file = found[0]
    where = f"{file.name} in {files.path}"
    names: list[str] = []
    claimed = None
    values: dict[str, Value] = {}
    for line in files.read_text(file).splitlines():
        image, *words = line.replace(",", " ").split() or [""]
        if image.endswith((".jpg", ".png")):
            if len(words) != (len(names) or 1):
                raise DatasetError(
                    f"{where}: the line of {image} has {len(words)} values, expected "
                    f"{len(names) or 1}"
                )
            try:
                values[image] = read(words)
            except ValueError as error:
                raise DatasetError(f"{where}: the line of {image}: {error}") from error
        elif image.isdigit() and not words and not values:
            claimed = int(image)
        elif image and not values and not names:
            # A .csv names the column of images, too: "image_id".
            names = words if file.ending == ".csv" else [image, *words]
        elif image:
            raise DatasetError(f"{where}: {line[:80]!r} is the line of no image")
    if claimed is not None and claimed != len(values):
        raise DatasetError(
            f"{where} says {claimed} images and lists {len(values)}: it is cut short"
        )
    return names, values


def _zeros_and_ones(values: list[str]) -> bytes:
    """Return -1/1 or 0/1 as 0 and 1; bytes, since there are 8 million of them.

    >>> list(_zeros_and_ones(["-1", "1", "0"]))
    [0, 1, 0]
    """
    if strange := set(values) - {"-1", "1", "0"}:
        raise ValueError(f"a value is {min(strange)!r}, expected -1 or 1")
    return bytes(value == "1" for value in values)


def _split(values: list[str]) -> int:
    if values[0] not in _PARTITIONS:
        raise ValueError(f"the part is {values[0]!r}, expected 0, 1 or 2")
    return _PARTITIONS[values[0]]


def _person(values: list[str]) -> int:
    """Return a label from 0; the list counts from 1."""
    text = values[0]
    if not (text.isdecimal() and len(text) < 8 and int(text) > 0):
        raise ValueError(f"the person is {text!r}, expected a number from 1")
    return int(text) - 1
