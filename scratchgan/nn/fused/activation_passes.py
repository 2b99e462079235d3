"""Activations written into given memory, for chunks of images in a core's cache.

Each is what the layer of its name in `scratchgan.nn.activations` computes. There the
formula is read; here no array is made, and nothing branches: choosing with ``where``
takes ten times as long as multiplying by 0 or 1, since signs are hard to predict.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from scratchgan.functional.losses import sigmoid
from scratchgan.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from scratchgan.nn.layer import Layer


class ActivationPasses(NamedTuple):
    """An activation forward and backward.

    Attributes
    ----------
    apply : callable
        ``apply(x, out)`` sets ``out`` to f(x).
    pull_back : callable
        ``pull_back(dy, y, out)`` sets ``out`` to dy · f'(x) where f(x) is y.
    """

    apply: Callable[[np.ndarray, np.ndarray], None]
    pull_back: Callable[[np.ndarray, np.ndarray, np.ndarray], None]


def passes_of(layer: Layer) -> ActivationPasses | None:
    """Return an activation's passes, or None for a layer that has none."""
    if type(layer) is LeakyReLU:
        slope = layer.negative_slope
        return ActivationPasses(
            partial(_leaky_relu, slope), partial(_leaky_relu_back, slope)
        )
    return _PASSES.get(type(layer))


def _leaky_relu(slope: float, x: np.ndarray, out: np.ndarray) -> None:
    np.multiply(x, slope, out=out)
    np.maximum(x, out, out=out)


def _leaky_relu_back(
    slope: float, dy: np.ndarray, y: np.ndarray, out: np.ndarray
) -> None:
    out[...] = y > 0  # 1 or 0
    np.maximum(out, slope, out=out)
    out *= dy


def _relu(x: np.ndarray, out: np.ndarray) -> None:
    np.maximum(x, 0, out=out)


def _relu_back(dy: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    out[...] = y > 0  # 1 or 0
    out *= dy


def _tanh(x: np.ndarray, out: np.ndarray) -> None:
    np.tanh(x, out=out)


def _tanh_back(dy: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
    out *= dy


def _sigmoid(x: np.ndarray, out: np.ndarray) -> None:
    out[...] = sigmoid(x)


def _sigmoid_back(dy: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    np.subtract(1, y, out=out)
    out *= y
    out *= dy


_PASSES = {
    ReLU: ActivationPasses(_relu, _relu_back),
    Tanh: ActivationPasses(_tanh, _tanh_back),
    Sigmoid: ActivationPasses(_sigmoid, _sigmoid_back),
}
