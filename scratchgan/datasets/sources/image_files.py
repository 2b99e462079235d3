"""Image files in a folder, a zip or a tar, sorted into class folders or not."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import takewhile
from pathlib import PurePosixPath

from scratchgan.datasets.decode_image import EXTENSIONS
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import File, Files
from scratchgan.datasets.sources.source import Source, SourceImage

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "extra": "extra",
}
"""What a folder's name says about the split of the images in it."""


def is_image(file: File) -> bool:
    """Return whether a file's ending is that of an image."""
    return file.ending in EXTENSIONS


class ImageFiles(Source):
    """All image files, in the order of their names.

    Folders "train", "test" and so on are splits; two or more other folders at the top
    are classes, if there are training images of each.
    """

    kind = "images"
    needs = "files .jpg, .png and so on, in class folders or not"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.images = [file for file in files.files if is_image(file)]
        names = [file.name for file in self.images]
        self._splits, inner = split_folders(names)
        self.has_splits = len(set(self._splits)) > 1
        self.class_names, self._labels = class_folders(inner)
        if self.has_splits and self._some_class_is_not_trained():
            self.class_names, self._labels = None, [None] * len(names)
        self.labelled = self.class_names is not None

    def _some_class_is_not_trained(self) -> bool:
        """Return whether a folder of other splits is no class of the training set.

        Then the folders there mean something else, such as "val/images/1.jpg".
        """
        pairs = set(zip(self._labels, self._splits, strict=True))
        trained = {label for label, split in pairs if split == SPLITS["train"]}
        return {label for label, _ in pairs} != trained

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether there is any image file."""
        return any(is_image(file) for file in files.files)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[SourceImage]:
        rows = zip(self.images, self._labels, self._splits, strict=True)
        for file, label, split in rows:
            read = partial(self.files.read, file)
            yield SourceImage(file.name, read, label, split)


def class_folders(
    names: Sequence[str],
) -> tuple[list[str] | None, list[int | None]]:
    """Return class names and labels where images are sorted into folders.

    They are where every image lies in one of at least two folders at the top. Folders
    around all images (a zip often has one) do not count.

    Parameters
    ----------
    names : sequence of str
        Paths of the images with "/".

    Returns
    -------
    class_names : list of str or None
        The folders, sorted; None where images are not sorted into folders.
    labels : list of int or None
        One for each name: an index into `class_names`, or None.

    Examples
    --------
    >>> class_folders(["all/cat/1.png", "all/dog/1.png", "all/dog/more/2.png"])
    (['cat', 'dog'], [0, 1, 1])
    """
    tops = [name.split("/")[0] if "/" in name else None for name in _unwrapped(names)]
    class_names = sorted({top for top in tops if top is not None})
    if None in tops or len(class_names) < 2:
        return None, [None] * len(names)
    index = {name: label for label, name in enumerate(class_names)}
    return class_names, [index[top] for top in tops]


def split_folders(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the split of each image by its folder, and its path below that folder.

    They are splits where all images lie in folders named as in `SPLIT_FOLDERS`, and
    one of them is for training; otherwise all images are for training.

    Examples
    --------
    >>> split_folders(["cifar/train/cat/1.png", "cifar/test/dog/1.png"])
    ([0, 2], ['cat/1.png', 'dog/1.png'])
    """
    parts = [name.partition("/") for name in _unwrapped(names, keep=SPLIT_FOLDERS)]
    tops = [top.lower() if slash else "" for top, slash, _ in parts]
    if not names or not set(tops) <= SPLIT_FOLDERS.keys():
        return [SPLITS["train"]] * len(names), list(names)
    splits = [SPLITS[SPLIT_FOLDERS[top]] for top in tops]
    if SPLITS["train"] not in splits:
        return [SPLITS["train"]] * len(names), list(names)
    return splits, [below for _, _, below in parts]


def _unwrapped(names: Sequence[str], keep: Sequence[str] = ()) -> list[str]:
    """Return the paths without the folders that are around all of them."""
    if not names:
        return []
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    # The folders common to the least and the greatest are common to all between.
    pairs = zip(min(folders), max(folders), strict=False)
    common = takewhile(lambda pair: pair[0] == pair[1], pairs)
    around = list(
        takewhile(lambda part: part.lower() not in keep, (a for a, _ in common))
    )
    length = sum(len(part) + 1 for part in around)
    return [name[length:] for name in names]
