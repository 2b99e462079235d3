"""What the two networks look like, as numbers: no arrays are made here.

`NetworkConfig` holds the choices; `plan_generator` and `plan_discriminator` turn them
into a list of stages with their shapes, parameters and multiplications. The layers are
built from the same list, in `scratchgan.models.dcgan`.

D is described from the image inwards and G is its mirror: where D's stage takes a
maps to b maps with stride s, G's takes b to a. Both obey the paper's rules (Radford et
al. 2016, section 3): strides instead of pooling, batch normalisation everywhere except
at G's output and D's input.
"""

import json
import math
from dataclasses import asdict, dataclass, fields, replace

from scratchgan.errors import ConfigError
from scratchgan.functional.conv.shapes import Pair, same_padding

Shape = tuple[int, ...]
"""Of one example: (C, H, W) for maps, (F,) for a vector."""


ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid")
"""Those of `scratchgan.nn.activations`; plans are made without loading arrays."""
_WORDS = {
    "latent": ("normal", "uniform"),
    "extra_padding": ("before", "after"),
    "ends": ("conv", "linear"),
    "output": ("tanh", "sigmoid"),
    "generator_activation": ACTIVATIONS,
    "discriminator_activation": ACTIVATIONS,
    "weight_init": ("normal", "glorot"),
}

_CAME_LATER = ("generator_activation", "discriminator_activation")


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides what G and D are.

    Attributes
    ----------
    height, width, channels : int
        Of the images, in pixels; 1 or 3 channels.
    classes : int
        Width of the labels that both networks are given; 0 for none.
    latent_dim : int
        Length of z.
    latent : {"normal", "uniform"}
        z from N(0, 1) or U(-1, 1).
    kernel_size : int
        Of all strided convolutions, in pixels.
    extra_padding : {"before", "after"}
        Side of the odd row of padding: the authors' and TensorFlow's choice.
    widths, strides : tuple of int
        Maps and stride of D's convolutions from the image inwards.
    ends : {"conv", "linear"}
        How z becomes the first maps and the last maps the logit: by convolutions as
        large as those maps (PyTorch example), or by matrix products (the authors).
    generator_hidden, discriminator_hidden : tuple of int
        Units of dense layers after z, and before the logit.
    generator_activation, discriminator_activation : {"relu", "leaky_relu", ...}
        Of the hidden layers; the paper's rules are ReLU in G and LeakyReLU in D.
    output : {"tanh", "sigmoid"}
        G's last activation, for images in [-1, 1] or [0, 1].
    logits : int
        1 with a sigmoid in the loss, or 2 with a softmax.
    bias : bool
        Whether convolutions and matrices have biases.
    norm_eps, norm_momentum : float
        Of batch normalisation; momentum is the weight of the new batch.
    norm_affine : bool
        Whether batch normalisation has gain and shift.
    norm_on_input : bool
        Whether D's first layer has batch normalisation too, against the paper's rule.
    weight_init : {"normal", "glorot"}
        N(0, 0.02²), or Glorot's uniform.
    gamma_std : float
        Standard deviation of the initial gains around 1.
    negative_slope : float
        Of D's rectifiers.
    conv_impl : str
        Implementation of convolution, see `scratchgan.functional.conv.primitives`.
    """

    height: int = 64
    width: int = 64
    channels: int = 3
    classes: int = 0
    latent_dim: int = 100
    latent: str = "normal"
    kernel_size: int = 4
    extra_padding: str = "before"
    widths: tuple[int, ...] = (64, 128, 256, 512)
    strides: tuple[int, ...] = (2, 2, 2, 2)
    ends: str = "conv"
    generator_hidden: tuple[int, ...] = ()
    discriminator_hidden: tuple[int, ...] = ()
    generator_activation: str = "relu"
    discriminator_activation: str = "leaky_relu"
    output: str = "tanh"
    logits: int = 1
    bias: bool = False
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    norm_affine: bool = True
    norm_on_input: bool = False
    weight_init: str = "normal"
    gamma_std: float = 0.02
    negative_slope: float = 0.2
    conv_impl: str = "fast"

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if value not in words:
                raise ConfigError(f"{name} is {value!r}, expected {' or '.join(words)}")
        if not self.widths and not self.discriminator_hidden:
            raise ConfigError(
                "a network needs convolutions (widths) or discriminator_hidden layers"
            )
        if self.channels not in (1, 3):
            raise ConfigError(f"images have {self.channels} channels, expected 1 or 3")
        if len(self.widths) != len(self.strides):
            raise ConfigError(
                f"{len(self.widths)} widths and {len(self.strides)} strides: "
                "every convolution needs both"
            )
        if self.latent_dim < 1 or min((*self.widths, 1)) < 1:
            raise ConfigError("latent_dim and all widths must be at least 1")
        self._check_size("height", self.height)
        self._check_size("width", self.width)

    def _check_size(self, side: str, size: int) -> None:
        reduction = math.prod(self.strides)
        if size >= reduction and size % reduction == 0:
            return
        below = max(size // reduction, 1) * reduction
        fits = f"{below} and {below + reduction}" if size > below else f"{below}"
        raise ConfigError(
            f"image {side} {size} does not fit: the strides of this network divide "
            f"sizes by {reduction}; the nearest sizes that fit are {fits}"
        )

    def as_text(self) -> str:
        """Return all settings as text, for keys of what was computed by a network.

        A setting that came later counts only where it is not what all networks had
        before: files made until then keep their keys.
        """
        defaults = {field.name: field.default for field in fields(self)}
        return json.dumps(
            {
                name: value
                for name, value in asdict(self).items()
                if name not in _CAME_LATER or value != defaults[name]
            }
        )

    @property
    def base_size(self) -> Pair:
        """(height, width) of the smallest maps."""
        reduction = math.prod(self.strides)
        return self.height // reduction, self.width // reduction

    @property
    def image_shape(self) -> Shape:
        """(C, H, W)."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Stage:
    """One step of a network: a linear operation, then what follows it.

    Attributes
    ----------
    name : str
        First part of its parameters' names.
    kind : {"linear", "conv", "conv_transpose"}
        The operation.
    inputs, outputs : Shape
        Of one example, labels not counted.
    labels : int
        Label units or planes appended to the input.
    kernel_size, stride : (int, int)
        Of convolutions.
    padding : ((int, int), (int, int))
        ((top, bottom), (left, right)) of convolutions.
    norm : bool
        Whether batch normalisation follows.
    norm_affine, bias : bool
        Whether there are gains and shifts, and biases.
    activation : str
        What comes last, one of `ACTIVATIONS`, or "" for nothing.
    """

    name: str
    kind: str
    inputs: Shape
    outputs: Shape
    labels: int
    norm: bool
    norm_affine: bool
    bias: bool
    activation: str
    kernel_size: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))

    @property
    def norm_features(self) -> int:
        """Channels or units that batch normalisation has averages for."""
        if not self.norm:
            return 0
        return math.prod(self.outputs) if self.kind == "linear" else self.outputs[0]

    @property
    def weights(self) -> int:
        """Number of weights of the linear operation."""
        if self.kind == "linear":
            return (math.prod(self.inputs) + self.labels) * math.prod(self.outputs)
        area = math.prod(self.kernel_size)
        return (self.inputs[0] + self.labels) * self.outputs[0] * area

    @property
    def parameters(self) -> int:
        """Number of all trained values."""
        outputs = math.prod(self.outputs) if self.kind == "linear" else self.outputs[0]
        affine = 2 * self.norm_features if self.norm_affine else 0
        return self.weights + (outputs if self.bias else 0) + affine

    @property
    def multiplications(self) -> int:
        """Multiply-adds for one image, padding included."""
        if self.kind == "linear":
            return self.weights
        small = self.outputs if self.kind == "conv" else self.inputs
        return self.weights * small[1] * small[2]


def plan_generator(config: NetworkConfig) -> list[Stage]:
    """Return G's stages from z to the image."""
    shape: Shape = (config.latent_dim,)
    stages = []
    for number, units in enumerate(config.generator_hidden, 1):
        stages.append(_linear(config, f"hidden{number}", shape, (units,)))
        shape = (units,)

    maps = [config.channels, *config.widths]  # from the image inwards
    first_maps: Shape = (maps[-1], *config.base_size)
    if config.ends == "conv":
        stages.append(
            _stage(
                config,
                name="project",
                kind="conv_transpose",
                inputs=(*shape, 1, 1),
                outputs=first_maps,
                kernel_size=config.base_size,
            )
        )
    else:
        stages.append(_linear(config, "project", shape, first_maps))
    shape = first_maps

    for number in range(1, len(config.widths) + 1):
        stride = config.strides[-number]
        grown = (maps[-1 - number], shape[1] * stride, shape[2] * stride)
        stages.append(
            _strided(config, f"up{number}", "conv_transpose", shape, grown, stride)
        )
        shape = grown
    return [
        *(
            replace(s, norm=True, activation=config.generator_activation)
            for s in stages[:-1]
        ),
        replace(stages[-1], activation=config.output),
    ]


def plan_discriminator(config: NetworkConfig) -> list[Stage]:
    """Return D's stages from the image to its logits."""
    shape = config.image_shape
    stages = []
    for number, (maps, stride) in enumerate(
        zip(config.widths, config.strides, strict=True), 1
    ):
        shrunk = (maps, shape[1] // stride, shape[2] // stride)
        stages.append(_strided(config, f"down{number}", "conv", shape, shrunk, stride))
        shape = shrunk
    for number, units in enumerate(config.discriminator_hidden, 1):
        stages.append(_linear(config, f"hidden{number}", shape, (units,)))
        shape = (units,)
    if config.ends == "conv" and len(shape) == 3:
        head = _stage(
            config,
            name="head",
            kind="conv",
            inputs=shape,
            outputs=(config.logits, 1, 1),
            kernel_size=config.base_size,
        )
    else:
        head = _linear(config, "head", shape, (config.logits,))
    activation = config.discriminator_activation
    first, *others = stages
    return [
        replace(first, norm=config.norm_on_input, activation=activation),
        *(replace(s, norm=True, activation=activation) for s in others),
        head,
    ]


def _stage(config: NetworkConfig, **fields: object) -> Stage:
    """Return a stage with the settings that all stages share."""
    return Stage(
        labels=config.classes,
        norm=False,
        norm_affine=config.norm_affine,
        bias=config.bias,
        activation="",
        **fields,
    )


def _linear(config: NetworkConfig, name: str, inputs: Shape, outputs: Shape) -> Stage:
    return _stage(config, name=name, kind="linear", inputs=inputs, outputs=outputs)


def _strided(
    config: NetworkConfig,
    name: str,
    kind: str,
    inputs: Shape,
    outputs: Shape,
    stride: int,
) -> Stage:
    try:
        side = same_padding(config.kernel_size, stride, extra=config.extra_padding)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return _stage(
        config,
        name=name,
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        kernel_size=(config.kernel_size, config.kernel_size),
        stride=(stride, stride),
        padding=(side, side),
    )
