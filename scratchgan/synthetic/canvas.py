"""What synthetic pictures are drawn with: a canvas, and curves as polygons.

Shapes are polygons in *picture coordinates*: fractions of the picture, (0, 0) the
upper left corner, (1, 1) the lower right. Only their coverage is drawn at a higher
resolution; colour, light and blur are computed at the final one, where they cost a
sixteenth and lose nothing, being smooth.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Samples per pixel and axis: 16 levels of coverage, more along a slanted edge.
_SUPERSAMPLING = 4


class Canvas:
    """A picture that shapes are painted on, one over the other.

    Parameters
    ----------
    size : int
        Width and height in pixels.

    Attributes
    ----------
    pixels : array of shape (3, size, size), float32
        sRGB in [0, 1]. The channels come first: a coverage then multiplies whole
        planes, several times faster than triples.
    x, y : arrays of shape (size, size), float32
        Picture coordinates of the pixels' centres.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixels = np.zeros((3, size, size), np.float32)
        line = (np.arange(size, dtype=np.float32) + 0.5) / size
        self.x, self.y = np.meshgrid(line, line)
        # Shapes are rasterised here, one after another; black in between.
        self._fine = Image.new("L", (size * _SUPERSAMPLING, size * _SUPERSAMPLING))
        self._pen = ImageDraw.Draw(self._fine)

    def coverage(self, *polygons: np.ndarray, blur: float = 0.0) -> np.ndarray:
        """Return how much of each pixel lies in any of the polygons.

        Parameters
        ----------
        *polygons : arrays of shape (n, 2)
            Corners in picture coordinates; they may lie outside the picture.
        blur : float, default 0
            Standard deviation of a Gaussian blur, as a fraction of the picture.

        Returns
        -------
        array of shape (size, size), float32
            In [0, 1].
        """
        result = np.zeros((self.size, self.size), np.float32)
        margin = 1 + 3 * blur * self.size
        corners = np.concatenate(polygons) * self.size
        left, top = (max(0, int(low - margin)) for low in corners.min(0).tolist())
        right, bottom = (
            min(self.size, int(high + margin) + 1) for high in corners.max(0).tolist()
        )
        if left >= right or top >= bottom:
            return result
        # A pixel's middle has whole coordinates for Pillow, hence the half.
        flat = (corners * _SUPERSAMPLING - 0.5).ravel().tolist()
        start = 0
        for polygon in polygons:
            end = start + 2 * len(polygon)
            self._pen.polygon(flat[start:end], fill=255)
            start = end
        # Only the box around the shapes is read and wiped: most features are small.
        box = tuple(edge * _SUPERSAMPLING for edge in (left, top, right, bottom))
        mask = self._fine.reduce(_SUPERSAMPLING, box)
        self._pen.rectangle(box, fill=0)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * self.size))
        result[top:bottom, left:right] = np.asarray(mask)
        result *= 1 / 255
        return result

    def soften(self, coverage: np.ndarray, blur: float) -> np.ndarray:
        """Return `coverage` blurred by `blur`, a fraction of the picture."""
        image = Image.fromarray((coverage * 255).astype(np.uint8))
        image = image.filter(ImageFilter.GaussianBlur(blur * self.size))
        return np.asarray(image, np.float32) * np.float32(1 / 255)

    def paint(self, coverage: np.ndarray, colour: np.ndarray) -> None:
        """Blend `colour`, of shape (3,) or (3, size, size), in by `coverage`."""
        colour = np.asarray(colour, np.float32)
        if colour.ndim == 1:
            colour = colour[:, None, None]
        self.pixels += coverage * (colour - self.pixels)

    def darken(self, coverage: np.ndarray, amount: float) -> None:
        """Take `amount` of the light away where `coverage` is 1; negative adds.

        Blue and green go first, as in skin, where shadows are warm.
        """
        for plane, share in zip(self.pixels, (0.8, 1.0, 1.1), strict=True):
            plane *= 1 - np.float32(amount * share) * coverage

    def to_uint8(self) -> np.ndarray:
        """Return the picture as uint8 of shape (size, size, 3)."""
        levels = np.clip(self.pixels * 255 + 0.5, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0))


@lru_cache
def _spline(knots: int, count: int) -> np.ndarray:
    """Return the weights of the control points at each point: (count, knots)."""
    # One more control point at either end continues the first and the last step.
    ends = np.eye(knots)
    ends = np.concatenate((2 * ends[:1] - ends[1:2], ends, 2 * ends[-1:] - ends[-2:-1]))
    place = np.linspace(0, knots - 1, count)
    index = np.minimum(place.astype(int), knots - 2)
    t = (place - index)[:, None]
    a, b, c, d = (ends[index + k] for k in range(4))
    return b + 0.5 * t * (
        c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
    )


def smooth(points: Sequence[tuple[float, float]], count: int = 24) -> np.ndarray:
    """Return `count` points of a soft curve through control points.

    The curve is the Catmull-Rom spline: it meets every control point, going there in
    the direction between its neighbours.
    """
    return _spline(len(points), count) @ np.array(points, float)


def ribbon(line: np.ndarray, half_width: np.ndarray | float) -> np.ndarray:
    """Return the polygon around a line, `half_width` to either side.

    Parameters
    ----------
    line : array of shape (n, 2)
        Points in any units.
    half_width : array of shape (n,) or float
        In the same units; an array makes strokes that swell and taper.
    """
    along = np.empty_like(line)
    along[1:-1] = line[2:] - line[:-2]
    along[0] = line[1] - line[0]
    along[-1] = line[-1] - line[-2]
    x, y = along[:, 0], along[:, 1]
    scale = half_width / (np.sqrt(x * x + y * y) + 1e-9)
    across = np.empty_like(line)
    across[:, 0] = -y * scale
    across[:, 1] = x * scale
    return np.concatenate((line + across, (line - across)[::-1]))


@lru_cache
def _circle(count: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack((np.cos(angle), np.sin(angle)), axis=1)


def ellipse(
    x: float, y: float, half_width: float, half_height: float, count: int = 16
) -> np.ndarray:
    """Return an ellipse as a polygon of `count` corners."""
    return _circle(count) * (half_width, half_height) + (x, y)
