"""Synthetic digits: 0 to 9 in many hands, light on dark, with their labels.

Every picture is made here, from numbers alone: there is neither a font nor anybody's
handwriting in it. A digit is decided by `(seed, index)`; nothing else, such as how
many are drawn or by how many processes, changes it.

As in MNIST, the digit fits a square of 20 of the 28 pixels, its proportions kept, and
its centre of mass is in the middle of the picture. The label is the digit; all ten
are equally likely, and everything else is drawn independently of it.
"""

from dataclasses import dataclass, replace

import numpy as np

from scratchgan.synthetic.canvas import Canvas, ellipse, ribbon
from scratchgan.synthetic.digits.skeletons import SKELETONS, curve, segments
from scratchgan.synthetic.drawn_image import DrawnImage, check_size, drawing_rng

ATTRIBUTE_NAMES: tuple[str, ...] = ()
CLASS_NAMES: tuple[str, ...] = tuple("0123456789")
CHANNELS = 1
DEFAULT_SIZE = 28

# The square that a digit fills, as a fraction of the picture.
_FILLED = 20 / 28

STYLES = ("round", "nib", "brush", "serif", "outline", "segments")
_ODDS = (0.38, 0.18, 0.16, 0.12, 0.06, 0.10)


# Digits that stand on the end of a stroke, where serifs go.
_WITH_FOOT = (1, 4, 7)


@dataclass(frozen=True)
class Hand:
    """How a digit is written: everything but which one it is.

    Lengths are fractions of the digit's height; angles are radians.
    """

    style: str  # one of STYLES
    skeleton: int  # which, counted around
    jitter: np.ndarray  # (24, 2): how far each point of the skeleton is off
    thickness: float  # half the width of a stroke
    contrast: float  # of a nib: how much thinner its thin strokes are
    nib: float  # direction in which a nib is held
    swell: float  # of a brush: how much thicker the middle of a stroke is
    slant: float  # to the right by this much per unit of height
    stretch: float  # of the width
    turn: float
    bend: np.ndarray  # (2, 2, 2): elastic distortion, see _distort
    fill: float  # of the square that a digit may fill
    ink: float  # brightness of the strokes
    blur: float  # standard deviation in pixels of 28


def sample_hand(rng: np.random.Generator) -> Hand:
    """Draw a way of writing."""
    style = str(rng.choice(STYLES, p=_ODDS))
    careful = 0.4 if style in ("segments", "serif", "outline") else 1.0
    thickness = 0.035 + 0.055 * rng.beta(1.6, 1.8)
    if style == "outline":
        thickness = rng.uniform(0.09, 0.115)
    return Hand(
        style=style,
        skeleton=int(rng.integers(1000)),
        jitter=careful * 0.016 * _bounded(rng, (24, 2)),
        thickness=float(thickness),
        contrast=float(rng.uniform(0.35, 0.75)),
        nib=float(rng.uniform(0.3, 1.2)),
        swell=float(rng.uniform(0.2, 0.6)),
        slant=float(np.clip(rng.normal(0.12, 0.16), -0.2, 0.45)),
        stretch=float(rng.uniform(0.84, 1.22)),
        turn=float(np.clip(rng.normal(0, 0.07), -0.16, 0.16)),
        bend=careful * 0.022 * _bounded(rng, (2, 2, 2)),
        fill=float(rng.uniform(0.9, 1.0)),
        ink=float(rng.uniform(0.86, 1.0)),
        blur=float(rng.uniform(0.15, 0.55)),
    )


def _bounded(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return normal values without those that would make a digit illegible."""
    return np.clip(rng.standard_normal(shape), -2, 2)


def draw(seed: int, index: int, size: int = DEFAULT_SIZE) -> DrawnImage:
    """Draw the digit number `index` of the set that `seed` names.

    Parameters
    ----------
    seed, index : int
        Not negative. Together they decide the picture.
    size : int, default 28
        Width and height in pixels, 16 to 512.

    Returns
    -------
    DrawnImage
        A grey picture of shape (size, size, 1), and the digit as its label.

    Raises
    ------
    ValueError
        If `seed`, `index` or `size` is out of range.
    """
    rng = drawing_rng(seed, index)
    digit = int(rng.integers(10))
    return DrawnImage(render_digit(digit, sample_hand(rng), size), label=digit)


def render_digit(digit: int, hand: Hand, size: int = DEFAULT_SIZE) -> np.ndarray:
    """Draw a digit in a given hand.

    Parameters
    ----------
    digit : int
        0 to 9.
    hand : Hand
        Everything else that decides the picture.
    size : int, default 28
        Width and height in pixels, 16 to 512.

    Returns
    -------
    array of shape (size, size, 1), uint8
        Light strokes on black.

    Raises
    ------
    ValueError
        If `size` is out of range.
    """
    check_size(size)
    if digit == 1:
        # A slanted 1 with a flag looks like a 7.
        hand = replace(hand, slant=0.5 * hand.slant)
    strokes = _place(_strokes(digit, hand), hand)
    canvas = Canvas(size)
    half = hand.thickness * _FILLED
    blur = hand.blur / 28
    cover = canvas.coverage(*_ink(strokes, hand, half), blur=blur)
    cover = np.minimum(1.15 * cover, 1)  # what blur took from thin strokes
    if hand.style == "outline":
        inner = _ink(strokes, hand, half - 0.055 * _FILLED)
        cover -= canvas.coverage(*inner, blur=blur)
    cover = _centred(cover)
    levels = np.clip(cover * (255 * hand.ink), 0, 255)
    return (levels + 0.5).astype(np.uint8)[..., None]


def _strokes(digit: int, hand: Hand) -> list[np.ndarray]:
    """Return the lines of a digit, (n, 2) each, with the unevenness of the hand."""
    if hand.style == "segments":
        shapes = segments(digit)
    else:
        variants = SKELETONS[digit]
        shapes = variants[hand.skeleton % len(variants)]
    strokes = []
    for number, points in enumerate(shapes):
        # A point that comes twice, as a corner, is off by the same both times.
        places = dict.fromkeys(points)
        moved = {
            point: tuple(np.add(point, hand.jitter[(k + 7 * number) % 24]).tolist())
            for k, point in enumerate(places)
        }
        strokes.append(curve([moved[point] for point in points]))
    if hand.style == "serif" and digit in _WITH_FOOT:
        strokes += _serifs(strokes)
    return strokes


def _serifs(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Return short level lines across the ends of upright strokes."""
    result = []
    for stroke in strokes:
        for end, before in ((stroke[0], stroke[3]), (stroke[-1], stroke[-4])):
            across, along = np.abs(end - before)
            if along > 1.5 * across and end[1] > 0.9:
                foot = np.array([(-0.15, 0.0), (-0.05, 0), (0.05, 0), (0.15, 0.0)])
                result.append(end + foot)
    return result


def _place(strokes: list[np.ndarray], hand: Hand) -> list[np.ndarray]:
    """Slant, turn and bend the strokes, and scale them to the picture."""
    cosine, sine = np.cos(hand.turn), np.sin(hand.turn)
    ends = np.cumsum([len(stroke) for stroke in strokes])[:-1]
    points = np.concatenate(strokes) - (0.3, 0.5)
    x = hand.stretch * points[:, 0] - hand.slant * points[:, 1]
    y = points[:, 1]
    points = np.stack((cosine * x - sine * y, sine * x + cosine * y), axis=1)
    points = _distort(points, hand.bend)
    low, high = points.min(axis=0), points.max(axis=0)
    # The strokes' width belongs to the digit, too.
    reach = (high - low).max() + 2 * hand.thickness
    points = 0.5 + (points - (low + high) / 2) * (_FILLED * hand.fill / reach)
    return np.split(points, ends)


def _distort(points: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Move points by smooth waves, as on a sheet of rubber.

    Parameters
    ----------
    points : array of shape (n, 2)
    bend : array of shape (2, 2, 2)
        Strength by wave (sine or cosine), by the coordinate that it runs along, and
        by the direction in which it moves.
    """
    waves = np.stack((np.sin(5.5 * points), np.cos(5.5 * points)), axis=1)  # (n, 2, 2)
    return points + np.einsum("nwc,wcd->nd", waves, bend)


def _ink(strokes: list[np.ndarray], hand: Hand, half: float) -> list[np.ndarray]:
    """Return the polygons that pen, nib or brush leave along the strokes."""
    polygons = []
    for stroke in strokes:
        widths = np.full(len(stroke), half)
        if hand.style in ("nib", "serif"):
            along = np.gradient(stroke, axis=0)
            direction = np.arctan2(along[:, 1], along[:, 0])
            # A nib is thin along the direction in which it is held.
            broad = np.abs(np.sin(direction + hand.nib))
            widths *= 1.2 * (1 - hand.contrast * (1 - broad))
        elif hand.style == "brush":
            middle = np.sin(np.linspace(0, np.pi, len(stroke)))
            widths *= 1 - hand.swell / 2 + hand.swell * middle
        widths = np.maximum(widths, 0.6 / 28)
        polygons += _quads(stroke, widths)
    return polygons


def _quads(stroke: np.ndarray, widths: np.ndarray) -> list[np.ndarray]:
    """Return a stroke as discs at its points and a piece between each two of them."""
    pieces = [
        ribbon(stroke[k : k + 2], widths[k : k + 2]) for k in range(len(stroke) - 1)
    ]
    discs = [
        ellipse(x, y, width, width, 12)
        for (x, y), width in zip(stroke.tolist(), widths.tolist(), strict=True)
    ]
    return pieces + discs


def _centred(cover: np.ndarray) -> np.ndarray:
    """Shift a picture by whole pixels until its centre of mass is in the middle.

    It stops one pixel before the edge.
    """
    shifts = []
    for axis in (0, 1):
        profile = cover.sum(axis=1 - axis)
        inked = np.flatnonzero(profile)
        middle = (np.arange(len(cover)) + 0.5) @ profile / profile.sum()
        shift = round(len(cover) / 2 - float(middle))
        shifts.append(int(np.clip(shift, 1 - inked[0], len(cover) - 2 - inked[-1])))
    # All that is rolled over the edge is black.
    return np.roll(cover, shifts, axis=(0, 1))
