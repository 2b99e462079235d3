"""The bed of a synthetic bedroom: frame, headboard, bedding and pillows."""

import math

import numpy as np

from scratchgan.synthetic.bedrooms.layout import Placed
from scratchgan.synthetic.bedrooms.patterns import Fabric
from scratchgan.synthetic.bedrooms.scene import Scene
from scratchgan.synthetic.bedrooms.space import Box
from scratchgan.synthetic.bedrooms.surfaces import (
    Paint,
    Solid,
    Surface,
    cushion,
    wall_rectangle,
    wall_shape,
)


class _Bed:
    """Where one bed is, and how its parts are made.

    Parts are given by their distances from the corner at its head: `along` the wall
    that the head is at, `up` and `out` into the room, in metres.
    """

    def __init__(self, scene: Scene, placed: Placed) -> None:
        rng = scene.rng
        self.scene = scene
        self.placed = placed
        self.width = placed.along[1] - placed.along[0]
        self.length = placed.out[1]
        self.base = float(rng.uniform(0.24, 0.36))  # upper edge of the frame
        self.top = float(rng.uniform(0.5, 0.6))  # of the mattress, about
        self.cover_begins = float(rng.uniform(0.5, 0.75))
        self.overhang = float(rng.uniform(0.03, 0.07))

    def box(
        self,
        along: tuple[float, float],
        up: tuple[float, float],
        out: tuple[float, float],
    ) -> Box:
        start = self.placed.along[0]
        ends = (start + along[0], start + along[1])
        return Box.at(self.scene.room, self.placed.wall, ends, up, out)

    def across(self, more: float = 0.0) -> tuple[float, float]:
        """Return its whole width, and `more` on either side."""
        return -more, self.width + more

    def cloth(self, fabric: Fabric) -> Paint:
        """Lay a fabric over it, as one piece that hangs down at the foot."""
        room, wall, start = self.scene.room, self.placed.wall, self.placed.along[0]

        def paint(points: np.ndarray) -> np.ndarray:
            along, up, out = room.unplace(wall, points)
            return fabric.paint(along - start, out - up)

        return paint


def bed(scene: Scene, placed: Placed) -> Solid:
    """Return a bed, its head at a wall."""
    frame = _Bed(scene, placed)
    parts = [
        *_headboard(frame),
        *_frame(frame),
        *_covers(frame),
        *_pillows(frame),
    ]
    return Solid(
        placed.box,
        scene.in_order(parts),
        shade=frame.box(frame.across(), (0, frame.top), (0, frame.length)),
    )


def _frame(bed: _Bed) -> list[Solid]:
    scene, style, length = bed.scene, bed.scene.style, bed.length
    rails = bed.box(bed.across(), (0.1, bed.base), (0.06, length))
    mattress = bed.box(
        bed.across(-0.03), (bed.base, bed.top - 0.04), (0.06, length - 0.03)
    )
    parts = [
        scene.block(rails, style.wood, "bed"),
        scene.block(mattress, style.sheet, "bed"),
    ]
    if scene.rng.random() < 0.3:
        height = float(scene.rng.uniform(0.5, 0.75))
        footboard = bed.box(bed.across(), (0.06, height), (length, length + 0.05))
        parts.append(scene.block(footboard, style.wood, "bed"))
    return parts


def _headboard(bed: _Bed) -> list[Solid]:
    scene, style, placed = bed.scene, bed.scene.style, bed.placed
    height = placed.up[1]
    board = bed.box(bed.across(0.03), (0.1, height), (0.0, 0.06))
    kind = str(
        scene.rng.choice(
            ("none", "panel", "padded", "arch", "bars"),
            p=(0.12, 0.33, 0.25, 0.15, 0.15),
        )
    )
    if kind == "none":
        return []
    if kind == "panel":
        return [scene.block(board, style.wood, "bed")]
    if kind == "padded":
        return [scene.block(board, _padding(bed), "bed")]
    outline = _arch(bed) if kind == "arch" else _bars(bed)
    colour = style.metal if kind == "bars" and scene.rng.random() < 0.5 else style.wood
    inward = scene.room.inward(placed.wall)
    return [Solid(board, [Surface(outline, inward, colour, tag="bed")])]


def _padding(bed: _Bed) -> Paint:
    """Return cloth with seams across and along, as on padded headboards."""
    room, style, placed = bed.scene.room, bed.scene.style, bed.placed
    cloth = style.duvet.other if bed.scene.rng.random() < 0.5 else style.throw.colour
    seam = bed.width / round(bed.width / 0.22)
    colour = np.array(cloth, np.float32)[:, None]

    def paint(points: np.ndarray) -> np.ndarray:
        along, up, _ = room.unplace(placed.wall, points)
        across = np.abs(np.sin((along - placed.along[0]) * (math.pi / seam)))
        down = np.abs(np.sin(up * (math.pi / 0.24)))
        return colour * ((0.82 + 0.18 * across) * (0.8 + 0.2 * down))

    return paint


def _arch(bed: _Bed) -> list[np.ndarray]:
    (left, right), height = bed.placed.along, bed.placed.up[1]
    x = np.linspace(-1, 1, 14)
    rise = height - 0.28 * (1 - np.sqrt(1 - x * x))
    arc = np.stack(((left + right) / 2 + x * bed.width / 2, rise), axis=1)
    outline = np.concatenate(([(left, 0.1)], arc, [(right, 0.1)]))
    return [wall_shape(bed.scene.room, bed.placed.wall, outline, 0.05)]


def _bars(bed: _Bed) -> list[np.ndarray]:
    room, wall, height = bed.scene.room, bed.placed.wall, bed.placed.up[1]
    left, right = bed.placed.along
    places = np.linspace(left + 0.02, right - 0.02, round(bed.width / 0.16))
    upright = [((x - 0.02, x + 0.02), (0.3, height)) for x in places.tolist()]
    level = [((left, right), (y - 0.03, y + 0.03)) for y in (0.55, height - 0.03)]
    return [wall_rectangle(room, wall, a, b, 0.05) for a, b in upright + level]


def _covers(bed: _Bed) -> list[Solid]:
    """Return the duvet, perhaps turned back at the head, perhaps with a throw."""
    scene, style, rng = bed.scene, bed.scene.style, bed.scene.rng
    top, length, over = bed.top, bed.length, bed.overhang
    hem = bed.base - float(rng.uniform(-0.1, 0.12))
    duvet = bed.cloth(style.duvet)
    out = (bed.cover_begins, length + over)
    sides = bed.box(bed.across(over), (hem, top - 0.08), out)
    upper = bed.box(bed.across(over), (top - 0.08, top + 0.04), out)
    parts = [
        scene.block(sides, duvet, "bed"),
        cushion(upper, scene.camera, duvet, "bed", 0.18),
    ]
    if rng.random() < 0.6:
        end = bed.cover_begins + float(rng.uniform(0.15, 0.3))
        fold = bed.box(
            bed.across(over), (top, top + 0.07), (bed.cover_begins - 0.05, end)
        )
        colour = style.sheet if rng.random() < 0.6 else style.duvet.other
        parts.append(cushion(fold, scene.camera, colour, "bed", 0.2))
    if rng.random() < 0.4:
        start = length - float(rng.uniform(0.5, 0.8))
        throw = bed.box(
            bed.across(over + 0.01),
            (hem + 0.05, top + 0.045),
            (start, start + float(rng.uniform(0.3, 0.5))),
        )
        parts.append(scene.block(throw, bed.cloth(style.throw), "bed"))
    return parts


def _pillows(bed: _Bed) -> list[Solid]:
    scene, style, rng = bed.scene, bed.scene.style, bed.scene.rng
    count = 2 if bed.width > 1.35 else 1
    step = bed.width / count
    up = (bed.top - 0.04, bed.top - 0.04 + float(rng.uniform(0.12, 0.2)))
    out = (0.09, min(bed.cover_begins, 0.55))
    boxes = [
        bed.box((k * step + 0.06, (k + 1) * step - 0.06), up, out) for k in range(count)
    ]
    parts = [cushion(box, scene.camera, style.pillow, "bed", 0.45) for box in boxes]
    if rng.random() < 0.4:  # a small one before them
        half = float(rng.uniform(0.17, 0.24))
        middle = bed.width * float(rng.uniform(0.35, 0.65))
        box = bed.box(
            (middle - half, middle + half), (bed.top, bed.top + 0.28), (0.55, 0.78)
        )
        parts.append(cushion(box, scene.camera, style.throw.colour, "bed", 0.5))
    return parts
