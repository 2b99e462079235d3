"""Colours of synthetic pictures: sRGB triples in [0, 1]."""

import colorsys

import numpy as np

Colour = tuple[float, float, float]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the colour of a hue (1 is once around), saturation and value."""
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def any_colour(
    rng: np.random.Generator, saturation: float = 0.75, darkest: float = 0.12
) -> Colour:
    """Any hue, from nearly grey to `saturation`, from `darkest` to nearly white."""
    return hsv(rng.random(), rng.uniform(0.03, saturation), rng.uniform(darkest, 0.95))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` with that share of `second` in it."""
    return tuple(a + share * (b - a) for a, b in zip(first, second, strict=True))
