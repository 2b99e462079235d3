"""Where datasets are: the folder of prepared files, and the way from name to file."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import DatasetError, OutputError

DATA_VARIABLE = "SCRATCHGAN_DATA"

# The sets that scratchgan draws itself, each with one line on what it shows.
BUILT_IN = {
    "faces": "synthetic: cartoon portraits drawn by scratchgan",
    "bedrooms": "synthetic: rooms drawn by scratchgan",
    "digits": "synthetic: digits 0-9 drawn by scratchgan",
}


def data_folder(option: str | Path | None = None) -> Path:
    """Return the folder that holds the prepared ``NAME.h5`` files.

    Parameters
    ----------
    option : str or Path, optional
        What ``--data-dir`` says. Without it the environment variable
        ``SCRATCHGAN_DATA`` holds, and without that ``data`` in the current folder.
    """
    return Path(option or os.environ.get(DATA_VARIABLE) or "data").expanduser()


def dataset_path(name: str, data_dir: str | Path | None = None) -> Path:
    """Return where the dataset of a name is, or would be, in the data folder.

    Raises
    ------
    DatasetError
        The name could not be a file's name on every system.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise DatasetError(
            f"dataset name {name!r}: use letters, digits, '-', '_' and '.' only, "
            "beginning with a letter or digit (up to 100); folders go to --data-dir"
        )
    if name.lower().endswith((".h5", ".hdf5")):
        raise DatasetError(f"dataset name {name!r}: leave the ending away, it is added")
    return data_folder(data_dir) / f"{name}.h5"


def find_dataset(name_or_path: str | Path, data_dir: str | Path | None = None) -> Path:
    """Return the file of a dataset given by name or by path.

    Parameters
    ----------
    name_or_path : str or Path
        ``faces`` for ``faces.h5`` in the data folder, or the path of any HDF5 file.
    data_dir : str or Path, optional
        See `data_folder`.

    Raises
    ------
    DatasetError
        There is no such file; the message names the nearest name, what is there,
        and the command that prepares it.
    """
    text = str(name_or_path)
    folder = data_folder(data_dir)
    if _is_path(text):
        if Path(text).expanduser().is_file():
            return Path(text).expanduser()
        raise DatasetError(
            f"{text} does not exist; a name without folder and ending is looked for "
            f"in {folder}, which holds {_listing(folder)}"
        )
    path = dataset_path(text, folder)
    if path.is_file():
        return path
    prepared = _prepared_names(folder)
    near = difflib.get_close_matches(text, {*prepared, *BUILT_IN}, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near and near[0] != text else ""
    source = "" if text in BUILT_IN else " SOURCE"
    raise DatasetError(
        f"no dataset {text!r}{hint} in {folder}, which holds {_listing(folder)}; "
        f"prepare it with: scratchgan data prepare {text}{source}"
    )


def check_replaceable(path: Path, force: bool) -> None:
    """Raise OutputError where a file would be replaced without being asked to."""
    if path.exists() and not force:
        raise OutputError(
            f"{path} is there already and stays as it is; choose another name, or "
            "replace it with --force"
        )


@dataclass(frozen=True)
class DatasetEntry:
    """One prepared file as `list_datasets` found it.

    Attributes
    ----------
    name : str
        The file's name without ``.h5``.
    path : Path
        The file.
    info : dict or None
        `Dataset.info` of the file; None where it cannot be opened.
    error : str or None
        Why it cannot be opened.
    """

    name: str
    path: Path
    info: dict[str, Any] | None
    error: str | None


def list_datasets(data_dir: str | Path | None = None) -> list[DatasetEntry]:
    """Return every prepared file in the data folder by name, broken ones too."""
    folder = data_folder(data_dir)
    entries = []
    for name in _prepared_names(folder):
        path = folder / f"{name}.h5"
        try:
            with open_dataset(path) as dataset:
                entries.append(DatasetEntry(name, path, dataset.info(), None))
        except DatasetError as error:
            entries.append(DatasetEntry(name, path, None, str(error)))
    return entries


def _is_path(text: str) -> bool:
    return "/" in text or os.sep in text or text.lower().endswith((".h5", ".hdf5"))


def _prepared_names(folder: Path) -> list[str]:
    # A leading dot marks a file that is still being written.
    paths = folder.glob("*.h5") if folder.is_dir() else ()
    return sorted(path.stem for path in paths if not path.name.startswith("."))


def _listing(folder: Path) -> str:
    names = _prepared_names(folder)
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" * (len(names) > 10))
    return shown or "no dataset"
