"""LSUN: a folder with an LMDB database of image files for each category."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import Files
from scratchgan.datasets.sources.containers.folders import Folder
from scratchgan.datasets.sources.source import Source, SourceImage
from scratchgan.errors import DatasetError

_SPLITS = {
    "train": SPLITS["train"],
    "val": SPLITS["validation"],
    "test": SPLITS["test"],
}


class Lsun(Source):
    """Folders such as ``bedroom_train_lmdb`` that hold ``data.mdb``.

    SOURCE is one of them, or a folder with several: then the categories are classes,
    and train and val are splits. Keys are the images' names, values image files.
    Format: https://github.com/fyu/lsun
    """

    kind = "lsun"
    needs = "a folder such as bedroom_train_lmdb with data.mdb"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        if not isinstance(files, Folder):
            raise DatasetError(
                f"{files.path}: a database must lie on the disk; unpack it, and give "
                "the folder"
            )
        self._databases: list[_Database] = []
        try:
            for file in files.named("data.mdb"):
                self._databases.append(_Database(Path(file.place)))
        except BaseException:
            self.close()
            raise
        if not self._databases:
            raise DatasetError(f"{files.path} has no data.mdb: {self.needs}")
        self._databases.sort(key=lambda database: (database.split, database.path))
        categories = sorted({database.category for database in self._databases})
        self.class_names = categories if len(categories) > 1 else None
        self.labelled = self.class_names is not None
        self.has_splits = len({database.split for database in self._databases}) > 1

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether there is a database."""
        return bool(files.named("data.mdb"))

    def __len__(self) -> int:
        return sum(database.count for database in self._databases)

    def __iter__(self) -> Iterator[SourceImage]:
        several = len(self._databases) > 1
        for database in self._databases:
            folder = f"{database.path.name}/" if several else ""
            label = None
            if self.class_names is not None:
                label = self.class_names.index(database.category)
            for key in database.keys():
                name = folder + key.decode("utf-8", "backslashreplace")
                read = partial(database.read, key)
                yield SourceImage(name, read, label, database.split)

    def close(self) -> None:
        """Close the databases."""
        for database in self._databases:
            database.close()
        super().close()


class _Database:
    """One LMDB database, open for reading.

    Attributes
    ----------
    path : Path
        The folder.
    count : int
        Entries.
    category : str
    split : int
        From the folder's name.
    """

    def __init__(self, data_file: Path) -> None:
        self._lmdb = _lmdb()
        self.path = data_file.resolve().parent
        self._environment = self._open(data_file)
        self._transaction = self._environment.begin()
        self.count = self._environment.stat()["entries"]
        self.category, self.split = category_and_split(self.path.name)

    def _open(self, data_file: Path) -> Any:
        try:
            environment = self._lmdb.open(
                str(data_file.parent), readonly=True, lock=False, readahead=False
            )
        except self._lmdb.Error as error:
            raise DatasetError(
                f"{data_file} is not a whole LMDB database ({error}); copy or download "
                "it again"
            ) from error
        # The file is mapped into memory: a page that is not there would end the
        # process, without an error that could be caught.
        pages, page = environment.info()["last_pgno"] + 1, environment.stat()["psize"]
        found = data_file.stat().st_size
        if found < pages * page:
            environment.close()
            raise DatasetError(
                f"{data_file} is cut short: {found:,} bytes of {pages * page:,}; copy "
                "or download it again"
            )
        return environment

    def keys(self) -> Iterator[bytes]:
        found = 0
        try:
            with self._transaction.cursor() as cursor:
                for key in cursor.iternext(keys=True, values=False):
                    found += 1
                    yield key
        except self._lmdb.Error as error:
            raise DatasetError(f"{self.path} is damaged ({error})") from error
        if found != self.count:
            raise DatasetError(
                f"{self.path} is damaged: {found:,} of {self.count:,} entries"
            )

    def read(self, key: bytes) -> bytes:
        try:
            data = self._transaction.get(key)
        except self._lmdb.Error as error:
            raise UnreadableImage(f"damaged in the database: {error}") from error
        if data is None:
            raise UnreadableImage("gone from the database")
        return data

    def close(self) -> None:
        self._transaction.abort()
        self._environment.close()


def category_and_split(folder: str) -> tuple[str, int]:
    """Return what a folder's name says.

    >>> category_and_split("church_outdoor_val_lmdb")
    ('church_outdoor', 1)
    >>> category_and_split("test_lmdb")  # images of all categories
    ('test', 2)
    """
    name = folder.removesuffix("_lmdb")
    category, _, split = name.rpartition("_")
    if split not in _SPLITS:
        return name, SPLITS["train"]
    return category or name, _SPLITS[split]


def _lmdb() -> ModuleType:
    try:
        import lmdb
    except ImportError as error:
        raise DatasetError(
            "LSUN's databases need lmdb: pip install 'scratchgan[lsun]'"
        ) from error
    return lmdb
