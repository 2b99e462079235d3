"""Built-in sets are drawn on first use."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from scratchgan.datasets.catalogue import BUILT_IN, dataset_path, find_dataset
from scratchgan.synthetic import prepare

Report = Callable[[str], None]
"""Takes a line for the user."""
Bar = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]
"""Takes what is done and the unit; a context with a progress(done, total)."""


def is_to_be_drawn(dataset: str, data_dir: str | Path | None = None) -> bool:
    """Return whether a dataset is a built-in one that is not there yet."""
    return dataset in BUILT_IN and not dataset_path(dataset, data_dir).is_file()


def find_or_draw(
    dataset: str,
    data_dir: str | Path | None = None,
    *,
    report: Report | None = None,
    bar: Bar | None = None,
) -> Path:
    """Return the dataset's file, drawing a built-in one that is missing.

    Parameters
    ----------
    dataset : str
        A name, or the path of a file.
    data_dir : str or Path, optional
        See `data_folder`.
    report : callable, optional
        Called with a line for the user before the drawing.
    bar : callable, optional
        Makes its progress bar, see `Bar`.

    Raises
    ------
    DatasetError
        There is no such dataset, and it is not a built-in one.
    """
    if not is_to_be_drawn(dataset, data_dir):
        return find_dataset(dataset, data_dir)
    if report:
        report(
            f"data: {dataset} is not prepared yet; drawing the synthetic set now. Real "
            f"ones instead: scratchgan data prepare {dataset} FOLDER"
        )
    with bar("drawing", "images") if bar else nullcontext() as progress:
        return prepare.prepare_synthetic(dataset, data_dir, progress=progress).path
