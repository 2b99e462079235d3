"""A judge that finds windows in images, learnt from a dataset with boxes.

A small fully convolutional network says for each cell of a grid over the image how
likely it lies on a window. Touching cells of at least one half are a window. Nothing
in it knows what a window is: boxes around anything else make a judge of that. It is
trained once a dataset and image size, and kept in the folder ``judges`` beside the
dataset.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from scratchgan.backend import Device, to_host
from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.datasets.loader import check_size, scale_images
from scratchgan.errors import DatasetError
from scratchgan.functional.losses import sigmoid
from scratchgan.paper.judges.attributes import split_rows
from scratchgan.paper.judges.kept_judge import load_or_train, network_state
from scratchgan.paper.judges.window_finder import WindowFinder
from scratchgan.paper.judges.window_training import (
    BoxedImages,
    WindowJudgeSettings,
    covered_share,
    train_window_finder,
)
from scratchgan.paper.run_images import ImageSize, read_images
from scratchgan.progress import Note, Progress
from scratchgan.storage.kept_arrays import Kept

THRESHOLD = 0.5
"""A cell of at least this probability lies on a window."""
SMALLEST = 2
"""Cells of the smallest window; a single one is noise."""
BATCH = 250
"""Images judged at a time."""
MOST_BYTES = 512 * 1024**2
"""Of the images to learn from."""


class WindowJudge:
    """A trained network that finds windows.

    Parameters
    ----------
    network : WindowFinder
        In eval mode, on the device.
    device : Device
        Where it computes.
    about : dict, optional
        ``dataset``, ``sha256``, ``trained_on`` and ``settings``; and ``held_out``, see
        `measure_window_judge`.
    """

    def __init__(
        self, network: WindowFinder, device: Device, about: dict | None = None
    ) -> None:
        self.network = network
        self.device = device
        self.about = about or {}

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
        """Return the windows of each image, int64 (windows, 4).

        Left, top, right and bottom in pixels, the last two exclusive.
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

    def to_keep(self) -> Kept:
        """Return what is kept of it beside its network: plain values, no arrays."""
        return Kept({}, self.about)

    def summary(self) -> str:
        """Say in a line how well windows are found in held-out images."""
        facts = self.about["held_out"]
        found, overlap = facts["windows_found"], facts["intersection_over_union"]
        shares = "no windows" if not facts["windows"] else f"{found:.0%} of windows"
        if overlap is not None:
            shares += f", {overlap:.2f} intersection over union"
        return (
            f"the window judge on held-out images: {shares}, "
            f"{facts['false_windows']:.2f} false ones an image"
        )


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


def load_window_judge(
    dataset: str | Path,
    height: int,
    width: int,
    channels: int,
    device: Device,
    *,
    progress: Progress | None = None,
    note: Note | None = None,
    settings: WindowJudgeSettings | None = None,
) -> WindowJudge:
    """Return the window judge of a dataset at an image size, trained if none is kept.

    Parameters
    ----------
    dataset : str or Path
        The file of a dataset with boxes.
    height, width, channels : int
        Of the images to be judged; the dataset's are averaged down to the size.
    device : Device
        Where to compute.
    progress : callable, optional
        Called with (steps done, steps) while a judge is trained.
    note : callable, optional
        Given a line if the judge cannot be kept.
    settings : WindowJudgeSettings, optional

    Raises
    ------
    DatasetError
        The dataset has no boxes, smaller images or other channels.
    """
    settings = settings or WindowJudgeSettings()
    with open_dataset(dataset) as opened:
        check_size(opened, height, width)
        boxes = _checked_boxes(opened, channels)
        size = ImageSize(height, width)
        return load_or_train(
            opened,
            hashlib.sha256(boxes.tobytes()).hexdigest(),
            settings,
            size,
            device,
            lambda arrays, about: _restore(arrays, about, (channels, *size), device),
            lambda: _train(opened, boxes, size, device, settings, progress),
            note,
            name="window judge",
        )


def _checked_boxes(dataset: Dataset, channels: int) -> np.ndarray:
    boxes = dataset.boxes
    if boxes is None or not boxes.any():
        raise DatasetError(
            f"{dataset.path} has no boxes to learn windows from; name a dataset that "
            "has with --judge, such as bedrooms, or box the samples yourself (--sheet, "
            "--boxes)"
        )
    if dataset.channels != channels:
        raise DatasetError(
            f"{dataset.path} has images of {dataset.channels} channels and the network "
            f"makes {channels}; name a dataset of {channels} with --judge"
        )
    return boxes


def _train(
    dataset: Dataset,
    boxes: np.ndarray,
    size: ImageSize,
    device: Device,
    settings: WindowJudgeSettings,
    progress: Progress | None,
) -> WindowJudge:
    rows, test_rows, held_out_split = split_rows(dataset, settings.seed)
    rng = np.random.default_rng(settings.seed)
    most = min(settings.images, MOST_BYTES // (size[0] * size[1] * dataset.channels))
    scale = np.array([size[1] / dataset.width, size[0] / dataset.height] * 2)
    learnt, tested = (
        BoxedImages(read_images(dataset, chosen, size), boxes[chosen] * scale)
        for chosen in (
            np.sort(rng.choice(rows, min(len(rows), most), replace=False)),
            np.sort(
                rng.choice(
                    test_rows, min(len(test_rows), settings.held_out), replace=False
                )
            ),
        )
    )
    network = train_window_finder(learnt, settings, device, progress or _silent)
    about = {
        "dataset": dataset.name,
        "sha256": dataset.sha256,
        "trained_on": len(learnt.images),
        "held_out_split": held_out_split,
        "settings": dataclasses.asdict(settings),
    }
    judge = WindowJudge(network, device, about)
    judge.about["held_out"] = measure_window_judge(judge, tested)
    return judge


def _silent(done: int, total: int) -> None:
    pass


def _restore(
    arrays: dict[str, np.ndarray],
    about: dict[str, Any],
    shape: tuple[int, int, int],
    device: Device,
) -> WindowJudge:
    """Return the judge that was kept; see `WindowJudge.to_keep`."""
    network = WindowFinder(*shape, about["settings"]["maps"])
    network.load_state_dict(network_state(arrays))
    return WindowJudge(network.to(device).eval(), device, about)
