"""The generator and the discriminator, built layer by layer from their plans."""

import math

import numpy as np

from scratchgan.backend import Array
from scratchgan.models.architecture import (
    NetworkConfig,
    Shape,
    Stage,
    plan_discriminator,
    plan_generator,
)
from scratchgan.nn import (
    BatchNorm1d,
    BatchNorm2d,
    Block,
    ConcatLabels,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    Reshape,
    Sequential,
    init,
)
from scratchgan.nn.activations import ACTIVATIONS
from scratchgan.nn.sequential import Contexts


class Generator(Sequential):
    """G: from z of shape (N, latent_dim) to images (N, C, H, W).

    Source: Radford et al. 2016, section 3 and figure 1.

    Parameters
    ----------
    config : NetworkConfig
        Size and kind of the network.
    rng : numpy.random.Generator, optional
        Draws the weights, on the host; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters and images.

    Attributes
    ----------
    config : NetworkConfig
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        self.config = config
        stages = plan_generator(config)
        super().__init__(**_build(stages, (config.latent_dim,), config, rng, dtype))

    def forward(self, x: Array, labels: Array | None = None) -> tuple[Array, Contexts]:
        """Return images (N, C, H, W) and the stages' contexts; see `Sequential`."""
        y, contexts = super().forward(x, labels)
        contexts.shrink()  # D makes its passes before this goes backward
        return y, contexts


class Discriminator(Sequential):
    """D: from images (N, C, H, W) to logits (N, 1), or (N, 2) for a softmax.

    Source: Radford et al. 2016, section 3, and the authors' code.

    Parameters
    ----------
    config : NetworkConfig
        Size and kind of the network.
    rng : numpy.random.Generator, optional
        Draws the weights, on the host; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters and images.

    Attributes
    ----------
    config : NetworkConfig
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        self.config = config
        stages = plan_discriminator(config)
        super().__init__(**_build(stages, config.image_shape, config, rng, dtype))


def _build(
    stages: list[Stage],
    shape: Shape,
    config: NetworkConfig,
    rng: np.random.Generator | None,
    dtype: str | np.dtype,
) -> dict[str, Layer]:
    """Return the stages' layers; ``shape`` is that of one input example."""
    rng = rng or np.random.default_rng()
    layers: dict[str, Layer] = {}
    for stage in stages:
        layers[stage.name] = _build_stage(stage, shape, config, rng, dtype)
        shape = stage.outputs
    if stages[-1].kind == "conv":  # a convolution made the logits: (N, 1, 1, 1)
        layers["flatten"] = Flatten()
    return layers


def _build_stage(
    stage: Stage,
    shape: Shape,
    config: NetworkConfig,
    rng: np.random.Generator,
    dtype: str | np.dtype,
) -> Block:
    """Return one stage: rearrange, append labels, operate, normalise, activate."""
    layers: dict[str, Layer] = {}
    flat_outputs = math.prod(stage.outputs)
    flat_inputs = math.prod(stage.inputs)
    settings = {
        "bias": stage.bias,
        "weight_init": _weight_init(config),
        "rng": rng,
        "dtype": dtype,
    }
    norm_settings = {
        "eps": config.norm_eps,
        "momentum": config.norm_momentum,
        "affine": config.norm_affine,
        "gamma_init": init.normal(config.gamma_std, mean=1.0),
        "rng": rng,
        "dtype": dtype,
    }

    if stage.kind == "linear" and len(shape) == 3:
        layers["flatten"] = Flatten()
    elif stage.kind != "linear" and len(shape) == 1:
        layers["reshape"] = Reshape(*stage.inputs)
    if stage.labels:
        layers["labels"] = ConcatLabels(stage.labels)

    if stage.kind == "linear":
        layers["linear"] = Linear(flat_inputs + stage.labels, flat_outputs, **settings)
        if stage.norm:
            # Per unit and before the reshape, as the authors have it.
            layers["norm"] = BatchNorm1d(flat_outputs, **norm_settings)
    else:
        convolution = Conv2d if stage.kind == "conv" else ConvTranspose2d
        layers["conv"] = convolution(
            stage.inputs[0] + stage.labels,
            stage.outputs[0],
            stage.kernel_size,
            stride=stage.stride,
            padding=stage.padding,
            impl=config.conv_impl,
            **settings,
        )
        if stage.norm:
            layers["norm"] = BatchNorm2d(stage.outputs[0], **norm_settings)

    if stage.activation:
        layers["act"] = _activation(stage.activation, config)
    if stage.kind == "linear" and len(stage.outputs) == 3:
        layers["reshape"] = Reshape(*stage.outputs)
    return Block(**layers)


def _activation(name: str, config: NetworkConfig) -> Layer:
    kind = ACTIVATIONS[name]
    return LeakyReLU(config.negative_slope) if kind is LeakyReLU else kind()


def _weight_init(config: NetworkConfig) -> init.Initialiser:
    return (
        init.glorot_uniform() if config.weight_init == "glorot" else init.normal(0.02)
    )
