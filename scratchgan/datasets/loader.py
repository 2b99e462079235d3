"""Batches for training: shuffled, scaled, read ahead by a background thread.

Reading random rows one by one from a compressed or chunked file is slow, so the order
of an epoch is shuffled in two steps. Blocks of neighbouring rows are put in random
order and gathered into windows of `WINDOW_BYTES`; a window is read block by block and
shuffled in memory. While the batches of one window are served, the next is read, a few
blocks with each batch. A dataset that fits into the memory of these two, nearly every
one, is a single window: read once, kept, and shuffled perfectly.

The order depends on seed and epoch alone, so a run is continued at any batch without
replaying what came before.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import DatasetError

WINDOW_BYTES = 128 << 20
"""Pixels shuffled together, as stored in the file; two windows are in memory."""
BLOCK_IMAGES = 256
"""Neighbouring rows that are read together."""
BATCHES_AHEAD = 3


@dataclass(frozen=True)
class LoadedBatch:
    """One batch on the host.

    Attributes
    ----------
    images : ndarray of shape (N, C, H, W), float32
        Channels-last in memory.
    labels : ndarray of shape (N,), int64, or None
    epoch, index : int
        Which batch of which epoch this is, both from 0.
    """

    images: np.ndarray
    labels: np.ndarray | None
    epoch: int
    index: int


def scale_images(pixels: np.ndarray, output: str) -> np.ndarray:
    """Turn uint8 (N, H, W, C) into float32 (N, C, H, W) in the range of G's output.

    Parameters
    ----------
    pixels : ndarray of shape (N, H, W, C), uint8
    output : {"tanh", "sigmoid"}
        [-1, 1] or [0, 1].

    Examples
    --------
    >>> scale_images(np.full((1, 1, 1, 1), 255, np.uint8), "tanh").item()
    1.0
    """
    images = pixels.astype(np.float32)
    if output == "tanh":
        images /= 127.5
        images -= 1
    else:
        images /= 255
    return images.transpose(0, 3, 1, 2)


def unscale_images(images: np.ndarray, output: str) -> np.ndarray:
    """Turn G's float (N, C, H, W) into uint8 (N, H, W, C), rounded and clipped."""
    pixels = (images + 1) * 127.5 if output == "tanh" else images * 255
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


class BatchLoader:
    """Endless batches of a dataset, epoch after epoch.

    A context manager, inside which it is an iterator of `LoadedBatch`. A last partial
    batch is used, unless it is a single image, for which batch normalisation has no
    variance.

    Parameters
    ----------
    dataset : Dataset
        Open for as long as the loader is used.
    rows : ndarray of int64
        Rows to use, ascending.
    batch_size : int
        Images in a batch.
    height, width : int
        Of the images wanted; larger ones of the same aspect are averaged down.
    output : {"tanh", "sigmoid"}
        Range of the images, that of G's output.
    seed : int
        Of the order.
    epoch, index : int, default=0
        Batch to start with.

    Raises
    ------
    DatasetError
        If there are fewer rows than a batch, or the size cannot be had.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        *,
        batch_size: int,
        height: int,
        width: int,
        output: str,
        seed: int,
        epoch: int = 0,
        index: int = 0,
    ) -> None:
        check_rows(dataset, rows, batch_size)
        check_size(dataset, height, width)
        self.dataset = dataset
        self.rows = rows
        self.batch_size = batch_size
        self.size = height, width
        self.output = output
        self.seed = seed
        batches = -(-len(rows) // batch_size)
        image_bytes = dataset.height * dataset.width * dataset.channels
        if len(rows) * image_bytes <= 2 * WINDOW_BYTES:
            windows = 1
        else:
            windows = -(-batches // max(1, WINDOW_BYTES // (batch_size * image_bytes)))
        # Whole batches only, so that no batch takes its images from two windows, and
        # windows of one size: a short last one would leave no time to read the next.
        self._window_batches = -(-batches // windows)
        self._labels = dataset.labels
        self._batches = self._generate(epoch, index)
        # One thread runs the generator; futures hand over its errors too.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._ahead: deque[Future[LoadedBatch]] = deque()

    def __iter__(self) -> Iterator[LoadedBatch]:
        return self

    def __next__(self) -> LoadedBatch:
        self._order_batch()
        return self._ahead.popleft().result()

    def __enter__(self) -> "BatchLoader":
        for _ in range(BATCHES_AHEAD):
            self._order_batch()
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._batches.close()  # and with it the windows it holds

    def _order_batch(self) -> None:
        self._ahead.append(self._executor.submit(next, self._batches))

    def _generate(self, epoch: int, index: int) -> Iterator[LoadedBatch]:
        """Yield batches from the given one on, for ever."""
        plan = self._plan(epoch, index)
        positions, batches = next(plan)
        window = self._window(positions)
        while True:
            window.read_share(1)  # the first one; a later one is in memory by now
            positions, next_batches = next(plan)
            keep = len(positions) == len(self.rows)
            next_window = window if keep else self._window(positions)
            for done, (epoch, index, positions) in enumerate(batches):
                yield self._batch(window.pixels_of(positions), positions, epoch, index)
                # An even share with each batch: a whole window would make one late.
                next_window.read_share(len(batches) - done)
            window, batches = next_window, next_batches

    def _plan(self, epoch: int, index: int) -> Iterator[tuple[np.ndarray, list]]:
        """Yield each window from the one with the given batch on, for ever.

        Yields
        ------
        positions : ndarray of int64
            Of all its images in ``rows``.
        batches : list of (epoch, index, positions)
            Those of its batches that are still to come.
        """
        size, count = self.batch_size, self._window_batches
        while True:
            order = self._order(epoch)
            # Short of the last image, which makes no batch if it is alone there.
            starts = range(0, len(order) - 1, size)
            batches = [(epoch, i // size, order[i : i + size]) for i in starts]
            for first in range(index // count * count, len(batches), count):
                window = order[first * size : (first + count) * size]
                yield window, batches[max(first, index) : first + count]
            epoch, index = epoch + 1, 0

    def _order(self, epoch: int) -> np.ndarray:
        """Return the epoch's order as positions in ``rows``."""
        rng = np.random.default_rng([self.seed, epoch])
        positions = np.arange(len(self.rows))
        blocks = np.split(positions, positions[BLOCK_IMAGES::BLOCK_IMAGES])
        order = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])
        window_rows = self._window_batches * self.batch_size
        for start in range(0, len(order), window_rows):
            rng.shuffle(order[start : start + window_rows])
        return order

    def _window(self, positions: np.ndarray) -> "_Window":
        return _Window(self.dataset, self.rows, positions, *self.size)

    def _batch(
        self, pixels: np.ndarray, positions: np.ndarray, epoch: int, index: int
    ) -> LoadedBatch:
        labels = None if self._labels is None else self._labels[self.rows[positions]]
        return LoadedBatch(scale_images(pixels, self.output), labels, epoch, index)


class _Window:
    """Images that are in memory together, read block by block.

    Parameters
    ----------
    dataset : Dataset
        Where they are read.
    rows : ndarray of int64
        Rows in use, ascending.
    positions : ndarray of int64
        Of the images in ``rows``, in any order.
    height, width : int
        To average them down to.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        positions: np.ndarray,
        height: int,
        width: int,
    ) -> None:
        self._images = dataset.images
        self._positions = np.sort(positions)
        shape = len(positions), height, width, dataset.channels
        self._pixels = np.empty(shape, np.uint8)
        self._done = 0  # images read
        # Split where blocks end, so that each read is one short stretch of the file.
        cuts = np.flatnonzero(np.diff(self._positions // BLOCK_IMAGES)) + 1
        self._unread = deque(np.split(rows[self._positions], cuts))

    def read_share(self, shares: int) -> None:
        """Read one of so many even shares of what is not in memory yet."""
        height, width = self._pixels.shape[1:3]
        for _ in range(-(-len(self._unread) // shares)):
            block = self._unread.popleft()
            stretch = self._images[block[0] : block[-1] + 1]
            done = self._done + len(block)
            self._pixels[self._done : done] = reduce_images(
                stretch[block - block[0]], height, width
            )
            self._done = done

    def pixels_of(self, positions: np.ndarray) -> np.ndarray:
        """Return the images at these positions, uint8 (N, H, W, C)."""
        return self._pixels[np.searchsorted(self._positions, positions)]


def check_rows(dataset: Dataset, rows: np.ndarray, batch_size: int) -> None:
    """Raise DatasetError if there are fewer rows than one batch."""
    if len(rows) < 2:
        raise DatasetError(
            f"{dataset.path} has {len(rows)} images to train on in this split, at "
            "least 2 are needed; choose another --split or other data"
        )
    if len(rows) < batch_size:
        raise DatasetError(
            f"{dataset.path} has {len(rows)} images to train on, fewer than one batch "
            f"of {batch_size}; use --batch-size {len(rows)} or less"
        )


def check_size(dataset: Dataset, height: int, width: int) -> bool:
    """Return whether images must be averaged down to height x width.

    Raises
    ------
    DatasetError
        If they are smaller or of another aspect; the message has the command that
        prepares them.
    """
    if (dataset.height, dataset.width) == (height, width):
        return False
    same_aspect = dataset.height * width == dataset.width * height
    if same_aspect and dataset.height > height:
        return True
    size = str(height) if height == width else f"{height}x{width}"
    raise DatasetError(
        f"{dataset.path} holds images of {dataset.height}x{dataset.width} pixels and "
        f"the network makes {height}x{width}; prepare them again: scratchgan data "
        f"prepare {dataset.name}-{size} SOURCE --size {size}, or choose another --size"
    )


def reduce_images(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Average uint8 images (N, H, W, C) down to (N, height, width, C).

    Every new pixel is the mean of the area it covers, fractions of pixels included:
    one matrix product for the columns and one for the rows.
    """
    N, H, W, C = pixels.shape
    if (H, W) == (height, width):
        return pixels
    rows = area_weights(H, height) @ pixels.reshape(N, H, W * C).astype(np.float32)
    columns = rows.reshape(N, height, W, C).transpose(0, 1, 3, 2)  # (N, height, C, W)
    mean = (columns @ area_weights(W, width).T).transpose(0, 1, 3, 2)
    return np.rint(mean).astype(np.uint8)  # (N, height, width, C)


def area_weights(size: int, reduced: int) -> np.ndarray:
    """Return the matrix (reduced, size) that averages a line of pixels.

    Row i has the share of each old pixel in the stretch that new pixel i covers.

    Examples
    --------
    >>> area_weights(3, 2).round(2)
    array([[0.67, 0.33, 0.  ],
           [0.  , 0.33, 0.67]], dtype=float32)
    """
    stretch = size / reduced
    old = np.arange(size)
    start = np.arange(reduced)[:, None] * stretch  # (reduced, 1)
    overlap = np.minimum(old + 1, start + stretch) - np.maximum(old, start)
    return (np.clip(overlap, 0, None) / stretch).astype(np.float32)
