"""Whether a generator draws its training images from memory.

The nearest training images of generated ones say little alone: how near is near? So
the same is done with real images that D and G have never seen. A generator that has
learnt what faces are draws images as far from the training set as new faces are; one
that has learnt its images by heart draws images that are much nearer.

Radford et al. 2016, section 6, deliberately show no neighbours (Theis et al. 2015,
arXiv 1511.01844: neighbours in pixels are fooled by a shift of a few pixels). This
therefore looks in D's features too.
"""

from dataclasses import dataclass

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import DatasetError
from scratchgan.functional.nearest.streamed import NearestVectors
from scratchgan.paper.run_images import (
    read_images,
    spread_rows,
    stream_images,
)
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.progress import Progress

NEIGHBOURS = 5
HELD_OUT = 256
"""Real images compared with, at most."""
NEAR_PERCENTILE = 5
"""A generated image is too near if it is nearer than this percentile of real ones."""
MUCH_NEARER = 0.7
"""Memorised if the median distance is below this share of that of real images ..."""
MANY = 0.5
"""... and more than this share of the images is too near (0.05 by chance)."""


@dataclass(frozen=True)
class HeldOut:
    """Real images that generated ones are compared with.

    Attributes
    ----------
    rows : ndarray of int64
        In the dataset.
    from_training : bool
        Whether they are training images, there being no others; each is then compared
        with all the others.
    """

    rows: np.ndarray
    from_training: bool


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images, in one way of measuring.

    Attributes
    ----------
    generated, held_out : NearestVectors
        With distances (N, 5) and rows (N, 5).
    """

    generated: NearestVectors
    held_out: NearestVectors


def choose_held_out(dataset: Dataset, split: str) -> HeldOut:
    """Return real images that were not trained on, or else some that were.

    Raises
    ------
    DatasetError
        There are fewer than two training images.
    """
    training = dataset.rows_of_split(split)
    if len(training) < 2:
        raise DatasetError(
            f"{dataset.path} has {len(training)} images in the split {split!r} that "
            "the run was trained on, at least 2 are needed"
        )
    others = np.setdiff1d(dataset.rows_of_split("validation+test"), training)
    chosen = others if len(others) else training
    return HeldOut(spread_rows(chosen, HELD_OUT), len(others) == 0)


def find_neighbours(
    networks: TrainedNetworks,
    dataset: Dataset,
    generated: np.ndarray,
    held_out: HeldOut,
    labels: list[int] | None = None,
    progress: Progress | None = None,
) -> dict[str, Neighbours]:
    """Return the nearest training images of generated and of held-out images.

    Parameters
    ----------
    networks : TrainedNetworks
        With frozen statistics.
    dataset : Dataset
    generated : ndarray of shape (N, H, W, C), uint8
    held_out : HeldOut
    labels : list of int, optional
        Classes of the generated images, for a conditional network.
    progress : callable, optional
        Called with training images done and all of them.

    Returns
    -------
    dict of Neighbours
        "pixels", in [0, 255], and "features", D's last hidden activations.
    """
    config = networks.config
    real = read_images(dataset, held_out.rows, config.network)
    own = held_out.rows if held_out.from_training else None
    classes = dataset.labels if config.network.classes else None
    real_labels = None if classes is None else classes[held_out.rows]
    found = {
        "pixels": Neighbours(
            NearestVectors(_pixels(generated), NEIGHBOURS),
            NearestVectors(_pixels(real), NEIGHBOURS, own),
        ),
        "features": Neighbours(
            NearestVectors(networks.features(generated, labels), NEIGHBOURS),
            NearestVectors(networks.features(real, real_labels), NEIGHBOURS, own),
        ),
    }
    rows = dataset.rows_of_split(config.split)
    for block, images, of_images in stream_images(
        dataset, rows, config.network, progress
    ):
        vectors = {
            "pixels": _pixels(images),
            "features": networks.features(images, of_images),
        }
        for name, neighbours in found.items():
            neighbours.generated.add(block, vectors[name])
            neighbours.held_out.add(block, vectors[name])
    return found


def compare_distances(generated: np.ndarray, held_out: np.ndarray) -> dict:
    """Return how near generated images are to the training set, against real ones.

    Parameters
    ----------
    generated, held_out : ndarray of shape (N,) and (M,)
        Distances to the nearest training image.

    Returns
    -------
    dict
        Both medians, their ``ratio``, the ``too_near`` distance, the ``share`` of
        generated images below it, and whether they are ``memorised``.
    """
    medians = float(np.median(generated)), float(np.median(held_out))
    too_near = float(np.percentile(held_out, NEAR_PERCENTILE))
    share = float((generated < too_near).mean())
    ratio = medians[0] / medians[1] if medians[1] else None
    return {
        "generated": medians[0],
        "held_out": medians[1],
        "ratio": ratio,
        "too_near": too_near,
        "share": share,
        "memorised": ratio is not None and ratio < MUCH_NEARER and share > MANY,
    }


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)
