"""Where a run is opened: both trained networks, the settings, the log, its images."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scratchgan.backend import Device
from scratchgan.errors import ConfigError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.models.latent import latent_from_seeds
from scratchgan.training.config import TrainConfig
from scratchgan.training.preview import images_from_latent
from scratchgan.training.run.folder import read_log, run_of_checkpoint
from scratchgan.training.run.state import load_state

AnyRun = TypeVar("AnyRun", bound="Run")


@dataclass(frozen=True, repr=False)
class Run:
    """A run at one of its checkpoints; made by `scratchgan.open_run`.

    Attributes
    ----------
    checkpoint : Path
        The file it comes from.
    step : int
        Training steps made.
    config : TrainConfig
        The run's settings.
    generator, discriminator : Generator, Discriminator
        In eval mode, with their running averages, on the device.
    device : Device
    """

    checkpoint: Path
    step: int
    config: TrainConfig
    generator: Generator
    discriminator: Discriminator
    device: Device

    @classmethod
    def load(cls: type[AnyRun], checkpoint: Path, device: Device) -> AnyRun:
        """Return the run that a checkpoint file holds.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, or of another version.
        """
        state = load_state(checkpoint, device)
        networks = state.gan.generator.eval(), state.gan.discriminator.eval()
        return cls(checkpoint, state.step, state.config, *networks, device)

    @property
    def path(self) -> Path:
        """The run's folder, absolute.

        Raises
        ------
        CheckpointError
            If the checkpoint does not lie in one.
        """
        return run_of_checkpoint(self.checkpoint).path

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged up to this checkpoint: records with step, losses, times."""
        records = read_log(run_of_checkpoint(self.checkpoint))
        return [record for record in records if record["step"] <= self.step]

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
        if isinstance(labels, Integral):
            labels = [labels] * len(z)
        return images_from_latent(self.generator, z, self.device, labels=labels)

    def generate(
        self, seeds: Sequence[int], labels: int | Sequence[int] | None = None
    ) -> np.ndarray:
        """Return the image of each seed, uint8 (N, H, W, C).

        One seed always gives one image, in whatever company it is made.

        Parameters
        ----------
        seeds : sequence of int
            From 0, such as ``range(36)``.
        labels : int or sequence of int, optional
            For a conditional network, the class of all images or of each; class 0 by
            default.

        Raises
        ------
        ConfigError
            If seeds or labels are not such, or the network has no such class.
        """
        if isinstance(seeds, Integral):
            raise ConfigError(f"seeds is {seeds}, expected several: [{seeds}]")
        seeds = list(seeds)
        wrong = [s for s in seeds if not isinstance(s, Integral) or s < 0]
        if wrong or not seeds:
            got = repr(wrong[0]) if wrong else "none"
            raise ConfigError(f"seeds: got {got}, expected whole numbers from 0")
        if labels is not None:
            alike = isinstance(labels, Integral)
            labels = [labels] * len(seeds) if alike else list(labels)
            if len(labels) != len(seeds):
                raise ConfigError(
                    f"{len(labels)} labels for {len(seeds)} seeds, expected one each"
                )
            for label in labels:
                check_label(self.config.network, label, "label")
        return self.images(self.latent(seeds), labels)

    def __repr__(self) -> str:
        data = Path(self.config.dataset).stem
        return (
            f"<{type(self).__name__} {str(self.checkpoint)!r}: {self.config.preset} "
            f"on {data}, step {self.step:,}, on {self.device}>"
        )


def check_label(network: NetworkConfig, label: int, option: str = "--label") -> None:
    """Raise ConfigError for a class that a network does not have."""
    if isinstance(label, Integral) and 0 <= label < network.classes:
        return
    raise ConfigError(
        f"{option} {label}: this network has {network.classes} classes, counted from 0"
        if network.classes
        else f"{option} {label}: this network was trained without labels"
    )
