"""What belongs to walls and floor of a synthetic bedroom: shell, door, picture, rug."""

import numpy as np

from scratchgan.synthetic.bedrooms.contents import Style
from scratchgan.synthetic.bedrooms.layout import Placed
from scratchgan.synthetic.bedrooms.scene import Scene
from scratchgan.synthetic.bedrooms.space import WALLS, Room
from scratchgan.synthetic.bedrooms.surfaces import (
    Paint,
    Surface,
    floor_shape,
    rounded,
    wall_shape,
)
from scratchgan.synthetic.canvas import ellipse
from scratchgan.synthetic.colours import hsv, mix

_DARK = (0.05, 0.045, 0.04)
_WHITE = (1.0, 1.0, 1.0)
_MAT = (0.93, 0.92, 0.88)
_UP = np.array((0.0, 1.0, 0.0))
# How far side walls, floor and ceiling come forward, past the camera, in metres.
_FRONT = -4.0


def shell(scene: Scene) -> list[Surface]:
    """Return walls with skirting boards, floor and ceiling."""
    room, style = scene.room, scene.style
    surfaces = []
    for wall in WALLS:
        along = (0.0 if wall == "back" else _FRONT, room.length(wall))
        paint = _wall_paint(room, style, wall)
        surfaces.append(scene.on_wall(wall, [(along, (0.0, room.height))], paint))
        surfaces.append(scene.on_wall(wall, [(along, (0.0, 0.09))], style.trim))
    ground = np.array(
        [(0, _FRONT), (room.width, _FRONT), (room.width, room.depth), (0, room.depth)]
    )

    def boards(points: np.ndarray) -> np.ndarray:
        return style.floor.paint(points[0], points[2])

    surfaces.append(Surface([floor_shape(ground, 0.0)], _UP, boards))
    surfaces.append(Surface([floor_shape(ground, room.height)], -_UP, style.ceiling))
    return surfaces


def _wall_paint(room: Room, style: Style, wall: str) -> Paint:
    dado = np.array(style.dado_colour, np.float32)[:, None]

    def paint(points: np.ndarray) -> np.ndarray:
        along, up, _ = room.unplace(wall, points)
        colours = style.wall.paint(along, up)
        return np.where(up < style.dado, dado, colours) if style.dado else colours

    return paint


def door(scene: Scene, placed: Placed) -> list[Surface]:
    """Return a door with its casing, panels and knob."""
    wall, (left, right), (_, top) = placed.wall, placed.along, placed.up
    rng, style = scene.rng, scene.style
    columns, rows = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    x = np.linspace(left + 0.06, right - 0.06, columns + 1).tolist()
    y = np.linspace(0.14, top - 0.08, rows + 1).tolist()
    grooves = [
        ((x[i] + 0.04, x[i + 1] - 0.04), (y[j] + 0.05, y[j + 1] - 0.05))
        for i in range(columns)
        for j in range(rows)
    ]
    # Each panel is a little lower in its groove: the upper rim lies in shadow.
    panels = [
        ((a[0] + 0.025, a[1] - 0.01), (b[0] + 0.01, b[1] - 0.035)) for a, b in grooves
    ]
    side = left + 0.08 if rng.random() < 0.5 else right - 0.08
    knob = wall_shape(scene.room, wall, ellipse(side, 1.02, 0.04, 0.04, 10), 0.03)
    layers = [
        ([((left - 0.08, right + 0.08), (0, top + 0.08))], style.trim),
        (
            [((left - 0.015, right + 0.015), (0, top + 0.015))],
            mix(style.trim, _DARK, 0.7),
        ),
        ([((left, right), (0.01, top))], style.door),
        (grooves, mix(style.door, _DARK, 0.4)),
        (panels, mix(style.door, _WHITE, 0.06)),
    ]
    return [
        *(scene.on_wall(wall, cells, colour, "door") for cells, colour in layers),
        Surface([knob], scene.room.inward(wall), style.metal, tag="door"),
    ]


def picture(scene: Scene, placed: Placed) -> list[Surface]:
    """Return a framed picture of soft shapes, perhaps with a mat."""
    rng, style, wall = scene.rng, scene.style, placed.wall
    (left, right), (bottom, top) = placed.along, placed.up
    edge = float(rng.uniform(0.03, 0.06))
    mat = float(rng.uniform(0.05, 0.11)) if rng.random() < 0.6 else 0.0
    frame = mix(style.wood, _DARK, 0.3) if rng.random() < 0.6 else style.metal
    layers = ((0.0, frame), (edge, _MAT), (edge + mat, _art(scene, placed)))
    return [
        scene.on_wall(
            wall,
            [((left + inset, right - inset), (bottom + inset, top - inset))],
            colour,
            "picture",
            out=0.03,
        )
        for inset, colour in layers
    ]


def _art(scene: Scene, placed: Placed) -> Paint:
    rng, room = scene.rng, scene.room
    (left, right), (bottom, top) = placed.along, placed.up
    hue = rng.uniform(-0.1, 0.45)  # from red to green: no sky, which a window has
    ground = hsv(hue, rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.8))
    colours = [
        hsv(hue + rng.normal(0, 0.2), rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.85))
        for _ in range(3)
    ]
    places, sizes = rng.uniform(0.15, 0.85, (3, 2)), rng.uniform(0.15, 0.4, (3, 2))

    def paint(points: np.ndarray) -> np.ndarray:
        along, up, _ = room.unplace(placed.wall, points)
        a, b = (along - left) / (right - left), (up - bottom) / (top - bottom)
        result = np.repeat(np.array(ground, np.float32)[:, None], len(a), axis=1)
        for colour, place, size in zip(
            colours, places.tolist(), sizes.tolist(), strict=True
        ):
            reach = ((a - place[0]) / size[0]) ** 2 + ((b - place[1]) / size[1]) ** 2
            cover = np.clip(1.6 - reach, 0, 1)
            result += cover * (np.array(colour, np.float32)[:, None] - result)
        return result

    return paint


def rug(scene: Scene, placed: Placed) -> list[Surface]:
    """Return a rug, round or with corners, with a border of another colour."""
    fabric = scene.style.rug
    low = (placed.box.low[0], placed.box.low[2])
    high = (placed.box.high[0], placed.box.high[2])
    square = 1.0 if scene.rng.random() < 0.3 else 0.12
    border = float(scene.rng.uniform(0.06, 0.14))
    inner = rounded(np.add(low, border), np.subtract(high, border), square)
    edge = mix(fabric.other, fabric.colour, 0.3)

    def paint(points: np.ndarray) -> np.ndarray:
        return fabric.paint(points[0] - low[0], points[2] - low[1])

    return [
        Surface([floor_shape(rounded(low, high, square), 0.008)], _UP, edge, tag="rug"),
        Surface([floor_shape(inner, 0.009)], _UP, paint, tag="rug"),
    ]
