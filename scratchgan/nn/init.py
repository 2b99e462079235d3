"""Initial values of parameters, drawn on the host.

An initialiser is a function of (generator, shape, fan_in, fan_out) that returns
float64 numbers; the layer rounds them to its dtype. Drawing with NumPy wherever the
network will live makes CPU and GPU runs of one seed start equal.
"""

import math
from collections.abc import Callable

import numpy as np

Initialiser = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]


def normal(std: float, mean: float = 0.0) -> Initialiser:
    """Draw from N(mean, std²): the paper has 0.02 for weights (section 4)."""

    def draw(
        rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        return rng.normal(mean, std, shape)

    return draw


def constant(value: float) -> Initialiser:
    """Fill with one value."""

    def draw(
        rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        return np.full(shape, value)

    return draw


def glorot_uniform() -> Initialiser:
    """Draw from U(-a, a) with a = sqrt(6 / (fan_in + fan_out)).

    TensorFlow's default for dense and convolution layers. Source: Glorot and Bengio
    2010, "Understanding the difficulty of training deep feedforward neural networks".
    """

    def draw(
        rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> np.ndarray:
        bound = math.sqrt(6.0 / (fan_in + fan_out))
        return rng.uniform(-bound, bound, shape)

    return draw
