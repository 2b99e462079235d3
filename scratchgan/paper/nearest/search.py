"""The error of one nearest neighbour, by the number of references, along one stream.

A test image is given the class of the reference nearest to it (Euclidean, pixels in
[0, 1]); the error is the share of wrong classes. Radford et al. 2016, section 8.1 and
table 3, with samples of a conditional G as references: a G that draws every class as it
is, in all its variety, makes a good training set.

References are shown block by block and forgotten. What is kept is, for each query, how
close the nearest so far is and of which class. It is written to a file every minute,
and when the search is stopped; the next search of the same goes on from there.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from scratchgan.backend import Array, Device, to_host
from scratchgan.functional.nearest.one import nearest
from scratchgan.paper.nearest.references import pixel_vectors
from scratchgan.progress import Note, Progress
from scratchgan.storage.files import make_folder
from scratchgan.storage.kept_arrays import (
    DamagedFileError,
    OtherKeyError,
    kept_arrays,
    write_arrays,
)

SAVE_SECONDS = 60
"""Between two writings of the state."""
FORMAT = "scratchgan-nearest-1"


class References(Protocol):
    """What queries are compared with; see `nearest_references`."""

    block_size: int

    def block(self, start: int) -> tuple[Array, np.ndarray]:
        """Return vectors (B, D) on the device and their classes (B,)."""

    def identity(self) -> str:
        """Return a text that differs where the references do."""


class Queries:
    """The labelled images whose class is asked for.

    Parameters
    ----------
    images : ndarray of shape (Q, H, W, C), uint8
    labels : ndarray of shape (Q,), int64
        Their true classes, 0 to K - 1.
    classes : int
        K.
    device : Device
        Where to compute.

    Attributes
    ----------
    vectors : array of shape (Q, D), float32
        Pixels in [0, 1] less their mean, on the device.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, classes: int, device: Device
    ) -> None:
        vectors = pixel_vectors(images)
        # In float64, so that the mean is the same to the last digit on every device.
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        vectors -= centre
        self.labels = labels
        self.classes = classes
        self.device = device
        self.vectors = device.put(vectors)
        self._squares = (vectors.astype(np.float64) ** 2).sum(axis=1)
        self._centre = device.put(centre)
        pixels = np.ascontiguousarray(images).tobytes()
        self._digest = hashlib.sha256(pixels).hexdigest()

    def __len__(self) -> int:
        return len(self.labels)

    def nearest(self, references: Array) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and the closeness of each query's nearest, on the host."""
        rows, closeness = nearest(self.vectors, references - self._centre)
        return to_host(rows), to_host(closeness)

    def distances(self, closeness: np.ndarray) -> np.ndarray:
        """Return Euclidean distances, float64."""
        return np.sqrt(np.maximum(self._squares - 2.0 * closeness, 0))

    def identity(self) -> str:
        """Return a text that differs where the images or the kind of device do.

        Their labels are no part: the nearest reference does not depend on them.
        """
        return f"{self._digest} {self.device.kind}"


@dataclass(frozen=True)
class Found:
    """The nearest of the references shown so far, for each query.

    Attributes
    ----------
    closeness : ndarray of shape (Q,), float32
        As `scratchgan.functional.nearest.one.nearest` has it.
    classes : ndarray of shape (Q,), int32
    """

    closeness: np.ndarray
    classes: np.ndarray

    def improved(self, closeness: np.ndarray, classes: np.ndarray) -> "Found":
        """Return the nearer of these and others; the earlier of equals."""
        nearer = closeness > self.closeness
        return Found(
            np.where(nearer, closeness, self.closeness),
            np.where(nearer, classes, self.classes).astype(np.int32),
        )


@dataclass(frozen=True)
class Search:
    """A search between two blocks.

    Attributes
    ----------
    done : int
        References shown: whole blocks.
    found : Found
        Among these.
    finished : dict of Found
        By number of references, what was asked for and is known.
    seconds_search, seconds_references : float
        Spent on comparing, and on making the references.
    """

    done: int
    found: Found
    finished: dict[int, Found] = field(default_factory=dict)
    seconds_search: float = 0.0
    seconds_references: float = 0.0


@dataclass(frozen=True)
class NearestErrors:
    """What came out, by number of references.

    Attributes
    ----------
    errors : dict of float
        Share of queries whose nearest reference is of another class.
    per_class : dict of list
        The same among the queries of each class; None where a class has none.
    distances : dict of float
        Mean Euclidean distance to the nearest reference, pixels in [0, 1].
    seconds_search, seconds_references : float
        As in `Search`, with those of earlier runs that were stopped.
    """

    errors: dict[int, float]
    per_class: dict[int, list[float | None]]
    distances: dict[int, float]
    seconds_search: float
    seconds_references: float


def nearest_errors(
    queries: Queries,
    references: References,
    sizes: Sequence[int],
    file: Path,
    *,
    progress: Progress | None = None,
    note: Note = lambda line: None,
) -> NearestErrors:
    """Return the error with the first n references, for each n of ``sizes``.

    Parameters
    ----------
    queries : Queries
    references : References
        There must be as many as the largest of ``sizes``.
    sizes : sequence of int
        At least 1.
    file : Path
        Where the state is kept. A file of another search, or a damaged one, is
        replaced, with a note.
    progress : callable, optional
        Called with references done and in all.
    note : callable, optional
        Called with lines for the user.

    Raises
    ------
    KeyboardInterrupt
        With a line on what is kept, when interrupted.
    OutputError
        The state cannot be written.
    """
    key = search_key(queries, references)
    search = load_search(file, key, queries, note) or new_search(queries)
    if search.done in sizes:
        search = replace(search, finished=search.finished | {search.done: search.found})
    wanted = sorted(set(sizes) - search.finished.keys())
    if wanted and wanted[0] < search.done:
        note(
            f"note: {file} is past {wanted[0]:,}, whose nearest it does not know; "
            "starting again"
        )
        search = replace(new_search(queries), finished=search.finished)
    written = search
    last_save = time.monotonic()
    try:
        while wanted:
            search = next_block(search, queries, references, wanted)
            wanted = [size for size in wanted if size not in search.finished]
            if progress:
                progress(min(search.done, max(sizes)), max(sizes))
            if time.monotonic() - last_save > SAVE_SECONDS:
                save_search(file, key, search)
                written, last_save = search, time.monotonic()
    except KeyboardInterrupt:
        save_search(file, key, search)
        raise KeyboardInterrupt(
            f"{search.done:,} references are kept in {file}; the same command goes on "
            "from there"
        ) from None
    if search is not written:
        save_search(file, key, search)
    return _errors(search, queries, sizes)


def next_block(
    search: Search, queries: Queries, references: References, sizes: Sequence[int]
) -> Search:
    """Return the search with one more block shown.

    A number of references that lies inside the block gets a comparison of its own with
    the part before it; the search itself goes on from block to block, the same way
    whatever numbers are asked for.
    """
    start = time.perf_counter()
    vectors, classes = references.block(search.done)
    middle = time.perf_counter()
    finished = dict(search.finished)
    count = len(classes)
    for size in (size for size in sizes if size - search.done < count):
        finished[size] = _shown(
            search.found, queries, vectors, classes, size - search.done
        )
    found = _shown(search.found, queries, vectors, classes, count)
    if search.done + count in sizes:
        finished[search.done + count] = found
    return Search(
        search.done + count,
        found,
        finished,
        search.seconds_search + time.perf_counter() - middle,
        search.seconds_references + middle - start,
    )


def new_search(queries: Queries) -> Search:
    """Return the search that has seen no reference."""
    nothing = np.full(len(queries), -np.inf, np.float32)
    return Search(0, Found(nothing, np.full(len(queries), -1, np.int32)))


def search_key(queries: Queries, references: References) -> str:
    """Return a digest of everything that the nearest references depend on."""
    parts = (FORMAT, queries.identity(), references.identity(), references.block_size)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def save_search(file: Path, key: str, search: Search) -> None:
    """Write the state, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    make_folder(file.parent)
    arrays = {
        "done": np.array(search.done),
        "seconds": np.array([search.seconds_search, search.seconds_references]),
        "sizes": np.array(sorted(search.finished), np.int64),
    }
    for name, found in {"now": search.found, **search.finished}.items():
        arrays[f"{name}/closeness"] = found.closeness
        arrays[f"{name}/classes"] = found.classes
    write_arrays(file, key, arrays)


def load_search(file: Path, key: str, queries: Queries, note: Note) -> Search | None:
    """Return the state in a file, or None, with a note if there is one of no use."""
    if not file.exists():
        return None
    try:
        with kept_arrays(file, key) as (arrays, _):
            return _read_search(arrays, queries)
    except DamagedFileError as error:
        note(f"note: {error} and is replaced")
    except OtherKeyError:
        note(f"note: {file} is of another search and is replaced")
    return None


def _read_search(arrays: dict[str, np.ndarray], queries: Queries) -> Search:
    finished = {
        int(size): _read_found(arrays, str(size), queries) for size in arrays["sizes"]
    }
    found = _read_found(arrays, "now", queries)
    return Search(int(arrays["done"]), found, finished, *arrays["seconds"].tolist())


def _read_found(arrays: dict[str, np.ndarray], name: str, queries: Queries) -> Found:
    found = Found(arrays[f"{name}/closeness"], arrays[f"{name}/classes"])
    kinds = ((found.closeness, np.float32), (found.classes, np.int32))
    for array, dtype in kinds:
        if array.shape != (len(queries),) or array.dtype != dtype:
            raise ValueError(f"{name}: {array.dtype} {array.shape}")
    return found


def _shown(
    found: Found, queries: Queries, vectors: Array, classes: np.ndarray, count: int
) -> Found:
    rows, closeness = queries.nearest(vectors[:count])
    return found.improved(closeness, classes[rows])


def _errors(search: Search, queries: Queries, sizes: Sequence[int]) -> NearestErrors:
    errors, per_class, distances = {}, {}, {}
    for size in sorted(set(sizes)):
        found = search.finished[size]
        wrong = found.classes != queries.labels
        errors[size] = float(wrong.mean())
        per_class[size] = [
            float(wrong[queries.labels == c].mean())
            if (queries.labels == c).any()
            else None
            for c in range(queries.classes)
        ]
        distances[size] = float(queries.distances(found.closeness).mean())
    return NearestErrors(
        errors, per_class, distances, search.seconds_search, search.seconds_references
    )
