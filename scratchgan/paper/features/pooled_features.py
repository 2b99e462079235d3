"""D's convolution layers as features: every activation, max-pooled to 4x4, in a row.

Radford et al. 2016, section 5.1: the discriminator's convolutional features from all
layers, max-pooled to a 4x4 spatial grid, flattened and concatenated. Activations are
those after LeakyReLU (the authors' code for SVHN), layers come in the order from the
image inwards.
"""

import math

import numpy as np

from scratchgan.backend import Array, get_array_module, to_host
from scratchgan.errors import ConfigError
from scratchgan.models.architecture import NetworkConfig, plan_discriminator
from scratchgan.paper.trained_networks import TrainedNetworks

GRID = 4


def feature_length(network: NetworkConfig) -> int:
    """Return how many features an image has.

    Examples
    --------
    The paper's 28,672 are those of `imagenet32`:

    >>> from scratchgan.training.presets import PRESETS
    >>> feature_length(PRESETS["imagenet32"].network)
    28672
    >>> feature_length(PRESETS["svhn32"].network)
    7168

    Raises
    ------
    ConfigError
        D is given labels, or has no convolutions.
    """
    if network.classes:
        raise ConfigError(
            "this run's discriminator is given the labels of its images, so its "
            "features would hold the answer; train a run with --no-conditional"
        )
    *hidden, _ = plan_discriminator(network)
    maps = [stage.outputs for stage in hidden if stage.kind == "conv"]
    if not maps:
        raise ConfigError(
            "this run's discriminator has no convolution layers to take features "
            "from; train a run of another preset, such as imagenet32"
        )
    return sum(c * min(h, GRID) * min(w, GRID) for c, h, w in maps)


def pooled_features(networks: TrainedNetworks, images: np.ndarray) -> np.ndarray:
    """Return the features of uint8 images (N, H, W, C), float32 (N, F).

    Parameters
    ----------
    networks : TrainedNetworks
        With frozen statistics of D, see `frozen_statistics`.
    images : ndarray of shape (N, H, W, C), uint8
        As many as fit into memory with their activations.
    """
    parts = [
        to_host(max_pool_to_grid(maps, GRID)).reshape(len(images), -1)
        for _, maps in networks.activations(images)
        if maps.ndim == 4
    ]
    return np.concatenate(parts, axis=1)


def max_pool_to_grid(maps: Array, grid: int) -> Array:
    """Return the largest value in each cell of a grid over the maps.

    Cell i of g covers the rows from floor(i·H/g) to ceil((i + 1)·H/g): where g divides
    H these are windows side by side, otherwise neighbours overlap by a row. Maps that
    are smaller than the grid stay as they are.

    Parameters
    ----------
    maps : array of shape (N, C, H, W)
    grid : int
        g

    Returns
    -------
    array of shape (N, C, min(H, g), min(W, g))

    Examples
    --------
    >>> maps = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> max_pool_to_grid(maps, 2)[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    xp = get_array_module(maps)
    rows = [maps[:, :, a:b].max(axis=2) for a, b in _cells(maps.shape[2], grid)]
    maps = xp.stack(rows, axis=2)
    columns = [maps[:, :, :, a:b].max(axis=3) for a, b in _cells(maps.shape[3], grid)]
    return xp.stack(columns, axis=3)


def _cells(size: int, grid: int) -> list[tuple[int, int]]:
    grid = min(grid, size)
    return [(i * size // grid, math.ceil((i + 1) * size / grid)) for i in range(grid)]
