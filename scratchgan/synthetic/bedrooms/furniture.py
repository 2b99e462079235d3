"""What stands in a synthetic bedroom beside the bed: wardrobe, table, lamp, plant."""

import math
from itertools import pairwise

import numpy as np

from scratchgan.synthetic.bedrooms.layout import Placed
from scratchgan.synthetic.bedrooms.scene import Scene, seen_front
from scratchgan.synthetic.bedrooms.space import Box
from scratchgan.synthetic.bedrooms.surfaces import (
    Paint,
    Solid,
    Surface,
    standing,
)
from scratchgan.synthetic.canvas import ellipse
from scratchgan.synthetic.colours import Colour, hsv, mix

_DARK = (0.05, 0.045, 0.04)
_WHITE = (1.0, 1.0, 1.0)
_LAMPLIGHT = (1.0, 0.86, 0.55)


def wardrobe(scene: Scene, placed: Placed) -> Solid:
    """Return a wardrobe with doors and perhaps a drawer below."""
    rng, colour = scene.rng, scene.style.cabinet
    solid = scene.block(placed.box, colour, "wardrobe")
    if not seen_front(scene, placed):
        return solid
    (left, right), (_, top) = placed.along, placed.up
    drawer = float(rng.uniform(0.35, 0.6)) if rng.random() < 0.5 else 0.08
    edges = np.linspace(left, right, max(2, round((right - left) / 0.5)) + 1).tolist()
    gap = 0.014
    doors = [
        ((a + gap, b - gap), (drawer + gap, top - 0.05)) for a, b in pairwise(edges)
    ]
    low = [((left + gap, right - gap), (0.08, drawer - gap))] if drawer > 0.1 else []
    # What is left of the dark ground between the doors are their gaps.
    ground = [((left, right), (0.05, top))]
    solid.surfaces += [
        scene.on_front(placed, ground, mix(colour, _DARK, 0.55)),
        scene.on_front(placed, doors + low, colour),
    ]
    if rng.random() < 0.5:
        inset = float(rng.uniform(0.05, 0.09))
        panels = [
            ((a[0] + inset, a[1] - inset), (b[0] + inset, b[1] - inset))
            for a, b in doors
        ]
        other = mix(colour, _WHITE if sum(colour) < 1.5 else _DARK, 0.14)
        solid.surfaces.append(scene.on_front(placed, panels, other))
    knobs = [
        ((x + side - 0.018, x + side + 0.018), (0.98, 1.14))
        for x in edges[1:-1:2]
        for side in (-0.06, 0.06)
    ]
    solid.surfaces.append(scene.on_front(placed, knobs, scene.style.metal))
    return solid


def table(scene: Scene, placed: Placed) -> Solid:
    """Return a bedside table: a chest of drawers, or a top on legs."""
    colour, (left, right) = scene.style.cabinet, placed.along
    top, (back, front) = placed.up[1], placed.out

    def block(
        along: tuple[float, float], up: tuple[float, float], out: tuple[float, float]
    ) -> Solid:
        box = Box.at(scene.room, placed.wall, along, up, out)
        return scene.block(box, colour, "table")

    if scene.rng.random() < 0.65:
        chest = block(
            (left + 0.01, right - 0.01), (0.06, top - 0.03), (back, front - 0.01)
        )
        if seen_front(scene, placed):
            chest.surfaces += _drawers(scene, placed)
        parts = [chest]
    else:
        parts = [
            block((x, x + 0.04), (0.0, top - 0.04), (z, z + 0.04))
            for x in (left + 0.01, right - 0.05)
            for z in (back, front - 0.05)
        ]
    parts.append(block((left, right), (top - 0.04, top), (back, front)))
    return Solid(placed.box, scene.in_order(parts))


def _drawers(scene: Scene, placed: Placed) -> list[Surface]:
    colour, (left, right) = scene.style.cabinet, placed.along
    top, middle = placed.up[1], (left + right) / 2
    levels = np.linspace(0.09, top - 0.04, int(scene.rng.integers(1, 4)) + 1).tolist()
    fronts = [
        ((left + 0.035, right - 0.035), (a + 0.012, b - 0.012))
        for a, b in pairwise(levels)
    ]
    knobs = [
        ((middle - 0.03, middle + 0.03), ((a + b) / 2 - 0.015, (a + b) / 2 + 0.015))
        for a, b in pairwise(levels)
    ]
    ground = [((left + 0.02, right - 0.02), (0.08, top - 0.04))]
    return [
        scene.on_front(placed, ground, mix(colour, _DARK, 0.5)),
        scene.on_front(placed, fronts, mix(colour, _WHITE, 0.08)),
        scene.on_front(placed, knobs, scene.style.metal),
    ]


def lamp(scene: Scene, placed: Placed, kind: str, lit: bool) -> Solid:
    """Return a lamp: a shade on a foot, or hanging from the ceiling.

    Parameters
    ----------
    scene : Scene
        Where it is.
    placed : Placed
        Its place.
    kind : str
        "table", "floor" or "pendant".
    lit : bool
        Whether it shines.
    """
    rng, style = scene.rng, scene.style
    (x, z), half = _middle(placed.box), (placed.box.high[0] - placed.box.low[0]) / 2
    bottom, total = placed.up[0], placed.up[1] - placed.up[0]
    surfaces = []

    def add(points: list, colour: Colour | Paint, glow: float = 0.0) -> None:
        shape, normal = standing(scene.camera, (x, bottom, z), np.array(points, float))
        surfaces.append(Surface([shape], normal, colour, glow, "lamp"))

    narrow = half * float(rng.uniform(0.45, 0.95))  # half the shade's upper edge
    tall = {"table": 0.48 * total, "floor": 0.32, "pendant": 0.3}[kind]
    low = 0.0 if kind == "pendant" else total - tall
    if kind == "pendant":
        add(_strip(0.012, tall, total), _DARK)
    else:
        add(_strip(0.018, 0, low + 0.05), style.metal)
        if kind == "table" and rng.random() < 0.6:  # a vase
            add(ellipse(0, 0.45 * low, 0.62 * half, 0.45 * low), style.throw.colour)
        else:
            add(ellipse(0, 0.02, 0.55 * half, 0.03), style.metal)
    shade = mix(style.shade, _LAMPLIGHT, 0.45) if lit else style.shade
    paint = _round(scene, (x, z), half, shade)
    outline = [(-half, low), (half, low), (narrow, low + tall), (-narrow, low + tall)]
    add(outline, paint, 0.92 if lit else 0.06)
    return Solid(placed.box, surfaces, _foot(x, bottom, z, 0.5 * half))


def _round(
    scene: Scene, middle: tuple[float, float], half: float, colour: Colour
) -> Paint:
    """Return a colour that darkens to both sides, as on something round."""
    right = scene.camera.right.astype(np.float32)
    ground = np.array(colour, np.float32)[:, None]

    def paint(points: np.ndarray) -> np.ndarray:
        x, z = points[0] - np.float32(middle[0]), points[2] - np.float32(middle[1])
        across = (x * right[0] + z * right[2]) / np.float32(half)
        return ground * (1 - np.float32(0.3) * across * across)

    return paint


def plant(scene: Scene, placed: Placed) -> Solid:
    """Return a plant in a pot: leaves of three greens."""
    rng, style = scene.rng, scene.style
    x, z = _middle(placed.box)
    half, total = (placed.box.high[0] - placed.box.low[0]) / 2, placed.up[1]
    pot, wide = float(rng.uniform(0.22, 0.34)), min(half * 0.75, 0.2)
    surfaces = []

    def add(shapes: list, colour: Colour) -> None:
        drawn = [standing(scene.camera, (x, 0, z), shape) for shape in shapes]
        surfaces.append(
            Surface([s for s, _ in drawn], drawn[0][1], colour, tag="plant")
        )

    hue, value = rng.uniform(0.24, 0.4), rng.uniform(0.3, 0.55)
    slender = float(rng.uniform(0.14, 0.4))
    for layer in range(3):  # those in front are shorter and lighter
        leaves = []
        for _ in range(int(rng.integers(4, 7))):
            angle = rng.uniform(-1.25, 1.25)
            reach = rng.uniform(0.6, 1.0) * (1 - 0.22 * layer)
            height = (total - pot) * (0.35 + 0.65 * math.cos(angle))
            tip = reach * np.array((1.25 * half * math.sin(angle), height))
            leaves.append(_leaf(np.array((0, 0.95 * pot)), tip, slender))
        add(leaves, hsv(hue + 0.02 * layer, 0.55, value * (0.7 + 0.25 * layer)))
    outline = [(-0.75 * wide, 0), (0.75 * wide, 0), (wide, pot), (-wide, pot)]
    colours = (style.cabinet, style.sheet, (0.66, 0.36, 0.22))
    add([np.array(outline)], colours[int(rng.integers(3))])
    return Solid(placed.box, surfaces, _foot(x, 0.0, z, wide))


def _middle(box: Box) -> tuple[float, float]:
    """Return the middle of a box, seen from above: x and z."""
    return (box.low[0] + box.high[0]) / 2, (box.low[2] + box.high[2]) / 2


def _foot(x: float, level: float, z: float, half: float) -> Box:
    """Return the part of something thin that darkens what it stands on."""
    return Box((x - half, level, z - half), (x + half, level + 0.05, z + half))


def _strip(half: float, low: float, high: float) -> list[tuple[float, float]]:
    return [(-half, low), (half, low), (half, high), (-half, high)]


def _leaf(foot: np.ndarray, tip: np.ndarray, slender: float) -> np.ndarray:
    """Return a pointed leaf (10, 2) from `foot` to `foot + tip`."""
    along = np.array((0, 0.3, 0.55, 0.8, 1.0))
    half = np.array((0.08, 0.6, 1.0, 0.7, 0.0)) * slender * 0.5
    across = np.array((-tip[1], tip[0]))
    line = foot + along[:, None] * tip
    edge = half[:, None] * across
    return np.concatenate((line + edge, (line - edge)[::-1]))
