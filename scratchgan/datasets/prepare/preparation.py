"""Prepare a dataset: a folder, an archive or a published set becomes one HDF5 file.

Files are read in order by this thread, decoded and resized by a few others, and written
in order by this one. A preparation that is interrupted after a while goes on where it
was when the same command is given again.
"""

import contextlib
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scratchgan import __version__
from scratchgan.datasets.catalogue import check_replaceable, dataset_path
from scratchgan.datasets.decode_image import BACKGROUND, RESIZE_FILTER
from scratchgan.datasets.decode_many import Outcome, WholeImage, decode_all
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.datasets.prepare.face_crops import NO_FACE, FaceCrops
from scratchgan.datasets.prepare.journal import Journal
from scratchgan.datasets.prepare.options import (
    MAX_SIDE,
    PrepareOptions,
    PrepareReport,
)
from scratchgan.datasets.prepare.splits import hold_out, papers_validation
from scratchgan.datasets.sources import Source, open_source
from scratchgan.datasets.sources.source import SourceImage
from scratchgan.errors import DatasetError, OutputError
from scratchgan.machine import usable_cores
from scratchgan.progress import Progress

# Different sizes named before the search for more of them is given up.
_SIZES_NAMED = 5

# How often what is done is made safe from an interruption.
CHECKPOINT_SECONDS = 10.0


def prepare(
    name: str,
    source: str | Path,
    data_dir: str | Path | None = None,
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Write the images of a source to ``NAME.h5`` in the data folder.

    Images keep the order of the source; duplicates are kept. Files that cannot be read
    are left out and listed in the file and in the report.

    Parameters
    ----------
    name : str
        The dataset's name.
    source : str or Path
        A folder, an archive or another file, see `open_source`.
    data_dir : str or Path, optional
        See `data_folder`.
    options : PrepareOptions, optional
        Size, fit, channels and so on.
    progress : callable, optional
        Called with (files done, files in all).

    Raises
    ------
    DatasetError
        There are no images, they have different sizes and none was asked for, or
        one cannot be read and `strict` is set.
    OutputError
        The file is there already, is being prepared by another process, or cannot be
        written.
    KeyboardInterrupt
        Ctrl-C. What was done until the last checkpoint stays in the data folder,
        hidden, and the same call goes on from there.
    """
    options = options or PrepareOptions()
    path = dataset_path(name, data_dir)
    check_replaceable(path, options.force)
    started = time.perf_counter()
    with (
        open_source(source, options.kind) as images,
        Journal(path, _task(images, options)) as journal,
    ):
        work = _Preparation(name, path, images, options, journal)
        try:
            report = work.run(progress)
        except KeyboardInterrupt as interrupt:
            if not journal.keeps(interrupt):
                raise
            raise KeyboardInterrupt(
                "what is done so far is kept; the same command goes on from there"
            ) from interrupt
    return PrepareReport(**report, seconds=time.perf_counter() - started)


def _task(source: Source, options: PrepareOptions) -> dict[str, Any]:
    """Return all that decides what is written: only the same task is continued."""
    path = source.path.resolve()
    return {
        "scratchgan": __version__,
        "source": str(path),
        "changed": path.stat().st_mtime_ns,
        "files": len(source),
        "kind": source.kind,
        "options": asdict(options) | {"workers": None, "force": None},
    }


class _Preparation:
    """The state of one `prepare`: what was found so far, and the writer."""

    def __init__(
        self,
        name: str,
        path: Path,
        source: Source,
        options: PrepareOptions,
        journal: Journal,
    ) -> None:
        self._name = name
        self._path = path
        self._source = source
        self._options = options
        self._journal = journal
        self._channels = options.channels or source.channels
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._modes: Counter[str] = Counter()
        self._faces: Counter[int] = Counter()  # in a file -> files
        self._skipped: list[tuple[str, str]] = list(source.refused)
        self._splits: list[np.ndarray] = []
        self._writer: DatasetWriter | None = None

    def run(self, progress: Progress | None) -> dict[str, Any]:
        """Do the work and return the values of the report."""
        total = len(self._source)
        with contextlib.ExitStack() as self._stack:
            # Pillow warns of oddities in files that it reads all the same.
            self._stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")
            done = continued = len(self._continue())
            decoded = self._decoded(islice(self._source, done, None))
            groups = self._stack.enter_context(contextlib.closing(decoded))
            last_checkpoint = time.monotonic()
            for outcomes in groups:
                self._take(outcomes)
                done += len(outcomes)
                if progress is not None:
                    progress(done, total)
                if len(self._sizes) > _SIZES_NAMED:
                    break
                if time.monotonic() - last_checkpoint > CHECKPOINT_SECONDS:
                    self._checkpoint()
                    last_checkpoint = time.monotonic()
            if len(self._sizes) > 1:
                raise DatasetError(self._different_sizes())
            if self._writer is None:
                raise DatasetError(self._no_image(total))
            self._describe_images()
        return self._report() | {"continued": continued}

    def _decoded(self, files: Iterable[SourceImage]) -> Iterator[list[Outcome]]:
        options = self._options
        if options.faces is None:
            decode = WholeImage(self._channels, options.size, options.fit, options.crop)
        else:
            decode = FaceCrops(self._channels, options.height, options.faces)
        workers = options.workers or usable_cores()
        return decode_all(files, decode, workers, self._picture_bytes)

    def _picture_bytes(self) -> int | None:
        size = self._options.size or next(iter(self._sizes), None)
        return None if size is None else size[0] * size[1] * self._channels

    def _continue(self) -> list[SourceImage]:
        """Take over what an interrupted preparation has done; return its files."""
        earlier = self._journal.earlier
        # Without what reads them: some sources' files have their pixels in memory.
        done = islice(self._source, len(earlier))
        files = [replace(file, read=None) for file in done]
        if not files or files[-1].name != self._journal.earlier_name:
            self._journal.start_anew()
            return []
        try:
            # Through Python's file: HDF5 refuses one that was never closed.
            with (
                open(self._journal.partial, "rb") as raw,
                h5py.File(raw, "r") as partial,
            ):
                height, width = partial["images"].shape[1:3]
            self._open_writer(height, width, continued=True)
        except (OSError, RuntimeError, KeyError, OutputError):
            self._journal.start_anew()
            return []
        kept = []
        for file, outcome in zip(files, earlier, strict=True):
            if isinstance(outcome, str):
                self._skip(file, outcome)
            else:
                self._modes.update(outcome)
                self._faces[len(outcome)] += 1
                kept += [file] * len(outcome)
        self._sizes[height, width] = len(kept)
        self._writer.keep(len(kept), **self._columns(kept))
        return files

    def _take(self, outcomes: list[Outcome]) -> None:
        """Count sizes and modes, note what was skipped, write what was decoded."""
        pictures, files = [], []
        for outcome in outcomes:
            if outcome.reason is not None:
                self._skip(outcome.file, outcome.reason)
            else:
                self._faces[len(outcome.pictures)] += 1
            pictures += outcome.pictures
            files += [outcome.file] * len(outcome.pictures)
        self._sizes.update(picture.pixels.shape[:2] for picture in pictures)
        self._modes.update(picture.mode for picture in pictures)
        if pictures and len(self._sizes) == 1:
            if self._writer is None:
                self._open_writer(*pictures[0].pixels.shape[:2])
            pixels = np.stack([picture.pixels for picture in pictures])
            self._writer.append(pixels, **self._columns(files))
        noted = [
            outcome.reason or [picture.mode for picture in outcome.pictures]
            for outcome in outcomes
        ]
        self._journal.note(noted, outcomes[-1].file.name)

    def _skip(self, file: SourceImage, reason: str) -> None:
        if reason.startswith(NO_FACE):
            self._faces[0] += 1
        elif self._options.strict:
            raise DatasetError(
                f"{file.name} in {self._source.path} cannot be read: {reason}; mend or "
                "remove it, or leave out --strict"
            )
        self._skipped.append((file.name, reason))

    def _columns(self, files: list[SourceImage]) -> dict[str, Any]:
        """Return what is known of the images made from these files."""
        self._splits.append(np.array([file.split for file in files], dtype=np.uint8))
        columns: dict[str, Any] = {"source_files": _image_names(files)}
        if self._source.labelled:
            columns["labels"] = [file.label for file in files]
        if self._source.attribute_names is not None:
            rows = [list(file.attributes) for file in files]
            width = len(self._source.attribute_names)
            columns["attributes"] = np.array(rows, np.float32).reshape(-1, width)
        return columns

    def _checkpoint(self) -> None:
        """Make safe what is done so far, so that it can be continued."""
        if self._writer is not None:
            self._writer.checkpoint()
            self._journal.commit()
            self._writer.keep_partial_on_interrupt()

    def _open_writer(self, height: int, width: int, continued: bool = False) -> None:
        options, source = self._options, self._source
        if max(height, width) > MAX_SIDE:
            raise DatasetError(
                f"the images in {source.path} are {height}x{width} pixels, more than "
                f"{MAX_SIDE}; choose a smaller one with --size"
            )
        # The name alone: where it lay on this computer is nobody's concern.
        source_name = source.path.resolve().name
        writer = DatasetWriter(
            self._path,
            height,
            width,
            self._channels,
            name=self._name,
            title=source.path.resolve().stem,
            source=source_name,
            licence=source.licence,
            command=options.command(self._name, source_name, self._channels),
            class_names=source.class_names,
            attribute_names=source.attribute_names,
            expected_count=len(source),
            partial=self._journal.partial,
            continued=continued,
            kind=source.kind,
            fit="none" if options.size is None else options.fit,
            resize_filter="none" if options.size is None else RESIZE_FILTER,
            crop=str(options.crop or "none"),
            faces=str(options.faces or "none"),
            background=BACKGROUND,
        )
        self._writer = self._stack.enter_context(writer)
        if continued:
            writer.keep_partial_on_interrupt()

    def _describe_images(self) -> None:
        """Give the writer what is known only at the end."""
        split = self._final_split()
        if split is not None:
            self._writer.set_split(split)
        self._writer.set_skipped(self._skipped)
        self._writer.describe(source_modes=json.dumps(self._modes))
        if self._options.faces is not None:
            self._writer.describe(faces_per_file=json.dumps(self._faces_per_file()))

    def _faces_per_file(self) -> dict[int, int] | None:
        return (
            None if self._options.faces is None else dict(sorted(self._faces.items()))
        )

    def _final_split(self) -> np.ndarray | None:
        """Return the split of each image, or None where all are for training."""
        split = np.concatenate(self._splits)
        tested = self._options.test
        hold_out(split, tested, "test")
        wanted = self._options.validation
        if wanted is None:
            wanted = papers_validation(split, self._source.validation)
        hold_out(split, wanted)
        return split if tested or wanted or self._source.has_splits else None

    def _report(self) -> dict[str, Any]:
        writer, source = self._writer, self._source
        height, width, channels = writer.image_shape
        return {
            "path": self._path,
            "count": writer.count,
            "height": height,
            "width": width,
            "channels": channels,
            "sha256": writer.sha256,
            "kind": source.kind,
            "skipped": self._skipped,
            "modes": dict(self._modes),
            "class_names": source.class_names,
            "attribute_names": source.attribute_names,
            "splits": writer.split_counts(),
            "faces_per_file": self._faces_per_file(),
        }

    def _no_image(self, total: int) -> str:
        name, reason = self._skipped[0]
        if self._faces:
            return (
                f"none of the {total} image files in {self._source.path} has a face of "
                f"at least {self._options.faces.minimum} pixels; smaller ones are "
                "taken with --min-face"
            )
        return (
            f"none of the {total} image files in {self._source.path} can be read; the "
            f"first is {name}: {reason}"
        )

    def _different_sizes(self) -> str:
        named = ", ".join(
            f"{count} of {height}x{width}"
            for (height, width), count in self._sizes.most_common(_SIZES_NAMED)
        )
        more = " and others" if len(self._sizes) > _SIZES_NAMED else ""
        return (
            f"the images in {self._source.path} have different sizes (height x "
            f"width): {named}{more}; choose one with --size, such as --size 64"
        )


def _image_names(files: list[SourceImage]) -> list[str]:
    """Return the name of each image: that of its file, "#2" added to the second one."""
    names = []
    for _, same in groupby(files, key=id):
        for number, file in enumerate(same, 1):
            names.append(file.name if number == 1 else f"{file.name}#{number}")
    return names
