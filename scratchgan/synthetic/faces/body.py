"""What surrounds the features of a synthetic face: scene, shoulders, neck, skin."""

import math

import numpy as np

from scratchgan.synthetic.canvas import Canvas, ellipse, ribbon
from scratchgan.synthetic.faces.head import Head
from scratchgan.synthetic.faces.parameters import FaceParameters


def draw_background(canvas: Canvas, face: FaceParameters) -> None:
    """Fill the picture with a gradient and soft blobs, as if far out of focus."""
    scene = face.scene
    x, y = canvas.x - 0.5, canvas.y - 0.5
    along = x * math.cos(scene.slant) + y * math.sin(scene.slant)
    top = np.array(scene.top, np.float32)[:, None, None]
    bottom = np.array(scene.bottom, np.float32)[:, None, None]
    canvas.pixels[:] = top + (along + 0.5) * (bottom - top)
    for blob in scene.blobs:
        distance = (canvas.x - blob.x) ** 2 + (canvas.y - blob.y) ** 2
        cover = blob.opacity * np.exp(-distance / blob.radius**2)
        canvas.paint(cover, np.array(blob.colour))
    canvas.pixels *= 1 - scene.vignette * 2 * (x * x + y * y)


def _torso_x(head: Head) -> float:
    """Return where the neck meets the body, in the plane of the head.

    The body stays behind when the head turns or leans.
    """
    return -0.12 * head.sin_turn


def draw_neck(
    canvas: Canvas, head: Head, face: FaceParameters, skin: np.ndarray
) -> None:
    """Draw the neck, in the shadow of the chin."""
    half = face.shape.neck
    x = _torso_x(head)
    profile = np.array(((0.3, 1.0), (0.9, 0.96), (1.15, 1.06), (1.35, 1.5), (2.0, 2.2)))
    down, width = profile[:, 0], half * profile[:, 1]
    polygon = np.concatenate(
        (head.flat(x + width, down), head.flat(x - width, down)[::-1])
    )
    neck = canvas.coverage(polygon)
    canvas.paint(neck, skin)
    shadow = canvas.coverage(head.outline + np.array((0.0, 0.045)), blur=0.022)
    canvas.darken(neck * shadow, 0.38)


def draw_shoulders(canvas: Canvas, head: Head, face: FaceParameters) -> None:
    """Draw clothes over the shoulders, open at the neck."""
    clothes, pose = face.clothes, head.pose
    reach, neck = face.shape.shoulders, face.shape.neck
    # The body stands upright: picture coordinates, not those of the leaning head.
    middle = float(head.flat(np.array(_torso_x(head)), np.array(1.2))[0])
    base = pose.y + 1.2 * pose.scale

    def place(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack((middle + pose.scale * x, base + pose.scale * y), axis=1)

    slope = np.array((0.9 * neck, 1.15 * neck, 0.62 * reach, 0.92 * reach, reach))
    drop = np.array((-0.02, 0.05, 0.20, 0.36, 0.75))
    body = np.concatenate(
        (
            place(slope, drop),
            place(np.array((reach, -reach)), np.array((2.0, 2.0))),
            place(-slope, drop)[::-1],
        )
    )
    across = np.linspace(-1, 1, 15)
    round_edge = np.sqrt(1 - across**2)
    edge = round_edge + clothes.pointed * (1 - np.abs(across) - round_edge)
    opening = place(1.12 * neck * across, -0.10 + (0.15 + clothes.neckline) * edge)
    cloth = canvas.coverage(body) * (1 - canvas.coverage(opening))

    colour = np.array(clothes.colour, np.float32)[:, None, None]
    trim = np.array(clothes.trim, np.float32)[:, None, None]
    x = (canvas.x - middle) / pose.scale
    y = (canvas.y - base) / pose.scale
    stripes = 0.5 + 0.5 * np.sin(2 * np.pi * (y + 0.1 * x * x) / clothes.stripe_width)
    shade = 1.05 - 0.16 * x * x + 0.16 * face.scene.light_x * x - 0.12 * y
    fabric = (colour + clothes.stripes * stripes * (trim - colour)) * shade
    shadow = canvas.coverage(head.outline + np.array((0.0, 0.09)), blur=0.03)
    canvas.paint(cloth, fabric)
    canvas.darken(cloth * shadow, 0.3)
    hem = canvas.coverage(ribbon(opening, 0.07 * pose.scale)) * cloth
    canvas.paint(hem * clothes.collar, trim * shade)


def skin_colours(canvas: Canvas, head: Head, face: FaceParameters) -> np.ndarray:
    """Return skin everywhere, (3, size, size), lit like an egg in soft light."""
    scene = face.scene
    x, y = head.unflat(canvas.x, canvas.y)
    level = np.linspace(-1, 1, 33)
    middle, half = head.extent(level)
    # Across, by the head's own outline at that height; near chin and crown by less,
    # so that the shade does not crowd into their corners.
    half = np.maximum(half, 0.45)
    middle = np.interp(y, level, middle).astype(np.float32)
    half = np.interp(y, level, half).astype(np.float32)
    nx = np.clip((x - middle) / half, -1, 1)
    ny = np.clip(0.85 * y, -1, 1)
    nz = np.sqrt(np.clip(1.15 - 0.8 * nx * nx - 0.5 * ny * ny, 0.05, 1))
    lit = 0.62 * scene.light_x * nx + 0.5 * scene.light_y * ny + 0.75 * nz
    amount = scene.contrast * (lit - 0.55)
    skin = np.array(face.skin, np.float32)[:, None, None]
    # Light bleaches skin; shadow makes it darker and warmer, never grey.
    shadow = skin * np.array((0.60, 0.49, 0.46), np.float32)[:, None, None]
    glow = skin + (1 - skin) * 0.25
    up, down = np.clip(0.75 * amount, 0, 1), np.clip(-1.3 * amount, 0, 1)
    return skin + up * (glow - skin) + down * (shadow - skin)


def draw_ears(
    canvas: Canvas, head: Head, face: FaceParameters, skin: np.ndarray, *, near: bool
) -> None:
    """Draw the ears: all behind the head, or those in front of the hair.

    The first pass leaves the far ear of a turned head mostly covered. In the second
    one the ear on the side that is turned towards the viewer comes over head and
    hair; long hair covers it.
    """
    if near and face.hair.length > 0.3:
        return
    sides = [side for side in (-1.0, 1.0) if not near or side * face.pose.turn < 3]
    outer, inner = [], []
    size = face.shape.ears
    for side in sides:
        rim = ellipse(0.42, 0.0, 0.55, 1.0, 18) * size
        rim[:, 0] -= 0.10 * rim[:, 1]  # ears lean back
        hollow = ellipse(0.5, -0.05, 0.28, 0.62, 12) * size
        for line, target in ((rim, outer), (hollow, inner)):
            # An ear stands off the head by 40 degrees and points backwards.
            x = side * (face.shape.width * 0.985 + 0.64 * line[:, 0])
            z = -0.06 - 0.77 * line[:, 0]
            target.append(
                head.project(x, face.features.eye_level + 0.12 + line[:, 1], z)
            )
    if not sides:
        return
    ear = canvas.coverage(*outer)
    canvas.paint(ear, 0.94 * skin)
    canvas.darken(canvas.coverage(*inner, blur=0.005) * ear, 0.28)


def finish(canvas: Canvas, face: FaceParameters) -> None:
    """Expose the picture as a camera would: brightness, warmth and noise."""
    scene = face.scene
    gains = scene.exposure * np.array((1 + scene.warmth, 1, 1 - scene.warmth))
    canvas.pixels *= gains.astype(np.float32)[:, None, None]
    rng = np.random.default_rng(scene.noise_seed)
    noise = rng.standard_normal(canvas.pixels.shape, np.float32)
    canvas.pixels += noise * np.float32(scene.noise / 255)
