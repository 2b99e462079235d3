"""Eyes, brows, nose, mouth, marks of age and glasses of a synthetic face.

Every function draws one feature as seen from the front, in head units, and lays it on
the turned head with `Head.surface`; none of them knows about the turn.
"""

import numpy as np

from scratchgan.synthetic.canvas import Canvas, ellipse, ribbon, smooth
from scratchgan.synthetic.faces.head import Head
from scratchgan.synthetic.faces.parameters import FaceParameters

_SIDES = (-1.0, 1.0)
_WHITE_OF_EYE = np.array((0.95, 0.94, 0.92), np.float32)
_TEETH = np.array((0.97, 0.96, 0.92), np.float32)
_INSIDE_MOUTH = np.array((0.30, 0.08, 0.09), np.float32)
_NEARLY_BLACK = np.array((0.06, 0.045, 0.05), np.float32)


def _smiling(face: FaceParameters) -> float:
    """How far the smile reaches the rest of the face, 0 to 1."""
    return max(0.0, face.features.smile)


def _lash_colour(face: FaceParameters) -> np.ndarray:
    """Dark, with some of the skin: on pale faces a black line is too hard."""
    return 0.82 * _NEARLY_BLACK + 0.18 * np.array(face.skin) * 0.5


def _eye_edges(face: FaceParameters, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper and lower lid's edges, inner corner first."""
    f = face.features
    # A true smile narrows the eyes from below.
    upper = f.eye_height * (1 - 0.12 * _smiling(face) - 0.15 * f.age)
    lower = f.eye_height * (0.62 - 0.38 * _smiling(face))
    across = np.linspace(-1, 1, 11)
    x = side * (f.eye_distance + f.eye_width * across)
    slant = f.eye_level - f.eye_slant * across
    # The upper lid is highest towards the nose, the lower lid lowest away from it.
    arch = (1 - across**2) ** 0.75
    above = slant - upper * arch * (1 - 0.18 * across)
    below = slant + lower * arch * (1 + 0.18 * across)
    return np.stack((x, above), axis=1), np.stack((x, below), axis=1)


def draw_eyes(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw sockets, whites, irises, lids and lashes."""
    f = face.features
    edges = [_eye_edges(face, side) for side in _SIDES]
    sockets = [
        ellipse(side * f.eye_distance, f.eye_level - 0.03, f.eye_width * 1.25, 0.13)
        for side in _SIDES
    ]
    canvas.darken(canvas.coverage(*head.surfaces(sockets), blur=0.02), 0.16)
    openings = [np.concatenate((above, below[::-1])) for above, below in edges]
    opening = canvas.coverage(*head.surfaces(openings))
    canvas.paint(opening, _WHITE_OF_EYE)
    _draw_irises(canvas, head, face, opening)
    _draw_lids(canvas, head, face, edges)


def _draw_irises(
    canvas: Canvas, head: Head, face: FaceParameters, opening: np.ndarray
) -> None:
    f = face.features
    radius = 0.62 * f.eye_width
    reach = f.eye_width - radius
    # Both eyes look at one point: their middles move by the same amount.
    middles = [
        (
            side * f.eye_distance + reach * f.gaze_x,
            f.eye_level - 0.02 + 0.3 * f.eye_height * f.gaze_y,
        )
        for side in _SIDES
    ]

    def discs(scale: float, dx: float = 0.0, dy: float = 0.0) -> np.ndarray:
        size = radius * scale
        shapes = [ellipse(x + dx, y + dy, size, size) for x, y in middles]
        return canvas.coverage(*head.surfaces(shapes)) * opening

    iris = np.array(f.iris, np.float32)
    canvas.paint(discs(1.0), iris * 0.55)  # the darker ring
    canvas.paint(discs(0.8), iris)
    canvas.paint(discs(0.46), _NEARLY_BLACK)
    glint = -0.4 * radius if face.scene.light_x < 0 else 0.4 * radius
    canvas.paint(discs(0.34, glint, -0.38 * radius), _WHITE_OF_EYE)


def _draw_lids(
    canvas: Canvas,
    head: Head,
    face: FaceParameters,
    edges: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    f = face.features
    lash = _lash_colour(face)
    swell = np.sin(np.linspace(0.15, np.pi - 0.35, 11))
    upper, lower, folds = [], [], []
    for side, (above, below) in zip(_SIDES, edges, strict=True):
        line = above.copy()
        # Painted lashes leave the eye's outer corner upwards.
        line[-1] += f.lashes * np.array((side * 0.045, -0.035))
        upper.append(ribbon(line, (0.014 + 0.018 * f.lashes) * swell))
        lower.append(ribbon(below, 0.008))
        folds.append(ribbon(above[1:-1] - (0, 0.04), 0.012))
    canvas.darken(canvas.coverage(*head.surfaces(folds), blur=0.004), 0.3)
    canvas.paint(0.45 * canvas.coverage(*head.surfaces(lower)), lash)
    canvas.paint(canvas.coverage(*head.surfaces(upper)), lash)


def draw_brows(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw the eyebrows, in the hair's colour made darker."""
    f = face.features
    strokes = []
    for side in _SIDES:
        inner, outer = f.eye_distance - 1.05 * f.eye_width, f.eye_distance + 0.21
        height = f.eye_level - f.brow_height
        line = smooth(
            [
                (side * inner, height + 0.03 + f.brow_slope),
                (side * (0.55 * inner + 0.45 * outer), height - f.brow_arch),
                (side * outer, height + 0.045 - 0.4 * f.brow_slope),
            ],
            12,
        )
        swell = np.interp(np.linspace(0, 1, 12), (0, 0.3, 1), (0.8, 1, 0.3))
        strokes.append(ribbon(line, f.brow_thickness * swell))
    # Pale hair still has brows that can be seen on the skin.
    colour = 0.62 * np.minimum(np.array(face.hair.colour), np.array(face.skin))
    canvas.paint(0.88 * canvas.coverage(*head.surfaces(strokes)), colour)


def draw_nose(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw the nose by its shadow, its light and its nostrils.

    It stands out of the face, so a turn moves its tip further than the eyes.
    """
    f = face.features
    base = f.eye_level + f.nose_length
    wide, depth = f.nose_width, f.nose_depth
    lit = -1.0 if face.scene.light_x < 0 else 1.0
    strength = 0.5 + 0.5 * abs(face.scene.light_x)

    # The side away from the light: root, tip, wing and the corner of the eye.
    side = head.surface(
        np.array(
            [
                (0.0, f.eye_level - 0.08),
                (0.0, base - 0.05),
                (-lit * wide, base),
                (-lit * 0.09, f.eye_level),
            ]
        ),
        np.array((0.03, depth, 0, 0)),
    )
    canvas.darken(canvas.coverage(side, blur=0.007), 0.24 * strength)
    # Below the tip, from wing to wing.
    x = wide * np.array((-1, 0, 1, 0.5, -0.5))
    y = base + np.array((-0.015, -0.005, -0.015, 0.045, 0.045))
    lift = depth * np.array((0.3, 1, 0.3, 0.2, 0.2))
    under = head.surface(np.stack((x, y), axis=1), lift)
    canvas.darken(canvas.coverage(under, blur=0.006), 0.3)
    # The outline of wings and tip: a soft cup.
    x = wide * np.array((-0.95, -1, -0.6, 0, 0.6, 1, 0.95))
    y = base + np.array((-0.07, -0.01, 0.015, 0.02, 0.015, -0.01, -0.07))
    lift = depth * np.array((0.25, 0.3, 0.5, 0.85, 0.5, 0.3, 0.25))
    cup = head.surface(np.stack((x, y), axis=1), lift)
    weight = 0.0050 * np.array((0.4, 0.9, 0.6, 0.5, 0.6, 0.9, 0.4))
    canvas.darken(canvas.coverage(ribbon(cup, weight), blur=0.003), 0.5)
    nostrils = [ellipse(s * 0.48 * wide, base, 0.032, 0.016, 10) for s in _SIDES]
    canvas.darken(canvas.coverage(*head.surfaces(nostrils, 0.5 * depth)), 0.62)
    # The bridge catches the light.
    shine = ribbon(side[:2] - (0.0, 0.004), np.array((0.006, 0.011)))
    canvas.darken(canvas.coverage(shine, blur=0.008), -0.16)


def _mouth_curves(face: FaceParameters) -> dict[str, np.ndarray]:
    """Return the edges of the lips as lines of points from corner to corner."""
    f = face.features
    smile = f.smile
    half = f.mouth_width * (1 + 0.48 * max(0.0, smile))
    s = np.linspace(-1, 1, 17)
    bow = 1 - s**2
    # A smile lifts the corners far above the middle; a serious mouth lowers them.
    lift = 0.135 * smile if smile > 0 else 0.07 * smile
    inner_top = f.mouth_level + 0.02 - lift * np.abs(s) ** 1.8
    inner_bottom = inner_top + f.mouth_open * bow**0.7
    full = f.lip_fullness * (1 - 0.25 * max(0.0, smile))
    cupid = 1 - 0.28 * np.exp(-((s / 0.16) ** 2))
    top = inner_top - full * 0.8 * bow**0.8 * cupid
    bottom = inner_bottom + full * 1.1 * bow**0.9
    x = half * s
    return {
        name: np.stack((x, y), axis=1)
        for name, y in (
            ("top", top),
            ("inner_top", inner_top),
            ("inner_bottom", inner_bottom),
            ("bottom", bottom),
        )
    }


def draw_mouth(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw lips, the line between them, and teeth where the mouth is open."""
    f = face.features
    curves = _mouth_curves(face)
    at = dict(zip(curves, head.surfaces(list(curves.values()), 0.03), strict=True))

    def between(above: str, below: str) -> np.ndarray:
        return canvas.coverage(np.concatenate((at[above], at[below][::-1])))

    skin = np.array(face.skin)
    bare = skin * (0.86, 0.66, 0.66)
    lips = bare + f.lip_paint * 0.85 * (np.array(f.lip_colour) - bare)
    cover = 0.75 + 0.25 * f.lip_paint
    canvas.paint(cover * between("top", "inner_top"), lips * 0.84)
    canvas.paint(cover * between("inner_bottom", "bottom"), lips)
    if f.mouth_open:
        inside = between("inner_top", "inner_bottom")
        canvas.paint(inside, _INSIDE_MOUTH)
        # Upper teeth hang from the upper lip and leave the corners dark.
        low = curves["inner_top"].copy()
        s = np.linspace(-1, 1, len(low))
        low[:, 1] += 0.8 * f.mouth_open * (1 - s**2) ** 0.5
        teeth = np.concatenate((curves["inner_top"][1:-1], low[1:-1][::-1]))
        teeth = canvas.coverage(head.surface(teeth, 0.03))
        canvas.paint(0.97 * teeth * inside, _TEETH)
    line = ribbon(curves["inner_top"], 0.011 + 0.006 * (not f.mouth_open))
    canvas.darken(canvas.coverage(head.surface(line, 0.03)), 0.62)
    corners = [ellipse(*curves["inner_top"][k], 0.026, 0.024, 10) for k in (0, -1)]
    canvas.darken(canvas.coverage(*head.surfaces(corners), blur=0.004), 0.35)
    below = ribbon(curves["bottom"][4:-4] + np.array((0.0, 0.035)), 0.02)
    canvas.darken(canvas.coverage(head.surface(below), blur=0.008), 0.2)


def draw_cheeks(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw blush, the folds of a smile, freckles and lines of age."""
    f = face.features
    smile = _smiling(face)
    raised = 0.36 - 0.06 * smile + f.eye_level
    cheeks = [ellipse(side * 0.40, raised, 0.15, 0.10) for side in _SIDES]
    cheeks = canvas.coverage(*head.surfaces(cheeks), blur=0.03)
    rosy = np.array(face.skin) * (1.0, 0.66, 0.62)
    canvas.paint(cheeks * (f.blush + 0.12 * smile), rosy)
    if smile:
        apples = [ellipse(side * 0.38, raised - 0.03, 0.09, 0.06) for side in _SIDES]
        apples = canvas.coverage(*head.surfaces(apples), blur=0.018)
        canvas.darken(apples, -0.16 * smile)
    corner = f.mouth_width * (1 + 0.48 * smile) + 0.07
    base = f.eye_level + f.nose_length
    folds = [
        ribbon(
            smooth(
                [
                    (side * (f.nose_width + 0.03), base - 0.02),
                    (side * (corner - 0.01), f.mouth_level - 0.12),
                    (side * corner, f.mouth_level + 0.03 - 0.06 * smile),
                ],
                10,
            ),
            0.016,
        )
        for side in _SIDES
    ]
    fold_depth = 0.05 + 0.22 * smile + 0.20 * f.age**1.5
    canvas.darken(canvas.coverage(*head.surfaces(folds), blur=0.006), fold_depth)
    _draw_age(canvas, head, face)
    _draw_freckles(canvas, head, face)


def _draw_age(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    f = face.features
    old = max(0.0, f.age - 0.35)
    if not old:
        return
    wrinkles = [
        smooth([(-0.3, height), (0, height - 0.025), (0.3, height)], 10)
        for height in (f.eye_level - 0.36, f.eye_level - 0.45)
    ]
    wrinkles += [  # bags under the eyes
        smooth(
            [
                (side * (f.eye_distance - 0.11), f.eye_level + 0.10),
                (side * f.eye_distance, f.eye_level + 0.15),
                (side * (f.eye_distance + 0.13), f.eye_level + 0.10),
            ],
            10,
        )
        for side in _SIDES
    ]
    lines = head.surfaces([ribbon(line, 0.012) for line in wrinkles])
    canvas.darken(canvas.coverage(*lines, blur=0.005), 0.45 * old)


def _draw_freckles(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    f = face.features
    if not f.freckles:
        return
    # Their own generator: places belong to the face and not to the drawing's size.
    rng = np.random.default_rng(face.scene.noise_seed + 1)
    x = rng.normal(0, 0.27, 36)
    y = f.eye_level + 0.24 + rng.normal(0, 0.06, 36)
    places = np.stack((np.clip(x, -0.55, 0.55), y), axis=1)
    spots = [ellipse(*place, 0.014, 0.014, 6) for place in places]
    canvas.darken(canvas.coverage(*head.surfaces(spots)), f.freckles)


def _rim(face: FaceParameters, side: float) -> np.ndarray:
    """Return the line of one rim, seen from the front: closed, 28 points."""
    g, f = face.glasses, face.features
    angle = np.linspace(0, 2 * np.pi, 29)
    cosine, sine = np.cos(angle), np.sin(angle)
    power = 2 / g.squareness
    x = g.width * np.sign(cosine) * np.abs(cosine) ** power
    y = g.height * np.sign(sine) * np.abs(sine) ** power
    # Lenses hang a little below the eyes' middle and lean outwards at the top.
    x += 0.04 * (y < 0) * (-y / g.height)
    return np.stack((side * (f.eye_distance + 0.005 + x), f.eye_level + 0.02 + y), 1)


def _before_face(head: Head, points: np.ndarray) -> np.ndarray:
    """Place points of the glasses' front, a slightly bent plane before the eyes."""
    x, y = points[:, 0], points[:, 1]
    return head.project(x, y, 0.80 - 0.28 * x**2)


def draw_temples(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw the arms of the glasses, from the rims to the ears."""
    g, f = face.glasses, face.features
    reach = f.eye_distance + g.width
    height = f.eye_level - 0.04
    arms = []
    for side in _SIDES:
        # Only the arm on the side that a turn brings forward is before the head.
        if side * head.pose.turn > 4:
            continue
        x = side * np.linspace(reach, face.shape.width * 1.03, 6)
        z = np.linspace(0.80 - 0.28 * reach**2, -0.02, 6)
        line = head.project(x, np.full(6, height), z)
        arms.append(ribbon(line, 1.1 * g.thickness * head.pose.scale))
    canvas.paint(0.95 * canvas.coverage(*arms), np.array(g.colour))


def draw_glasses(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw lenses, their shine, rims and bridge."""
    g, f = face.glasses, face.features
    rims = [_rim(face, side) for side in _SIDES]
    lenses = canvas.coverage(*(_before_face(head, rim) for rim in rims))
    canvas.paint(g.tint * lenses, 0.5 * np.array(g.colour) + 0.3)
    streak = np.array([(-0.11, -0.2), (-0.02, -0.2), (-0.10, 0.2), (-0.19, 0.2)])
    shine = [
        _before_face(head, streak + np.array((side * f.eye_distance, f.eye_level)))
        for side in _SIDES
    ]
    canvas.paint(
        0.14 * canvas.coverage(*shine, blur=0.004) * lenses, np.ones(3, np.float32)
    )
    top = np.clip(-(rims[0][:, 1] - f.eye_level) / g.height, 0, 1)
    strokes = [
        _before_face(head, ribbon(rim, g.thickness + g.top_heavy * top)) for rim in rims
    ]
    gap = f.eye_distance - g.width
    bridge = smooth(
        [(-gap, f.eye_level), (0.0, f.eye_level - 0.03), (gap, f.eye_level)], 8
    )
    strokes.append(_before_face(head, ribbon(bridge, g.thickness)))
    canvas.paint(canvas.coverage(*strokes), np.array(g.colour))
