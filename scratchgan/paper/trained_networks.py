"""A trained run's networks, as the experiments use them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratchgan.backend import Array, Device, to_host
from scratchgan.datasets.loader import scale_images
from scratchgan.errors import ConfigError
from scratchgan.functional.labels import one_hot
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.models.latent import latent_from_seeds
from scratchgan.training.config import TrainConfig
from scratchgan.training.preview import BATCH, images_from_latent
from scratchgan.training.run.folder import find_checkpoint
from scratchgan.training.run.state import load_state


@dataclass(frozen=True)
class TrainedNetworks:
    """Both networks of a checkpoint, with their running averages.

    Attributes
    ----------
    checkpoint : Path
        The file they come from.
    step : int
        Training steps made.
    config : TrainConfig
        The run's settings.
    generator, discriminator : Generator, Discriminator
        In eval mode, on the device.
    device : Device
    """

    checkpoint: Path
    step: int
    config: TrainConfig
    generator: Generator
    discriminator: Discriminator
    device: Device

    def latent(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the z of each seed, float32 (N, latent_dim)."""
        return latent_from_seeds(self.config.network, seeds)

    def images(
        self, z: np.ndarray, labels: Sequence[int] | int | None = None
    ) -> np.ndarray:
        """Return G's image of each z, uint8 (N, H, W, C).

        ``labels`` are the classes, or one class for all; a conditional network draws
        class 0 where there are none.
        """
        if labels is None and self.config.network.classes:
            labels = 0
        if isinstance(labels, int):
            labels = [labels] * len(z)
        return images_from_latent(self.generator, z, self.device, labels=labels)

    def features(
        self, images: np.ndarray, labels: Sequence[int] | None = None
    ) -> np.ndarray:
        """Return D's last hidden activations of uint8 images (N, H, W, C): (N, F)."""
        parts = []
        for start in range(0, len(images), BATCH):
            chosen = slice(start, start + BATCH)
            *_, (_, last) = self.activations(
                images[chosen], None if labels is None else labels[chosen]
            )
            parts.append(to_host(last).reshape(len(last), -1))
        return np.concatenate(parts)

    def activations(
        self, images: np.ndarray, labels: Sequence[int] | None = None
    ) -> Iterator[tuple[str, Array]]:
        """Yield the name and the activation of each of D's hidden stages, for a batch.

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C), uint8
        labels : sequence of int, optional
            Their classes, for a conditional network; class 0 by default.
        """
        network = self.config.network
        x = self.device.put(scale_images(images, network.output))
        rows = None
        if network.classes:
            classes = [0] * len(images) if labels is None else labels
            rows = self.device.put(one_hot(classes, network.classes))
        *hidden, _ = (
            (name, layer)
            for name, layer in self.discriminator.layers.items()
            if name != "flatten"
        )
        for name, layer in hidden:
            x = layer(x, rows)
            yield name, x


def check_label(networks: TrainedNetworks, label: int | None) -> None:
    """Raise ConfigError for a class that the networks do not have."""
    classes = networks.config.network.classes
    if label is not None and not 0 <= label < classes:
        raise ConfigError(
            f"--label {label}: this network has {classes} classes, counted from 0"
            if classes
            else f"--label {label}: this network was trained without labels"
        )


def load_networks(run: str, runs: Path, device: Device) -> TrainedNetworks:
    """Load both networks of a run.

    Parameters
    ----------
    run : str
        A run folder, its name or number in ``runs``, or a checkpoint file.
    runs : Path
        The folder that holds runs.
    device : Device
        Where to compute.

    Raises
    ------
    CheckpointError
        There is no such run, or its checkpoint is damaged.
    """
    checkpoint = find_checkpoint(run, runs)
    state = load_state(checkpoint, device)
    state.gan.generator.eval()
    state.gan.discriminator.eval()
    return TrainedNetworks(
        checkpoint,
        state.step,
        state.config,
        state.gan.generator,
        state.gan.discriminator,
        device,
    )
