"""The same networks and training step in PyTorch, to be compared with.

Only ``bench step --against torch`` and tests import this; nothing else needs PyTorch.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from scratchgan.functional.gan_losses import FAKE, REAL
from scratchgan.nn import (
    BatchNorm1d,
    BatchNorm2d,
    ConcatLabels,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from scratchgan.training.config import TrainConfig
from scratchgan.training.step import Batch

GRAPH_WARM_UP_STEPS = 4


class WithLabels(nn.Module):
    """A sequence of modules, some of which take labels too."""

    def __init__(self, modules: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the output for images or latents x."""
        for part in self.parts:
            x = part(x, labels) if isinstance(part, _Concat) else part(x)
        return x


class _Concat(nn.Module):
    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        planes = labels.reshape(*labels.shape, *(1,) * (x.ndim - 2))
        return torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)


class _Crop(nn.Module):
    """Takes rows off: PyTorch's transposed convolution pads both sides alike."""

    def __init__(self, padding: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.top, self.bottom, self.left, self.right = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = slice(self.top, x.shape[2] - self.bottom)
        return x[:, :, rows, self.left : x.shape[3] - self.right]


def to_torch(network: Layer) -> WithLabels:
    """Return a network of ours as PyTorch modules with the same weights."""
    return WithLabels(_modules(network))


def _modules(layer: Layer) -> list[nn.Module]:
    match layer:
        case Sequential():
            return [m for child in layer.children().values() for m in _modules(child)]
        case Conv2d():
            return _convolution(layer)
        case ConvTranspose2d():
            return _transposed(layer)
        case Linear():
            bias = layer.bias is not None
            module = nn.Linear(layer.in_features, layer.out_features, bias=bias)
            return [_with_parameters(module, layer.weight, layer.bias)]
        case BatchNorm1d() | BatchNorm2d():
            kind = nn.BatchNorm1d if isinstance(layer, BatchNorm1d) else nn.BatchNorm2d
            affine = layer.gamma is not None
            module = kind(layer.features, layer.eps, layer.momentum, affine)
            return [_with_parameters(module, layer.gamma, layer.beta)]
        case LeakyReLU():
            return [nn.LeakyReLU(layer.negative_slope, inplace=True)]
        case ReLU():
            return [nn.ReLU(inplace=True)]
        case Tanh():
            return [nn.Tanh()]
        case Sigmoid():
            return [nn.Sigmoid()]
        case Flatten():
            return [nn.Flatten()]
        case Reshape():
            return [nn.Unflatten(1, layer.shape)]
        case ConcatLabels():
            return [_Concat()]
    name = type(layer).__name__
    raise NotImplementedError(f"{name} has no case in _modules, bench/torch_network.py")


def _convolution(layer: Conv2d) -> list[nn.Module]:
    top, bottom, left, right = layer.padding
    pad, padding = [], (top, left)
    # More zeros after the image than needed change nothing where a stride skips them.
    if (bottom, right) != (top, left) and not (top - bottom == left - right == 1):
        pad, padding = [nn.ZeroPad2d((left, right, top, bottom))], (0, 0)
    module = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        padding,
        bias=layer.bias is not None,
    )
    return [*pad, _with_parameters(module, layer.weight, layer.bias)]


def _transposed(layer: ConvTranspose2d) -> list[nn.Module]:
    top, bottom, left, right = layer.padding
    crop, padding, extra = [], (top, left), layer.output_padding
    if top - bottom == left - right == 1:
        extra = (extra[0] + 1, extra[1] + 1)
    elif (bottom, right) != (top, left):
        crop, padding = [_Crop(layer.padding)], (0, 0)
    module = nn.ConvTranspose2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        padding,
        extra,
        bias=layer.bias is not None,
    )
    return [_with_parameters(module, layer.weight, layer.bias), *crop]


def _with_parameters(module: nn.Module, weight: object, bias: object) -> nn.Module:
    with torch.no_grad():
        for tensor, parameter in ((module.weight, weight), (module.bias, bias)):
            if tensor is not None:
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(parameter.data)))
    return module


def _cross_entropy(logits: torch.Tensor, target: int) -> torch.Tensor:
    goal = torch.full_like(logits, float(target))
    return F.binary_cross_entropy_with_logits(logits, goal)


def _softmax(logits: torch.Tensor, target: int) -> torch.Tensor:
    classes = torch.full((len(logits),), target, device=logits.device)
    return F.cross_entropy(logits, classes)


def _least_squares(logits: torch.Tensor, target: int) -> torch.Tensor:
    return F.mse_loss(logits, torch.full_like(logits, float(target))) / 2


def _hinge(logits: torch.Tensor, target: int) -> torch.Tensor:
    return F.relu(1 - logits if target == REAL else 1 + logits).mean()


GAN_LOSSES = {
    "bce": (_cross_entropy, lambda logits: _cross_entropy(logits, REAL)),
    "softmax": (_softmax, lambda logits: _softmax(logits, REAL)),
    "least-squares": (_least_squares, lambda logits: _least_squares(logits, REAL)),
    "hinge": (_hinge, lambda logits: -logits.mean()),
}
"""Name: (D's loss on logits for a target, G's loss on logits)."""


def make_step(
    config: TrainConfig,
    generator: Layer,
    discriminator: Layer,
    batches: list[Batch],
    draw_z: Callable[[int], np.ndarray | torch.Tensor],
    *,
    channels_last: bool,
    device: str = "cpu",
    bfloat16: bool = False,
) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    """Return a function that makes one training step and returns both losses.

    Parameters
    ----------
    config : TrainConfig
        Update order, loss and optimiser.
    generator, discriminator : Layer
        Ours, whose weights the PyTorch networks start from.
    batches : list of Batch
        On the host.
    draw_z : callable
        Takes a count and returns z of shape (count, latent_dim).
    channels_last : bool
        Memory format of images and weights.
    device : str, default="cpu"
        PyTorch's name of where to compute. On ``"cuda"`` a step may be recorded as a
        graph, and D's weights are frozen in G's update, as ours are; on the CPU they
        are not, as in PyTorch's usual step.
    bfloat16 : bool, default=False
        Whether networks compute in bfloat16 where PyTorch's autocast does.
    """
    order = torch.channels_last if channels_last else torch.contiguous_format
    on_gpu = device != "cpu"
    G, D = (
        to_torch(net).to(device).to(memory_format=order)
        for net in (generator, discriminator)
    )
    adam_g, adam_d = (
        torch.optim.Adam(
            net.parameters(),
            config.lr,
            (config.beta1, config.beta2),
            config.adam_eps,
            config.l2,
            fused=True,
            capturable=on_gpu,
        )
        for net in (G, D)
    )
    data = [
        (
            torch.from_numpy(batch.images).to(device).contiguous(memory_format=order),
            None if batch.labels is None else torch.from_numpy(batch.labels).to(device),
        )
        for batch in batches
    ]

    loss_of_d, loss_of_g = GAN_LOSSES[config.loss]

    def compute(network: WithLabels, x: torch.Tensor, labels: object) -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            return network(x, labels).float()

    def fakes(like: tuple) -> torch.Tensor:
        images, labels = like
        return compute(G, torch.as_tensor(draw_z(len(images)), device=device), labels)

    def update_d(real: tuple, fake: torch.Tensor) -> torch.Tensor:
        images, labels = real
        D.zero_grad()
        loss_real = loss_of_d(compute(D, images, labels), REAL)
        loss_real.backward()
        loss_fake = loss_of_d(compute(D, fake.detach(), labels), FAKE)
        loss_fake.backward()
        adam_d.step()
        return (loss_real + loss_fake).detach()

    def update_g(fake: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        G.zero_grad()
        D.requires_grad_(not on_gpu)
        loss_g = loss_of_g(compute(D, fake, labels))
        loss_g.backward()
        D.requires_grad_(True)
        adam_g.step()
        return loss_g.detach()

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        first, last = data[0], data[-1]
        if config.update_order == "alternating":
            loss_g = update_g(fakes(first), first[1])
            with torch.no_grad():
                fake = fakes(last)
            return update_d(last, fake), loss_g
        fake = fakes(first)
        loss_d = update_d(first, fake)
        if config.update_order == "tensorflow":
            fake = fakes(first)
        return loss_d, update_g(fake, first[1])

    return step


def record_step(step: Callable[[], object]) -> Callable[[], None]:
    """Return a function that repeats a step on a GPU as one CUDA graph.

    The step's z must come from the GPU.
    """
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # graphs record on no default stream
        for _ in range(GRAPH_WARM_UP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
