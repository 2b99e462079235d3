"""Where a number that is not finite came from: the first layer that has one."""

from collections.abc import Iterator

import numpy as np

from scratchgan.backend import Array, to_host
from scratchgan.nn.layer import Layer
from scratchgan.nn.sequential import Sequential
from scratchgan.training.step import Batch, Gan


def first_non_finite(gan: Gan, batch: Batch, z: Array) -> str:
    """Run both networks layer by layer and name the first non-finite array.

    The running averages of batch normalisation change by this pass, so it is for a
    run that ends here.
    """
    if not _finite(batch.images):
        return "the images themselves"
    names = {"G": gan.generator, "D": gan.discriminator}
    for name, network in names.items():
        for key, parameter in network.parameters().items():
            if not _finite(parameter.data):
                return f"parameter {key} of {name}"
    fake, culprit = _walk(gan.generator, z, batch.labels)
    if culprit:
        return f"the output of layer {culprit} of G"
    for images, kind in ((batch.images, "real"), (fake, "fake")):
        _, culprit = _walk(gan.discriminator, images, batch.labels)
        if culprit:
            return f"the output of layer {culprit} of D on {kind} images"
    return "no layer in a second pass over the same batch"


def _walk(network: Sequential, x: Array, labels: Array | None) -> tuple[Array, str]:
    """Return the output and the name of the first layer to leave the finite numbers."""
    with np.errstate(all="ignore"):
        for name, layer in _leaves(network):
            x = layer(x, labels) if layer.takes_labels else layer(x)
            if not _finite(x):
                return x, name
    return x, ""


def _leaves(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    for name, child in layer.children().items():
        if child.children():
            yield from _leaves(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _finite(array: Array) -> bool:
    return bool(np.isfinite(to_host(array)).all())
