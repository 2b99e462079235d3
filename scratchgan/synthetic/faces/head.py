"""A turnable head: from places on it to the picture."""

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np

from scratchgan.synthetic.faces.parameters import HeadShape, Pose

# Heights for which a head's profile is computed, closest together at crown and chin
# where it is steep; between them it is interpolated.
_LEVELS = -np.cos(np.linspace(0, np.pi, 129))
_CENTRE_DEPTHS = -0.08 + 0.42 * np.clip(_LEVELS + 0.1, 0, 1) ** 1.5


class Head:
    """A head that can be turned: from places on it to picture coordinates.

    The head is a stack of level ellipses, one for every height v from -1 (crown) to
    1 (chin): half as wide as `half_width(v)`, half as deep as `half_depth(v)`, with
    its middle `centre_depth(v)` before the axis of the neck. Seen by a distant
    camera after a turn by θ, an ellipse (w, d) covers

        x = c sin θ + e sin(φ + δ),   e = hypot(w cos θ, d sin θ),
                                      δ = atan2(d sin θ, w cos θ)

    for the point at angle φ around it (0 is straight ahead). All of a turn follows
    from this: features wander to the side by their depth, the far half of the face is
    foreshortened, the skull moves against the chin.

    Parameters
    ----------
    shape : HeadShape
        Proportions.
    pose : Pose
        Direction, place and scale.

    Attributes
    ----------
    sin_turn : float
        How far a turn carries what lies one head unit before the axis.
    """

    def __init__(self, shape: HeadShape, pose: Pose) -> None:
        self.shape = shape
        self.pose = pose
        turn, nod, tilt = (math.radians(a) for a in (pose.turn, pose.nod, pose.tilt))
        self.sin_turn, self._cos_turn = math.sin(turn), math.cos(turn)
        self._sin_nod, self._cos_nod = math.sin(nod), math.cos(nod)
        self._sin_tilt, self._cos_tilt = math.sin(tilt), math.cos(tilt)
        skull = (1 - np.abs(np.minimum(_LEVELS, 0)) ** 2.3) ** (1 / 2.1)
        down = np.maximum(_LEVELS, 0)
        jaw = (1 - down**2.4) ** (1 / shape.jaw) * (1 - shape.taper * down**1.6)
        self._half_widths = shape.width * skull * jaw
        self._half_depths = 1.12 * self._half_widths * (1 - 0.3 * down)

    def half_width(self, v: np.ndarray) -> np.ndarray:
        """Half the width of the head at the heights `v`, in head units."""
        return np.interp(v, _LEVELS, self._half_widths)

    def half_depth(self, v: np.ndarray) -> np.ndarray:
        """Half the depth of the head at the heights `v`: a jaw has no back."""
        return np.interp(v, _LEVELS, self._half_depths)

    def centre_depth(self, v: np.ndarray) -> np.ndarray:
        """How far in front of the neck's axis the middle of the ellipse at `v` is."""
        return np.interp(v, _LEVELS, _CENTRE_DEPTHS)

    def extent(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return middle and half-width of the turned head's outline at heights `v`."""
        wide = self.half_width(v) * self._cos_turn
        deep = self.half_depth(v) * self.sin_turn
        return self.centre_depth(v) * self.sin_turn, np.hypot(wide, deep)

    def flat(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Place points of the plane through the head, already turned.

        Returns
        -------
        array of shape (n, 2)
            Picture coordinates, after tilt, scale and shift only.
        """
        pose = self.pose
        cosine, sine = pose.scale * self._cos_tilt, pose.scale * self._sin_tilt
        placed = np.empty((*np.shape(x), 2))
        placed[..., 0] = pose.x + x * cosine - y * sine
        placed[..., 1] = pose.y + x * sine + y * cosine
        return placed

    def unflat(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Undo `flat`: head units of picture coordinates."""
        x = (x - self.pose.x) / self.pose.scale
        y = (y - self.pose.y) / self.pose.scale
        return x * self._cos_tilt + y * self._sin_tilt, (
            y * self._cos_tilt - x * self._sin_tilt
        )

    def project(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Turn, nod and place points in space.

        Parameters
        ----------
        x, y, z : arrays of shape (n,), or all floats
            Head units: to the right, down, and towards the viewer of a head that
            looks straight ahead.

        Returns
        -------
        array of shape (n, 2)
            Picture coordinates.
        """
        across = x * self._cos_turn + z * self.sin_turn
        towards = z * self._cos_turn - x * self.sin_turn
        return self.flat(across, y * self._cos_nod + towards * self._sin_nod)

    def surface(self, points: np.ndarray, lift: np.ndarray | float = 0) -> np.ndarray:
        """Lay a drawing of the face, seen from the front, on the head.

        Parameters
        ----------
        points : array of shape (n, 2)
            (x, y) in head units as the drawing would look without a turn.
        lift : array of shape (n,) or float, default 0
            Height above the skin.

        Returns
        -------
        array of shape (n, 2)
            Picture coordinates.
        """
        x, y = points[:, 0], points[:, 1]
        sine = x / np.maximum(self.half_width(y), 1e-3)
        bulge = np.sqrt(np.maximum(1 - sine * sine, 0))
        z = self.centre_depth(y) + self.half_depth(y) * bulge
        return self.project(x, y, z + lift)

    def surfaces(
        self, shapes: Sequence[np.ndarray], lift: float = 0
    ) -> list[np.ndarray]:
        """Lay several drawings on the head: `surface` of each, computed together."""
        placed = self.surface(np.concatenate(shapes), lift)
        ends = list(accumulate(len(shape) for shape in shapes))
        return [placed[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def around(self, degrees: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Place points by their angle around the head, also beyond its outline.

        A point that a turn has carried behind the outline goes on outwards in a
        straight line instead of coming back, so that a region's edge which is hidden
        never cuts into the side that is seen. Below the jaw the ellipse of the
        jaw serves.

        Parameters
        ----------
        degrees, y : arrays of shape (n,)
            Angle from straight ahead, positive to the right, and height.

        Returns
        -------
        array of shape (n, 2)
            Picture coordinates.
        """
        level = np.clip(y, -0.8, 0.3)
        wide = self.half_width(level) * self._cos_turn
        deep = self.half_depth(level) * self.sin_turn
        angle = np.radians(degrees) + np.arctan2(deep, wide)
        seen = np.clip(angle, -np.pi / 2, np.pi / 2)
        across = np.sin(seen) + 0.9 * (angle - seen)
        centre = self.centre_depth(level)
        x = centre * self.sin_turn + np.hypot(wide, deep) * across
        towards = centre * self._cos_turn + self.half_depth(level) * np.cos(seen)
        return self.flat(x, y * self._cos_nod + towards * self._sin_nod)

    @cached_property
    def outline(self) -> np.ndarray:
        """The outline of the turned head: a polygon of shape (80, 2)."""
        y = -np.cos(np.linspace(0, np.pi, 40))
        middle, half = self.extent(y)
        shift = self.centre_depth(y) * self._cos_turn * self._sin_nod
        height = y * self._cos_nod + shift
        right = self.flat(middle + half, height)
        left = self.flat(middle - half, height)
        return np.concatenate((right, left[::-1]))
