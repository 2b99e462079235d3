"""What real test images are compared with: labelled samples, or real training images.

Both come in blocks, and only one block is in memory. Block boundaries never depend on
how many references are asked for, so that a search that was stopped goes on to the
very result of one that was not.
"""

import hashlib

import numpy as np

from scratchgan.backend import Array, Device, get_array_module
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.functional.labels import one_hot
from scratchgan.functional.parallel import one_blas_thread
from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.dcgan import Generator
from scratchgan.models.latent import latent_from_seeds
from scratchgan.paper.run_images import read_images

BLOCK = 1024
"""References at a time, on the processor."""
GPU_BLOCK = 8192
BATCH = 256
"""Images that G makes at a time, on the processor."""


class Samples:
    """Labelled samples without end: sample i has the z of seed i and class i mod K.

    So every class has as many samples as any other, to within one.

    Parameters
    ----------
    generator : Generator
        Of a conditional network, in eval mode: batch normalisation by the running
        averages makes a sample independent of its neighbours.
    device : Device
        Where it lives.

    Attributes
    ----------
    block_size : int
    """

    def __init__(self, generator: Generator, device: Device) -> None:
        self.generator = generator
        self.device = device
        self.block_size = block_size(device)

    def block(self, start: int) -> tuple[Array, np.ndarray]:
        """Return the vectors from sample ``start`` on, (B, D), and their classes (B,).

        Vectors are on the device, pixels in [0, 1], not rounded.
        """
        config = self.generator.config
        seeds = np.arange(start, start + self.block_size)
        classes = seeds % config.classes
        batch = BATCH if self.device.kind == "cpu" else self.block_size
        parts = []
        with one_blas_thread():
            for first in range(0, len(seeds), batch):
                part = slice(first, first + batch)
                z = self.device.put(latent_from_seeds(config, seeds[part]))
                labels = self.device.put(one_hot(classes[part], config.classes))
                parts.append(unit_vectors(self.generator(z, labels), config.output))
        return get_array_module(parts[0]).concatenate(parts), classes

    def identity(self) -> str:
        """Return a digest of what the samples depend on."""
        digest = hashlib.sha256(self.generator.config.as_text().encode())
        for name, array in sorted(self.generator.state_dict().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"samples {digest.hexdigest()}"


class RealImages:
    """Labelled images of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Open for as long as blocks are asked for.
    rows : ndarray of int64
        Those to compare with, ascending.
    labels : ndarray of shape (N,), int64
        Classes of all images of the dataset.
    network : NetworkConfig
        Of whose size the images are to be.
    device : Device

    Attributes
    ----------
    block_size : int
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        labels: np.ndarray,
        network: NetworkConfig,
        device: Device,
    ) -> None:
        self.dataset = dataset
        self.rows = rows
        self.labels = labels
        self.network = network
        self.device = device
        self.block_size = block_size(device)

    def block(self, start: int) -> tuple[Array, np.ndarray]:
        """Return as `Samples.block`; the last block may have fewer."""
        rows = self.rows[start : start + self.block_size]
        images = read_images(self.dataset, rows, self.network)
        return self.device.put(pixel_vectors(images)), self.labels[rows]

    def identity(self) -> str:
        """Return a digest of what the images are."""
        digest = hashlib.sha256(self.dataset.sha256.encode())
        digest.update(self.rows.tobytes() + self.labels[self.rows].tobytes())
        return f"images {digest.hexdigest()}"


def unit_vectors(images: Array, output: str) -> Array:
    """Turn G's images (N, C, H, W) into float32 (N, H·W·C), pixels in [0, 1]."""
    vectors = images.transpose(0, 2, 3, 1).reshape(len(images), -1)
    return (vectors + 1) / 2 if output == "tanh" else vectors


def pixel_vectors(images: np.ndarray) -> np.ndarray:
    """Turn uint8 images (N, H, W, C) into float32 (N, H·W·C), pixels in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def block_size(device: Device) -> int:
    """Return how many references are in memory at a time."""
    return BLOCK if device.kind == "cpu" else GPU_BLOCK
