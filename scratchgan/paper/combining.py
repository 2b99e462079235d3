"""A - B + C of means, of z and of pixels alike."""

import numpy as np


def combine(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return mean(a) - mean(b) + mean(c) over the first axis, float32.

    The same for z and for pixels; nothing is scaled back or cut off here.

    Examples
    --------
    >>> combine(np.array([[1.0], [3.0]]), np.array([[1.0]]), np.array([[5.0]]))
    array([6.], dtype=float32)
    """
    a, b, c = (np.asarray(term, np.float32).mean(axis=0) for term in (a, b, c))
    return a - b + c


def combine_pixels(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return `combine` of uint8 images (M, H, W, C), rounded and clipped to [0, 255].

    Shapes that do not lie on one another overlap: the paper's control (Radford et al.
    2016, figure 7).
    """
    return as_pixels(combine(a, b, c))


def as_pixels(values: np.ndarray) -> np.ndarray:
    """Return values rounded and clipped to [0, 255], uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def random_overlays(
    images: np.ndarray, count: int, exemplars: int, rng: np.random.Generator
) -> np.ndarray:
    """Return `combine_pixels` of random images, uint8 (count, H, W, C).

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C), uint8
    count : int
        Overlays to make.
    exemplars : int
        Images in each of the three means.
    rng : numpy.random.Generator
    """
    rows = rng.integers(0, len(images), (count, 3, exemplars))
    return np.stack([combine_pixels(*images[chosen]) for chosen in rows])
