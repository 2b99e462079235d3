"""Places in a room and how a camera sees them: walls, boxes, projection, order.

Metres: x to the right along the back wall, y up from the floor, z from the front of
the room to the back wall. The front wall is missing: the camera looks in from there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Nothing nearer than this is drawn, metres.
_NEAR = 0.12

WALLS = ("back", "left", "right")


@dataclass(frozen=True)
class Room:
    """The inside of a room, in metres."""

    width: float
    depth: float
    height: float

    def length(self, wall: str) -> float:
        """Return how long a wall is."""
        return self.width if wall == "back" else self.depth

    def place(self, wall: str, along: float, up: float, out: float) -> list[float]:
        """Return the point at a place of a wall.

        Parameters
        ----------
        wall : str
            One of `WALLS`.
        along : float
            From the left end of the back wall, from the front end of a side wall.
        up : float
            Above the floor.
        out : float
            From the wall into the room.
        """
        if wall == "back":
            return [along, up, self.depth - out]
        return [out if wall == "left" else self.width - out, up, along]

    def unplace(
        self, wall: str, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Undo `place`: along, up and out of points (3, n)."""
        x, y, z = points
        if wall == "back":
            return x, y, self.depth - z
        return z, y, x if wall == "left" else self.width - x

    def inward(self, wall: str) -> np.ndarray:
        """Return the direction from a wall into the room, (3,)."""
        return np.array(
            {"back": (0, 0, -1), "left": (1, 0, 0), "right": (-1, 0, 0)}[wall], float
        )


class Box(NamedTuple):
    """A box that stands with its sides along the walls, from `low` to `high`."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @staticmethod
    def at(
        room: Room,
        wall: str,
        along: tuple[float, float],
        up: tuple[float, float],
        out: tuple[float, float],
    ) -> "Box":
        """Return the box between two places of a wall."""
        a = room.place(wall, along[0], up[0], out[0])
        b = room.place(wall, along[1], up[1], out[1])
        return Box(tuple(map(min, a, b)), tuple(map(max, a, b)))

    def overlaps(self, other: "Box", margin: float = 0.0) -> bool:
        """Return whether the boxes are nearer than `margin` to each other."""
        (left, bottom, front), (right, top, back) = self
        low, high = other
        return (
            left < high[0] + margin
            and low[0] < right + margin
            and front < high[2] + margin
            and low[2] < back + margin
            and bottom < high[1] + margin
            and low[1] < top + margin
        )

    def seen_faces(self, eye: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the faces turned to the eye: corners (4, 3) and direction (3,)."""
        faces = []
        for axis in range(3):
            if eye[axis] < self.low[axis]:
                level, sign = self.low[axis], -1.0
            elif eye[axis] > self.high[axis]:
                level, sign = self.high[axis], 1.0
            else:
                continue
            b, c = (axis + 1) % 3, (axis + 2) % 3
            corners = np.empty((4, 3))
            corners[:, axis] = level
            corners[:, b] = (self.low[b], self.high[b], self.high[b], self.low[b])
            corners[:, c] = (self.low[c], self.low[c], self.high[c], self.high[c])
            normal = np.zeros(3)
            normal[axis] = sign
            faces.append((corners, normal))
        return faces

    def hidden_by(self, other: "Box", eye: Sequence[float]) -> bool:
        """Return whether `other` could stand before this box, seen from `eye`."""
        for axis in range(3):
            # A plane between the two: what lies beyond it can hide nothing.
            if self.high[axis] <= other.low[axis] + 1e-6:
                if eye[axis] <= other.low[axis]:
                    return False
            elif other.high[axis] <= self.low[axis] + 1e-6 and (
                eye[axis] >= other.high[axis]
            ):
                return False
        return True


def back_to_front(boxes: Sequence[Box], eye: Sequence[float]) -> list[int]:
    """Return the order in which boxes are painted over each other.

    Boxes that reach into each other keep the order in which they are given.
    """
    waiting = list(range(len(boxes)))
    order = []
    while waiting:
        for candidate in waiting:
            if not any(
                boxes[other].hidden_by(boxes[candidate], eye)
                and not (
                    other > candidate and boxes[candidate].hidden_by(boxes[other], eye)
                )
                for other in waiting
                if other != candidate
            ):
                break
        else:
            candidate = waiting[0]
        waiting.remove(candidate)
        order.append(candidate)
    return order


class Camera:
    """A camera that looks level, so that what stands upright is upright in pictures.

    Parameters
    ----------
    eye : (float, float, float)
        Where it is, metres.
    yaw : float
        Degrees that it is turned to the right from looking at the back wall.
    focal : float
        Picture widths that something one metre wide takes at one metre distance.
    horizon : float
        Height of the horizon in the picture, from the top: shifting the lens, as
        architects do, shows more floor without tilting the camera.
    """

    def __init__(
        self, eye: tuple[float, float, float], yaw: float, focal: float, horizon: float
    ) -> None:
        self.eye = eye
        self.yaw = yaw
        self.focal = focal
        self.horizon = horizon
        cosine, sine = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
        self._turn = (cosine, sine)
        self.right = np.array((cosine, 0.0, -sine))
        self.forward = np.array((sine, 0.0, cosine))
        self._axes = np.stack((self.right, (0.0, 1.0, 0.0), self.forward), axis=1)

    def view(self, points: np.ndarray) -> np.ndarray:
        """Return points (n, 3) as the camera has them: right, up, ahead."""
        return (points - self.eye) @ self._axes

    def project(self, views: np.ndarray) -> np.ndarray:
        """Return picture coordinates (n, 2) of points in `view`."""
        scale = self.focal / views[:, 2]
        placed = np.empty((len(views), 2))
        placed[:, 0] = 0.5 + views[:, 0] * scale
        placed[:, 1] = self.horizon - views[:, 1] * scale
        return placed

    def polygons(self, shapes: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return shapes in space (n, 3) as polygons in the picture (m, 2).

        What lies behind the camera is cut off; a shape of which nothing is left has
        no corners.
        """
        views = self.view(np.concatenate(shapes))
        near = views[:, 2] < _NEAR
        placed = self.project(views) if not near.all() else views[:, :2]
        result, start = [], 0
        for shape in shapes:
            end = start + len(shape)
            if near[start:end].any():
                result.append(self.project(_cut(views[start:end].tolist())))
            else:
                result.append(placed[start:end])
            start = end
        return result

    def place(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Return where one point is in the picture, and how far ahead, in metres.

        As `project`, without the cost of arrays.
        """
        x, y, z = x - self.eye[0], y - self.eye[1], z - self.eye[2]
        cosine, sine = self._turn
        ahead = x * sine + z * cosine
        if ahead < _NEAR:
            return 0.0, 0.0, ahead
        scale = self.focal / ahead
        return (
            0.5 + (x * cosine - z * sine) * scale,
            self.horizon - y * scale,
            ahead,
        )

    def rays(self, size: int) -> np.ndarray:
        """Return directions through the pixels' centres, (3, size * size), float32.

        Their part straight ahead is 1.
        """
        line = (np.arange(size, dtype=np.float32) + 0.5) / size
        across = (line - 0.5) / np.float32(self.focal)
        rays = np.empty((3, size, size), np.float32)
        rays[0] = self.right[0] * across + self.forward[0]
        rays[1] = ((self.horizon - line) / np.float32(self.focal))[:, None]
        rays[2] = self.right[2] * across + self.forward[2]
        return rays.reshape(3, -1)


def _cut(views: list[list[float]]) -> np.ndarray:
    """Cut a polygon (n, 3) at the plane in front of the camera (Sutherland-Hodgman)."""
    kept = []
    a = views[-1]
    for b in views:
        if (a[2] >= _NEAR) != (b[2] >= _NEAR):
            share = (_NEAR - a[2]) / (b[2] - a[2])
            cut = [p + (q - p) * share for p, q in zip(a, b, strict=True)]
            kept.append([cut[0], cut[1], _NEAR])
        if b[2] >= _NEAR:
            kept.append(b)
        a = b
    return np.array(kept).reshape(-1, 3)
