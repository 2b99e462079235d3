"""How a synthetic bedroom is rendered: which surface is seen, and how it is lit.

First the surfaces are painted over each other as numbers, from back to front, with
several samples per pixel. Then all samples are coloured together: each knows its
surface, hence its plane, hence its place in the room. Light, which is smooth, is
computed once for each surface in a pixel. The cost hardly depends on how much stands
in the room.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from scratchgan.synthetic.bedrooms.lighting import (
    Lighting,
    Sun,
    WindowLight,
)
from scratchgan.synthetic.bedrooms.scene import Scene
from scratchgan.synthetic.bedrooms.space import Box, Camera, Room
from scratchgan.synthetic.bedrooms.surfaces import Surface

# Samples per pixel and axis.
_SUPERSAMPLING = 3

# Metres over which corners darken, and how far from a surface that is measured: at
# the surface itself, it would always be in the corner with itself.
_CORNER_REACH = 0.28

_SUNLIGHT = (1.0, 0.9, 0.72)


def seen_surfaces(
    camera: Camera, surfaces: Sequence[Surface], samples: int
) -> np.ndarray:
    """Return which surface each sample of a picture sees, uint8 (samples, samples).

    Parameters
    ----------
    camera : Camera
        Where it is seen from.
    surfaces : sequence of Surface
        At most 256, from back to front; together they fill the picture.
    samples : int
        Width and height of the result.
    """
    image = Image.new("L", (samples, samples))
    pen = ImageDraw.Draw(image)
    shapes = [shape for surface in surfaces for shape in surface.polygons]
    polygons = iter(camera.polygons(shapes))
    for number, surface in enumerate(surfaces):
        for _ in surface.polygons:
            polygon = next(polygons)
            if len(polygon) > 2:
                # A sample's middle has whole coordinates for Pillow, hence the half.
                corners = (polygon * samples - 0.5).ravel().tolist()
                pen.polygon(corners, fill=number)
    return np.asarray(image)


def render(
    scene: Scene,
    surfaces: Sequence[Surface],
    flat: int,
    shades: Sequence[Box],
    lighting: Lighting,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Render a room.

    Parameters
    ----------
    scene : Scene
        The room, and the camera in it.
    surfaces : sequence of Surface
        From back to front, at most 256.
    flat : int
        How many of them are walls, floor, or flat on them: the first ones.
    shades : sequence of Box
        What stands in the room and darkens its surroundings.
    lighting : Lighting
        The light.
    size : int
        Width and height in pixels.

    Returns
    -------
    image : array of shape (size, size, 3), uint8
        The picture in sRGB.
    seen : array of shape (samples, samples), uint8
        Which surface each sample sees, a whole number of samples per pixel.
    """
    camera = scene.camera
    samples = size * _SUPERSAMPLING
    seen = seen_surfaces(camera, surfaces, samples)
    # The samples of each surface one after another, and of these the ones in one pixel:
    # what a surface has is then repeated instead of looked up, and painting one
    # touches one stretch of memory.
    by_pixel = _samples_by_pixel(size)
    number = seen.ravel().take(by_pixel)
    order = np.argsort(number, kind="stable")
    place = by_pixel.take(order)
    counts = np.bincount(number, minlength=len(surfaces))
    table = _surface_table(camera, surfaces)
    distance, *facing = np.repeat(table[:4], counts, axis=1)
    points = camera.rays(samples).take(place, axis=1)
    points *= distance / _dot(facing, points)
    points += np.array(camera.eye, np.float32)[:, None]
    colours = _paint(surfaces, counts, points)
    colours *= colours  # to linear light, nearly
    # Light is smooth: one sample stands for all of a surface in a pixel.
    first = _first_of_each(number.take(order), order // _SUPERSAMPLING**2)
    owner = number.take(order.take(first))
    shading, glow = table[4:7].take(owner, axis=1), table[7].take(owner)
    light = _light(scene.room, lighting, points.take(first, axis=1), shading)
    # Walls, floor and what lies flat on them, which come first, darken near things.
    beside = int(np.searchsorted(owner, flat))
    reached = points.take(first[:beside], axis=1)
    light[:, :beside] *= _shade_beside(shades, lighting.corners, reached)
    light += glow * (1 - light)
    colours *= np.repeat(light, np.diff(first, append=len(order)), axis=1)
    linear = np.empty_like(colours)
    for plane, values in zip(linear, colours, strict=True):
        plane[place] = values
    linear = _reduce(linear.reshape(3, samples, samples))
    return _develop(linear, lighting), seen


@lru_cache
def _samples_by_pixel(size: int) -> np.ndarray:
    """Return the samples of a picture, those of a pixel together, its middle first.

    Each is its place among all samples, row by row: (size * size * 9,).
    """
    step = _SUPERSAMPLING
    places = np.arange((size * step) ** 2).reshape(size, step, size, step)
    places = places.swapaxes(1, 2).reshape(size * size, step * step)
    middle = step * step // 2
    inner = [middle, *range(middle), *range(middle + 1, step * step)]
    return np.ascontiguousarray(places[:, inner]).ravel()


def _first_of_each(number: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Return where another surface or another pixel begins, (groups,)."""
    differs = (np.diff(number) != 0) | (np.diff(pixel) != 0)
    return np.concatenate(([0], np.flatnonzero(differs) + 1))


def _surface_table(camera: Camera, surfaces: Sequence[Surface]) -> np.ndarray:
    """Return what each surface is, (8, S) float32.

    The distance of its plane from the eye (1), the normal of that plane (3), its
    shading normal (3), and its glow (1).
    """
    corners = np.array([surface.polygons[0][:3] for surface in surfaces])  # (S, 3, 3)
    first, second, third = corners.swapaxes(0, 1)
    normals = np.cross(second - first, third - second)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    distances = ((first - camera.eye) * normals).sum(axis=1, keepdims=True)
    shading = np.array([surface.normal for surface in surfaces])
    glow = np.array([[surface.glow] for surface in surfaces])
    table = np.concatenate((distances, normals, shading, glow), axis=1)
    return np.ascontiguousarray(table.T, np.float32)


def _reduce(samples: np.ndarray) -> np.ndarray:
    """Return the means over the samples of each pixel, (3, size, size)."""
    step = _SUPERSAMPLING
    rows = sum(samples[:, start::step] for start in range(step))
    return sum(rows[:, :, start::step] for start in range(step)) / np.float32(step**2)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the products of vectors (3, n) with as many others, or with one (3,)."""
    if isinstance(b, np.ndarray) and b.ndim == 1:
        b = b.astype(np.float32)
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _paint(
    surfaces: Sequence[Surface], counts: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Return the colour of every sample, (3, n) sRGB; `counts` of them each."""
    ends = np.cumsum(counts).tolist()
    colours = np.empty_like(points)
    for surface, start, end in zip(surfaces, [0, *ends], ends, strict=False):
        if start < end:
            colour = surface.colour
            if callable(colour):
                colours[:, start:end] = colour(points[:, start:end])
            else:
                colours[:, start:end] = np.array(colour, np.float32)[:, None]
    return colours


def _light(
    room: Room,
    lighting: Lighting,
    points: np.ndarray,
    normals: np.ndarray,
) -> np.ndarray:
    """Return the light that falls on every sample, (3, n)."""
    up = normals[1]
    # More from above than from below, and a little from where the camera stands.
    soft = 0.88 + 0.12 * up - 0.08 * normals[2]
    soft *= _openness(room, points, normals, lighting.corners)
    light = np.array(lighting.ambient, np.float32)[:, None] * soft
    for window in lighting.windows:
        amount = soft * _window_light(window, points, normals)
        light += np.array(window.colour, np.float32)[:, None] * amount
        if window.sun is not None:
            amount = _sunlight(window.sun, points, normals)
            light += np.array(_SUNLIGHT, np.float32)[:, None] * amount
    for lamp in lighting.lamps:
        towards = lamp.place.astype(np.float32)[:, None] - points
        squared = _dot(towards, towards)
        # Its shade is no point: it also reaches what faces away a little.
        facing = 0.35 + 0.65 * _dot(towards, normals) / np.sqrt(squared + 1e-3)
        amount = lamp.strength * np.maximum(facing, 0.08) / (squared + 0.3)
        light += np.array(lamp.colour, np.float32)[:, None] * amount
    return light


def _openness(
    room: Room,
    points: np.ndarray,
    normals: np.ndarray,
    amount: float,
) -> np.ndarray:
    """Return how open the surroundings of every sample are: 1, less in corners."""
    probe = points + np.float32(_CORNER_REACH) * normals
    x, y, z = probe
    scale = np.float32(-1 / _CORNER_REACH)
    nearest = np.minimum(np.minimum(x, room.width - x), room.depth - z)
    result = 1 - amount * np.exp(np.maximum(nearest, 0) * scale)
    level = np.minimum(y, room.height - y)
    result *= 1 - amount * np.exp(np.maximum(level, 0) * scale)
    return result


def _shade_beside(
    shades: Sequence[Box], amount: float, points: np.ndarray
) -> np.ndarray:
    """Return what things leave of the light around them: 1 far away, less near."""
    result = np.float32(1)
    for box in shades:
        squared = np.float32(0)
        for axis, place in enumerate(points):
            low, high = np.float32(box.low[axis]), np.float32(box.high[axis])
            outside = np.maximum(np.maximum(low - place, place - high), 0)
            squared = squared + outside * outside
        reach = np.float32(-1.2 / _CORNER_REACH**2)
        result = result * (1 - np.float32(1.2 * amount) * np.exp(squared * reach))
    return result


def _window_light(
    window: WindowLight, points: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Return the daylight of one window on every sample, (n,)."""
    towards = window.centre.astype(np.float32)[:, None] - points
    squared = _dot(towards, towards)
    inverse = 1 / np.sqrt(squared + 1e-3)
    # It is large: what stands at right angles to it still sees a part of it.
    facing = np.maximum(0.2 + 0.8 * _dot(towards, normals) * inverse, 0)
    leaving = np.maximum(-_dot(towards, window.inward) * inverse, 0)
    return window.strength * window.area * facing * leaving / (squared + 0.9)


def _sunlight(sun: Sun, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return the sun that falls in at a window on every sample, (n,)."""
    low, high = sun.opening
    # The window's wall is across x or across z, where its box is flat.
    axis = 0 if high[0] - low[0] < high[2] - low[2] else 2
    back = (points[axis] - np.float32(low[axis])) / np.float32(sun.direction[axis])
    lit = np.maximum(-_dot(normals, sun.direction), 0) * (back > 0.02)
    for other in (1, 2 - axis):
        place = points[other] - back * np.float32(sun.direction[other])
        edge = np.minimum(place - low[other], high[other] - place)
        lit *= np.clip(edge / 0.08, 0, 1)
    return lit * np.float32(sun.strength)


def _develop(linear: np.ndarray, lighting: Lighting) -> np.ndarray:
    """Make a picture of light, as a camera would: exposure, glow, tone, noise."""
    size = linear.shape[1]
    gains = np.array((1 + lighting.warmth, 1, 1 - lighting.warmth)) * lighting.exposure
    linear = linear * gains.astype(np.float32)[:, None, None]
    bright = np.clip(linear - 0.75, 0, 1).transpose(1, 2, 0)
    halo = Image.fromarray((bright * 255).astype(np.uint8))
    halo = halo.filter(ImageFilter.GaussianBlur(size / 22))
    linear += np.asarray(halo, np.float32).transpose(2, 0, 1) * np.float32(0.5 / 255)
    # Highlights are compressed instead of cut off.
    knee = np.float32(0.7)
    over = np.maximum(linear - knee, 0)
    linear = np.minimum(linear, knee) + 0.3 * (1 - np.exp(over / np.float32(-0.45)))
    levels = np.sqrt(linear) * 255
    rng = np.random.default_rng(lighting.noise_seed)
    noise = rng.standard_normal(levels.shape, np.float32)
    levels += noise * np.float32(lighting.noise)
    pixels = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))
