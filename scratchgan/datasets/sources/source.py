"""What every source of images is: named images with what is known of each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

import numpy as np

from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.sources.containers.files import Files


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image of a source, not read yet.

    Attributes
    ----------
    name : str
        Its path inside the source, with "/".
    read : callable
        Returns the bytes of an image file, or the pixels as uint8 (H, W) or
        (H, W, C); or raises `UnreadableImage`.
    label : int or None
        Its class, where the source has classes.
    split : int
        A value of `SPLITS`.
    attributes : sequence of float or None
        A value for each of the source's `attribute_names`.
    """

    name: str
    read: Callable[[], bytes | np.ndarray]
    label: int | None = None
    split: int = SPLITS["train"]
    attributes: Sequence[float] | None = None


class Source(ABC):
    """A collection of images in a fixed order.

    A subclass is one published layout, listed in `KINDS`. It is a context manager that
    closes its files.

    Parameters
    ----------
    files : Files
        Where the images are; closed with the source.

    Attributes
    ----------
    kind : str
        Its name for ``--kind``.
    needs : str
        The files it is recognised by, for people.
    licence : str
        The terms, as far as the publisher states any.
    channels : int
        1 where the images are grey by nature, else 3.
    validation : int
        Images of the training set that the paper held out for validation.
    class_names : list of str or None
        Of the labels' values.
    attribute_names : list of str or None
        Of the attributes' columns.
    labelled, has_splits : bool
        Whether its images have labels, or belong to several splits.

    Raises
    ------
    DatasetError
        The files are not what the layout says.
    """

    kind: ClassVar[str]
    needs: ClassVar[str]
    licence: ClassVar[str] = "not stated; that of the images"
    channels: ClassVar[int] = 3
    validation: ClassVar[int] = 0

    class_names: list[str] | None = None
    attribute_names: list[str] | None = None
    labelled: bool = False
    has_splits: bool = False

    def __init__(self, files: Files) -> None:
        self.files = files
        self.path = files.path

    @classmethod
    @abstractmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether the files' names are those of this layout."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[SourceImage]: ...

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Files left out from the start, each with the reason."""
        return self.files.refused

    def close(self) -> None:
        """Release what is open."""
        self.files.close()

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
