"""Pictures of what G makes, from fixed z."""

from collections.abc import Sequence

import numpy as np

from scratchgan.backend import Device, to_host
from scratchgan.datasets.loader import unscale_images
from scratchgan.functional.labels import one_hot
from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.dcgan import Generator
from scratchgan.models.latent import latent_from_seeds

BATCH = 64
"""Images made at a time; with running averages the picture does not depend on it."""


def generate_images(
    generator: Generator,
    seeds: Sequence[int],
    device: Device,
    *,
    labels: Sequence[int] | None = None,
    batch_statistics: bool = False,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the image of each seed, uint8 (N, H, W, C).

    Parameters
    ----------
    generator : Generator
        Its mode and its running averages are as before afterwards.
    seeds : sequence of int
        Seed k means the z drawn first from ``numpy.random.default_rng(k)``.
    device : Device
        Where the generator lives.
    labels : sequence of int, optional
        Class of each image, for a conditional generator.
    batch_statistics : bool, default=False
        Normalise with the statistics of the images made together, as the authors
        did, all seeds in one batch, instead of the running averages of the training.
    batch_size : int, default=64
        Images made at a time otherwise.
    """
    z = latent_from_seeds(generator.config, seeds)  # (N, latent_dim)
    size = len(seeds) if batch_statistics else batch_size
    was_training = generator.training
    averages = {name: array.copy() for name, array in generator.buffers().items()}
    generator.train(batch_statistics)
    images = images_from_latent(generator, z, device, labels=labels, batch_size=size)
    for name, array in generator.buffers().items():
        array[...] = averages[name]
    generator.train(was_training)
    return images


def images_from_latent(
    generator: Generator,
    z: np.ndarray,
    device: Device,
    *,
    labels: Sequence[int] | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the image of each z, uint8 (N, H, W, C), with G in the mode it is in.

    Parameters
    ----------
    generator : Generator
    z : ndarray of shape (N, latent_dim), float32
    device : Device
        Where the generator lives.
    labels : sequence of int, optional
        Class of each image, for a conditional generator.
    batch_size : int, default=64
        Images made at a time.
    """
    config = generator.config
    rows = one_hot(labels, config.classes) if config.classes else None
    parts = []
    for start in range(0, len(z), batch_size):
        part = slice(start, start + batch_size)
        given = (device.put(z[part]),)
        if rows is not None:
            given += (device.put(rows[part]),)
        parts.append(unscale_images(to_host(generator(*given)), config.output))
    return np.concatenate(parts)


def labels_for_grid(
    config: NetworkConfig, count: int, columns: int
) -> list[int] | None:
    """Return one class a row of the grid, or None for an unconditional network."""
    if not config.classes:
        return None
    return [position // columns % config.classes for position in range(count)]
