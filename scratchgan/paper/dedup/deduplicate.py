"""De-duplicate a dataset: train, code every image, keep the first of each bucket."""

import csv
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratchgan.backend import CPU, Device
from scratchgan.datasets.catalogue import (
    check_replaceable,
    dataset_path,
    find_dataset,
)
from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.errors import ConfigError, DatasetError
from scratchgan.paper.dedup.buckets import Buckets, compare_with_truth
from scratchgan.paper.dedup.collisions import (
    Collisions,
    collision_sheet,
    compare_collisions,
)
from scratchgan.paper.dedup.hash_table import pack_codes
from scratchgan.paper.dedup.thumbnails import (
    blocks,
    read_thumbnails,
    sample_thumbnails,
)
from scratchgan.paper.dedup.training import (
    AutoencoderSettings,
    Coder,
    train_coder,
)
from scratchgan.paper.dedup.writing import write_kept
from scratchgan.progress import Progress
from scratchgan.storage.files import complete_file, make_folder
from scratchgan.storage.pictures import save_png

SUFFIX = "-dedup"

ProgressBar = Callable[[str, str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class DedupReport:
    """What a de-duplication found and wrote.

    Attributes
    ----------
    path : Path
        The new dataset.
    sheet, pairs : Path
        A picture of collisions, and the list of all; the picture is None where
        nothing was removed.
    facts : dict
        The figures, as plain values for JSON; ``docs/data/deduplication.md`` says what
        each means.
    """

    path: Path
    sheet: Path | None
    pairs: Path
    facts: dict


def no_progress(what: str, unit: str) -> AbstractContextManager[Progress]:
    """Show nothing."""
    return nullcontext(lambda done, total: None)


def deduplicate(
    name: str,
    data_dir: str | Path | None = None,
    settings: AutoencoderSettings | None = None,
    device: Device = CPU,
    *,
    out: str | Path | None = None,
    force: bool = False,
    truth_pattern: str | None = None,
    progress_bar: ProgressBar = no_progress,
) -> DedupReport:
    """Write ``NAME-dedup.h5``: the dataset without images of equal code.

    The old file is only read. Of the images only a block and the sample to train on
    are in memory, and 16 bytes for each.

    Parameters
    ----------
    name : str
        A dataset's name or path.
    data_dir : str or Path, optional
        See `data_folder`.
    settings : AutoencoderSettings, optional
        How the autoencoder is trained.
    device : Device
        Where to compute.
    out : str or Path, optional
        Folder of the sheet and the list of pairs; that of the new file by default.
    force : bool, default=False
        Replace an existing file.
    truth_pattern : str, optional
        Regular expression: images whose source files match with equal groups are
        duplicates in truth. Adds precision and recall to the report.
    progress_bar : callable
        Given (what, unit), a context with a progress(done, total).

    Raises
    ------
    DatasetError
        There is no such dataset, it is damaged, or it has no source files to match.
    ConfigError
        The pattern is none.
    OutputError
        The file is there already, or cannot be written.
    """
    settings = settings or AutoencoderSettings()
    source = find_dataset(name, data_dir)
    path = dataset_path(f"{source.stem}{SUFFIX}", data_dir)
    check_replaceable(path, force)
    folder = make_folder(Path(out or path.parent))
    started = time.perf_counter()
    with open_dataset(source) as dataset:
        truth = None if truth_pattern is None else true_groups(dataset, truth_pattern)
        coder = _train(dataset, settings, device, progress_bar)
        with progress_bar("coding", "images") as progress:
            buckets = Buckets.of(code_images(dataset, coder, progress))
        collisions = compare_collisions(dataset, buckets, settings.seed)
        facts = buckets.facts() | {
            "removed_share": float(1 - buckets.kept.mean()),
            "collisions": collisions.facts(),
            "loss": coder.loss,
        }
        if truth is not None:
            facts["truth"] = compare_with_truth(buckets.first, truth)
        with progress_bar("writing", "images") as progress:
            command = f"data dedup {source.stem}{settings.command_options()}"
            sha256 = write_kept(dataset, path, buckets.kept, command, progress)
        sheet, pairs = _write_collisions(
            dataset, buckets, collisions, folder / path.stem, settings.seed
        )
    facts |= {"sha256": sha256, "seconds": time.perf_counter() - started}
    return DedupReport(path, sheet, pairs, facts)


def _train(
    dataset: Dataset,
    settings: AutoencoderSettings,
    device: Device,
    progress_bar: ProgressBar,
) -> Coder:
    sample_rng = np.random.default_rng([settings.seed, 0x5A3])
    with progress_bar("reading", "blocks") as progress:
        sample = sample_thumbnails(dataset, settings.images, sample_rng, progress)
    with progress_bar("training", "steps") as progress:
        return train_coder(sample, settings, device, progress)


def code_images(dataset: Dataset, coder: Coder, progress: Progress) -> np.ndarray:
    """Return the packed codes of all images, uint8 (N, 16), read block by block."""
    codes = []
    for rows in blocks(dataset):
        codes.append(pack_codes(coder.active(read_thumbnails(dataset, rows))))
        progress(rows.stop, len(dataset))
    return np.concatenate(codes)


def true_groups(dataset: Dataset, pattern: str) -> np.ndarray:
    """Return a number for each image's true group, int64 (N,), from its source file.

    Files match a group together where all groups of the expression are equal, or the
    whole match where it has none. A file without a match is a group of its own.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--truth-pattern {pattern!r}: {error}") from error
    files = dataset.source_files
    if files is None:
        raise DatasetError(
            f"{dataset.path} does not say what files its images are from, which "
            "--truth-pattern needs"
        )
    numbers: dict[object, int] = {}
    groups = np.empty(len(files), np.int64)
    for row, file in enumerate(files):
        match = expression.search(file)
        key = row if match is None else (match.groups() or match[0])
        groups[row] = numbers.setdefault(key, len(numbers))
    return groups


def _write_collisions(
    dataset: Dataset,
    buckets: Buckets,
    collisions: Collisions,
    where: Path,
    seed: int,
) -> tuple[Path | None, Path]:
    """Write the sheet and the list of all removed images; return their paths.

    ``where`` is their path without the ending.
    """
    pairs = where.with_name(f"{where.name}.csv")
    files = dataset.source_files
    with (
        complete_file(pairs) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(
            ["removed", "kept", *(["removed_file", "kept_file"] * bool(files))]
        )
        for row in buckets.removed_rows.tolist():
            first = int(buckets.first[row])
            names = [files[row], files[first]] if files else []
            table.writerow([row, first, *names])
    sheet = collision_sheet(dataset, collisions, seed)
    if sheet is None:
        return None, pairs
    picture = where.with_name(f"{where.name}.png")
    save_png(sheet, picture)
    return picture, pairs
