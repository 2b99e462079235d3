"""What the code is compared with: every layer and six GANs, written in PyTorch.

The cases are shared by the tests against PyTorch itself, by those against the numbers
that ``record_oracles.py`` took from it, and by those that need no oracle. Inputs and
weights are drawn from seeds, so that only results need to be stored. PyTorch is
imported where it is used; tests skip without it.
"""

import itertools
import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from scratchgan.functional.gan_losses import GAN_LOSSES
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
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from scratchgan.testing import RepeatedDraws
from scratchgan.training.step import Batch, Gan, StepSettings, train_step

RECORDED = Path(__file__).parent / "recorded"
RECORD_COMMAND = "python -m tests.record_oracles"
CLASSES = 3

# --- layers ------------------------------------------------------------------------

MAPS, ODD_MAPS, VECTOR = (3, 4, 8, 6), (2, 4, 7, 5), (5, 8)
AUTHORS, TENSORFLOW = ((2, 1), (2, 1)), ((1, 2), (1, 2))

LAYERS = {
    "conv k4 s2 p1": (lambda **s: Conv2d(4, 3, 4, stride=2, padding=1, **s), MAPS),
    "conv k5 s2 extra before": (
        lambda **s: Conv2d(4, 3, 5, stride=2, padding=AUTHORS, **s),
        MAPS,
    ),
    "conv k5 s2 extra after, bias": (
        lambda **s: Conv2d(4, 3, 5, stride=2, padding=TENSORFLOW, bias=True, **s),
        MAPS,
    ),
    "conv odd sizes, leftover row": (
        lambda **s: Conv2d(4, 3, (3, 2), stride=(2, 3), padding=(0, 1), **s),
        ODD_MAPS,
    ),
    "conv reference": (
        lambda **s: Conv2d(4, 3, 3, padding=1, bias=True, impl="reference", **s),
        ODD_MAPS,
    ),
    "transposed k4 s2 p1": (
        lambda **s: ConvTranspose2d(4, 3, 4, stride=2, padding=1, **s),
        ODD_MAPS,
    ),
    "transposed k4 from one pixel": (lambda **s: ConvTranspose2d(6, 3, 4, **s), VECTOR),
    "transposed k5 s2 extra before": (
        lambda **s: ConvTranspose2d(4, 3, 5, stride=2, padding=AUTHORS, **s),
        ODD_MAPS,
    ),
    "transposed k5 s2 extra after, bias": (
        lambda **s: ConvTranspose2d(
            4, 3, 5, stride=2, padding=TENSORFLOW, bias=True, **s
        ),
        ODD_MAPS,
    ),
    "transposed output padding": (
        lambda **s: ConvTranspose2d(
            4, 3, (3, 5), stride=(2, 3), padding=(1, 2), output_padding=(1, 2), **s
        ),
        ODD_MAPS,
    ),
    "transposed reference": (
        lambda **s: ConvTranspose2d(4, 3, 3, stride=2, impl="reference", **s),
        ODD_MAPS,
    ),
    "batch norm 2d": (lambda **s: BatchNorm2d(4, **s), ODD_MAPS),
    "batch norm 2d, eps 1e-3, momentum 0.7": (
        lambda **s: BatchNorm2d(4, eps=1e-3, momentum=0.7, **s),
        MAPS,
    ),
    "batch norm 2d, no affine": (lambda **s: BatchNorm2d(4, affine=False, **s), MAPS),
    "batch norm 2d, eval": (lambda **s: BatchNorm2d(4, **s).eval(), ODD_MAPS),
    "batch norm 2d, no affine, eval": (
        lambda **s: BatchNorm2d(4, affine=False, **s).eval(),
        ODD_MAPS,
    ),
    "batch norm 1d": (lambda **s: BatchNorm1d(8, **s), VECTOR),
    "batch norm 1d, eps 1e-8": (lambda **s: BatchNorm1d(8, eps=1e-8, **s), VECTOR),
    "batch norm 1d, no affine": (
        lambda **s: BatchNorm1d(8, affine=False, **s),
        VECTOR,
    ),
    "batch norm 1d, eval": (lambda **s: BatchNorm1d(8, **s).eval(), VECTOR),
    "linear": (lambda **s: Linear(8, 3, **s), VECTOR),
    "linear, bias": (lambda **s: Linear(8, 3, bias=True, **s), VECTOR),
    "leaky relu": (lambda **s: LeakyReLU(0.2), MAPS),
    "leaky relu of a vector": (lambda **s: LeakyReLU(0.01), VECTOR),
    "relu": (lambda **s: ReLU(), MAPS),
    "tanh": (lambda **s: Tanh(), MAPS),
    "sigmoid": (lambda **s: Sigmoid(), MAPS),
    "dropout": (lambda **s: Dropout(0.3, rng=RepeatedDraws()), MAPS),
    "dropout of a vector": (lambda **s: Dropout(rng=RepeatedDraws()), VECTOR),
    "dropout, eval": (lambda **s: Dropout(0.3).eval(), MAPS),
    "flatten": (lambda **s: Flatten(), MAPS),
    "reshape": (lambda **s: Reshape(2, 2, 2), VECTOR),
    "labels beside maps": (lambda **s: ConcatLabels(CLASSES), MAPS),
    "labels beside a vector": (lambda **s: ConcatLabels(CLASSES), VECTOR),
    "sequential": (
        lambda **s: Sequential(
            labels=ConcatLabels(CLASSES),
            conv=Conv2d(4 + CLASSES, 5, 4, stride=2, padding=1, **s),
            norm=BatchNorm2d(5, **s),
            act=LeakyReLU(0.2),
            up=Sequential(
                conv=ConvTranspose2d(5, 2, 4, stride=2, padding=1, **s), act=Tanh()
            ),
            flatten=Flatten(),
            head=Linear(2 * 8 * 6, 1, **s),
        ),
        MAPS,
    ),
}
"""Name: (how to build it, shape of an input)."""


def convolutions():
    """Yield (name, how to build it, input shape) over a grid of odd geometry."""
    grid = itertools.product(
        (Conv2d, ConvTranspose2d),
        (1, 2, 5, (3, 4)),  # kernels, smaller than the stride too
        (1, 2, (1, 3)),
        (0, 1, (2, 0), AUTHORS, TENSORFLOW, ((0, 1), (2, 0))),
        ((2, 3, 7, 5), (1, 2, 6, 9)),
    )
    for kind, kernel, stride, padding, shape in grid:
        layer = kind(shape[1], 4, kernel, stride=stride, padding=padding)
        KH, KW = layer.kernel_size
        top, bottom, left, right = layer.padding
        if kind is ConvTranspose2d:
            rows = (shape[2] - 1) * layer.stride[0] + KH - top - bottom
            columns = (shape[3] - 1) * layer.stride[1] + KW - left - right
            if min(rows, columns) < 1:
                continue
        name = f"{kind.__name__} k{kernel} s{stride} p{padding} {shape}"
        yield (
            name,
            lambda k=kind, c=shape[1], a=kernel, s=stride, p=padding, **settings: k(
                c, 4, a, stride=s, padding=p, bias=True, **settings
            ),
            shape,
        )


def build_layer(name, dtype="float64"):
    """Return (layer, x, labels) of a case, all numbers drawn from its name."""
    build, shape = LAYERS[name]
    return build_case(name, build, shape, dtype)


def build_case(name, build, shape, dtype="float64"):
    """Return (layer, x, labels); parameters and running averages are random too."""
    rng = seeded(name)
    layer = build(rng=rng, dtype=dtype)
    randomise(layer, rng)
    if isinstance(layer, ConvTranspose2d) and len(shape) == 2:
        shape = (shape[0], layer.in_channels, 1, 1)
    x = rng.standard_normal(shape)
    x += 0.01 * np.sign(x)  # away from the rectifiers' kink
    labels = None
    if layer.takes_labels:
        labels = one_hot(rng.integers(0, CLASSES, shape[0]), CLASSES).astype(dtype)
    return layer, x.astype(dtype), labels


def randomise(layer, rng):
    """Draw every parameter and running average, none of them 0 or 1 throughout."""
    for parameter in layer.parameters().values():
        parameter.data[...] = rng.normal(0.1, 0.7, parameter.data.shape)
    for name, buffer in layer.buffers().items():
        low = 0.5 if name.endswith("var") else -0.5
        buffer[...] = rng.uniform(low, low + 1, buffer.shape)


def seeded(name):
    """Return a generator that depends on the name only."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def call(layer, x, labels):
    """Return layer.forward, with labels if it takes them."""
    return layer.forward(x) if labels is None else layer.forward(x, labels)


def upstream(name, y):
    """Return the random gradient with respect to y."""
    return seeded(f"dy of {name}").standard_normal(y.shape).astype(y.dtype)


def our_results(name, layer, x, labels, place=lambda array: array):
    """Run forward and backward; return y, dx, gradients and running averages.

    ``place`` puts arrays where the layer lives.
    """
    y, ctx = call(layer, x, labels)
    layer.zero_grad()
    dx = layer.backward(place(upstream(name, y)), ctx)
    results = {"y": y, "dx": dx}
    results |= {f"d{key}": p.grad for key, p in layer.parameters().items()}
    return results | layer.buffers()


def torch_results(name, layer, x, labels):
    """Return the same as `our_results`, computed by PyTorch from the same arrays."""
    torch = pytest.importorskip("torch")
    arrays = {key: p.data for key, p in layer.parameters().items()} | layer.buffers()
    tensors = {key: torch.tensor(array) for key, array in arrays.items()}
    leaves = {"x": torch.tensor(x)} | {key: tensors[key] for key in layer.parameters()}
    for leaf in leaves.values():
        leaf.requires_grad_()
    labels = None if labels is None else torch.tensor(labels)
    y = torch_layer(layer, leaves["x"], tensors, labels)
    y.backward(torch.tensor(upstream(name, y.detach().numpy())))
    results = {"y": y} | {f"d{key}": leaf.grad for key, leaf in leaves.items()}
    results |= {key: tensors[key] for key in layer.buffers()}
    return {key: tensor.detach().numpy() for key, tensor in results.items()}


def torch_layer(layer, x, tensors, labels):
    """Return PyTorch's output for one of our layers with the given tensors."""
    import torch.nn.functional as F  # noqa: N812

    weight, bias = tensors.get("weight"), tensors.get("bias")
    match layer:
        case Sequential():
            for name, child in layer.children().items():
                own = {
                    key.removeprefix(f"{name}."): tensor
                    for key, tensor in tensors.items()
                    if key.startswith(f"{name}.")
                }
                x = torch_layer(child, x, own, labels)
            return x
        case Conv2d():
            top, bottom, left, right = layer.padding
            x = F.pad(x, (left, right, top, bottom))
            return F.conv2d(x, weight, bias, stride=layer.stride)
        case ConvTranspose2d():
            return torch_conv_transpose(layer, x, weight, bias)
        case BatchNorm1d() | BatchNorm2d():
            return F.batch_norm(
                x,
                tensors["running_mean"],
                tensors["running_var"],
                tensors.get("gamma"),
                tensors.get("beta"),
                layer.training,
                layer.momentum,
                layer.eps,
            )
        case Linear():
            return F.linear(x, weight, bias)
        case LeakyReLU():
            return F.leaky_relu(x, layer.negative_slope)
        case ReLU():
            return F.relu(x)
        case Tanh():
            return F.tanh(x)
        case Sigmoid():
            return F.sigmoid(x)
        case Dropout():
            return torch_dropout(layer, x)
        case Flatten():
            return x.flatten(1)
        case Reshape():
            return x.reshape(len(x), *layer.shape)
        case ConcatLabels():
            return torch_with_labels(x, labels)
    raise NotImplementedError(
        f"{type(layer).__name__} has no case in torch_layer, tests/oracles.py"
    )


def torch_conv_transpose(layer, x, weight, bias):
    """Return PyTorch's transposed convolution; it pads both sides alike, so crop."""
    import torch.nn.functional as F  # noqa: N812

    top, bottom, left, right = layer.padding
    settings = {"stride": layer.stride, "output_padding": layer.output_padding}
    if (top, left) == (bottom, right):
        return F.conv_transpose2d(x, weight, bias, padding=(top, left), **settings)
    y = F.conv_transpose2d(x, weight, bias, **settings)
    return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


def torch_dropout(layer, x):
    """Return PyTorch's dropout; in training it takes the numbers that ours draws."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    if not layer.training:
        return F.dropout(x, layer.rate, training=False)
    draws = torch.tensor(layer.rng.random(tuple(x.shape), dtype=np.float32))
    return torch.where(draws < layer.rate, 0.0, x / (1 - layer.rate))


def torch_with_labels(x, labels):
    """Return x with the labels as constant planes, or as further units."""
    import torch

    planes = labels[(...,) + (None,) * (x.ndim - 2)]
    return torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)


# --- training steps ----------------------------------------------------------------

STEPS = 10


@dataclass(frozen=True)
class TrainCase:
    """A small GAN, the order of its updates and its Adam; images in [darkest, 1]."""

    network: NetworkConfig
    update_order: str
    build_torch: object  # () -> (G, D)
    adam: dict = field(default_factory=dict)
    batch_size: int = 5
    darkest: float = -1.0
    loss: str = "bce"

    @property
    def settings(self):
        return StepSettings(self.update_order, GAN_LOSSES[self.loss])

    @property
    def batches_a_step(self):
        return 2 if self.update_order == "alternating" else 1


def _pytorch_example():
    """Return G and D as in the PyTorch example, two sizes smaller."""
    from torch import nn

    g = nn.Sequential(
        nn.Unflatten(1, (5, 1, 1)),
        nn.ConvTranspose2d(5, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 4, 2, 1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    d = nn.Sequential(
        nn.Conv2d(3, 6, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(6, 8, 4, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 4, 1, 0, bias=False),
        nn.Flatten(),
    )
    return g, d


def _paper():
    """Return G and D of the paper, narrow: 5x5 kernels, per-unit batch norm."""
    from torch import nn

    g = nn.Sequential(
        nn.Linear(5, 8 * 4 * 2, bias=False),
        nn.BatchNorm1d(8 * 4 * 2, eps=1e-8),
        nn.ReLU(),
        nn.Unflatten(1, (8, 4, 2)),
        nn.ConvTranspose2d(8, 6, 5, 2, 2, output_padding=1, bias=False),
        nn.BatchNorm2d(6, eps=1e-8),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 5, 2, 2, output_padding=1, bias=False),
        nn.Tanh(),
    )
    d = nn.Sequential(
        nn.Conv2d(3, 6, 5, 2, 2, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(6, 8, 5, 2, 2, bias=False),
        nn.BatchNorm2d(8, eps=1e-8),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 2, 1, bias=False),
    )
    return g, d


def _conditional():
    """Return G and D of the conditional digits, narrow; forward takes labels."""
    from torch import nn

    plain = {"eps": 1e-8, "affine": False}

    class WithLabels(nn.Module):
        """Parts of a network with the labels beside the input of each."""

        def __init__(self, *parts):
            super().__init__()
            self.parts = nn.ModuleList(parts)

        def forward(self, x, labels):
            for part in self.parts:
                x = part(torch_with_labels(x, labels))
            return x

    g = WithLabels(
        nn.Sequential(
            nn.Linear(5 + CLASSES, 7, bias=False), nn.BatchNorm1d(7, **plain), nn.ReLU()
        ),
        nn.Sequential(
            nn.Linear(7 + CLASSES, 6 * 2 * 2, bias=False),
            nn.BatchNorm1d(6 * 2 * 2, **plain),
            nn.ReLU(),
            nn.Unflatten(1, (6, 2, 2)),
        ),
        nn.Sequential(
            nn.ConvTranspose2d(6 + CLASSES, 4, 5, 2, 2, output_padding=1, bias=False),
            nn.BatchNorm2d(4, **plain),
            nn.ReLU(),
        ),
        nn.Sequential(
            nn.ConvTranspose2d(4 + CLASSES, 1, 5, 2, 2, output_padding=1, bias=False),
            nn.Sigmoid(),
        ),
    )
    d = WithLabels(
        nn.Sequential(
            nn.Conv2d(1 + CLASSES, 4, 5, 2, 2, bias=False), nn.LeakyReLU(0.2)
        ),
        nn.Sequential(
            nn.Conv2d(4 + CLASSES, 6, 5, 2, 2, bias=False),
            nn.BatchNorm2d(6, **plain),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        ),
        nn.Sequential(
            nn.Linear(6 * 2 * 2 + CLASSES, 7, bias=False),
            nn.BatchNorm1d(7, **plain),
            nn.LeakyReLU(0.2),
        ),
        nn.Linear(7 + CLASSES, 1, bias=False),
    )
    return g, d


def _tensorflow():
    """Return G and D of the TensorFlow notebook, narrow: SAME padding, two logits."""
    import torch.nn.functional as F  # noqa: N812
    from torch import nn

    norm = {"eps": 1e-3, "momentum": 0.01}

    class Same(nn.Module):
        """SAME of 5x5 kernels at stride 2: one row before, two after."""

        def __init__(self, conv):
            super().__init__()
            self.conv = conv

        def forward(self, x):
            if isinstance(self.conv, nn.Conv2d):
                return self.conv(F.pad(x, (1, 2, 1, 2)))
            return self.conv(x)[:, :, 1:-2, 1:-2]

    g = nn.Sequential(
        nn.Linear(5, 6 * 3 * 3),
        nn.BatchNorm1d(6 * 3 * 3, **norm),
        nn.ReLU(),
        nn.Unflatten(1, (6, 3, 3)),
        Same(nn.ConvTranspose2d(6, 4, 5, 2)),
        nn.BatchNorm2d(4, **norm),
        nn.ReLU(),
        Same(nn.ConvTranspose2d(4, 1, 5, 2)),
        nn.Tanh(),
    )
    d = nn.Sequential(
        Same(nn.Conv2d(1, 4, 5, 2)),
        nn.BatchNorm2d(4, **norm),
        nn.LeakyReLU(0.2),
        Same(nn.Conv2d(4, 6, 5, 2)),
        nn.BatchNorm2d(6, **norm),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(6 * 3 * 3, 7),
        nn.BatchNorm1d(7, **norm),
        nn.LeakyReLU(0.2),
        nn.Linear(7, 2),
    )
    return g, d


TRAININGS = {
    "pytorch example": TrainCase(
        NetworkConfig(height=16, width=16, latent_dim=5, widths=(6, 8), strides=(2, 2)),
        "pytorch",
        _pytorch_example,
        {"lr": 2e-3},
    ),
    "paper": TrainCase(
        NetworkConfig(
            height=16,
            width=8,
            latent_dim=5,
            kernel_size=5,
            widths=(6, 8),
            strides=(2, 2),
            ends="linear",
            norm_eps=1e-8,
        ),
        "alternating",
        _paper,
        {"lr": 2e-3, "l2": 0.01},
    ),
    "conditional": TrainCase(
        NetworkConfig(
            height=8,
            width=8,
            channels=1,
            classes=CLASSES,
            latent_dim=5,
            kernel_size=5,
            widths=(4, 6),
            strides=(2, 2),
            ends="linear",
            generator_hidden=(7,),
            discriminator_hidden=(7,),
            output="sigmoid",
            norm_affine=False,
            norm_eps=1e-8,
        ),
        "alternating",
        _conditional,
        {"lr": 2e-3, "l2": 2.5e-5},
        darkest=0.0,
    ),
    "tensorflow": TrainCase(
        NetworkConfig(
            height=12,
            width=12,
            channels=1,
            latent_dim=5,
            kernel_size=5,
            extra_padding="after",
            widths=(4, 6),
            strides=(2, 2),
            ends="linear",
            discriminator_hidden=(7,),
            logits=2,
            bias=True,
            norm_eps=1e-3,
            norm_momentum=0.01,
            norm_on_input=True,
        ),
        "tensorflow",
        _tensorflow,
        {"lr": 2e-3},
        loss="softmax",
    ),
}
_EXAMPLE = TRAININGS["pytorch example"]
TRAININGS |= {
    "least squares": replace(_EXAMPLE, loss="least-squares", update_order="tensorflow"),
    "hinge": replace(_EXAMPLE, loss="hinge"),
}


def build_gan(name, dtype="float64"):
    """Return the case's networks and optimisers, weights drawn from its name."""
    from scratchgan.optim.fast_adam import make_adam

    case = TRAININGS[name]
    rng = seeded(f"weights of {name}")
    networks = [
        kind(case.network, rng=rng, dtype=dtype) for kind in (Generator, Discriminator)
    ]
    for network in networks:
        for key, parameter in network.parameters().items():
            if key.endswith("bias"):
                parameter.data[...] = rng.normal(0, 0.1, parameter.data.shape)
            elif key.endswith("weight"):
                parameter.data *= 8  # small networks with 0.02 hardly say anything
    adams = [
        make_adam(network.parameters(), **{"betas": (0.5, 0.999), **case.adam})
        for network in networks
    ]
    return Gan(*networks, *adams)


def draw_step(name, step, dtype="float64"):
    """Return (batches, zs) of a step; an alternating step has two batches."""
    case = TRAININGS[name]
    rng = seeded(f"step {step} of {name}")
    network = case.network
    batches = []
    for _ in range(case.batches_a_step):
        images = rng.uniform(case.darkest, 1, (case.batch_size, *network.image_shape))
        labels = None
        if network.classes:
            rows = rng.integers(0, network.classes, case.batch_size)
            labels = one_hot(rows, network.classes).astype(dtype)
        batches.append(Batch(images.astype(dtype), labels))
    zs = rng.standard_normal((2, case.batch_size, network.latent_dim)).astype(dtype)
    return batches, zs


def our_training(name, gan=None, dtype="float64", place=lambda array: array):
    """Yield (loss_d, loss_g, gan) after each of the steps, made by `train_step`."""
    gan = gan or build_gan(name, dtype)
    for step in range(STEPS):
        batches, zs = draw_step(name, step, dtype)
        batches = [
            Batch(place(b.images), None if b.labels is None else place(b.labels))
            for b in batches
        ]
        unused = iter(zs)
        losses = train_step(
            gan,
            batches,
            lambda count, unused=unused: place(next(unused)[:count]),
            TRAININGS[name].settings,
        )
        yield float(losses.loss_d), float(losses.loss_g), gan


def torch_training(name):
    """Yield (loss_d, loss_g, G's arrays, D's arrays) after each step in PyTorch.

    The arrays are those of ``state_dict`` of our networks, by the same names.
    """
    torch = pytest.importorskip("torch")
    from scratchgan.bench.torch_network import GAN_LOSSES as TORCH_LOSSES

    case = TRAININGS[name]
    loss_of_d, loss_of_g = TORCH_LOSSES[case.loss]
    gan = build_gan(name)
    g, d = (network.double() for network in case.build_torch())
    copy_parameters(gan.generator, g)
    copy_parameters(gan.discriminator, d)
    settings = {
        "lr": case.adam["lr"],
        "betas": (0.5, 0.999),
        "eps": 1e-8,
        "weight_decay": case.adam.get("l2", 0.0),  # coupled: added to the gradient
    }
    adam_g = torch.optim.Adam(g.parameters(), **settings)
    adam_d = torch.optim.Adam(d.parameters(), **settings)

    def run(network, x, labels):
        return network(x) if labels is None else network(x, labels)

    def update_d(real, labels, fake):
        adam_d.zero_grad()
        loss = loss_of_d(run(d, real, labels), 1) + loss_of_d(run(d, fake, labels), 0)
        loss.backward()
        adam_d.step()
        return loss.item()

    def update_g(fake, labels):
        adam_g.zero_grad()
        loss = loss_of_g(run(d, fake, labels))
        loss.backward()
        adam_g.step()
        return loss.item()

    for step in range(STEPS):
        batches, zs = draw_step(name, step)
        reals = [torch.tensor(batch.images) for batch in batches]
        labels = [
            None if batch.labels is None else torch.tensor(batch.labels)
            for batch in batches
        ]
        z1, z2 = (torch.tensor(z) for z in zs)
        if case.update_order == "alternating":
            loss_g = update_g(run(g, z1, labels[0]), labels[0])
            loss_d = update_d(reals[1], labels[1], run(g, z2, labels[1]).detach())
        else:
            fake = run(g, z1, labels[0])
            loss_d = update_d(reals[0], labels[0], fake.detach())
            if case.update_order == "tensorflow":
                fake = run(g, z2, labels[0])
            loss_g = update_g(fake, labels[0])
        yield (
            loss_d,
            loss_g,
            arrays_by_our_names(gan.generator, g),
            arrays_by_our_names(gan.discriminator, d),
        )


def copy_parameters(network, torch_network):
    """Copy our weights to PyTorch's network: both list them in order of use."""
    import torch

    pairs = zip(network.parameters().values(), torch_network.parameters(), strict=True)
    for ours, theirs in pairs:
        assert tuple(theirs.shape) == ours.data.shape
        with torch.no_grad():
            theirs.copy_(torch.tensor(ours.data))


def arrays_by_our_names(network, torch_network):
    """Return PyTorch's parameters and running averages under our names."""
    theirs = [p.detach().numpy().copy() for p in torch_network.parameters()]
    buffers = [
        b.numpy().copy() for b in torch_network.buffers() if b.is_floating_point()
    ]
    names = [*network.parameters(), *network.buffers()]
    return dict(zip(names, [*theirs, *buffers], strict=True))


# --- recorded numbers --------------------------------------------------------------


def summary(name, array):
    """Return what is recorded of an array: a few numbers that any change moves."""
    flat = np.asarray(array, dtype=np.float64).ravel(order="C")
    rng = seeded(f"summary of {name}")
    return {
        "shape": list(array.shape),
        "projection": float(flat @ rng.standard_normal(flat.size)),
        "squares": float(flat @ flat),
        "samples": [float(flat[i]) for i in rng.integers(0, flat.size, 3)],
    }


def assert_summary(name, array, recorded, tolerance):
    """Compare an array with its recorded summary."""
    got = summary(name, array)
    assert got["shape"] == recorded["shape"], name
    for key in ("projection", "squares", "samples"):
        np.testing.assert_allclose(
            got[key],
            recorded[key],
            rtol=tolerance,
            atol=tolerance,
            err_msg=f"{key} of {name}",
        )


def load_recorded(file):
    """Return a recorded file's content; a missing one says how to make it."""
    path = RECORDED / file
    if not path.exists():
        pytest.fail(f"{path} is missing; make it with: {RECORD_COMMAND}")
    return json.loads(path.read_text())
