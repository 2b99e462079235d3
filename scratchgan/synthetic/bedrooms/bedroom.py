"""Synthetic bedrooms: varied rooms with known contents and window boxes.

Every picture is made here, from numbers alone: there is no photograph in it. A room is
decided by `(seed, index)`; nothing else, such as how many are drawn or by how many
processes, changes it.

The attributes, in the order of `ATTRIBUTE_NAMES`, say what can be seen:

=========  =========  ============================================================
name       values     meaning
=========  =========  ============================================================
windows    0, 1, 2    how many; each has a box
bed        0 or 1     1 in nearly all rooms
lamp       0 or 1     on a table, on the floor, or hanging; lit or not
picture    0 or 1     on a wall
door       0 or 1
wardrobe   0 or 1
table      0 or 1     a bedside table
rug        0 or 1
plant      0 or 1
curtains   0 or 1     at the windows; 0 where there is none
light      0 or 1     0 night, 1 day, also in rooms without a window
turn       degrees    where the camera looks: 0 straight at the back wall, positive
                      to the right; about half of the rooms are within 5 degrees
=========  =========  ============================================================

All but curtains are drawn independently of each other.

Boxes are those of the windows, as far as they are seen: frame and panes, without what
stands before them. There are two rows, from left to right; unused ones are zeros.
"""

import numpy as np

from scratchgan.synthetic.bedrooms import fixtures, furniture
from scratchgan.synthetic.bedrooms.bed import bed
from scratchgan.synthetic.bedrooms.contents import (
    MAX_WINDOWS,
    Contents,
    sample_contents,
    sample_style,
)
from scratchgan.synthetic.bedrooms.layout import (
    FLAT,
    Layout,
    Placed,
    sample_layout,
)
from scratchgan.synthetic.bedrooms.lighting import sample_lighting
from scratchgan.synthetic.bedrooms.outside import Outside, sample_outside
from scratchgan.synthetic.bedrooms.render import render
from scratchgan.synthetic.bedrooms.scene import Scene
from scratchgan.synthetic.bedrooms.space import Box
from scratchgan.synthetic.bedrooms.surfaces import Solid, Surface
from scratchgan.synthetic.bedrooms.windows import curtains, window
from scratchgan.synthetic.drawn_image import DrawnImage, check_size, drawing_rng

ATTRIBUTE_NAMES: tuple[str, ...] = (
    "windows",
    "bed",
    "lamp",
    "picture",
    "door",
    "wardrobe",
    "table",
    "rug",
    "plant",
    "curtains",
    "light",
    "turn",
)
CLASS_NAMES: tuple[str, ...] = ()
CHANNELS = 3
DEFAULT_SIZE = 64

# A lamp is lit so often by day and by night.
_LIT_BY_DAY, _LIT_AT_NIGHT = 0.25, 0.85


def draw(seed: int, index: int, size: int = DEFAULT_SIZE) -> DrawnImage:
    """Draw the bedroom number `index` of the set that `seed` names.

    Parameters
    ----------
    seed, index : int
        Not negative. Together they decide the picture.
    size : int, default 64
        Width and height in pixels, 16 to 512.

    Returns
    -------
    DrawnImage
        The picture in sRGB, its attributes, and the windows' boxes, int32 of shape
        (2, 4), as the module's docstring defines them.

    Raises
    ------
    ValueError
        If `seed`, `index` or `size` is out of range.
    """
    check_size(size)
    rng = drawing_rng(seed, index)
    contents = sample_contents(rng)
    return draw_room(contents, rng, size)


def draw_room(
    contents: Contents, rng: np.random.Generator, size: int = DEFAULT_SIZE
) -> DrawnImage:
    """Draw a room that holds what is asked for.

    Parameters
    ----------
    contents : Contents
        What is in it.
    rng : numpy.random.Generator
        Decides everything else.
    size : int, default 64
        Width and height in pixels.

    Returns
    -------
    DrawnImage
        As `draw`.
    """
    style = sample_style(rng)
    layout = sample_layout(rng, contents)
    outside = sample_outside(rng, contents.day)
    lit = bool(rng.random() < (_LIT_BY_DAY if contents.day else _LIT_AT_NIGHT))
    lighting = sample_lighting(rng, layout, contents, lit)
    scene = Scene(layout.room, layout.camera, style, rng)
    surfaces = fixtures.shell(scene)
    for kind in FLAT:
        things = [thing for thing in layout.things if thing.kind == kind]
        for number, thing in enumerate(things):
            surfaces += _flat(scene, thing, number, contents, outside)
    flat = len(surfaces)
    solids = [
        _solid(scene, thing, contents, lit)
        for thing in layout.things
        if thing.kind not in FLAT
    ]
    surfaces += scene.in_order(solids)
    shades: list[Box] = [solid.shade or solid.box for solid in solids]
    image, seen = render(scene, surfaces, flat, shades, lighting, size)
    return DrawnImage(
        image,
        attributes=_attributes(contents, layout),
        boxes=_window_boxes(surfaces, seen, size),
    )


def _flat(
    scene: Scene, thing: Placed, number: int, contents: Contents, outside: Outside
) -> list[Surface]:
    """Return what lies flat on a wall or on the floor."""
    if thing.kind == "window":
        surfaces = window(scene, thing, outside, number)
        return surfaces + (curtains(scene, thing) if contents.curtains else [])
    makers = {"door": fixtures.door, "picture": fixtures.picture, "rug": fixtures.rug}
    return makers[thing.kind](scene, thing)


def _solid(scene: Scene, thing: Placed, contents: Contents, lit: bool) -> Solid:
    """Return what stands or hangs in the room."""
    if thing.kind == "lamp":
        return furniture.lamp(scene, thing, contents.lamp, lit)
    makers = {
        "bed": bed,
        "wardrobe": furniture.wardrobe,
        "table": furniture.table,
        "plant": furniture.plant,
    }
    return makers[thing.kind](scene, thing)


def _attributes(contents: Contents, layout: Layout) -> np.ndarray:
    """Return the attributes of a room, float32 in the order of `ATTRIBUTE_NAMES`."""
    kinds = [thing.kind for thing in layout.things]
    values = {name: kinds.count(name) for name in ATTRIBUTE_NAMES}
    windows = kinds.count("window")
    values["windows"] = windows
    values["curtains"] = contents.curtains and windows > 0
    values["light"] = contents.day
    values["turn"] = layout.camera.yaw
    return np.array([values[name] for name in ATTRIBUTE_NAMES], np.float32)


def _window_boxes(surfaces: list[Surface], seen: np.ndarray, size: int) -> np.ndarray:
    """Return the boxes around what is seen of each window, from left to right.

    Parameters
    ----------
    surfaces : list of Surface
        What `seen` counts.
    seen : array of shape (samples, samples), uint8
        The surface that each sample of the picture sees.
    size : int
        Width and height in pixels.

    Returns
    -------
    array of shape (MAX_WINDOWS, 4), int32
        Left, top, right, bottom in pixels, right and bottom exclusive.
    """
    samples = len(seen) // size  # in a pixel
    boxes = []
    for number in range(MAX_WINDOWS):
        tagged = [k for k, s in enumerate(surfaces) if s.tag == f"window{number}"]
        if not tagged:
            continue
        mask = (seen >= tagged[0]) & (seen <= tagged[-1])
        columns, rows = (
            np.flatnonzero(mask.any(axis=0)),
            np.flatnonzero(mask.any(axis=1)),
        )
        if len(columns):
            first = (int(columns[0]) // samples, int(rows[0]) // samples)
            last = (int(columns[-1]) // samples, int(rows[-1]) // samples)
            boxes.append((*first, last[0] + 1, last[1] + 1))
    result = np.zeros((MAX_WINDOWS, 4), np.int32)
    result[: len(boxes)] = np.array(sorted(boxes)).reshape(-1, 4)
    return result
