"""The digits as lines: for each, several ways in which people and printers draw it.

A skeleton is a list of strokes; a stroke is a curve through points (x, y), x to the
right and y down, where the digit fills 0 to 1 in height and about 0 to 0.65 in width.
A corner is a point given twice: the curve is smooth everywhere else.

In the tables a stroke is text, ``x,y`` for each point in hundredths.
"""

from collections.abc import Sequence

import numpy as np

from scratchgan.synthetic.canvas import smooth

Points = Sequence[tuple[float, float]]
Stroke = np.ndarray  # (n, 2)


def curve(points: Points) -> Stroke:
    """Return a smooth line through points, with a corner where one comes twice."""
    parts, run = [], [points[0]]
    for point in points[1:]:
        if point == run[-1]:
            parts.append(run)
            run = [point]
        else:
            run.append(point)
    parts.append(run)
    lines = [_line(part) for part in parts if len(part) > 1]
    # Where two parts meet, their common point comes once.
    return np.concatenate([lines[0]] + [line[1:] for line in lines[1:]])


def _line(points: Points) -> Stroke:
    if len(points) == 2:
        share = np.linspace(0, 1, 7)[:, None]
        return np.array(points[0]) * (1 - share) + np.array(points[1]) * share
    return smooth(points, 5 * len(points))


# fmt: off
_ZERO = (
    ["31,0 13,10 2,35 2,65 13,90 31,100 49,90 60,65 60,35 49,10 31,0"],
    ["25,0 10,10 1,35 1,65 10,90 25,100 40,90 49,65 49,35 40,10 25,0"],
    ["36,2 15,11 2,35 2,65 15,89 36,98 57,89 70,65 70,35 57,11 36,2"],
    # Not quite closed, as in quick writing.
    ["36,2 12,16 2,50 12,86 33,98 55,83 62,50 52,14 32,0 20,6"],
    # A superellipse, as in many printed faces.
    ["30,0 10,6 2,25 0,50 2,75 10,94 30,100 50,94 58,75 60,50 58,25 50,6 30,0"],
)
_ONE = (
    ["30,0 30,100"],
    ["17,22 32,0 32,0 32,100"],
    ["16,20 27,12 33,0 33,0 33,100", "10,100 56,100"],
    ["16,24 32,0 32,0 32,100", "12,100 52,100"],
)
_TWO = (
    ["4,24 12,6 32,0 53,8 58,28 46,52 22,77 0,100 0,100 62,100"],
    ["2,20 14,3 36,0 56,13 56,34 38,60 2,98 2,98 30,94 60,99"],
    # With a loop at the foot.
    ["5,22 16,4 38,0 55,14 53,38 36,68 18,92 6,95 3,85 14,78 32,90 50,99 66,92"],
    # A flat one, its neck straight.
    ["3,26 6,10 20,0 40,0 56,10 57,34 44,54 0,100 0,100 60,100"],
)
_THREE = (
    ["5,14 20,1 42,2 54,16 50,36 24,47 24,47 50,54 60,74 48,94 24,100 2,87"],
    ["4,10 26,0 48,10 48,33 30,46 16,48 16,48 40,50 56,62 56,84 36,99 14,98 0,88"],
    # With a flat top.
    ["6,0 54,0 54,0 27,38 27,38 50,46 60,68 50,92 26,100 2,90"],
    # A wide, open one.
    ["2,18 14,2 36,0 52,12 50,32 30,44 30,44 56,56 58,82 36,100 12,97 0,82"],
)
_FOUR = (
    # Closed, as printed.
    ["48,100 48,0 48,0 0,68 0,68 66,68"],
    # Open at the top, as written.
    ["12,0 4,52 4,52 60,50", "50,6 46,100"],
    ["8,2 6,30 10,50 28,54 54,48", "56,0 52,50 50,100"],
    ["24,0 0,62 0,62 62,62", "46,34 44,100"],
)
_FIVE = (
    ["54,0 12,0 12,0 6,44 6,44 30,36 54,46 60,70 48,92 24,100 0,90"],
    ["50,2 10,2 10,2 10,42 10,42 36,38 57,52 57,80 36,99 10,96 0,88"],
    # The roof added last, in writing.
    ["16,4 10,40 10,40 38,42 54,60 50,86 26,100 0,92", "16,4 38,6 60,0"],
    ["58,0 20,0 20,0 14,42 14,42 40,46 54,64 48,90 22,100 4,96"],
)
_SIX = (
    ["50,4 26,10 8,36 2,68 12,92 32,100 52,90 58,70 48,50 28,46 10,56 3,72"],
    ["38,0 16,26 2,60 6,88 26,100 48,92 54,72 42,55 22,56 6,74"],
    ["30,0 8,30 0,66 10,94 30,100 50,88 50,66 34,56 14,64 3,80"],
    # With a hook at the top, as printed.
    ["56,16 42,1 22,4 6,26 0,60 8,90 30,100 52,90 58,68 48,47 28,41 10,50 1,66"],
)
_SEVEN = (
    ["0,0 60,0 60,0 22,100"],
    ["2,4 58,2 58,2 40,40 26,100"],
    # Crossed.
    ["0,4 60,0 60,0 20,100", "18,50 56,48"],
    # With a drop at its left.
    ["0,12 0,2 0,2 66,2 66,2 36,44 28,100"],
)
_EIGHT = (
    # Two loops, one on the other.
    [
        "30,0 16,5 8,17 8,31 16,43 30,48 44,43 52,31 52,17 44,5 30,0",
        "30,48 12,53 1,66 1,82 12,95 30,100 48,95 59,82 59,66 48,53 30,48",
    ],
    [
        "28,0 13,5 4,18 4,34 13,47 28,52 43,47 52,34 52,18 43,5 28,0",
        "28,50 12,55 1,67 1,83 12,95 28,100 44,95 55,83 55,67 44,55 28,50",
    ],
    # One line that crosses itself.
    ["52,12 34,0 13,7 9,26 28,44 50,62 54,84 34,100 10,92 5,72 22,52 46,34 52,12"],
    ["30,0 11,10 13,30 34,46 53,66 50,90 28,100 6,90 5,66 26,48 47,31 50,10 30,0"],
)
_NINE = (
    ["55,30 48,48 28,56 8,46 3,26 13,6 34,0 52,12 56,34 50,66 36,90 10,100"],
    # With a straight back.
    ["52,14 32,0 10,10 4,32 16,50 38,46 52,28 53,6 53,6 50,50 46,100"],
    [
        "27,0 12,5 2,19 2,35 12,49 27,54 42,49 52,35 52,19 42,5 27,0",
        "53,26 50,60 40,100",
    ],
    # With a hook at the foot, as printed.
    ["57,36 46,53 28,58 8,50 0,30 8,9 28,0 50,10 58,40 52,74 36,97 16,99 2,86"],
)
# fmt: on


def _points(stroke: str) -> Points:
    """Return the points that a stroke of the tables has."""
    pairs = (pair.split(",") for pair in stroke.split())
    return [(int(x) / 100, int(y) / 100) for x, y in pairs]


SKELETONS: tuple[tuple[list[Points], ...], ...] = tuple(
    tuple([_points(stroke) for stroke in strokes] for strokes in variants)
    for variants in (
        _ZERO,
        _ONE,
        _TWO,
        _THREE,
        _FOUR,
        _FIVE,
        _SIX,
        _SEVEN,
        _EIGHT,
        _NINE,
    )
)
"""For each digit its skeletons, as the points that `curve` joins."""

# Segments of a display, as two ends each, by their usual letters.
_SEGMENTS: dict[str, Points] = {
    "a": [(0.0, 0.0), (0.55, 0.0)],
    "b": [(0.55, 0.0), (0.55, 0.5)],
    "c": [(0.55, 0.5), (0.55, 1.0)],
    "d": [(0.0, 1.0), (0.55, 1.0)],
    "e": [(0.0, 0.5), (0.0, 1.0)],
    "f": [(0.0, 0.0), (0.0, 0.5)],
    "g": [(0.0, 0.5), (0.55, 0.5)],
}
_LIT = (
    "abcdef",
    "bc",
    "abged",
    "abgcd",
    "fgbc",
    "afgcd",
    "afgedc",
    "abc",
    "abcdefg",
    "abcdfg",
)


def segments(digit: int) -> list[Points]:
    """Return the segments that a display lights for a digit."""
    return [_SEGMENTS[letter] for letter in _LIT[digit]]
