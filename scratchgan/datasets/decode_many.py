"""Many image files become pictures on all cores, in order and in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scratchgan.datasets.decode_image import (
    Crop,
    Picture,
    UnreadableImage,
    decode_image,
)
from scratchgan.datasets.sources.source import SourceImage

# Files go to the workers in groups: handing over costs more than decoding a small
# one (32x32 JPEGs: 320 us each in groups of 4, 195 in 16, 171 in 64). Neither the
# files of a group nor its pictures take more bytes than this, or it is one file.
GROUP_FILES = 64
GROUP_BYTES = 4 * 1024 * 1024

Content = bytes | np.ndarray
Decode = Callable[[Content], list[Picture]]
"""From a file's content to its pictures; raises `UnreadableImage`."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Group = list[tuple[SourceImage, Content | UnreadableImage]]


@dataclass(frozen=True)
class WholeImage:
    """Decode a file into one picture; see `decode_image` for the settings."""

    channels: int
    size: tuple[int, int] | None
    fit: str
    crop: Crop | None = None

    def __call__(self, content: Content) -> list[Picture]:
        """Return a list of the one picture."""
        return [
            decode_image(content, self.channels, self.size, self.fit, self.crop),
        ]


@dataclass(frozen=True)
class Outcome:
    """One file after decoding.

    Attributes
    ----------
    file : SourceImage
    pictures : list of Picture
        Usually one; empty where there is a reason.
    reason : str or None
        Why there is none.
    """

    file: SourceImage
    pictures: list[Picture]
    reason: str | None


def decode_all(
    files: Iterable[SourceImage],
    decode: Decode,
    workers: int,
    picture_bytes: Callable[[], int | None],
) -> Iterator[list[Outcome]]:
    """Yield what becomes of all files, in order, some files at a time.

    This thread reads the files, one after the other; a few more decode them. Only a
    bounded number is on the way at any moment.

    Parameters
    ----------
    files : iterable of SourceImage
    decode : callable
        See `Decode`.
    workers : int
        Threads.
    picture_bytes : callable
        Returns the size of a decoded picture as far as it is known by now, else None.
    """
    # Threads, not processes: Pillow lets go of the interpreter lock while it decodes
    # and resizes, and pixels need not be copied between processes.
    with ThreadPoolExecutor(workers) as pool:
        groups = _groups(files, picture_bytes)
        yield from in_order(
            pool,
            lambda group: decode_group(group, decode),
            groups,
            in_flight=workers + 2,
        )


def decode_group(group: _Group, decode: Decode) -> list[Outcome]:
    """Decode some files; runs in a worker thread."""
    outcomes = []
    for file, content in group:
        try:
            if isinstance(content, UnreadableImage):
                raise content
            outcomes.append(Outcome(file, decode(content), None))
        except UnreadableImage as error:
            outcomes.append(Outcome(file, [], str(error)))
    return outcomes


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


def _groups(
    files: Iterable[SourceImage], picture_bytes: Callable[[], int | None]
) -> Iterator[_Group]:
    """Read the files, and yield them in groups with their content or the reason."""
    group, size = [], 0
    for file in files:
        try:
            content = file.read()
            size += len(content) if isinstance(content, bytes) else content.nbytes
        except UnreadableImage as error:
            content = error
        group.append((file, content))
        # One at a time, until the first pictures have shown how large they are.
        each = picture_bytes()
        most = 1 if each is None else max(1, min(GROUP_FILES, GROUP_BYTES // each))
        if len(group) >= most or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
