"""Where a grey picture looks like a face: a cascade of classifiers, and its votes.

The cascade [1]_ says of one window of 24x24 pixels whether it holds a frontal face. It
says yes several times around a true face, at neighbouring places, scales and angles,
and rarely more than a few times elsewhere: the votes for a place are counted.

.. [1] S. Liao et al., Learning Multi-scale Block Local Binary Patterns for Face
   Recognition, ICB 2007; trained by OpenCV, shipped with scikit-image.
"""

import functools
import math
from typing import Any

import numpy as np
from PIL import Image

from scratchgan.errors import DatasetError

WINDOW = 24
"""Pixels on a side of what the cascade looks at."""

# Taken from the cascade's thresholds: more votes for each face, to count more finely.
_LENIENCE = 0.1

# The cascade takes sums of pixels in float32, and adds two of them: exact up to 2^24.
# Each is at most 128 for each of 256x256 pixels.
_TILE = 256 - WINDOW

# The search for places worth a vote: every second pixel of every scale.
_SEARCH_STEP = 2
_SEARCH_SCALE = 1.2
_SEARCH_ANGLES = (0, -15, 15)
_MOST_DETECTIONS = 2000  # a hundred faces give about 500

# The vote: every pixel, over this much more and less than the size found.
_VOTE_SCALES = tuple(1.1**k for k in (0, 1, -1, 2, -2, 3, -3))
_FIRST_SCALES = 3  # no vote at these: most places need no closer look
_VOTE_ANGLES = (0, -15, 15)
_VOTE_SHIFT = 5  # pixels of the window, to each side
_PATCH = 2.0  # sides of the box

# Boxes that share this much of their joint area mean the same face.
_SAME_FACE = 0.5


def search(grey: Image.Image, smallest: float) -> np.ndarray:
    """Return the places of a picture that may hold a face.

    Parameters
    ----------
    grey : PIL.Image.Image
        Mode "L".
    smallest : float
        The least side of a face, in pixels; at least `WINDOW` has an effect.

    Returns
    -------
    array of shape (M, 3), float64
        Left, top and side of squares, in pixels; one for each group of detections.
    """
    found = []
    side = max(float(smallest), float(WINDOW))
    while side <= min(grey.size):
        level = _reduced(grey, WINDOW / side)
        for angle in _SEARCH_ANGLES:
            corners = _faces_in(_turned(level, angle), _SEARCH_STEP)
            centres = _turned_back(corners + WINDOW / 2, angle, level.size)
            scale = np.array(grey.size) / level.size
            sides = np.full((len(corners), 1), side)
            found.append(np.hstack([centres * scale - side / 2, sides]))
        side *= _SEARCH_SCALE
    boxes = np.concatenate([np.empty((0, 3)), *found])
    # A texture may give tens of thousands, and all are compared with all.
    boxes = boxes[:: len(boxes) // _MOST_DETECTIONS + 1]
    return np.array([boxes[m].mean(axis=0) for m in groups(boxes)]).reshape(-1, 3)


def vote(grey: Image.Image, box: np.ndarray) -> tuple[np.ndarray, int]:
    """Look at one place closely: many small shifts, sizes and angles.

    Their number does not depend on the size of picture or face, so that votes can be
    compared.

    Parameters
    ----------
    grey : PIL.Image.Image
        Mode "L".
    box : array of shape (3,)
        Left, top and side in pixels.

    Returns
    -------
    tuple of (array of shape (3,), int)
        The mean of the windows that look like a face, and how many they are; the box
        itself and 0 where there are none.
    """
    centre = box[:2] + box[2] / 2
    # Large enough for the largest window, shifted most and turned.
    left, top = np.round(centre - _PATCH / 2 * box[2]).astype(int)
    width = round(_PATCH * box[2])
    patch = grey.crop((left, top, left + width, top + width))
    finest = round(_PATCH * WINDOW * max(_VOTE_SCALES))
    patch = patch.resize((finest, finest), Image.Resampling.BILINEAR)
    turned = [(angle, _turned(patch, angle)) for angle in _VOTE_ANGLES]
    found = np.empty((0, 3))
    for number, scale in enumerate(_VOTE_SCALES):
        if number == _FIRST_SCALES and not len(found):
            break
        for angle, view in turned:
            places = _places_in_middle(view, angle, scale)
            places *= width / finest
            places[:, :2] += left, top
            found = np.concatenate([found, places])
    if not len(found):
        return box, 0
    members = groups(found)[0]
    return found[members].mean(axis=0), len(members)


def _places_in_middle(patch: Image.Image, angle: float, scale: float) -> np.ndarray:
    """Return the windows (M, 3) like a face near the middle of a turned patch.

    The windows are those of a level where the patch's middle box has `WINDOW` pixels
    times the scale; the squares are in pixels of the patch before it was turned.
    """
    size = round(_PATCH * WINDOW * scale)
    pixel = patch.width / size
    level = patch.resize((size, size), Image.Resampling.BILINEAR)
    first = round((size - WINDOW) / 2) - _VOTE_SHIFT
    last = first + 2 * _VOTE_SHIFT + WINDOW + 1
    corners = _faces_in(level.crop((first, first, last, last)), 1) + first
    centres = _turned_back(corners + WINDOW / 2, angle, level.size)
    sides = np.full((len(corners), 1), WINDOW * pixel)
    return np.hstack([centres * pixel - sides / 2, sides])


def groups(boxes: np.ndarray) -> list[np.ndarray]:
    """Return the rows of boxes (M, 3) that mean the same face, most rows first.

    Around the box that most others resemble a group is formed and taken away, and so
    on with the rest.
    """
    alike = overlap(boxes, boxes) >= _SAME_FACE
    left = np.ones(len(boxes), bool)
    result = []
    while left.any():
        count = (alike & left).sum(axis=1) * left
        members = alike[count.argmax()] & left
        result.append(np.flatnonzero(members))
        left &= ~members
    return result


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the common area over the joint one, of each of two sets of squares.

    Of squares (M, 3) and (K, 3) as in `search` it is an array (M, K) of 0 to 1.
    """
    (x, y, side), (other_x, other_y, other_side) = boxes.T[..., None], others.T
    width = np.minimum(x + side, other_x + other_side) - np.maximum(x, other_x)
    height = np.minimum(y + side, other_y + other_side) - np.maximum(y, other_y)
    common = np.clip(width, 0, None) * np.clip(height, 0, None)
    return common / (side**2 + other_side**2 - common)


def _faces_in(level: Image.Image, step: int) -> np.ndarray:
    """Return the corners (M, 2), left and top, of windows that look like a face."""
    pixels = np.asarray(level).astype(np.float32) - 128
    height, width = pixels.shape
    found = []
    for top in range(0, height - WINDOW, _TILE):
        for left in range(0, width - WINDOW, _TILE):
            tile = pixels[top : top + _TILE + WINDOW, left : left + _TILE + WINDOW]
            windows = cascade().detect_multi_scale(
                tile,
                2,  # one scale alone: the next would be beyond the largest window
                step,
                (WINDOW, WINDOW),
                (WINDOW + 1, WINDOW + 1),
                1,
                2,  # boxes are grouped where they share more than all, that is, never
            )
            found += [(left + window["c"], top + window["r"]) for window in windows]
    return np.array(sorted(found), np.float64).reshape(-1, 2)


def _reduced(image: Image.Image, scale: float) -> Image.Image:
    width, height = (max(WINDOW, round(n * scale)) for n in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2)


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    if degrees == 0:
        return image
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=128)


def _turned_back(
    points: np.ndarray, degrees: float, size: tuple[int, int]
) -> np.ndarray:
    """Return where points (M, 2) of a turned picture were before."""
    middle = np.array(size) / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle


@functools.cache
def cascade() -> Any:
    """Return the cascade, read once; several threads may use it at a time.

    Raises
    ------
    DatasetError
        scikit-image is not installed.
    """
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError as error:
        raise DatasetError(
            "faces are found with scikit-image, which is not installed; install it "
            "with: pip install 'scratchgan[faces]'"
        ) from error
    return Cascade(lbp_frontal_face_cascade_filename(), eps=_LENIENCE)
