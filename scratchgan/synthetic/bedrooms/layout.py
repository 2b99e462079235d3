"""Where everything in a synthetic bedroom is: room, camera, and places without overlap.

Places are tried at random until all that the room holds fits and can be seen.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from scratchgan.synthetic.bedrooms.contents import Contents
from scratchgan.synthetic.bedrooms.space import (
    Box,
    Camera,
    Room,
    back_to_front,
)

# Whole rooms that are tried; what then still finds no place is left out.
_ATTEMPTS = 100
# Places that are tried for one thing before the room is given up.
_TRIES = 40

# Visibility is measured in a picture of this size, whatever size is drawn, so that
# the size does not change what is in the room.
_TEST_SIZE = 64
# Pixels of it in which a thing has to be seen.
_MUST_SEE = {
    "bed": 300,
    "window": 45,
    "door": 110,
    "picture": 26,
    "wardrobe": 170,
    "table": 18,
    "lamp": 34,
    "rug": 60,
    "plant": 40,
}
# How far beyond the picture's sides the middle of a thing may be, in picture widths.
_BEYOND_EDGE = {"wardrobe": 0.1, "door": 0.1, "window": 0.02, "rug": 0.1}
_BED_HEIGHT = 0.62
CURTAIN_COVERS = 0.26
"""The most that a curtain covers of its window's width."""
# Flat things on walls and floor, which everything else stands before.
FLAT = ("rug", "door", "picture", "window")


class Placed(NamedTuple):
    """A thing and its place, relative to the wall that it belongs to.

    Lengths in metres: `along` the wall, `up` from the floor, `out` from the wall.
    """

    kind: str
    wall: str
    along: tuple[float, float]
    up: tuple[float, float]
    out: tuple[float, float]
    box: Box


@dataclass(frozen=True)
class Layout:
    """A room, the camera in it, and the things with their places."""

    room: Room
    camera: Camera
    things: tuple[Placed, ...]


def sample_layout(rng: np.random.Generator, contents: Contents) -> Layout:
    """Draw a room with a place for everything that it holds.

    In the rare case that no such room is found, the best one found lacks something.
    """
    best = None
    for _ in range(_ATTEMPTS):
        attempt = _Attempt(rng, contents)
        things = attempt.place_all()
        if best is None or len(things) > len(best.things):
            best = Layout(attempt.room, attempt.camera, tuple(things))
        if len(things) == len(attempt.wanted):
            break
    return best


def _sample_room(rng: np.random.Generator) -> tuple[Room, Camera]:
    room = Room(
        width=float(rng.uniform(3.2, 4.7)),
        depth=float(rng.uniform(3.3, 4.4)),
        height=float(rng.uniform(2.35, 2.9)),
    )
    eye_height = float(rng.uniform(1.25, 1.8))
    horizon = float(rng.uniform(0.36, 0.5))
    ahead = float(rng.uniform(-0.9, 0.1))
    if rng.random() < 0.5:
        # Straight at the back wall.
        across = room.width * float(rng.uniform(0.36, 0.64))
        yaw = float(rng.normal(0, 1.5))
        focal = float(rng.uniform(0.66, 0.98)) * (room.depth - ahead) / room.width
    else:
        # Into the right corner, or the left one.
        across = room.width * float(rng.uniform(0.08, 0.34))
        corner = math.degrees(math.atan2(room.width - across, room.depth - ahead))
        yaw = corner + float(rng.uniform(-13, 11))
        focal = float(rng.uniform(0.72, 0.98))
        if rng.random() < 0.5:
            across, yaw = room.width - across, -yaw
    return room, Camera((across, eye_height, ahead), yaw, focal, horizon)


class _Attempt:
    """One room in which places are looked for."""

    def __init__(self, rng: np.random.Generator, contents: Contents) -> None:
        self._rng = rng
        self._contents = contents
        self.room, self.camera = _sample_room(rng)
        self._things: list[Placed] = []
        self.wanted = (
            ["bed"] * contents.bed
            + ["table"] * contents.table
            + ["wardrobe"] * contents.wardrobe
            + ["door"] * contents.door
            + ["window"] * contents.windows
            + ["picture"] * contents.picture
            + ["lamp"] * bool(contents.lamp)
            + ["plant"] * contents.plant
            + ["rug"] * contents.rug
        )

    def place_all(self) -> list[Placed]:
        """Return the things that found a place and are seen."""
        for kind in self.wanted:
            place = getattr(self, f"_place_{kind}")
            for _ in range(_TRIES):
                candidate = place()
                if self._fits(candidate):
                    self._things.append(candidate)
                    break
            else:
                break
        seen = _seen_pixels(self.room, self.camera, self._things)
        return [
            thing
            for thing, pixels in zip(self._things, seen, strict=True)
            if pixels >= _MUST_SEE[thing.kind]
        ]

    def _fits(self, candidate: Placed) -> bool:
        (left, bottom, front), (right, top, back) = candidate.box
        x, y, ahead = self.camera.place(
            (left + right) / 2, (bottom + top) / 2, (front + back) / 2
        )
        # Large things may be cut by the picture's edge.
        edge = _BEYOND_EDGE.get(candidate.kind, -0.04)
        if ahead < 0.8 or not (-edge < x < 1 + edge and 0.02 < y < 0.98):
            return False
        if candidate.kind == "rug":
            return True
        on_wall = candidate.kind in FLAT
        return not any(
            thing.box.overlaps(
                candidate.box, 0.15 if on_wall and thing.kind in FLAT else 0.03
            )
            for thing in self._things
            # A lamp may stand on its table.
            if not (candidate.up[0] > 0 and thing.kind == "table")
        )

    def _at(
        self,
        kind: str,
        wall: str,
        along: tuple[float, float],
        up: tuple[float, float],
        out: tuple[float, float],
    ) -> Placed:
        return Placed(
            kind, wall, along, up, out, Box.at(self.room, wall, along, up, out)
        )

    def _some_wall(self) -> str:
        # Half of all at the back wall.
        return ("back", "left", "back", "right")[int(4 * self._rng.random())]

    def _start(self, wall: str, width: float) -> float:
        """Return where something of a width may begin along a wall."""
        spare = self.room.length(wall) - width
        return float(self._rng.uniform(0.05, max(0.05, spare - 0.05)))

    def _place_bed(self) -> Placed:
        rng, wall = self._rng, self._some_wall()
        width = float(rng.uniform(1.0, 1.9))
        start = self._start(wall, width)
        if rng.random() < 0.2:  # in a corner
            start = self.room.length(wall) - width - 0.03
        return self._at(
            "bed",
            wall,
            (start, start + width),
            (0.0, float(rng.uniform(0.75, 1.2))),
            (0.0, float(rng.uniform(1.95, 2.1))),
        )

    def _place_window(self) -> Placed:
        rng, wall = self._rng, self._some_wall()
        width, height = rng.uniform(0.75, 1.9), rng.uniform(0.95, 1.5)
        sill = rng.uniform(0.75, 1.1)
        if rng.random() < 0.12:
            sill, height = 0.1, rng.uniform(1.9, 2.1)
        top = min(sill + height, self.room.height - 0.2)
        start = self._start(wall, width)
        return self._at(
            "window", wall, (start, start + width), (sill, top), (0.0, 0.12)
        )

    def _place_door(self) -> Placed:
        rng, wall = self._rng, self._some_wall()
        width = float(rng.uniform(0.8, 1.0))
        start = self._start(wall, width)
        return self._at(
            "door",
            wall,
            (start, start + width),
            (0.0, min(float(rng.uniform(1.98, 2.12)), self.room.height - 0.15)),
            (0.0, 0.5),  # room to open it
        )

    def _place_picture(self) -> Placed:
        rng, wall = self._rng, self._some_wall()
        width, height = float(rng.uniform(0.4, 1.1)), float(rng.uniform(0.4, 0.8))
        bottom = float(rng.uniform(1.15, 1.6))
        top = min(bottom + height, self.room.height - 0.15)
        start = self._start(wall, width)
        return self._at(
            "picture", wall, (start, start + width), (bottom, top), (0.0, 0.05)
        )

    def _place_wardrobe(self) -> Placed:
        rng, wall = self._rng, self._some_wall()
        width = float(rng.uniform(0.85, 1.6))
        start = self._start(wall, width)
        if rng.random() < 0.5:  # in a corner
            start = self.room.length(wall) - width - 0.02
        top = float(rng.uniform(1.75, 2.2))
        return self._at(
            "wardrobe", wall, (start, start + width), (0.0, top), (0.0, 0.55)
        )

    def _place_table(self) -> Placed:
        rng = self._rng
        width, height = float(rng.uniform(0.4, 0.55)), float(rng.uniform(0.42, 0.62))
        bed = self._first("bed")
        if bed is None:
            wall = self._some_wall()
            start = self._start(wall, width)
        else:
            wall = bed.wall
            gap = float(rng.uniform(0.05, 0.15))
            # At a side wall the far side is often hidden by the bed.
            left = rng.random() < (0.5 if wall == "back" else 0.85)
            start = bed.along[0] - gap - width if left else bed.along[1] + gap
            if start < 0 or start + width > self.room.length(wall):
                start = bed.along[1] + gap if left else bed.along[0] - gap - width
        return self._at(
            "table", wall, (start, start + width), (0.0, height), (0.03, 0.43)
        )

    def _place_lamp(self) -> Placed:
        rng, kind = self._rng, self._contents.lamp
        if kind == "table":
            table = self._first("table")
            middle = sum(table.along) / 2 + float(rng.uniform(-0.05, 0.05))
            half, height = float(rng.uniform(0.15, 0.2)), float(rng.uniform(0.42, 0.6))
            return self._at(
                "lamp",
                table.wall,
                (middle - half, middle + half),
                (table.up[1], table.up[1] + height),
                (0.23 - half, 0.23 + half),
            )
        half = float(rng.uniform(0.19, 0.27))
        x, z = self._free_spot(half)
        top = self.room.height
        up = (0.0, float(rng.uniform(1.35, 1.7)))
        if kind == "pendant":
            up = (top - float(rng.uniform(0.55, 0.85)), top)
        return self._at("lamp", "back", (x - half, x + half), up, (z - half, z + half))

    def _place_plant(self) -> Placed:
        rng = self._rng
        half = float(rng.uniform(0.2, 0.34))
        x, out = self._free_spot(half)
        up = (0.0, float(rng.uniform(0.7, 1.5)))
        return self._at(
            "plant", "back", (x - half, x + half), up, (out - half, out + half)
        )

    def _place_rug(self) -> Placed:
        rng, room = self._rng, self.room
        width, depth = float(rng.uniform(1.2, 2.4)), float(rng.uniform(1.0, 1.8))
        x = float(rng.uniform(0.1, max(0.1, room.width - width - 0.1)))
        out = float(rng.uniform(0.3, max(0.3, room.depth - depth - 0.6)))
        return self._at("rug", "back", (x, x + width), (0.0, 0.01), (out, out + depth))

    def _free_spot(self, half: float) -> tuple[float, float]:
        """Return (along the back wall, out of it) for something that stands free."""
        rng, room = self._rng, self.room
        x = rng.uniform(half + 0.05, room.width - half - 0.05)
        out = half + 0.05
        if rng.random() < 0.5:  # not at the back wall, but at a side wall
            out = rng.uniform(half + 0.05, 0.7 * room.depth)
            x = half + 0.05 if rng.random() < 0.5 else room.width - half - 0.05
        return float(x), float(out)

    def _first(self, kind: str) -> Placed | None:
        return next((thing for thing in self._things if thing.kind == kind), None)


def _seen_pixels(room: Room, camera: Camera, things: list[Placed]) -> list[int]:
    """Return in how many pixels of a small picture each thing is seen, as its boxes.

    Of windows only what no curtain covers counts.
    """
    owners, boxes = [], []
    # What is flat on a wall comes first, and everything else stands before it.
    for flat in (True, False):
        for number, thing in enumerate(things):
            if (thing.kind in FLAT) == flat:
                for box in _outline(room, thing):
                    owners.append(number)
                    boxes.append(box)
        if flat:
            behind = len(boxes)
    before = back_to_front(boxes[behind:], camera.eye)
    numbers, shapes = [], []
    for k in [*range(behind), *(behind + k for k in before)]:
        for corners, _ in boxes[k].seen_faces(camera.eye):
            numbers.append(owners[k] + 1)
            shapes.append(corners)
    if not shapes:
        return [0] * len(things)
    image = Image.new("L", (_TEST_SIZE, _TEST_SIZE))
    pen = ImageDraw.Draw(image)
    for number, polygon in zip(numbers, camera.polygons(shapes), strict=True):
        if len(polygon) > 2:
            corners = (polygon * _TEST_SIZE - 0.5).ravel().tolist()
            pen.polygon(corners, fill=number)
    counts = np.bincount(np.asarray(image).ravel(), minlength=len(things) + 1)
    return counts[1:].tolist()


def _outline(room: Room, thing: Placed) -> list[Box]:
    """Return boxes that say what of a thing can be seen, and what it hides."""
    if thing.kind == "bed":
        mattress = Box.at(room, thing.wall, thing.along, (0.0, _BED_HEIGHT), thing.out)
        return [
            mattress,
            Box.at(
                room, thing.wall, thing.along, (_BED_HEIGHT, thing.up[1]), (0, 0.06)
            ),
        ]
    if thing.kind == "window":
        left, right = thing.along
        aside = CURTAIN_COVERS * (right - left)
        bare = (left + aside, right - aside)
        return [Box.at(room, thing.wall, bare, thing.up, (0.0, 0.01))]
    return [thing.box]
