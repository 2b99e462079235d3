"""Everything that changes while training, and its way into a checkpoint and back."""

import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scratchgan import __version__
from scratchgan.backend import Device
from scratchgan.errors import CheckpointError, ConfigError
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.optim.fast_adam import make_adam
from scratchgan.training.config import TrainConfig, config_from_dict, config_to_dict
from scratchgan.training.run.checkpoint import load_checkpoint, read_meta
from scratchgan.training.step import Gan

HISTORY = ("step", "loss_d", "loss_g", "p_real", "p_fake")
"""Columns of the logged history that a checkpoint keeps."""


@dataclass
class TrainingState:
    """A run between two steps.

    Attributes
    ----------
    config : TrainConfig
        Its settings.
    gan : Gan
        Networks and optimisers.
    rng : numpy.random.Generator
        Draws z.
    step : int
        Steps made.
    epoch, batch : int
        The batch to read next.
    history : dict of list of float
        What was logged, by column of `HISTORY`.
    """

    config: TrainConfig
    gan: Gan
    rng: np.random.Generator
    step: int = 0
    epoch: int = 0
    batch: int = 0
    history: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in HISTORY}
    )


def new_state(config: TrainConfig, device: Device) -> TrainingState:
    """Return a run before its first step: weights drawn, everything else zero.

    Weights and z come from separate streams of the seed, so that another network size
    does not change the z of a run.
    """
    weights_rng, z_rng = np.random.default_rng(config.seed).spawn(2)
    generator = Generator(config.network, rng=weights_rng)
    discriminator = Discriminator(config.network, rng=weights_rng)
    generator.to(device)
    discriminator.to(device)
    return TrainingState(config, make_gan(config, generator, discriminator), z_rng)


def make_gan(
    config: TrainConfig, generator: Generator, discriminator: Discriminator
) -> Gan:
    """Return the networks with an optimiser each."""
    settings = {
        "lr": config.lr,
        "betas": (config.beta1, config.beta2),
        "eps": config.adam_eps,
        "l2": config.l2,
    }
    return Gan(
        generator,
        discriminator,
        make_adam(generator.parameters(), **settings),
        make_adam(discriminator.parameters(), **settings),
    )


def state_arrays(state: TrainingState) -> dict[str, np.ndarray]:
    """Return all arrays of a checkpoint by name."""
    gan = state.gan
    parts = {
        "generator": gan.generator.state_dict(),
        "discriminator": gan.discriminator.state_dict(),
        "adam_g": gan.adam_g.state_dict(),
        "adam_d": gan.adam_d.state_dict(),
        "history": {n: np.array(v, np.float64) for n, v in state.history.items()},
    }
    return {
        f"{part}/{k}": v for part, arrays in parts.items() for k, v in arrays.items()
    }


def state_meta(state: TrainingState) -> dict[str, Any]:
    """Return everything else of a checkpoint as JSON values."""
    return {
        "config": config_to_dict(state.config),
        "step": state.step,
        "epoch": state.epoch,
        "batch": state.batch,
        "adam_steps": {"g": state.gan.adam_g.steps, "d": state.gan.adam_d.steps},
        "rng": state.rng.bit_generator.state,
        "scratchgan": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "host": platform.node(),
        "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def load_state(path: Path, device: Device) -> TrainingState:
    """Return the run that a checkpoint holds, on the device.

    Raises
    ------
    CheckpointError
        If the file is damaged or its arrays do not fit its configuration.
    """
    arrays, meta = load_checkpoint(path)
    try:
        config = config_from_dict(meta["config"])
        state = new_state(config, device)
        gan = state.gan
        gan.generator.load_state_dict(_part(arrays, "generator"))
        gan.discriminator.load_state_dict(_part(arrays, "discriminator"))
        gan.adam_g.load_state_dict(_part(arrays, "adam_g"), meta["adam_steps"]["g"])
        gan.adam_d.load_state_dict(_part(arrays, "adam_d"), meta["adam_steps"]["d"])
        state.rng.bit_generator.state = meta["rng"]
        state.history = {n: v.tolist() for n, v in _part(arrays, "history").items()}
        state.step, state.epoch, state.batch = (
            meta[name] for name in ("step", "epoch", "batch")
        )
    except (KeyError, ValueError, ConfigError) as error:
        raise CheckpointError(
            f"{path} does not fit this scratchgan: {error}"
        ) from error
    return state


def read_config(path: Path) -> TrainConfig:
    """Return the settings in a checkpoint without reading its arrays.

    Raises
    ------
    CheckpointError
        If they cannot be read or are of another version.
    """
    try:
        return config_from_dict(read_meta(path)["config"])
    except (KeyError, ConfigError) as error:
        raise CheckpointError(
            f"{path} does not fit this scratchgan: {error}"
        ) from error


def load_generator(path: Path, device: Device) -> tuple[Generator, TrainConfig]:
    """Return G alone from a checkpoint, in eval mode, and the run's settings.

    Raises
    ------
    CheckpointError
        As `load_state`.
    """
    arrays, meta = load_checkpoint(path)
    try:
        config = config_from_dict(meta["config"])
        generator = Generator(config.network)
        generator.load_state_dict(_part(arrays, "generator"))
    except (KeyError, ValueError, ConfigError) as error:
        raise CheckpointError(
            f"{path} does not fit this scratchgan: {error}"
        ) from error
    generator.to(device).eval()
    return generator, config


def _part(arrays: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    prefix = f"{part}/"
    return {
        k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)
    }
