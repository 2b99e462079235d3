"""CelebA: aligned faces with 40 attributes, and the official partition."""

from collections.abc import Iterator
from functools import partial

from scratchgan.datasets.schema import SPLITS
from scratchgan.datasets.sources.files import Files
from scratchgan.datasets.sources.image_files import is_image
from scratchgan.datasets.sources.source import Source, SourceImage
from scratchgan.errors import DatasetError

_ARCHIVE = "img_align_celeba.zip"
_ATTRIBUTES = "list_attr_celeba"
_PARTITION = "list_eval_partition"
_IDENTITIES = "identity_CelebA"
_PARTITIONS = {
    "0": SPLITS["train"],
    "1": SPLITS["validation"],
    "2": SPLITS["test"],
}


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
        attributes = _table(files, _ATTRIBUTES)
        self.attribute_names, self._attributes = None, None
        if attributes is not None:
            self.attribute_names, lines = attributes
            self._attributes = {name: _zeros_and_ones(v) for name, v in lines.items()}
        self._splits = _column(files, _PARTITION, _PARTITIONS)
        self.has_splits = self._splits is not None
        self._people = _column(files, _IDENTITIES, None)
        self.labelled = self._people is not None
        self._check()

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether CelebA's archive, or its list of attributes, is there."""
        lists = files.named(f"{_ATTRIBUTES}.txt", f"{_ATTRIBUTES}.csv")
        images = files.named(_ARCHIVE) or any(is_image(file) for file in files.files)
        return bool(images) and bool(lists or files.named(_ARCHIVE))

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[SourceImage]:
        for file in self._images:
            yield SourceImage(
                file.name,
                partial(self._pictures.read, file),
                self._people[file.base] - 1 if self._people else None,
                self._splits[file.base] if self._splits else SPLITS["train"],
                self._attributes[file.base] if self._attributes else None,
            )

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


def _table(files: Files, title: str) -> tuple[list[str], dict[str, list[str]]] | None:
    """Return names of columns and the values by image of a list, or None.

    As .txt: perhaps a line with the number of images, perhaps one with the names of
    the columns, then an image and its values on each line. As .csv: names, then lines.
    """
    found = files.named(f"{title}.txt", f"{title}.csv")
    if not found:
        return None
    file = found[0]
    lines = [
        line.replace(",", " ").split() for line in files.read_text(file).splitlines()
    ]
    lines = [line for line in lines if line]
    claimed = None
    if lines and len(lines[0]) == 1 and lines[0][0].isdigit():
        claimed = int(lines.pop(0)[0])
    names: list[str] = []
    if lines and not lines[0][0].endswith((".jpg", ".png")):
        names = lines.pop(0)
        if file.ending == ".csv":
            names = names[1:]  # "image_id"
    rows = {line[0]: line[1:] for line in lines}
    width = len(names) or 1
    wrong = next((line for line in lines if len(line) != 1 + width), None)
    if wrong is not None:
        raise DatasetError(
            f"{file.name} in {files.path}: the line of {wrong[0]} has "
            f"{len(wrong) - 1} values, expected {width}"
        )
    if claimed is not None and claimed != len(rows):
        raise DatasetError(
            f"{file.name} in {files.path} says {claimed} images and lists "
            f"{len(rows)}: it is cut short"
        )
    return names, rows


def _zeros_and_ones(values: list[str]) -> bytes:
    """Return -1/1 or 0/1 as 0 and 1; bytes, since there are 8 million of them.

    >>> list(_zeros_and_ones(["-1", "1", "0"]))
    [0, 1, 0]
    """
    if set(values) <= {"-1", "1", "0"}:
        return bytes(value == "1" for value in values)
    strange = next(iter(set(values) - {"-1", "1", "0"}))
    raise DatasetError(f"{_ATTRIBUTES}: a value is {strange!r}, expected -1 or 1")


def _column(
    files: Files, title: str, values: dict[str, int] | None
) -> dict[str, int] | None:
    """Return the only value of each image in a list, or None without the list."""
    table = _table(files, title)
    if table is None:
        return None
    column = {name: row[0] for name, row in table[1].items()}
    try:
        if values is None:
            return {name: int(text) for name, text in column.items()}
        return {name: values[text] for name, text in column.items()}
    except (ValueError, KeyError) as error:
        expected = ", ".join(values) if values else "a number"
        raise DatasetError(
            f"{title} in {files.path}: a value is {error}, expected {expected}"
        ) from error
