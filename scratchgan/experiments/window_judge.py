"""A judge that finds windows in images, learnt from a dataset with boxes.

A small fully convolutional network says for each cell of a grid over the image how
likely it lies on a window. Touching cells above one half are a window. Nothing in it
knows what a window is: boxes around anything else make a judge of that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Array, Device, to_host
from scratchgan.datasets.loader import check_size, reduce_images, scale_images
from scratchgan.datasets.schema import Dataset
from scratchgan.errors import DatasetError, NonFiniteError
from scratchgan.functional.losses import sigmoid
from scratchgan.nn import BatchNorm2d, Block, Conv2d, LeakyReLU, Sequential
from scratchgan.optim import Adam, decayed_lr

Progress = Callable[[int, int], None]

CELLS = 16
"""The grid has about so many cells along the shorter side of the image."""
MIDDLE_LAYERS = 4
"""Convolutions on the grid; each lets a cell see one more cell on every side."""
THRESHOLD = 0.5
"""A cell of at least this probability lies on a window."""
SMALLEST = 2
"""Cells of the smallest window; a single one is noise."""
BATCH = 250
"""Images judged at a time."""
MOST_BYTES = 512 * 1024**2
"""Of the images to learn from."""


@dataclass(frozen=True)
class WindowJudgeSettings:
    """How the judge is trained.

    Attributes
    ----------
    steps : int
        Batches.
    batch_size : int
        Images in a batch, drawn with replacement, half of them mirrored.
    lr : float
        Adam's learning rate, falling evenly to 0.
    maps : int
        Of every hidden layer.
    images : int
        Images to learn from, at most: the first ones of the split.
    seed : int
        Of weights and order.
    """

    steps: int = 800
    batch_size: int = 64
    lr: float = 3e-3
    maps: int = 32
    images: int = 20_000
    seed: int = 0


@dataclass(frozen=True)
class BoxedImages:
    """Images of a network's size, and where the windows are in them.

    Attributes
    ----------
    images : ndarray of shape (N, H, W, C), uint8
    boxes : ndarray of shape (N, B, 4), float64
        Left, top, right, bottom in pixels of these images; unused ones are zeros.
    """

    images: np.ndarray
    boxes: np.ndarray


class WindowJudge:
    """A trained network that finds windows.

    Parameters
    ----------
    network : Sequential
        From `make_network`, on the device.
    device : Device
        Where it computes.
    """

    def __init__(self, network: Sequential, device: Device) -> None:
        self.network = network.eval()
        self.device = device

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return how likely each cell lies on a window, float32 (N, GH, GW).

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C), uint8
        """
        parts = []
        for start in range(0, len(images), BATCH):
            x = scale_images(images[start : start + BATCH], "tanh")
            logits = self.network(self.device.put(x))  # (n, 1, GH, GW)
            parts.append(to_host(sigmoid(logits))[:, 0])
        return np.concatenate(parts)

    def boxes(self, images: np.ndarray) -> list[np.ndarray]:
        """Return the windows of each image, int64 (windows, 4): left, top, right, bottom.

        In pixels, right and bottom exclusive.
        """
        grid = self.probabilities(images) >= THRESHOLD
        down = images.shape[1] / grid.shape[1]
        across = images.shape[2] / grid.shape[2]
        scale = np.array([across, down, across, down])
        return [
            np.rint(_bounding_boxes(components(cells)) * scale).astype(np.int64)
            for cells in grid
        ]

    def counts(self, images: np.ndarray) -> np.ndarray:
        """Return the number of windows in each image, int64 (N,)."""
        return np.array([len(found) for found in self.boxes(images)], dtype=np.int64)


def components(cells: np.ndarray) -> list[np.ndarray]:
    """Return the groups of True cells that touch along an edge, without the smallest.

    Parameters
    ----------
    cells : ndarray of shape (GH, GW), bool

    Returns
    -------
    list of ndarray of shape (cells, 2)
        Rows and columns of each group of at least `SMALLEST` cells.

    Examples
    --------
    >>> found = components(np.array([[1, 1, 0, 0], [0, 1, 0, 1]], bool))
    >>> [group.tolist() for group in found]
    [[[0, 0], [0, 1], [1, 1]]]
    """
    left = {(int(row), int(column)) for row, column in np.argwhere(cells)}
    groups = []
    while left:
        group, edge = [], [min(left)]
        left.discard(edge[0])
        while edge:
            row, column = edge.pop()
            group.append((row, column))
            for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                neighbour = (row + step[0], column + step[1])
                if neighbour in left:
                    left.discard(neighbour)
                    edge.append(neighbour)
        if len(group) >= SMALLEST:
            groups.append(np.array(sorted(group)))
    return groups


def _bounding_boxes(groups: list[np.ndarray]) -> np.ndarray:
    """Return left, top, right, bottom in cells, shape (groups, 4)."""
    boxes = [(*g.min(axis=0)[::-1], *(g.max(axis=0)[::-1] + 1)) for g in groups]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def covered_share(
    boxes: np.ndarray, grid: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Return the share of each cell that boxes cover, float32 (N, GH, GW).

    Parameters
    ----------
    boxes : ndarray of shape (N, B, 4)
        In pixels; unused ones are zeros. They do not overlap; where they do, the share
        stays at 1.
    grid, size : (int, int)
        Height and width in cells and in pixels.
    """
    left, top, right, bottom = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    rows = _overlap(top, bottom, grid[0], size[0])  # (N, B, GH)
    columns = _overlap(left, right, grid[1], size[1])  # (N, B, GW)
    share = np.einsum("nbh,nbw->nhw", rows, columns)
    return np.minimum(share, 1).astype(np.float32)


def _overlap(start: np.ndarray, stop: np.ndarray, cells: int, size: int) -> np.ndarray:
    """Return the share of each cell of a line that [start, stop) covers."""
    edges = np.arange(cells)
    first, last = start[..., None] * cells / size, stop[..., None] * cells / size
    return np.clip(np.minimum(last, edges + 1) - np.maximum(first, edges), 0, 1)


def make_network(
    height: int, width: int, channels: int, maps: int, rng: np.random.Generator
) -> Sequential:
    """Return the judge's network, from (N, C, H, W) in [-1, 1] to logits (N, 1, GH, GW).

    Convolutions of stride 2 go down to a grid of about `CELLS` cells; others of 3 x 3
    look around on it, far enough to see what a window hangs on.
    """
    halvings = max(0, round(np.log2(min(height, width) / CELLS)))
    layers = {}
    for number in range(halvings):
        layers[f"down{number + 1}"] = _block(channels, maps, 4, 2, rng)
        channels = maps
    for number in range(MIDDLE_LAYERS):
        layers[f"middle{number + 1}"] = _block(channels, maps, 3, 1, rng)
        channels = maps
    return Sequential(**layers, head=Conv2d(maps, 1, 1, bias=True, rng=rng))


def _block(
    channels: int, maps: int, kernel_size: int, stride: int, rng: np.random.Generator
) -> Block:
    return Block(
        conv=Conv2d(channels, maps, kernel_size, stride=stride, padding=1, rng=rng),
        norm=BatchNorm2d(maps),
        act=LeakyReLU(0.2),
    )


def train_window_judge(
    data: BoxedImages, settings: WindowJudgeSettings, device: Device, progress: Progress
) -> WindowJudge:
    """Train a judge with the logistic loss of every cell.

    Its target is the share of the cell that windows cover.

    Parameters
    ----------
    data : BoxedImages
    settings : WindowJudgeSettings
    device : Device
        Where to compute.
    progress : callable
        Called with (steps done, steps).

    Raises
    ------
    NonFiniteError
        If the loss is no longer a finite number.
    """
    rng = np.random.default_rng(settings.seed)
    _, height, width, channels = data.images.shape
    network = make_network(height, width, channels, settings.maps, rng).to(device)
    probe = device.put(scale_images(data.images[:2], "tanh"))
    grid = network(probe).shape[2:]
    targets = covered_share(data.boxes, grid, (height, width))[:, None]
    adam = Adam(network.parameters(), lr=settings.lr, betas=(0.9, 0.999))
    for step in range(settings.steps):
        rows = rng.integers(0, len(data.images), settings.batch_size)
        images, wanted = data.images[rows], targets[rows]
        mirrored = rng.random(len(rows)) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]
        wanted[mirrored] = wanted[mirrored, ..., ::-1]
        adam.lr = decayed_lr(settings.lr, step, 0, settings.steps)
        adam.zero_grad()
        logits, ctx = network.forward(device.put(scale_images(images, "tanh")))
        dlogits = logistic_gradient(logits, device.put(wanted))
        network.backward(dlogits, ctx, need_dx=False)
        adam.step()
        progress(step + 1, settings.steps)
    if not np.isfinite(to_host(logits)).all():
        raise NonFiniteError(
            f"the window judge's logits are not finite after {settings.steps} steps; "
            f"use a learning rate below {settings.lr:g}"
        )
    return WindowJudge(network, device)


def logistic_gradient(logits: Array, targets: Array) -> Array:
    """Return the gradient of the mean logistic loss, (s(a) - t) / number of values."""
    return (sigmoid(logits) - targets) / logits.size


def measure_window_judge(judge: WindowJudge, data: BoxedImages) -> dict:
    """Return how well a judge finds windows in images that it was not trained on.

    Returns
    -------
    dict
        ``images``, ``windows``: how many there are. ``intersection_over_union`` of
        all cells found and all cells that windows cover by half. ``windows_found``: the
        share of windows of which half of the cells were found. ``false_windows``: those
        on no window, per image. ``windows_counted`` per image, beside
        ``windows_true``. ``presence_right``: the share of images for which it is right
        whether there is a window.
    """
    maps = judge.probabilities(data.images) >= THRESHOLD
    size = data.images.shape[1:3]
    truth = covered_share(data.boxes, maps.shape[1:], size) >= 0.5
    found = windows = false = counted = right = 0
    for cells, true_cells, boxes in zip(maps, truth, data.boxes, strict=True):
        used = boxes[boxes[:, 2] > boxes[:, 0]]
        windows += len(used)
        for box in used:
            share = covered_share(box[None, None], cells.shape, size)[0]
            found += bool((share * cells).sum() >= share.sum() / 2)
        groups = components(cells)
        counted += len(groups)
        false += sum(not true_cells[tuple(group.T)].any() for group in groups)
        right += bool(groups) == bool(len(used))
    count = len(data.images)
    return {
        "images": count,
        "windows": windows,
        "intersection_over_union": _ratio((maps & truth).sum(), (maps | truth).sum()),
        "windows_found": _ratio(found, windows),
        "false_windows": _ratio(false, count),
        "windows_counted": _ratio(counted, count),
        "windows_true": _ratio(windows, count),
        "presence_right": _ratio(right, count),
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


def read_boxed_images(
    dataset: Dataset, height: int, width: int, *, held_out: bool, most: int
) -> BoxedImages:
    """Read labelled images at a network's size, with their boxes scaled.

    Parameters
    ----------
    dataset : Dataset
    height, width : int
        In pixels; no larger than the dataset's.
    held_out : bool
        Those of the splits validation and test instead of train. A dataset without
        splits holds out every tenth image.
    most : int
        Images to read, at most.

    Raises
    ------
    DatasetError
        The dataset has no boxes, or smaller images.
    """
    boxes = dataset.boxes
    if boxes is None or not boxes.any():
        raise DatasetError(
            f"{dataset.path} has no boxes to learn windows from; give --dataset one "
            "that has, such as bedrooms, or your own boxes of the samples with --boxes"
        )
    check_size(dataset, height, width)
    rows = dataset.rows_of_split("validation+test" if held_out else "train")
    if dataset.split is None:
        every = np.arange(len(dataset))
        rows = every[(every % 10 == 9) == held_out]
    rows = rows[: min(most, MOST_BYTES // (height * width * dataset.channels))]
    images = np.empty((len(rows), height, width, dataset.channels), np.uint8)
    for start in range(0, len(rows), 512):
        part = rows[start : start + 512]
        with dataset.reading():
            stretch = dataset.images[part[0] : part[-1] + 1]
        images[start : start + 512] = reduce_images(
            stretch[part - part[0]], height, width
        )
    scale = np.array([width / dataset.width, height / dataset.height] * 2)
    return BoxedImages(images, boxes[rows] * scale)
