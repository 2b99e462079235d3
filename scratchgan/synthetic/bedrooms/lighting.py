"""The light in a synthetic bedroom: by day or by night, from windows and lamps."""

import math
from dataclasses import dataclass

import numpy as np

from scratchgan.synthetic.bedrooms.contents import Contents
from scratchgan.synthetic.bedrooms.layout import Layout, Placed
from scratchgan.synthetic.bedrooms.space import Box, Room
from scratchgan.synthetic.colours import Colour

_DAYLIGHT = (0.94, 0.97, 1.0)
_WARM = (1.0, 0.74, 0.42)
_CEILING_LAMP = (1.0, 0.85, 0.62)


@dataclass(frozen=True)
class Sun:
    """Sun that comes in at a window."""

    direction: np.ndarray  # (3,), where its rays go
    opening: Box
    strength: float


@dataclass(frozen=True)
class WindowLight:
    """Daylight that comes in at a window."""

    centre: np.ndarray  # (3,)
    inward: np.ndarray  # (3,), from the wall into the room
    area: float  # square metres
    colour: Colour
    strength: float
    sun: Sun | None = None


@dataclass(frozen=True)
class LampLight:
    """A lamp."""

    place: np.ndarray  # (3,)
    colour: Colour
    strength: float


@dataclass(frozen=True)
class Lighting:
    """All light in a room, linear, where 1 makes white paint nearly white.

    The last five say how the camera takes it in.
    """

    ambient: Colour
    windows: tuple[WindowLight, ...]
    lamps: tuple[LampLight, ...]
    corners: float  # how much darker corners are, 0 to 1
    exposure: float
    warmth: float
    noise: float  # standard deviation in levels
    noise_seed: int


def sample_lighting(
    rng: np.random.Generator, layout: Layout, contents: Contents, lit: bool
) -> Lighting:
    """Draw the light in a room.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides it.
    layout, contents
        Where windows and lamp are, and whether it is day.
    lit : bool
        Whether the lamp shines.
    """
    room = layout.room
    if contents.day:
        level = float(rng.uniform(0.5, 0.68))
        ambient = (level, 0.99 * level, 0.97 * level)
        openings = [thing for thing in layout.things if thing.kind == "window"]
        windows = [_unseen_window(rng, room), *_seen_windows(rng, room, openings)]
        lamps = []
    else:
        level = float(rng.uniform(0.3, 0.46))
        ambient = (level, 0.82 * level, 0.6 * level)
        windows = []
        x, z = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.6)
        place = np.array((x * room.width, room.height - 0.2, z * room.depth))
        lamps = [LampLight(place, _CEILING_LAMP, float(rng.uniform(0.3, 0.9)))]
    for thing in layout.things:
        if thing.kind == "lamp" and lit:
            strength = float(rng.uniform(0.5, 0.9)) * (0.6 if contents.day else 1.0)
            lamps.append(LampLight(_shade_of(thing, contents.lamp), _WARM, strength))
    return Lighting(
        ambient=ambient,
        windows=tuple(windows),
        lamps=tuple(lamps),
        corners=float(rng.uniform(0.25, 0.45)),
        exposure=float(np.clip(rng.normal(1.22, 0.09), 0.95, 1.45)),
        warmth=float(np.clip(rng.normal(0.01, 0.02), -0.04, 0.06)),
        noise=float(rng.uniform(0.6, 1.8)),
        noise_seed=int(rng.integers(2**32)),
    )


def _unseen_window(rng: np.random.Generator, room: Room) -> WindowLight:
    """Return a window beside the camera: rooms without one in the picture have day."""
    side = -1.0 if rng.random() < 0.5 else 1.0
    x, z = room.width * (0.5 + 0.5 * side), rng.uniform(-0.6, 0.4)
    return WindowLight(
        centre=np.array((x, 1.5, z)),
        inward=np.array((-side, 0, 0.6)) / math.hypot(1, 0.6),
        area=2.0,
        colour=_DAYLIGHT,
        strength=float(rng.uniform(0.4, 1.1)),
    )


def _seen_windows(
    rng: np.random.Generator, room: Room, openings: list[Placed]
) -> list[WindowLight]:
    shines = rng.random() < 0.5
    side, slope = rng.uniform(-0.7, 0.7), rng.uniform(0.5, 1.1)
    strength = float(rng.uniform(0.3, 0.6))
    windows = []
    for opening in openings:
        inward = room.inward(opening.wall)
        aside = side * np.array((inward[2], 0, inward[0]))
        rays = inward + aside - np.array((0, slope, 0))
        sun = Sun(rays / np.linalg.norm(rays), opening.box, strength)
        (left, right), (bottom, top) = opening.along, opening.up
        windows.append(
            WindowLight(
                centre=np.add(opening.box.low, opening.box.high) / 2 + 0.1 * inward,
                inward=inward,
                area=(right - left) * (top - bottom),
                colour=_DAYLIGHT,
                strength=float(rng.uniform(0.6, 1.0)),
                # It shines through the windows of one wall only.
                sun=sun if shines and opening.wall == openings[0].wall else None,
            )
        )
    return windows


def _shade_of(lamp: Placed, kind: str) -> np.ndarray:
    """Return where a lamp's light comes from, (3,)."""
    low, high = np.array(lamp.box.low), np.array(lamp.box.high)
    place = (low + high) / 2
    share = 0.2 if kind == "pendant" else 0.75
    place[1] = low[1] + share * (high[1] - low[1])
    return place
