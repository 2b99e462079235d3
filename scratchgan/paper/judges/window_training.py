"""Training the window judge: each cell of a grid says whether it lies on a window."""

from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Device, to_host
from scratchgan.datasets.loader import scale_images
from scratchgan.errors import NonFiniteError
from scratchgan.functional.losses import bce_with_logits
from scratchgan.optim.fast_adam import make_adam
from scratchgan.optim.schedule import decayed_lr
from scratchgan.paper.judges.window_finder import WindowFinder
from scratchgan.progress import Progress


@dataclass(frozen=True)
class WindowJudgeSettings:
    """How the judge is trained.

    Attributes
    ----------
    version : int
        Of the procedure; another one makes kept judges out of date.
    steps : int
        Batches.
    batch_size : int
        Images in a batch, drawn with replacement, half of them mirrored.
    lr : float
        Adam's learning rate, falling evenly to 0.
    maps : int
        Of every hidden layer.
    noise : float
        Standard deviation of Gaussian noise on the input, whose range is [-1, 1]: what
        G draws has errors that no drawing has.
    images, held_out : int
        Images to learn from and to test on, at most.
    seed : int
        Of weights and order.
    """

    version: int = 1
    steps: int = 800
    batch_size: int = 64
    lr: float = 3e-3
    maps: int = 32
    noise: float = 0.1
    images: int = 20_000
    held_out: int = 2_000
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


def train_window_finder(
    data: BoxedImages, settings: WindowJudgeSettings, device: Device, progress: Progress
) -> WindowFinder:
    """Train a network with the logistic loss of every cell.

    A cell's target is the share of it that windows cover.

    Parameters
    ----------
    data : BoxedImages
    settings : WindowJudgeSettings
    device : Device
        Where to compute.
    progress : callable
        Called with (steps done, steps).

    Returns
    -------
    WindowFinder
        In eval mode, on the device.

    Raises
    ------
    NonFiniteError
        If the loss is no longer a finite number.
    """
    rng = np.random.default_rng(settings.seed)
    _, height, width, channels = data.images.shape
    network = WindowFinder(channels, height, width, settings.maps, rng=rng)
    network.to(device)
    targets = covered_share(data.boxes, network.grid, (height, width))[:, None]
    adam = make_adam(network.parameters(), lr=settings.lr, betas=(0.9, 0.999))
    for step in range(settings.steps):
        rows = rng.integers(0, len(data.images), settings.batch_size)
        images, wanted = data.images[rows], targets[rows]
        mirrored = rng.random(len(rows)) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]
        wanted[mirrored] = wanted[mirrored, ..., ::-1]
        adam.lr = decayed_lr(settings.lr, step, 0, settings.steps)
        x = scale_images(images, "tanh")
        x += settings.noise * rng.standard_normal(x.shape, np.float32)
        adam.zero_grad()
        logits, ctx = network.forward(device.put(x))  # (N, 1, rows, columns)
        cells = logits.reshape(len(logits), -1)  # (N, rows·columns)
        _, dcells = bce_with_logits(cells, device.put(wanted.reshape(cells.shape)))
        network.backward(dcells.reshape(logits.shape), ctx, need_dx=False)
        adam.step()
        progress(step + 1, settings.steps)
    if not np.isfinite(to_host(logits)).all():
        raise NonFiniteError(
            f"the window judge's logits are not finite after {settings.steps} steps; "
            f"use a learning rate below {settings.lr:g}"
        )
    return network.eval()
