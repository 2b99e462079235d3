"""Flat surfaces, of which a room and all that is in it are made."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchgan.synthetic.bedrooms.space import Box, Camera, Room
from scratchgan.synthetic.canvas import ellipse
from scratchgan.synthetic.colours import Colour

# Points in space (3, n) -> their colours (3, n), sRGB in [0, 1].
Paint = Callable[[np.ndarray], np.ndarray]


@dataclass
class Surface:
    """Polygons in one plane, painted alike.

    Attributes
    ----------
    polygons : sequence of arrays of shape (n, 3)
        Corners in metres; n may differ.
    normal : array of shape (3,)
        Where it faces. It need not stand upright on the plane: a cushion is made of
        level slices that face outwards.
    colour : Colour or Paint
        sRGB in [0, 1], one for all points or a function of where they are.
    glow : float
        0 is lit by the room, 1 shines by itself.
    tag : str
        What it belongs to, such as "bed".
    """

    polygons: Sequence[np.ndarray]
    normal: np.ndarray
    colour: Colour | Paint
    glow: float = 0.0
    tag: str = ""


@dataclass
class Solid:
    """Surfaces inside one box, from back to front.

    Attributes
    ----------
    box : Box
        Around all of them.
    surfaces : list of Surface
        What is seen.
    shade : Box or None
        What darkens walls and floor beside it; None for all of `box`.
    """

    box: Box
    surfaces: list[Surface] = field(default_factory=list)
    shade: Box | None = None


def wall_rectangle(
    room: Room,
    wall: str,
    along: tuple[float, float],
    up: tuple[float, float],
    out: float = 0.0,
) -> np.ndarray:
    """Return the corners (4, 3) of an upright rectangle parallel to a wall."""
    return np.array(
        [
            room.place(wall, along[0], up[0], out),
            room.place(wall, along[1], up[0], out),
            room.place(wall, along[1], up[1], out),
            room.place(wall, along[0], up[1], out),
        ]
    )


def wall_shape(
    room: Room, wall: str, points: np.ndarray, out: float = 0.0
) -> np.ndarray:
    """Return a drawing (along, up), of shape (n, 2), in a plane parallel to a wall."""
    return np.array([room.place(wall, a, b, out) for a, b in points.tolist()])


def floor_shape(points: np.ndarray, level: float) -> np.ndarray:
    """Return a drawing (x, z), of shape (n, 2), as level corners (n, 3)."""
    shape = np.full((len(points), 3), level)
    shape[:, 0] = points[:, 0]
    shape[:, 2] = points[:, 1]
    return shape


def rounded(low: Sequence[float], high: Sequence[float], square: float) -> np.ndarray:
    """Return a rectangle with round corners, (20, 2).

    Parameters
    ----------
    low, high : (float, float)
        Its corners.
    square : float
        1 for an ellipse, towards 0 for a rectangle with sharp corners.
    """
    circle = ellipse(0, 0, 1, 1, 20)
    shape = np.sign(circle) * np.abs(circle) ** square
    middle = (np.array(low) + high) / 2
    return middle + shape * (np.array(high) - low) / 2


def cushion(
    box: Box,
    camera: Camera,
    colour: Colour | Paint,
    tag: str = "",
    square: float = 0.5,
) -> Solid:
    """Return something soft that fills a box: level slices, smaller at its top.

    Each faces a little more upwards than the one below, as a round body does.
    """
    (left, bottom, front), (right, top, back) = box
    x, z = (left + right) / 2, (front + back) / 2
    half_x, half_z = (right - left) / 2, (back - front) / 2
    outline = rounded((-1, -1), (1, 1), square)
    side = np.array((camera.eye[0] - x, 0.0, camera.eye[2] - z))
    side /= math.hypot(side[0], side[2]) + 1e-9
    bulge = min(2 * half_x, 2 * half_z, 0.5) * 0.22
    # Near enough that no gap is seen between two.
    slices = max(4, round((top - bottom) / 0.03))
    surfaces = []
    for level in np.linspace(0, 1, slices).tolist():
        # It is as wide as its box at 0.4 of its height.
        inset = bulge * (max(0, level - 0.4) ** 2 / 0.36 + 0.5 * max(0, 0.4 - level))
        shape = outline * (half_x - inset, half_z - inset) + (x, z)
        height = bottom + level * (top - bottom)
        across, up = 1 - level, 0.25 + level
        normal = across * side
        normal[1] = up
        normal /= math.hypot(across, up)
        surfaces.append(Surface([floor_shape(shape, height)], normal, colour, tag=tag))
    return Solid(box, surfaces)


def standing(
    camera: Camera, foot: Sequence[float], points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Stand a drawing up in the room, facing the camera, as round things do.

    Parameters
    ----------
    camera : Camera
        What it faces.
    foot : (float, float, float)
        Where the drawing's origin is.
    points : array of shape (n, 2)
        To the right and up, in metres.

    Returns
    -------
    corners : array of shape (n, 3)
    normal : array of shape (3,)
    """
    shape = np.outer(points[:, 0], camera.right) + foot
    shape[:, 1] += points[:, 1]
    return shape, -camera.forward
