"""Synthetic faces: varied cartoon portraits with known attributes.

Every picture is made here, from numbers alone: there is no photograph and no
drawing of a person in it. A face is decided by `(seed, index)`; nothing else, such as
how many are drawn or by how many processes, changes it.

The attributes, in the order of `ATTRIBUTE_NAMES`:

========  ============  ======================================================
name      values        meaning
========  ============  ======================================================
smile     0 or 1        1: corners of the mouth raised, most with teeth shown;
                        0: neutral to serious. Nothing in between is drawn.
glasses   0 or 1        1: wears glasses
sex       0 or 1        0: woman, 1: man
hair      [0, 1]        length of the loose hair: 0 bald, 0.2 over the ears,
                        0.45 to the chin, 1 to the chest; hair that is tied
                        up counts as short
skin      [0, 1]        skin tone, 0 the lightest and 1 the darkest;
                        independent of all other attributes
turn      [-35, 35]     turn of the head in degrees, as seen by the viewer:
                        negative to the left of the picture, positive to the
                        right, 0 straight ahead
age       [0, 1]        0 young adult, 1 old: lines, grey hair
beard     0 or 1        1: beard or moustache (men only)
========  ============  ======================================================
"""

import numpy as np

from scratchgan.synthetic.canvas import Canvas
from scratchgan.synthetic.drawn_image import DrawnImage, check_size, drawing_rng
from scratchgan.synthetic.faces.body import (
    draw_background,
    draw_ears,
    draw_neck,
    draw_shoulders,
    finish,
    skin_colours,
)
from scratchgan.synthetic.faces.features import (
    draw_brows,
    draw_cheeks,
    draw_eyes,
    draw_glasses,
    draw_mouth,
    draw_nose,
    draw_temples,
)
from scratchgan.synthetic.faces.hair import (
    draw_back_hair,
    draw_beard,
    draw_front_hair,
    hair_colours,
    hair_mass,
)
from scratchgan.synthetic.faces.head import Head
from scratchgan.synthetic.faces.parameters import FaceParameters, sample_face

ATTRIBUTE_NAMES: tuple[str, ...] = (
    "smile",
    "glasses",
    "sex",
    "hair",
    "skin",
    "turn",
    "age",
    "beard",
)

CLASS_NAMES: tuple[str, ...] = ()
CHANNELS = 3
DEFAULT_SIZE = 64


def draw(seed: int, index: int, size: int = DEFAULT_SIZE) -> DrawnImage:
    """Draw the face number `index` of the set that `seed` names.

    Parameters
    ----------
    seed, index : int
        Not negative. Together they decide the picture.
    size : int, default 64
        Width and height in pixels, 16 to 512.

    Returns
    -------
    DrawnImage
        The picture in sRGB, and its attributes as the module's docstring defines
        them.

    Raises
    ------
    ValueError
        If `seed`, `index` or `size` is out of range.
    """
    face = sample_face(drawing_rng(seed, index))
    return DrawnImage(render_face(face, size), attributes_of(face))


def attributes_of(face: FaceParameters) -> np.ndarray:
    """Return the attributes of `face`, float32 in the order of `ATTRIBUTE_NAMES`."""
    return np.array(
        (
            face.smiling,
            face.wears_glasses,
            face.man,
            face.hair.length,
            face.skin_tone,
            face.pose.turn,
            face.features.age,
            face.beard.moustache > 0,
        ),
        np.float32,
    )


def render_face(face: FaceParameters, size: int = DEFAULT_SIZE) -> np.ndarray:
    """Draw a face from its parameters.

    Parameters
    ----------
    face : FaceParameters
        Everything that decides the picture.
    size : int, default 64
        Width and height in pixels, 16 to 512.

    Returns
    -------
    array of shape (size, size, 3), uint8
        The picture in sRGB.

    Raises
    ------
    ValueError
        If `size` is out of range.
    """
    check_size(size)
    canvas = Canvas(size)
    head = Head(face.shape, face.pose)
    # What several parts share: where the head is, where its hair, and their colours.
    on_head = canvas.coverage(head.outline)
    skin = skin_colours(canvas, head, face)
    mass = hair_mass(canvas, head, face)
    hair = hair_colours(canvas, head, face)
    # From the back of the picture to its front.
    draw_background(canvas, face)
    draw_back_hair(canvas, head, face, mass, hair)
    draw_neck(canvas, head, face, skin)
    draw_shoulders(canvas, head, face)
    draw_ears(canvas, head, face, skin, near=False)
    canvas.paint(on_head, skin)
    draw_cheeks(canvas, head, face)
    draw_nose(canvas, head, face)
    draw_beard(canvas, head, face, on_head)
    draw_mouth(canvas, head, face)
    draw_eyes(canvas, head, face)
    draw_brows(canvas, head, face)
    if face.wears_glasses:
        draw_temples(canvas, head, face)
    draw_front_hair(canvas, head, face, mass, hair, on_head)
    draw_ears(canvas, head, face, skin, near=True)
    if face.wears_glasses:
        draw_glasses(canvas, head, face)
    finish(canvas, face)
    return canvas.to_uint8()
