"""Training the autoencoder: what it sees, the noise, the loss and how long."""

from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Array, Device, to_host
from scratchgan.errors import NonFiniteError
from scratchgan.functional.squared_error import squared_error
from scratchgan.optim.fast_adam import make_adam
from scratchgan.paper.dedup.denoising_autoencoder import (
    INPUTS,
    DenoisingAutoencoder,
)
from scratchgan.progress import Progress

LEAST_CONTRAST = 5.0
"""Standard deviation, of 255: below it is more noise than picture."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """How the autoencoder is trained.

    The paper says only "3072-128-3072 de-noising dropout regularized RELU
    autoencoder"; ``docs/data/deduplication.md`` has the measurements behind each
    default.

    Attributes
    ----------
    steps : int
        Batches.
    batch_size : int
        Images in a batch, drawn with replacement.
    lr : float
        Learning rate of Adam, whose β1 is 0.9 here.
    noise : float
        Standard deviation of the Gaussian noise on the input, in units of an image's
        own contrast.
    dropout : float
        Rate of dropout on the code.
    images : int
        Images to train on, at most, drawn from the dataset.
    seed : int
        Of weights, noise, masks and order.
    """

    steps: int = 2000
    batch_size: int = 128
    lr: float = 1e-3
    noise: float = 8.0
    dropout: float = 0.5
    images: int = 50_000
    seed: int = 0

    def command_options(self) -> str:
        """Return the command's options that give these settings, " --seed 0"."""
        changed = [
            f" --{name} {getattr(self, name)}"
            for name in ("steps", "images")
            if getattr(self, name) != getattr(AutoencoderSettings, name)
        ]
        return "".join(changed) + f" --seed {self.seed}"


class Coder:
    """A trained autoencoder with what its inputs are centred by.

    Parameters
    ----------
    network : DenoisingAutoencoder
        On the device.
    centre : array of shape (F,), float32
        The mean of the images' `normalised` vectors.
    device : Device
        Where it computes.

    Attributes
    ----------
    loss : float
        Squared error a value at the end of training, with noise and dropout.
    """

    def __init__(
        self, network: DenoisingAutoencoder, centre: np.ndarray, device: Device
    ) -> None:
        self.network = network
        self.centre = centre
        self.device = device
        self.loss = float("nan")

    def inputs(self, thumbnails: np.ndarray) -> Array:
        """Return uint8 (N, 32, 32, 3) as centred vectors (N, F) on the device."""
        return self.device.put(normalised(thumbnails) - self.centre)

    def active(self, thumbnails: np.ndarray) -> np.ndarray:
        """Return which units of the code are active for each image, bool (N, 128).

        An image's answer does not depend on the others it is computed with: products
        of another number of rows may round otherwise, so they always have the same.
        """
        parts = []
        for start in range(0, len(thumbnails), _ROWS):
            part = thumbnails[start : start + _ROWS]
            padded = np.zeros((_ROWS, *part.shape[1:]), np.uint8)
            padded[: len(part)] = part
            parts.append(to_host(self.network.active(self.inputs(padded)))[: len(part)])
        return np.concatenate(parts)


_ROWS = 256


def normalised(thumbnails: np.ndarray) -> np.ndarray:
    """Return images with mean 0 and contrast 1, so that neither tells them apart.

    Parameters
    ----------
    thumbnails : ndarray of shape (N, H, W, C), uint8

    Returns
    -------
    ndarray of shape (N, H·W·C), float32
        Less the image's mean, divided by its standard deviation; nearly flat images,
        below `LEAST_CONTRAST`, are divided by that.
    """
    vectors = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(vectors.std(axis=1, keepdims=True), LEAST_CONTRAST)
    return vectors


def mean_vector(thumbnails: np.ndarray) -> np.ndarray:
    """Return the mean of the `normalised` images, float32 (F,), a part at a time."""
    total = np.zeros(thumbnails[0].size)
    for start in range(0, len(thumbnails), _ROWS):
        total += normalised(thumbnails[start : start + _ROWS]).sum(axis=0, dtype=float)
    return (total / len(thumbnails)).astype(np.float32)


def train_coder(
    thumbnails: np.ndarray,
    settings: AutoencoderSettings,
    device: Device,
    progress: Progress,
) -> Coder:
    """Train an autoencoder on thumbnails and return it with its centre.

    Parameters
    ----------
    thumbnails : ndarray of shape (N, 32, 32, 3), uint8
        Images to learn from, one or more.
    settings : AutoencoderSettings
        Noise, loss and schedule.
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
    network = DenoisingAutoencoder(dropout=settings.dropout, rng=rng).to(device)
    coder = Coder(network, mean_vector(thumbnails), device)
    adam = make_adam(network.parameters(), lr=settings.lr, betas=(0.9, 0.999))
    for step in range(settings.steps):
        rows = rng.integers(0, len(thumbnails), settings.batch_size)
        clean = coder.inputs(thumbnails[rows])
        noise = rng.standard_normal((len(rows), INPUTS), dtype=np.float32)
        noise *= settings.noise
        y, ctx = network.forward(clean + device.put(noise))
        loss, dy = squared_error(y, clean)
        adam.zero_grad()
        network.backward(dy, ctx, need_dx=False)
        adam.step()
        progress(step + 1, settings.steps)
    coder.loss = float(loss)
    if not np.isfinite(coder.loss):
        raise NonFiniteError(
            f"the autoencoder's loss is {coder.loss} after {settings.steps} steps; "
            f"use a learning rate below {settings.lr:g}"
        )
    return coder
