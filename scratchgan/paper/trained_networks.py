"""A trained run's networks, as the experiments use them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np

from scratchgan.backend import Array, Device, to_host
from scratchgan.datasets.loader import scale_images
from scratchgan.functional.labels import one_hot
from scratchgan.training.preview import BATCH
from scratchgan.training.run import open_run
from scratchgan.training.run.folder import find_checkpoint
from scratchgan.training.run.open_run import Run


@dataclass(frozen=True, repr=False)
class TrainedNetworks(Run):
    """A run whose D is read layer by layer."""

    def features(
        self, images: np.ndarray, labels: Sequence[int] | int | None = None
    ) -> np.ndarray:
        """Return D's last hidden activations of uint8 images (N, H, W, C): (N, F).

        ``labels`` as for `images`.
        """
        if isinstance(labels, Integral):
            labels = [labels] * len(images)
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
    if label is not None:
        open_run.check_label(networks.config.network, label)


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
    return TrainedNetworks.load(find_checkpoint(run, runs), device)
