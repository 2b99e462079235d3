"""The checks that ``scratchgan gradcheck`` runs: every layer, both whole networks.

How a gradient is checked by numbers is in `scratchgan.testing`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scratchgan.backend import CPU, Device
from scratchgan.functional.conv.primitives import IMPLEMENTATIONS
from scratchgan.functional.gan_losses import FAKE, GAN_LOSSES
from scratchgan.functional.labels import one_hot
from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.nn import (
    BatchNorm1d,
    BatchNorm2d,
    ConcatLabels,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    Reshape,
    Sequential,
)
from scratchgan.nn.activations import ACTIVATIONS
from scratchgan.testing import (
    TOLERANCE,
    RepeatedDraws,
    check_protocol,
    gradient_errors,
    layer_gradient_errors,
)
from scratchgan.training.presets import PRESETS

SMALL_WIDTHS = 4
"""Maps next to the image in the networks that are checked whole."""


@dataclass(frozen=True)
class CheckRow:
    """One line of the table.

    Attributes
    ----------
    layer : str
        What was checked.
    parameter : str
        ``x`` for the input gradient, else the parameter's name.
    error : float
        Largest |analytic - numeric|, relative to the largest gradient.
    passed : bool
        Whether the error is within `TOLERANCE` and the layer's rules are kept.
    reason : str
        Why not.
    """

    layer: str
    parameter: str
    error: float
    passed: bool
    reason: str = ""


def check_layers(
    device: Device = CPU, seed: int = 0, impls: Sequence[str] = tuple(IMPLEMENTATIONS)
) -> Iterator[CheckRow]:
    """Check every layer in several forms, odd sizes and strides among them.

    Convolutions are checked in each of the implementations ``impls``.
    """
    rng = np.random.default_rng(seed)
    for layer, shape in _layers(rng, impls):
        x = device.put(_away_from_zero(rng, shape))
        labels = None
        if isinstance(layer, ConcatLabels):
            labels = device.put(one_hot(np.arange(shape[0]) % 3, 3).astype(np.float64))
        layer.to(device)
        errors = layer_gradient_errors(layer, x, labels=labels, seed=seed)
        reason = ""
        try:
            check_protocol(layer, x, labels, seed)
        except AssertionError as error:
            reason = str(error)
        for parameter, error in errors.items():
            name = f"{layer}{'' if layer.training else ' in eval mode'}"
            passed = error <= TOLERANCE and not reason
            yield CheckRow(name, parameter, error, passed, reason)


def check_networks(
    preset: str, device: Device = CPU, seed: int = 0
) -> Iterator[CheckRow]:
    """Check G, D and D's loss through its batch normalisation to G's weights.

    The networks are a preset's with fewer maps, in float64, with larger weights than
    a new network has, so that gradients stand well above rounding.
    """
    config = small_network(PRESETS[preset].network)
    loss = GAN_LOSSES[PRESETS[preset].loss]
    rng = np.random.default_rng(seed)
    generator = Generator(config, rng=rng, dtype="float64")
    discriminator = Discriminator(config, rng=rng, dtype="float64")
    for network in (generator, discriminator):
        for name, parameter in network.parameters().items():
            if name.endswith("weight"):
                parameter.data *= 10
        network.to(device)
    count = 3
    z = device.put(rng.standard_normal((count, config.latent_dim)))
    real = device.put(rng.standard_normal((count, *config.image_shape)))
    labels = None
    if config.classes:
        rows = one_hot(np.arange(count) % config.classes, config.classes)
        labels = device.put(rows.astype(np.float64))

    logits, ctx = discriminator.forward(real, labels)
    dreal = discriminator.backward(loss.discriminator(logits, FAKE)[1], ctx)
    yield from _rows(
        "D, loss of D",
        lambda: loss.discriminator(discriminator(real, labels), FAKE)[0],
        {"x": real} | {k: p.data for k, p in discriminator.parameters().items()},
        {"x": dreal} | {k: p.grad for k, p in discriminator.parameters().items()},
        seed,
    )
    fake, fake_ctx = generator.forward(z, labels)
    logits, ctx = discriminator.forward(fake, labels)
    dfake = discriminator.backward(loss.generator(logits)[1], ctx, need_dparams=False)
    dz = generator.backward(dfake, fake_ctx)
    yield from _rows(
        "G, loss through D",
        lambda: loss.generator(discriminator(generator(z, labels), labels))[0],
        {"x": z} | {k: p.data for k, p in generator.parameters().items()},
        {"x": dz} | {k: p.grad for k, p in generator.parameters().items()},
        seed,
    )


def small_network(config: NetworkConfig) -> NetworkConfig:
    """Return the network with small images, few maps and small dense layers."""
    first = config.widths[0] if config.widths else 1
    size = 2 * math.prod(config.strides)
    return replace(
        config,
        height=size,
        width=size,
        latent_dim=6,
        widths=tuple(max(1, SMALL_WIDTHS * w // first) for w in config.widths),
        generator_hidden=tuple(8 for _ in config.generator_hidden),
        discriminator_hidden=tuple(8 for _ in config.discriminator_hidden),
        # A bias in front of batch normalisation has no effect and so no gradient.
        bias=False,
    )


def _layers(
    rng: np.random.Generator, impls: Sequence[str]
) -> Iterator[tuple[Layer, tuple[int, ...]]]:
    """Yield layers in float64 with the shape of an input."""
    double = {"dtype": "float64", "rng": rng}
    maps, vector = (3, 4, 7, 6), (5, 8)
    for impl in impls:
        for kernel, stride, padding in (
            (4, 2, 1),
            (5, 2, ((2, 1), (2, 1))),
            (5, 2, ((1, 2), (1, 2))),
            (3, 1, 1),
            ((3, 4), (1, 3), (0, 2)),
        ):
            settings = {"stride": stride, "padding": padding, "bias": True, **double}
            yield Conv2d(4, 3, kernel, impl=impl, **settings), maps
            yield ConvTranspose2d(4, 3, kernel, impl=impl, **settings), maps
        yield (
            ConvTranspose2d(
                4, 3, 5, stride=2, padding=2, output_padding=1, impl=impl, **double
            ),
            maps,
        )
    yield BatchNorm2d(4, **double), maps
    yield BatchNorm2d(4, affine=False, **double), maps
    yield BatchNorm2d(4, **double).eval(), maps
    yield BatchNorm1d(8, **double), vector
    yield BatchNorm1d(8, affine=False, **double), vector
    yield BatchNorm1d(8, **double).eval(), vector
    yield Linear(8, 3, bias=True, **double), vector
    for activation in ACTIVATIONS.values():
        yield activation(), maps
    yield Flatten(), maps
    for shape in (maps, vector):
        yield Dropout(0.3, rng=RepeatedDraws()), shape
    yield Dropout(0.3).eval(), vector
    yield Reshape(2, 4, 1), vector
    yield ConcatLabels(3), maps
    yield ConcatLabels(3), vector
    yield (
        Sequential(
            conv=Conv2d(4, 6, 4, stride=2, padding=1, **double),
            norm=BatchNorm2d(6, **double),
            act=LeakyReLU(0.2),
            flatten=Flatten(),
            head=Linear(54, 1, **double),
        ),
        maps,
    )


def _away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers of both signs with |x| > 0.01: rectifiers have a kink at 0."""
    x = rng.standard_normal(shape)
    return x + 0.01 * np.sign(x)


def _rows(
    name: str, function: object, arrays: dict, gradients: dict, seed: int
) -> Iterator[CheckRow]:
    for key, array in arrays.items():
        try:
            errors = gradient_errors(
                function, {key: array}, {key: gradients[key]}, seed=seed
            )
        except AssertionError as error:
            yield CheckRow(name, key, float("nan"), False, str(error))
            continue
        yield CheckRow(name, key, errors[key], errors[key] <= TOLERANCE)
