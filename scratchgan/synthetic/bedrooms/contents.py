"""What is in a synthetic bedroom, and of what colours and stuffs: its parameters.

Everything in `Contents` is drawn independently of everything else in it, except
curtains, which want a window, and the kind of lamp: one that stands on a bedside table
wants a table. Colours and stuffs depend on nothing but on each other.
"""

from dataclasses import dataclass

import numpy as np

from scratchgan.synthetic.bedrooms.patterns import Fabric
from scratchgan.synthetic.colours import Colour, any_colour, hsv, mix

MAX_WINDOWS = 2


@dataclass(frozen=True)
class Contents:
    """What a room holds, and whether it is day."""

    windows: int  # 0 to MAX_WINDOWS
    curtains: bool  # at every window
    bed: bool
    lamp: str  # "table", "floor", "pendant", or "" for none
    picture: bool
    door: bool
    wardrobe: bool
    table: bool  # beside the bed
    rug: bool
    plant: bool
    day: bool


@dataclass(frozen=True)
class Style:
    """Colours and stuffs of a room."""

    wall: Fabric  # pattern of the wallpaper
    dado: float  # height in metres up to which the wall has another colour, 0 for none
    dado_colour: Colour
    ceiling: Colour
    floor: Fabric
    trim: Colour  # skirting boards, door and window frames
    door: Colour
    wood: Colour  # of the bed
    cabinet: Colour  # of wardrobe and table
    metal: Colour
    sheet: Colour
    pillow: Colour
    duvet: Fabric
    throw: Fabric
    curtain: Fabric
    rug: Fabric
    shade: Colour  # of the lamp


def sample_contents(rng: np.random.Generator) -> Contents:
    """Draw what is in a room."""
    windows = int(rng.choice(MAX_WINDOWS + 1, p=(0.5, 0.34, 0.16)))
    table = bool(rng.random() < 0.5)
    kinds = ("table", "floor", "pendant") if table else ("floor", "pendant")
    has_lamp, kind = rng.random() < 0.6, str(rng.choice(kinds))
    return Contents(
        windows=windows,
        curtains=bool(rng.random() < 0.55) and windows > 0,
        bed=bool(rng.random() < 0.95),
        lamp=kind if has_lamp else "",
        picture=bool(rng.random() < 0.55),
        door=bool(rng.random() < 0.35),
        wardrobe=bool(rng.random() < 0.35),
        table=table,
        rug=bool(rng.random() < 0.45),
        plant=bool(rng.random() < 0.35),
        day=bool(rng.random() < 0.65),
    )


def sample_style(rng: np.random.Generator) -> Style:
    """Draw the colours and stuffs of a room."""
    wall = _wall_colour(rng)
    hue = _room_hue(rng)  # of the textiles; most rooms have a scheme
    trim = _white(rng) if rng.random() < 0.75 else _wood(rng)
    wood = _wood(rng) if rng.random() < 0.75 else _white(rng)
    return Style(
        wall=_wallpaper(rng, wall),
        dado=float(rng.uniform(0.8, 1.2)) if rng.random() < 0.15 else 0.0,
        dado_colour=_white(rng),
        ceiling=mix((0.95, 0.95, 0.93), wall, float(rng.uniform(0, 0.3))),
        floor=_floor(rng),
        trim=trim,
        door=trim if rng.random() < 0.5 else _wood(rng),
        wood=wood,
        cabinet=wood if rng.random() < 0.6 else _painted(rng),
        metal=hsv(rng.uniform(0.08, 0.14), rng.uniform(0, 0.5), rng.uniform(0.15, 0.8)),
        sheet=_white(rng),
        pillow=_white(rng) if rng.random() < 0.6 else _textile(rng, hue),
        duvet=_cloth(rng, hue, (0.10, 0.34)),
        throw=_cloth(rng, hue + 0.5 * rng.random(), (0.06, 0.2)),
        curtain=_cloth(rng, hue, (0.12, 0.3)),
        rug=_cloth(rng, hue + 0.2 * rng.standard_normal(), (0.15, 0.45)),
        shade=mix((0.97, 0.93, 0.84), any_colour(rng), float(rng.uniform(0, 0.35))),
    )


def _wall_colour(rng: np.random.Generator) -> Colour:
    kind = rng.random()
    if kind < 0.35:  # off-white
        return hsv(rng.uniform(0.05, 0.18), rng.uniform(0.02, 0.12), 0.94)
    if kind < 0.82:  # pastel
        return hsv(_room_hue(rng), rng.uniform(0.08, 0.28), rng.uniform(0.74, 0.93))
    return hsv(_room_hue(rng), rng.uniform(0.2, 0.5), rng.uniform(0.38, 0.62))


def _room_hue(rng: np.random.Generator) -> float:
    # Of all hues those between green and blue or yellow and red are liked best.
    if rng.random() < 0.5:
        return float(rng.uniform(0.0, 0.17))
    return float(rng.uniform(0.25, 0.68)) if rng.random() < 0.8 else float(rng.random())


def _wallpaper(rng: np.random.Generator, colour: Colour) -> Fabric:
    kind = str(
        rng.choice(("plain", "stripes", "dots", "panels"), p=(0.7, 0.15, 0.08, 0.07))
    )
    other = mix(colour, _white(rng) if sum(colour) < 2 else any_colour(rng, 0.4), 0.22)
    return Fabric(colour, other, kind, float(rng.uniform(0.22, 0.5)))


def _floor(rng: np.random.Generator) -> Fabric:
    kind = str(rng.choice(("planks", "plain", "tiles"), p=(0.65, 0.27, 0.08)))
    if kind == "planks":
        colour = _wood(rng)
        return Fabric(colour, mix(colour, (0.1, 0.05, 0.02), 0.3), kind, 0.16)
    colour = hsv(rng.random(), rng.uniform(0.02, 0.4), rng.uniform(0.35, 0.85))
    return Fabric(colour, mix(colour, (0.9, 0.9, 0.88), 0.4), kind, 0.45)


def _wood(rng: np.random.Generator) -> Colour:
    # From birch to wenge, some reddish.
    dark = rng.random()
    return hsv(
        rng.uniform(0.055, 0.105) - 0.02 * dark,
        0.32 + 0.3 * dark,
        0.84 - 0.58 * dark,
    )


def _white(rng: np.random.Generator) -> Colour:
    return hsv(rng.uniform(0.05, 0.2), rng.uniform(0.0, 0.08), rng.uniform(0.86, 0.97))


def _painted(rng: np.random.Generator) -> Colour:
    return hsv(_room_hue(rng), rng.uniform(0.05, 0.4), rng.uniform(0.3, 0.9))


def _textile(rng: np.random.Generator, hue: float) -> Colour:
    # Dyed cloth is rarely as bright as it is strong in colour.
    saturation = 0.06 + 0.66 * rng.beta(1.2, 1.9)
    value = rng.uniform(0.3, 0.95) - 0.25 * max(0.0, saturation - 0.45)
    return hsv(hue + 0.04 * rng.standard_normal(), saturation, value)


def _cloth(rng: np.random.Generator, hue: float, scales: tuple[float, float]) -> Fabric:
    kind = str(
        rng.choice(("plain", "stripes", "checks", "dots"), p=(0.55, 0.2, 0.13, 0.12))
    )
    colour = _textile(rng, hue)
    if kind != "plain" and rng.random() < 0.5:
        other = _white(rng)
    else:
        other = _textile(rng, hue + 0.3 * rng.standard_normal())
    return Fabric(colour, other, kind, float(rng.uniform(*scales)))
