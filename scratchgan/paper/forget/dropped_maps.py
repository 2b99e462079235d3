"""G without some of its feature maps: run to a layer, set them to 0, run on."""

from collections.abc import Sequence

import numpy as np

from scratchgan.backend import Array, get_array_module, to_host
from scratchgan.datasets.loader import unscale_images
from scratchgan.errors import ConfigError
from scratchgan.functional.labels import one_hot
from scratchgan.models.architecture import NetworkConfig, Stage, plan_generator
from scratchgan.nn.layer import Layer
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.training.preview import BATCH


def layers_with_maps(config: NetworkConfig) -> list[Stage]:
    """Return G's hidden stages whose outputs are feature maps, from z on."""
    return [stage for stage in plan_generator(config)[:-1] if len(stage.outputs) == 3]


def choose_layer(config: NetworkConfig, name: str | None = None) -> Stage:
    """Return a stage of G by name; by default the second highest with feature maps.

    The highest is the last one before the image. For the paper's network, whose
    convolutions make 512, 256, 128 maps and the image, that gives the one of 256 maps
    of 16 x 16: the paper dropped 200 maps, more than the highest has.

    Raises
    ------
    ConfigError
        There is no such stage, or G has fewer than two.

    Examples
    --------
    >>> choose_layer(NetworkConfig(widths=(128, 256, 512, 1024))).outputs
    (256, 16, 16)
    """
    stages = layers_with_maps(config)
    names = [stage.name for stage in stages]
    if name is None:
        if len(stages) < 2:
            raise ConfigError(
                f"G has {len(stages)} hidden layers with feature maps, expected 2 "
                "or more: the second highest is meant"
            )
        return stages[-2]
    if name not in names:
        raise ConfigError(
            f"--layer {name}: the layers of this G with feature maps are "
            f"{', '.join(names) or 'none'}"
        )
    return stages[names.index(name)]


def drop_maps(x: Array, kept: Array) -> Array:
    """Return feature maps (N, C, H, W) with those that are not kept set to 0.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kept : array of shape (C,), bool
        On the device of x.
    """
    xp = get_array_module(x)
    return xp.where(kept[:, None, None], x, xp.zeros_like(x))


class SplitGenerator:
    """A run's G as two parts, below and above one of its layers.

    Parameters
    ----------
    networks : TrainedNetworks
        G in eval mode.
    layer : str
        Name of the last stage of the lower part.
    label : int, optional
        Class of all images, for a conditional network; 0 by default.
    """

    def __init__(
        self, networks: TrainedNetworks, layer: str, label: int | None = None
    ) -> None:
        self.networks = networks
        self.device = networks.device
        names, stages = zip(*networks.generator.layers.items(), strict=True)
        cut = names.index(layer) + 1
        self._lower, self._upper = stages[:cut], stages[cut:]
        classes = networks.config.network.classes
        self._row = one_hot([label or 0], classes) if classes else None

    def features(self, z: np.ndarray) -> np.ndarray:
        """Return the layer's output for each z, float32 (N, C, H, W)."""
        parts = (to_host(self._maps(part)) for part in _batches(z))
        return np.concatenate(list(parts))

    def images(self, z: np.ndarray, kept: Sequence[np.ndarray]) -> np.ndarray:
        """Return the image of each z with several choices of maps.

        Parameters
        ----------
        z : ndarray of shape (N, latent_dim), float32
        kept : sequence of M ndarrays of shape (C,), bool
            False for a map that is set to 0 at all positions.

        Returns
        -------
        ndarray of shape (M, N, H, W, C), uint8
        """
        masks = [self.device.put(np.asarray(mask)) for mask in kept]
        output = self.networks.config.network.output
        parts = []
        for part in _batches(z):
            maps = self._maps(part)
            made = [to_host(self._finish(drop_maps(maps, mask))) for mask in masks]
            parts.append(np.stack([unscale_images(image, output) for image in made]))
        return np.concatenate(parts, axis=1)

    def _maps(self, z: np.ndarray) -> Array:
        return self._run(self._lower, self.device.put(z))

    def _finish(self, maps: Array) -> Array:
        return self._run(self._upper, maps)

    def _run(self, stages: Sequence[Layer], x: Array) -> Array:
        given = ()
        if self._row is not None:
            given = (self.device.put(np.repeat(self._row, len(x), axis=0)),)
        for stage in stages:
            x = stage(x, *given)
        return x


def _batches(z: np.ndarray) -> list[np.ndarray]:
    # As large as those of all other pictures, so that the pixels are the same ones.
    return [z[start : start + BATCH] for start in range(0, len(z), BATCH)]
