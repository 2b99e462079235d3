"""Windows of a synthetic bedroom, with the world behind them, and their curtains."""

import numpy as np

from scratchgan.synthetic.bedrooms.layout import CURTAIN_COVERS, Placed
from scratchgan.synthetic.bedrooms.outside import Outside
from scratchgan.synthetic.bedrooms.scene import Scene
from scratchgan.synthetic.bedrooms.surfaces import Surface, wall_shape
from scratchgan.synthetic.colours import mix

_DARK = (0.05, 0.045, 0.04)
# How much of their own light bars and frames have: the sky shines around them.
_SKY_ON_FRAME = 0.12


def window(
    scene: Scene, placed: Placed, outside: Outside, number: int
) -> list[Surface]:
    """Return a window: frame, panes with the world behind them, bars and sill.

    Frame, panes and bars are tagged ``window`` with the number behind it, and follow
    each other.
    """
    rng, style, wall = scene.rng, scene.style, placed.wall
    (left, right), bottom = placed.along, placed.up[0]
    frame, tag = float(rng.uniform(0.05, 0.09)), f"window{number}"
    arch = float(rng.uniform(0.25, 0.5)) if rng.random() < 0.15 else 0.0
    eye = np.array(scene.camera.eye, np.float32)[:, None]

    def view(points: np.ndarray) -> np.ndarray:
        return outside.paint(points - eye)

    # A frame stands out from the wall, and the glass lies behind it: there is shadow
    # around both.
    layers = (
        (-0.025, mix(style.wall.colour, _DARK, 0.4), 0.0, ""),
        (0.0, style.trim, _SKY_ON_FRAME, tag),
        (frame - 0.025, mix(style.trim, _DARK, 0.45), 0.0, tag),
        (frame, view, 1.0, tag),
    )
    surfaces = []
    for inset, colour, glow, belongs_to in layers:
        shape = wall_shape(scene.room, wall, _opening(placed, inset, arch))
        surfaces.append(
            Surface([shape], scene.room.inward(wall), colour, glow, belongs_to)
        )
    bars = _bars(scene, placed, frame, arch)
    if bars:
        surfaces.append(scene.on_wall(wall, bars, style.trim, tag, glow=_SKY_ON_FRAME))
    if bottom > 0.5:
        sill = ((left - 0.06, right + 0.06), (bottom - 0.06, bottom))
        surfaces.append(scene.on_wall(wall, [sill], style.trim, out=0.08))
    return surfaces


def _opening(placed: Placed, inset: float, arch: float) -> np.ndarray:
    """Return a rectangle (along, up), its upper side an arc that rises by `arch`."""
    left, right = placed.along[0] + inset, placed.along[1] - inset
    bottom, top = placed.up[0] + inset, placed.up[1] - inset
    if not arch:
        return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])
    half = (right - left) / 2
    angle = np.linspace(0, np.pi, 12)
    x = (left + right) / 2 + half * np.cos(angle)
    y = top - arch * half * (1 - np.sin(angle))
    arc = np.stack((x, y), axis=1)
    return np.concatenate(([(left, bottom), (right, bottom)], arc))


def _bars(scene: Scene, placed: Placed, frame: float, arch: float) -> list:
    """Return the rectangles between the panes: one to four across, one to three up."""
    rng, (left, right), (bottom, top) = scene.rng, placed.along, placed.up
    half = float(rng.uniform(0.012, 0.025))
    columns = int(rng.integers(1, 5 if right - left > 1 else 3))
    rows = int(rng.integers(1, 4))
    spring = top - arch * (right - left) / 2  # where an arch begins
    upright = np.linspace(left, right, columns + 1)[1:-1].tolist()
    level = np.linspace(bottom, spring, rows + 1)[1:-1].tolist()
    # Beside its middle an arch is lower.
    ceiling = spring if arch else top - frame
    return [
        (
            (x - half, x + half),
            (bottom, top - frame if 2 * k + 2 == columns else ceiling),
        )
        for k, x in enumerate(upright)
    ] + [((left, right), (y - half, y + half)) for y in level]


def curtains(scene: Scene, placed: Placed) -> list[Surface]:
    """Return a rod with a curtain drawn to one side, or one to either side."""
    room, rng, style, wall = scene.room, scene.rng, scene.style, placed.wall
    (left, right), (bottom, top) = placed.along, placed.up
    over, rod = float(rng.uniform(0.1, 0.22)), top + float(rng.uniform(0.05, 0.1))
    long = rng.random() < 0.5 or bottom < 0.5
    hem = 0.04 if long else bottom - float(rng.uniform(0.08, 0.2))
    pleat, deep = float(rng.uniform(0.1, 0.18)), float(rng.uniform(0.1, 0.22))

    def paint(points: np.ndarray) -> np.ndarray:
        along, up, _ = room.unplace(wall, points)
        folds = np.sin(along * (6.28 / pleat) + 0.4 * np.sin(3 * up))
        return style.curtain.paint(along, up) * (1 - deep + deep * folds)

    cover = (right - left) * rng.uniform(0.1, CURTAIN_COVERS, 2)
    panels = [
        ((left - over, left + float(cover[0])), (hem, rod)),
        ((right - float(cover[1]), right + over), (hem, rod)),
    ]
    sides = int(rng.integers(4))  # one of four times only left, one only right
    panels = {0: panels[:1], 1: panels[1:]}.get(sides, panels)
    pole = ((left - over - 0.06, right + over + 0.06), (rod - 0.015, rod + 0.02))
    return [
        scene.on_wall(wall, panels, paint, "curtains", out=0.1, glow=0.06),
        scene.on_wall(wall, [pole], style.metal, out=0.1),
    ]
