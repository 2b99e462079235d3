"""What everything that is put into a synthetic bedroom needs to know."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scratchgan.synthetic.bedrooms.contents import Style
from scratchgan.synthetic.bedrooms.layout import Placed
from scratchgan.synthetic.bedrooms.space import (
    Box,
    Camera,
    Room,
    back_to_front,
)
from scratchgan.synthetic.bedrooms.surfaces import (
    Paint,
    Solid,
    Surface,
    wall_rectangle,
)
from scratchgan.synthetic.colours import Colour

# Two ranges: along a wall, and up.
Rectangle = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Scene:
    """A room, who sees it, its colours, and the random numbers for details.

    Attributes
    ----------
    room, camera, style
        See there.
    rng : numpy.random.Generator
        Decides details, such as the number of pillows.
    """

    room: Room
    camera: Camera
    style: Style
    rng: np.random.Generator

    def block(self, box: Box, colour: Colour | Paint, tag: str) -> Solid:
        """Return a box painted alike on all sides."""
        faces = box.seen_faces(self.camera.eye)
        return Solid(
            box, [Surface([c], normal, colour, tag=tag) for c, normal in faces]
        )

    def on_wall(
        self,
        wall: str,
        rectangles: Sequence[Rectangle],
        colour: Colour | Paint,
        tag: str = "",
        out: float = 0.0,
        glow: float = 0.0,
    ) -> Surface:
        """Return rectangles parallel to a wall, `out` metres before it."""
        shapes = [wall_rectangle(self.room, wall, a, b, out) for a, b in rectangles]
        return Surface(shapes, self.room.inward(wall), colour, glow, tag)

    def on_front(
        self, placed: Placed, rectangles: Sequence[Rectangle], colour: Colour
    ) -> Surface:
        """Return rectangles on the front of something that stands at a wall."""
        out = placed.out[1] + 0.003
        return self.on_wall(placed.wall, rectangles, colour, placed.kind, out)

    def in_order(self, parts: Sequence[Solid]) -> list[Surface]:
        """Return the surfaces of several solids from back to front."""
        order = back_to_front([part.box for part in parts], self.camera.eye)
        return [surface for k in order for surface in parts[k].surfaces]


def seen_front(scene: Scene, placed: Placed) -> bool:
    """Return whether the camera stands before something that is at a wall."""
    eye = np.array(scene.camera.eye)
    return scene.room.unplace(placed.wall, eye)[2] > placed.out[1]
