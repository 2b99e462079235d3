"""Guided backpropagation: what in an image excites a unit of D.

Source: Springenberg et al. 2015, arXiv 1412.6806, as used by Radford et al. 2016,
section 6.2 and figure 5. It is an ordinary backward pass from one unit to the pixels,
except that a rectifier lets a gradient through only where its input was positive and
the gradient is positive too: what would make the unit weaker is left out.

D's rectifiers are leaky. How the paper treats them is not published; here they count
as plain rectifiers in this pass.
"""

import numpy as np

from scratchgan.backend import Array, get_array_module
from scratchgan.models.dcgan import Discriminator
from scratchgan.nn import Layer, LeakyReLU, ReLU


def unit_gradients(
    discriminator: Discriminator,
    x: Array,
    layer: str,
    features: np.ndarray,
    positions: np.ndarray,
    labels: Array | None = None,
    *,
    guided: bool = True,
) -> Array:
    """Return the gradient of one unit of D for each image, with respect to its pixels.

    Parameters
    ----------
    discriminator : Discriminator
        In eval mode: with batch statistics an image would answer for the others.
    x : array of shape (N, C, H, W)
        Images as D gets them.
    layer : str
        A hidden stage of D, such as "down4".
    features : ndarray of shape (N,), int
        Map, or unit of a dense stage.
    positions : ndarray of shape (N,), int
        The unit's pixel in the map, counted in rows; 0 in a dense stage.
    labels : array of shape (N, K), optional
        One-hot rows, for a conditional D.
    guided : bool, default=True
        False gives the plain gradient.

    Returns
    -------
    array of shape (N, C, H, W)

    Raises
    ------
    KeyError
        D has no such hidden stage.
    ValueError
        D is in training mode.
    """
    if discriminator.training:
        raise ValueError("unit_gradients: D is in training mode, expected eval()")
    passed: list[tuple[Layer, object]] = []
    for part in parts_up_to(discriminator, layer):
        x, ctx = part.forward(x, labels) if part.takes_labels else part.forward(x)
        passed.append((part, ctx))
    dy = get_array_module(x).asarray(_ones_at(x.shape, features, positions, x.dtype))
    for part, ctx in reversed(passed):
        if guided and isinstance(part, (LeakyReLU, ReLU)):
            dy = _guide(dy, ctx)
        else:
            dy = part.backward(dy, ctx, need_dparams=False)
    return dy


def parts_up_to(discriminator: Discriminator, layer: str) -> list[Layer]:
    """Return D's single layers from the image to the end of a stage.

    A `Block` may merge its layers; what happens between them is wanted here.

    Raises
    ------
    KeyError
        D has no such stage.
    """
    if layer not in discriminator.layers:
        raise KeyError(layer)
    parts: list[Layer] = []
    for name, stage in discriminator.layers.items():
        parts += stage.children().values()
        if name == layer:
            break
    return parts


def _ones_at(
    shape: tuple[int, ...], features: np.ndarray, positions: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    """Return zeros with a 1 at the unit of each image."""
    units = np.zeros((*shape[:2], int(np.prod(shape[2:]))), dtype)  # (N, F, positions)
    units[np.arange(len(units)), features, positions] = 1
    return units.reshape(shape)


def _guide(dy: Array, y: Array) -> Array:
    """Return dy where the rectifier's input and dy are positive; y has x's sign."""
    return dy * ((y > 0) & (dy > 0))


def as_tiles(gradients: np.ndarray) -> np.ndarray:
    """Return gradients as pictures: grey is 0, each scaled by its largest value.

    Parameters
    ----------
    gradients : ndarray of shape (N, H, W, C)

    Returns
    -------
    ndarray of the same shape, uint8
        128 + 127·g/max|g|, for each of the N.
    """
    largest = abs(gradients).max(axis=(1, 2, 3), keepdims=True)
    scaled = gradients / np.where(largest > 0, largest, 1)
    return np.rint(128 + 127 * scaled).astype(np.uint8)
