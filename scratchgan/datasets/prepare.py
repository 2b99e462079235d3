"""Prepare a dataset: a folder or zip of images becomes one HDF5 file.

Files are read in order by this thread, decoded and resized by a few others, and
written in order by this one; only a bounded number is on the way at any moment.
"""

import contextlib
import json
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scratchgan.datasets.catalogue import dataset_path
from scratchgan.datasets.images import (
    BACKGROUND,
    FITS,
    RESIZE_FILTER,
    Picture,
    UnreadableImage,
    decode_image,
)
from scratchgan.datasets.sources import Source, SourceImage, open_source
from scratchgan.datasets.writer import DatasetWriter
from scratchgan.errors import DatasetError, OutputError
from scratchgan.machine import usable_cores

MAX_SIDE = 4096

# Files go to the workers in groups: handing over costs more than decoding a small
# one (32x32 JPEGs: 320 us each in groups of 4, 195 in 16, 171 in 64). Neither the
# files of a group nor its pictures take more bytes than this, or it is one file.
_GROUP_FILES = 64
_GROUP_BYTES = 4 * 1024 * 1024

# Different sizes named before the search for more of them is given up.
_SIZES_NAMED = 5

Progress = Callable[[int, int], None]
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class PrepareOptions:
    """How images are brought to one shape.

    Attributes
    ----------
    height, width : int or None
        Pixels, 1 to `MAX_SIDE`; both None for the images' own size.
    fit : str
        "crop", "pad" or "stretch", see `decode_image`.
    channels : int
        1 for grey, 3 for RGB.
    strict : bool
        Fail at the first file that cannot be read instead of skipping it.
    force : bool
        Replace an existing file of that name.
    workers : int or None
        Threads that decode; all cores by default.
    """

    height: int | None = None
    width: int | None = None
    fit: str = "crop"
    channels: int = 3
    strict: bool = False
    force: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        if (self.height is None) != (self.width is None):
            raise ValueError(f"height {self.height}, width {self.width}: give both")
        for side in (self.height, self.width):
            if side is not None and not 1 <= side <= MAX_SIDE:
                raise ValueError(f"size {side}: expected 1 to {MAX_SIDE} pixels")
        if self.fit not in FITS:
            raise ValueError(f"fit {self.fit!r}: expected one of {', '.join(FITS)}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels {self.channels}: expected 1 or 3")

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width), or None for the images' own."""
        return None if self.height is None else (self.height, self.width)


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation wrote.

    Attributes
    ----------
    path : Path
        The file.
    count, height, width, channels : int
        Its images.
    sha256 : str
        Of the pixels.
    seconds : float
        Time it took.
    skipped : list of (str, str)
        Files that could not be read, each with the reason.
    modes : dict of str to int
        How many files had which Pillow mode.
    class_names : list of str or None
        The folders that became labels.
    """

    path: Path
    count: int
    height: int
    width: int
    channels: int
    sha256: str
    seconds: float
    skipped: list[tuple[str, str]] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)
    class_names: list[str] | None = None


def prepare(
    name: str,
    source: str | Path,
    data_dir: str | Path | None = None,
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Write the images of a folder or zip to ``NAME.h5`` in the data folder.

    Images keep the order of their sorted names; duplicates are kept. Files that
    cannot be read are left out and listed in the file and in the report.

    Parameters
    ----------
    name : str
        The dataset's name.
    source : str or Path
        A folder or a zip file, see `open_source`.
    data_dir : str or Path, optional
        See `data_folder`.
    options : PrepareOptions, optional
        Size, fit and channels.
    progress : callable, optional
        Called with (files done, files in all).

    Raises
    ------
    DatasetError
        There are no images, they have different sizes and none was asked for, or
        one cannot be read and `strict` is set.
    OutputError
        The file is there already, or cannot be written.
    """
    options = options or PrepareOptions()
    path = dataset_path(name, data_dir)
    check_replaceable(path, options.force)
    started = time.perf_counter()
    with open_source(source) as files:
        preparation = _Preparation(name, path, files, options)
        report = preparation.run(progress)
    return PrepareReport(**report, seconds=time.perf_counter() - started)


def check_replaceable(path: Path, force: bool) -> None:
    """Raise OutputError where a file would be replaced without being asked to."""
    if path.exists() and not force:
        raise OutputError(
            f"{path} is there already and stays as it is; choose another name, or "
            "replace it with --force"
        )


def in_order(
    executor: Executor,
    function: Callable[[_Task], _Result],
    tasks: Iterable[_Task],
    in_flight: int,
) -> Iterator[_Result]:
    """Yield function(task) for every task in order, at most `in_flight` at a time.

    Unlike ``Executor.map``, which takes all tasks at once, this never runs further
    ahead of its consumer, so memory stays bounded.
    """
    waiting = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(function, task))
            if len(waiting) >= in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@dataclass(frozen=True)
class _Outcome:
    """One file after decoding: a picture, or the reason why there is none."""

    file: SourceImage
    picture: Picture | None
    reason: str | None


class _Preparation:
    """The state of one `prepare`: what was found so far, and the writer."""

    def __init__(
        self, name: str, path: Path, source: Source, options: PrepareOptions
    ) -> None:
        self._name = name
        self._path = path
        self._source = source
        self._options = options
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._modes: Counter[str] = Counter()
        self._skipped: list[tuple[str, str]] = []

    def run(self, progress: Progress | None) -> dict[str, Any]:
        done, total = 0, len(self._source)
        writer: DatasetWriter | None = None
        with contextlib.ExitStack() as stack:
            # Pillow warns of oddities in files that it reads all the same.
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")
            groups = stack.enter_context(contextlib.closing(self._outcomes()))
            for outcomes in groups:
                decoded = self._sort_out(outcomes)
                if decoded and len(self._sizes) == 1:
                    if writer is None:
                        writer = stack.enter_context(self._open_writer())
                    self._write(writer, decoded)
                done += len(outcomes)
                if progress is not None:
                    progress(done, total)
                if len(self._sizes) > _SIZES_NAMED:
                    break
            if len(self._sizes) > 1:
                raise DatasetError(self._different_sizes())
            if writer is None:
                name, reason = self._skipped[0]
                raise DatasetError(
                    f"none of the {total} image files in {self._source.path} can be "
                    f"read; the first is {name}: {reason}"
                )
            writer.set_skipped(self._skipped)
            writer.describe(source_modes=json.dumps(self._modes))
        height, width, channels = writer.image_shape
        return {
            "path": self._path,
            "count": writer.count,
            "height": height,
            "width": width,
            "channels": channels,
            "sha256": writer.sha256,
            "skipped": self._skipped,
            "modes": dict(self._modes),
            "class_names": self._source.class_names,
        }

    def _outcomes(self) -> Iterator[list[_Outcome]]:
        """Yield groups of decoded files, in order."""
        options = self._options
        workers = options.workers or usable_cores()
        decode = partial(
            _decode_group,
            channels=options.channels,
            size=options.size,
            fit=options.fit,
        )
        # Threads, not processes: Pillow lets go of the interpreter lock while it
        # decodes and resizes, and pixels need not be copied between processes.
        with ThreadPoolExecutor(workers) as pool:
            groups = self._groups()
            yield from in_order(pool, decode, groups, in_flight=workers + 2)

    def _groups(self) -> Iterator[list[tuple[SourceImage, bytes | UnreadableImage]]]:
        """Read the files, and yield them in groups with their bytes or the reason."""
        group, size = [], 0
        for file in self._source:
            try:
                content = file.read()
                size += len(content)
            except UnreadableImage as error:
                content = error
            group.append((file, content))
            if len(group) >= self._files_per_group() or size >= _GROUP_BYTES:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _files_per_group(self) -> int:
        # One at a time, until the first pictures have shown how large they are.
        size = self._options.size or next(iter(self._sizes), None)
        if size is None:
            return 1
        picture_bytes = size[0] * size[1] * self._options.channels
        return min(_GROUP_FILES, max(1, _GROUP_BYTES // picture_bytes))

    def _sort_out(self, outcomes: list[_Outcome]) -> list[_Outcome]:
        """Count sizes and modes, note what was skipped, return what was decoded."""
        decoded = []
        for outcome in outcomes:
            if outcome.picture is None:
                if self._options.strict:
                    raise DatasetError(
                        f"{outcome.file.name} in {self._source.path} cannot be read: "
                        f"{outcome.reason}; mend or remove it, or leave out --strict"
                    )
                self._skipped.append((outcome.file.name, outcome.reason))
            else:
                self._sizes[outcome.picture.pixels.shape[:2]] += 1
                self._modes[outcome.picture.mode] += 1
                decoded.append(outcome)
        return decoded

    def _open_writer(self) -> DatasetWriter:
        options, source = self._options, self._source
        (height, width), *_ = self._sizes
        if max(height, width) > MAX_SIDE:
            raise DatasetError(
                f"the images in {source.path} are {height}x{width} pixels, more than "
                f"{MAX_SIDE}; choose a smaller one with --size"
            )
        size = "" if options.size is None else f" --size {height}x{width}"
        title = source.path.resolve().stem
        return DatasetWriter(
            self._path,
            height,
            width,
            options.channels,
            name=self._name,
            title=title,
            # The name alone: where it lay on this computer is nobody's concern.
            source=source.path.resolve().name,
            licence="not stated; that of the images",
            command=f"data prepare {self._name} {source.path.resolve().name}{size} "
            f"--fit {options.fit} --channels {options.channels}",
            class_names=source.class_names,
            expected_count=len(source),
            fit="none" if options.size is None else options.fit,
            resize_filter="none" if options.size is None else RESIZE_FILTER,
            background=BACKGROUND,
        )

    def _write(self, writer: DatasetWriter, decoded: list[_Outcome]) -> None:
        labels = None
        if self._source.class_names is not None:
            labels = np.array([outcome.file.label for outcome in decoded])
        writer.append(
            np.stack([outcome.picture.pixels for outcome in decoded]),
            source_files=[outcome.file.name for outcome in decoded],
            labels=labels,
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


def _decode_group(
    group: list[tuple[SourceImage, bytes | UnreadableImage]],
    channels: int,
    size: tuple[int, int] | None,
    fit: str,
) -> list[_Outcome]:
    """Decode a group of files; runs in a worker thread."""
    outcomes = []
    for file, content in group:
        try:
            if isinstance(content, UnreadableImage):
                raise content
            picture = decode_image(content, channels, size, fit)
            outcomes.append(_Outcome(file, picture, None))
        except UnreadableImage as error:
            outcomes.append(_Outcome(file, None, str(error)))
    return outcomes
