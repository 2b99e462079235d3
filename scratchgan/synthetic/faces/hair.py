"""Hair and beards of synthetic faces.

The hair of the head is a mass with an outline, larger than the head, drawn twice:
whole behind everything, and before the face with a window cut out that the face
looks through. Hairline, fringe, parting and the strands beside the cheeks are all
the window's edge.
"""

import math

import numpy as np

from scratchgan.synthetic.canvas import Canvas, ellipse, ribbon, smooth
from scratchgan.synthetic.faces.head import Head
from scratchgan.synthetic.faces.parameters import FaceParameters

# Where loose hair ends, in head units below the middle of the head, by its length.
_LENGTHS = (0.0, 0.2, 0.36, 0.45, 1.0)
_ENDS = (-0.15, 0.12, 0.5, 0.95, 2.0)


def _hair_end(face: FaceParameters) -> float:
    """Return the height at which the hair of `face` ends, in head units."""
    return float(np.interp(face.hair.length, _LENGTHS, _ENDS))


def _outline_side(
    head: Head, face: FaceParameters, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y) of one side of the outline, from above the crown downwards."""
    hair = face.hair
    end = _hair_end(face)
    # Over the crown by angle, down the side by height.
    angle = np.linspace(0, np.pi / 2, 22)
    v = np.concatenate((-np.cos(angle), np.linspace(0.04, 1, 26) * end))
    if end < 0:
        v = v[v <= end]
    on_head = np.clip(v, -1, 1)
    middle, half = head.extent(on_head)
    _, widest = head.extent(np.array(0.0))
    # Long hair falls straight from the widest place; short hair follows the head.
    falls = np.clip((hair.length - 0.2) / 0.2, 0, 1)
    half = np.where(v > 0, half + falls * (widest - half), half)
    middle = np.where(v > 0, (1 - falls) * middle, middle)
    thick = hair.side * np.sqrt(np.clip(1 + v, 0, 1))
    if end > 0:
        thins = np.clip(v / end, 0, 1)
        thick *= 1 - (1 - falls) * 0.7 * thins
        # Ends swing out a little, and their corners are round.
        thick += falls * 0.10 * thins * (1 - hair.curl)
        corner = np.clip(1 - (end - v) / 0.22, 0, 1)
        thick -= falls * 0.22 * (1 - np.sqrt(1 - corner * corner))
    # The mass of hair lies behind the axis: a turn moves it against the face.
    back = -0.10 - 0.10 * float(falls)
    x = middle + back * head.sin_turn + side * (half + thick)
    upper = np.clip(-v, 0, 1)
    y = v - hair.top * upper**0.6 * (1 + 0.5 * hair.lean * side * (1 - upper))
    # Waves, and the bumps of curls.
    along = np.arange(len(v))
    swing = hair.curl * 0.05 * falls * np.sin(along * 0.75 + hair.phase + side)
    bumps = hair.curl**2 * 0.05 * np.abs(np.sin(along * 0.62 + hair.phase * side))
    tufts = hair.rough * 0.03 * np.abs(np.sin(along * 0.9 + 2 * hair.phase * side))
    bumps += tufts * upper
    x += side * (swing + bumps)
    y -= bumps * upper
    return x, y


def hair_mass(canvas: Canvas, head: Head, face: FaceParameters) -> np.ndarray:
    """Return the coverage of all hair of the head but bun and tail."""
    if not face.hair.length:
        return np.zeros_like(canvas.x)
    right = head.flat(*_outline_side(head, face, 1.0))
    left = head.flat(*_outline_side(head, face, -1.0))
    return canvas.coverage(np.concatenate((right, left[::-1])))


def _window(head: Head, face: FaceParameters) -> np.ndarray:
    """Return the opening in the hair that shows the face, in picture coordinates."""
    hair = face.hair
    degrees = np.linspace(-hair.cheek, hair.cheek, 41)
    across = degrees / hair.cheek
    brow = face.features.eye_level - 0.17
    # Without a fringe the hairline is an arch, open upwards where hair is parted;
    # a fringe brings it down to the brows.
    line = hair.hairline + 0.22 * np.abs(across) ** 2.2
    parted = np.exp(-(((degrees - hair.part) / 16) ** 2))
    swept = hair.hairline + 0.30 + 0.22 * (degrees - hair.part) / 60
    line = line + hair.fringe * 0.85 * (np.minimum(swept, brow) - line)
    line = line - hair.part_depth * parted
    line = line + 0.15 * hair.sweep * np.sin(np.radians(degrees - hair.part))
    # Hair recedes at the temples first.
    line = line - hair.receding * (1 - 0.25 * np.cos(degrees * np.pi / 42))
    ragged = np.sin(across * 13 + hair.phase) + np.sin(across * 29 - hair.phase)
    line = line + (0.006 + 0.025 * hair.curl + 0.018 * hair.fringe) * ragged
    # Down the cheeks, where hair may fall before the shoulders.
    down = np.array((-0.05, 0.25, 0.55, 0.85, 1.2, 1.6, 2.2))
    opens = np.array((0.0, 0.0, -2.0, -6.0, -10.0, -8.0, -2.0))
    side = hair.cheek + opens
    if hair.length > 0.3:
        # Hair behind the shoulders leaves the front clear below the jaw.
        clear = np.clip((down - 0.75) / 0.5, 0, 1) * (1 - hair.front)
        side = side + 70 * clear
    else:
        side = side + np.clip(down - 0.1, 0, 1) * 60
    return np.concatenate(
        (
            head.around(degrees, line),
            head.around(side, down),
            head.around(-side, down)[::-1],
        )
    )


def hair_colours(canvas: Canvas, head: Head, face: FaceParameters) -> np.ndarray:
    """Return the colour of hair everywhere, (3, size, size): strands, gloss, light."""
    hair, scene = face.hair, face.scene
    x, y = head.unflat(canvas.x, canvas.y)
    x = x - 0.3 * head.sin_turn
    # Strands leave the parting: alike along lines from the crown and, lower, down.
    origin = 0.5 * math.sin(math.radians(hair.part))
    strand = (x - origin) / (0.55 + 0.5 * np.clip(y + 1.1, 0, 1.2))
    wave = hair.curl * 2.2 * np.sin(7 * y + hair.phase + 3 * strand)
    texture = np.sin(strand * 13 + wave + hair.phase)
    texture += 0.7 * np.sin(strand * 27 - 1.5 * wave + 2 * hair.phase)
    if hair.curl > 0.5:
        texture += 1.2 * np.sin(17 * x + hair.phase) * np.sin(16 * y + 5 * strand)
    light = 1 + 0.055 * texture
    light += 0.16 * scene.contrast * (scene.light_x * x - 0.5 * y)
    # A band of gloss around the head, where strands turn towards the light.
    band = np.exp(-(((y + 0.72 - 0.25 * x * x) / 0.17) ** 2))
    light += hair.gloss * band * (1 - 0.5 * hair.curl) * (1 + 0.25 * texture)
    # A little of every light is white: even black hair shines.
    base = np.array(hair.colour, np.float32)[:, None, None]
    lit = np.clip(light, 0.45, 1.6)
    return base * lit + 0.10 * np.maximum(lit - 1, 0)


def draw_back_hair(
    canvas: Canvas,
    head: Head,
    face: FaceParameters,
    mass: np.ndarray,
    colours: np.ndarray,
) -> None:
    """Draw the hair behind neck and head, with bun or tail."""
    hair = face.hair
    shapes = []
    if hair.bun:
        middle = head.project(0.0, -0.98 - 0.4 * hair.bun, -0.42)
        radius = hair.bun * head.pose.scale
        shapes.append(ellipse(*middle, radius * 1.1, radius))
    if hair.tail:
        side = np.sign(hair.tail)
        fall = abs(hair.tail)
        line = smooth(
            [
                (side * 0.10, -0.2),
                (side * 0.62, 0.35),
                (side * 0.78, 0.4 + 0.5 * fall),
                (side * 0.66, 0.4 + fall),
            ]
        )
        turned = line[:, 0] - 0.6 * head.sin_turn
        line = head.flat(turned, line[:, 1])
        swell = np.interp(np.linspace(0, 1, len(line)), (0, 0.5, 1), (0.2, 0.22, 0.06))
        shapes.append(ribbon(line, swell * head.pose.scale))
    if shapes:
        mass = np.maximum(mass, canvas.coverage(*shapes))
    # It lies in the shadow of the head.
    canvas.paint(mass, 0.72 * colours)


def draw_front_hair(
    canvas: Canvas,
    head: Head,
    face: FaceParameters,
    mass: np.ndarray,
    colours: np.ndarray,
    on_head: np.ndarray,
) -> None:
    """Draw the hair before the face, and its shadow on the forehead."""
    if not face.hair.length:
        return
    mass = mass * (1 - canvas.coverage(_window(head, face)))
    shadow = canvas.soften(mass, 0.016)
    # Light comes from above: the shadow falls below the hair's edge.
    shift = max(1, canvas.size // 48)
    shadow[shift:] = shadow[:-shift].copy()
    canvas.darken(shadow * on_head * (1 - mass), 0.34)
    canvas.paint(mass, colours)


def draw_beard(
    canvas: Canvas, head: Head, face: FaceParameters, on_head: np.ndarray
) -> None:
    """Draw beard, moustache, or the shadow of a shaven one."""
    beard, f = face.beard, face.features
    if not max(beard.shadow, beard.cheeks, beard.chin, beard.moustache):
        return
    colour = 0.85 * np.array(face.hair.colour)
    lips = ellipse(
        0, f.mouth_level + 0.02 + 0.4 * f.mouth_open, _beard_gap(face), 0.075
    )
    clear = 1 - canvas.coverage(head.surface(lips, 0.03), blur=0.006)
    grows = canvas.soften(canvas.coverage(_beard_region(head, face)), 0.012)
    grows *= on_head * clear
    # Shaven skin is only darker; a full beard also reaches below the chin.
    canvas.paint(grows * beard.shadow, np.minimum(colour, 0.55 * np.array(face.skin)))
    if beard.cheeks:
        hanging = canvas.coverage(_below_chin(head, face, 0.72, 1.03), blur=0.006)
        canvas.paint(np.maximum(grows, hanging * clear) * beard.cheeks, colour)
    elif beard.chin:
        patch = canvas.coverage(
            head.surface(ellipse(0, 0.82, 0.24, 0.2)),
            _below_chin(head, face, 0.8, 0.6),
            blur=0.008,
        )
        canvas.paint(patch * clear * beard.chin, colour)
    if beard.moustache:
        stroke = head.surface(_moustache(face), 0.04)
        canvas.paint(canvas.coverage(stroke, blur=0.005) * beard.moustache, colour)


def _beard_gap(face: FaceParameters) -> float:
    """Return half the width of the opening around the lips."""
    return face.features.mouth_width * (1 + 0.4 * max(0.0, face.features.smile))


def _beard_region(head: Head, face: FaceParameters) -> np.ndarray:
    """Return where a beard grows: from the ears down the cheeks, under the nose."""
    lip = face.features.mouth_level - 0.17
    degrees = np.array((0, 18, 34, 52, 66, 84, 95, 60))
    height = np.array((lip, lip, 0.52, 0.42, 0.12, -0.1, 0.9, 1.3))
    return np.concatenate(
        (head.around(degrees, height), head.around(-degrees, height)[::-1])
    )


def _moustache(face: FaceParameters) -> np.ndarray:
    """Return the moustache, seen from the front; a smile lifts its ends."""
    half, lip = _beard_gap(face), face.features.mouth_level - 0.075
    end = lip + 0.07 - 0.08 * max(0.0, face.features.smile)
    line = smooth(
        [
            (-half - 0.03, end),
            (-0.5 * half, lip),
            (0, lip - 0.02),
            (0.5 * half, lip),
            (half + 0.03, end),
        ],
        15,
    )
    swell = np.sin(np.linspace(0.25, np.pi - 0.25, len(line))) ** 0.6
    return ribbon(line, 0.052 * swell)


def _below_chin(
    head: Head, face: FaceParameters, start: float, width: float
) -> np.ndarray:
    """Return the jaw below the height `start`, drawn out by the beard's length."""
    v = np.linspace(start, 1, 12)
    middle, half = head.extent(v)
    longer = v + face.beard.length * (v - start) / (1 - start)
    right = head.flat(middle + width * half, longer)
    left = head.flat(middle - width * half, longer)
    return np.concatenate((right, left[::-1]))
