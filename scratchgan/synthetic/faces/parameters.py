"""Who is in the picture: the parameters of one synthetic face, and their sampling.

Lengths are in *head units*: half the distance from crown to chin, about 0.36 of the
picture. Angles are degrees. Colours are sRGB triples in [0, 1]. "Left" and "right"
are those of the viewer, as in the picture.

Skin tone, sex, smile, glasses and turn are drawn independently of each other and
of everything behind and around the head. Only what differs between faces of one
kind depends on it: beards on men, the usual lengths of hair, thickness of brows, grey
hair with age.
"""

from dataclasses import dataclass

import numpy as np

from scratchgan.synthetic.colours import Colour, any_colour, hsv

MAX_TURN_DEGREES = 35.0

# Human skin from light to dark, at evenly spaced tones. Neighbours are blended, so
# that every tone between them occurs.
_SKIN_TONES = np.array(
    [
        (0.975, 0.840, 0.745),
        (0.940, 0.765, 0.640),
        (0.870, 0.670, 0.520),
        (0.730, 0.510, 0.360),
        (0.545, 0.350, 0.235),
        (0.360, 0.230, 0.165),
    ]
)


@dataclass(frozen=True)
class Pose:
    """Where the head is and where it looks."""

    turn: float  # degrees, positive to the right of the picture
    nod: float  # degrees, positive looks down
    tilt: float  # degrees, positive leans to the right of the picture
    x: float  # centre of the head, fraction of the picture
    y: float
    scale: float  # one head unit, fraction of the picture


@dataclass(frozen=True)
class HeadShape:
    """Proportions of skull, jaw, ears and neck, in head units."""

    width: float  # half the width at the temples
    jaw: float  # exponent of the jaw's curve: 2 is round, 3 is square
    taper: float  # how much narrower than the temples the chin is, 0 to 0.5
    ears: float  # half the height of an ear
    neck: float  # half the width of the neck
    shoulders: float  # half the width of the shoulders


@dataclass(frozen=True)
class Features:
    """Eyes, brows, nose, mouth and the marks of age."""

    eye_distance: float  # from the middle of the face to the middle of an eye
    eye_width: float  # half
    eye_height: float  # half, when wide open
    eye_slant: float  # rise of the outer corner
    eye_level: float
    gaze_x: float  # -1 to 1, in half eye widths that the iris can move
    gaze_y: float
    iris: Colour
    lashes: float  # 0 to 1
    brow_height: float  # above the eye
    brow_thickness: float
    brow_arch: float
    brow_slope: float  # positive lowers the inner end
    nose_length: float
    nose_width: float  # half, at the nostrils
    nose_depth: float
    mouth_level: float
    mouth_width: float  # half, at rest
    lip_fullness: float
    lip_colour: Colour
    lip_paint: float  # 0 bare to 1 painted
    smile: float  # -0.3 serious, 0 neutral, 0.65 to 1 smiling
    mouth_open: float  # height of the opening
    blush: float
    freckles: float
    age: float  # 0 young to 1 old


@dataclass(frozen=True)
class Hair:
    """Hair of the head."""

    length: float  # 0 bald, 0.2 over the ears, 0.45 to the chin, 1 to the chest
    top: float  # height above the crown
    side: float  # thickness beside the temples
    curl: float  # 0 straight to 1 tight curls
    phase: float  # radians, where waves and strands begin
    hairline: float  # height of the forehead's upper edge, negative is up
    fringe: float  # 0 none to 1 down to the brows
    part: float  # degrees around the head, negative is left
    part_depth: float  # how far the parting opens upwards
    sweep: float  # -1 to 1: how much lower the hair lies on one side of the parting
    lean: float  # -1 to 1: how much higher it stands on one side
    rough: float  # 0 smooth to 1 tousled outline
    receding: float  # 0 to 1
    cheek: float  # degrees around the head where hair beside the face begins
    front: float  # 0 behind the shoulders to 1 in front of them
    bun: float  # radius of a bun on the head, 0 for none
    tail: float  # length of a ponytail over a shoulder, signed by side, 0 for none
    colour: Colour
    gloss: float


@dataclass(frozen=True)
class Beard:
    """Hair of the face."""

    shadow: float  # opacity of shaven skin's shadow
    cheeks: float  # opacity on cheeks and jaw
    chin: float
    moustache: float
    length: float  # below the chin


@dataclass(frozen=True)
class Glasses:
    """A pair of glasses."""

    width: float  # half of one rim
    height: float
    squareness: float  # exponent of the rim's curve: 2 is round, 5 is a rectangle
    thickness: float
    colour: Colour
    tint: float  # opacity of the lenses
    top_heavy: float  # extra thickness above the eye


@dataclass(frozen=True)
class Clothes:
    """What covers the shoulders."""

    colour: Colour
    trim: Colour
    neckline: float  # depth of the opening
    pointed: float  # 0 round to 1 a V
    collar: float  # opacity of a collar
    stripes: float  # opacity of stripes
    stripe_width: float


@dataclass(frozen=True)
class Blob:
    """A soft spot of colour in the background, in fractions of the picture."""

    x: float
    y: float
    radius: float
    colour: Colour
    opacity: float


@dataclass(frozen=True)
class Scene:
    """Background, light and camera."""

    top: Colour
    bottom: Colour
    slant: float  # radians, direction of the background's gradient
    blobs: tuple[Blob, ...]
    vignette: float
    light_x: float  # -1 from the left to 1 from the right
    light_y: float  # negative from above
    contrast: float  # of light and shadow on the face
    exposure: float  # factor
    warmth: float  # positive is more red and less blue
    noise: float  # standard deviation in levels of 255
    noise_seed: int


@dataclass(frozen=True)
class FaceParameters:
    """Everything that decides one picture.

    Attributes
    ----------
    smiling, wears_glasses, man : bool
        The classes that the picture shows.
    skin_tone : float
        0 (lightest) to 1 (darkest).
    skin : tuple of three floats
        The colour of that tone, with its undertone.
    pose, shape, features, hair, beard, glasses, clothes, scene
        The parts. `glasses` are kept, though not drawn, for a face without them.
    """

    smiling: bool
    wears_glasses: bool
    man: bool
    skin_tone: float
    skin: Colour
    pose: Pose
    shape: HeadShape
    features: Features
    hair: Hair
    beard: Beard
    glasses: Glasses
    clothes: Clothes
    scene: Scene


def sample_face(rng: np.random.Generator) -> FaceParameters:
    """Draw the parameters of one face.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    FaceParameters
        Smile and sex are each true in half of the draws, glasses in 35 %.
    """
    smiling = bool(rng.random() < 0.5)
    wears_glasses = bool(rng.random() < 0.35)
    man = bool(rng.random() < 0.5)
    age = float(rng.beta(1.2, 2.0))
    skin_tone = float(rng.uniform(0, 1))
    hair = _sample_hair(rng, man, age)
    return FaceParameters(
        smiling=smiling,
        wears_glasses=wears_glasses,
        man=man,
        skin_tone=skin_tone,
        skin=_sample_skin(rng, skin_tone),
        pose=_sample_pose(rng),
        shape=_sample_shape(rng, man),
        features=_sample_features(rng, smiling, man, age),
        hair=hair,
        beard=_sample_beard(rng, man),
        glasses=_sample_glasses(rng),
        clothes=_sample_clothes(rng),
        scene=_sample_scene(rng),
    )


def _sample_skin(rng: np.random.Generator, tone: float) -> Colour:
    stops = np.linspace(0, 1, len(_SKIN_TONES))
    red, green, blue = (np.interp(tone, stops, channel) for channel in _SKIN_TONES.T)
    undertone = rng.uniform(-1, 1)  # rosy below zero, golden above
    return (
        float(red),
        float(green * (1 + (0.008 if undertone > 0 else 0.025) * undertone)),
        float(blue * (1 - 0.05 * undertone)),
    )


def _sample_pose(rng: np.random.Generator) -> Pose:
    return Pose(
        # Wide and flat with soft ends: a turn is to be learned, not an exception.
        turn=MAX_TURN_DEGREES * float(2 * rng.beta(1.4, 1.4) - 1),
        nod=float(np.clip(rng.normal(0, 4), -10, 10)),
        tilt=float(np.clip(rng.normal(0, 4), -11, 11)),
        x=float(0.5 + rng.normal(0, 0.014)),
        y=float(0.48 + rng.normal(0, 0.014)),
        scale=float(rng.uniform(0.355, 0.40)),
    )


def _sample_shape(rng: np.random.Generator, man: bool) -> HeadShape:
    return HeadShape(
        width=float(rng.uniform(0.70, 0.79)),
        jaw=float(rng.uniform(2.2, 2.9) if man else rng.uniform(1.9, 2.35)),
        taper=float(rng.uniform(0.08, 0.24) if man else rng.uniform(0.18, 0.34)),
        ears=float(rng.uniform(0.17, 0.23)),
        neck=float(rng.uniform(0.42, 0.52) if man else rng.uniform(0.32, 0.40)),
        shoulders=float(rng.uniform(1.35, 1.65) if man else rng.uniform(1.10, 1.38)),
    )


def _sample_features(
    rng: np.random.Generator, smiling: bool, man: bool, age: float
) -> Features:
    # The two kinds of mouth are kept apart: nothing between 0.1 and 0.65.
    smile = rng.uniform(0.65, 1.0) if smiling else rng.uniform(-0.3, 0.1)
    shows_teeth = smiling and rng.random() < 0.8
    mouth_open = rng.uniform(0.07, 0.18) if shows_teeth else 0.0
    lip_paint = rng.uniform(0, 0.12) if man else 0.15 + 0.85 * rng.beta(1.6, 1.6)
    return Features(
        eye_distance=float(rng.uniform(0.295, 0.335)),
        eye_width=float(rng.uniform(0.145, 0.18)),
        eye_height=float(rng.uniform(0.075, 0.11) + (0.0 if man else 0.012)),
        eye_slant=float(rng.normal(0.012, 0.014)),
        eye_level=float(rng.uniform(-0.04, 0.05)),
        gaze_x=float(np.clip(rng.normal(0, 0.35), -1, 1)),
        gaze_y=float(np.clip(rng.normal(0, 0.25), -1, 1)),
        iris=_sample_iris(rng),
        lashes=float(rng.uniform(0, 0.2) if man else rng.uniform(0.45, 1)),
        brow_height=float(rng.uniform(0.19, 0.25)),
        brow_thickness=float(
            rng.uniform(0.034, 0.056) if man else rng.uniform(0.018, 0.034)
        ),
        brow_arch=float(rng.uniform(0.0, 0.03) if man else rng.uniform(0.02, 0.07)),
        brow_slope=float(rng.normal(0.01, 0.02)),
        nose_length=float(rng.uniform(0.30, 0.40)),
        nose_width=float(rng.uniform(0.10, 0.15)),
        nose_depth=float(rng.uniform(0.15, 0.24)),
        mouth_level=float(rng.uniform(0.56, 0.62)),
        mouth_width=float(rng.uniform(0.185, 0.24)),
        lip_fullness=float(
            rng.uniform(0.035, 0.065) if man else rng.uniform(0.05, 0.085)
        ),
        lip_colour=hsv(
            rng.uniform(-0.06, 0.03), rng.uniform(0.5, 0.85), rng.uniform(0.5, 0.85)
        ),
        lip_paint=float(lip_paint),
        smile=float(smile),
        mouth_open=float(mouth_open),
        blush=float(rng.uniform(0.05, 0.3) + (0.0 if man else 0.1)),
        freckles=float(max(0.0, rng.uniform(-0.8, 0.3))),
        age=age,
    )


def _sample_iris(rng: np.random.Generator) -> Colour:
    if rng.random() < 0.6:  # amber to nearly black
        return hsv(
            rng.uniform(0.04, 0.09), rng.uniform(0.5, 0.8), rng.uniform(0.15, 0.5)
        )
    # green to blue to grey
    return hsv(rng.uniform(0.25, 0.62), rng.uniform(0.15, 0.6), rng.uniform(0.4, 0.7))


def _sample_hair(rng: np.random.Generator, man: bool, age: float) -> Hair:
    kinds = ("bald", "receding", "short", "curly", "bob", "long", "tied")
    odds = (
        (0.07, 0.10, 0.50, 0.19, 0.08, 0.06, 0.0)
        if man
        else (0.01, 0.0, 0.13, 0.11, 0.22, 0.37, 0.16)
    )
    kind = str(rng.choice(kinds, p=odds))
    length = {
        "bald": 0.0,
        "receding": rng.uniform(0.12, 0.22),
        "short": rng.uniform(0.10, 0.26),
        "curly": rng.uniform(0.14, 0.34),
        "bob": rng.uniform(0.38, 0.56),
        "long": rng.uniform(0.60, 1.0),
        "tied": rng.uniform(0.16, 0.22),
    }[kind]
    curl = {
        "curly": rng.uniform(0.55, 1.0),
        "bob": rng.uniform(0, 0.5) ** 1.5,
        "long": rng.uniform(0, 0.8) ** 1.3,
    }.get(kind, rng.uniform(0, 0.15))
    fluffy = rng.random()
    close = kind in ("receding", "tied")
    volume = rng.uniform(0.0, 0.24) if kind == "curly" else 0.0
    side = 0.03 + 0.05 * fluffy + volume
    if length > 0.36:
        side += 0.05
    over_cheeks = length > 0.3
    receding = 0.0
    if kind == "receding":
        # Either a high forehead or only hair around the ears.
        receding = rng.uniform(0.1, 0.3) if rng.random() < 0.6 else rng.uniform(0.7, 1)
    tail = 0.0
    bun = 0.0
    if kind == "tied":
        if rng.random() < 0.5:
            bun = rng.uniform(0.22, 0.34)
        else:
            tail = rng.choice([-1.0, 1.0]) * rng.uniform(0.8, 1.3)
    return Hair(
        length=float(length),
        top=float(0.02 if close else 0.05 + 0.15 * fluffy + 0.6 * volume),
        side=float(0.02 if close else side),
        curl=float(curl),
        phase=float(rng.uniform(0, 2 * np.pi)),
        hairline=float(rng.uniform(-0.74, -0.58)),
        fringe=float(0.0 if close else max(0.0, rng.uniform(-1.3, 1.0))),
        part=float(rng.normal(0, 24)),
        part_depth=float(0.0 if receding else rng.uniform(0, 0.16)),
        sweep=float(rng.uniform(-1, 1)),
        lean=float(rng.uniform(-1, 1)),
        rough=float(0.0 if close else rng.beta(1.0, 1.6)),
        receding=float(receding),
        cheek=float(rng.uniform(54, 72) if over_cheeks else rng.uniform(70, 80)),
        front=float(rng.random()),
        bun=float(bun),
        tail=float(tail),
        colour=_sample_hair_colour(rng, age),
        gloss=float(rng.uniform(0.05, 0.3)),
    )


def _sample_hair_colour(rng: np.random.Generator, age: float) -> Colour:
    # Two pigments: eumelanin darkens, pheomelanin reddens. Age takes both away.
    dark = rng.beta(2.4, 0.85)
    red = rng.beta(1.2, 3.0)
    value = 0.86 - 0.74 * dark
    colour = np.array(hsv(0.105 - 0.07 * red * dark, 0.45 + 0.3 * red * dark, value))
    grey = np.clip((age - 0.4) * rng.uniform(0.3, 2.2), 0, 0.9)
    colour += grey * (np.array((0.78, 0.77, 0.76)) - colour)
    return (float(colour[0]), float(colour[1]), float(colour[2]))


def _sample_beard(rng: np.random.Generator, man: bool) -> Beard:
    if not man:
        return Beard(0.0, 0.0, 0.0, 0.0, 0.0)
    opacity = float(rng.uniform(0.7, 0.95))
    kind = str(
        rng.choice(("none", "full", "goatee", "moustache"), p=(0.62, 0.20, 0.10, 0.08))
    )
    return Beard(
        shadow=float(rng.uniform(0.0, 0.22)),
        cheeks=opacity if kind == "full" else 0.0,
        chin=opacity if kind in ("full", "goatee") else 0.0,
        moustache=0.0 if kind == "none" else opacity,
        length=float(rng.uniform(0.02, 0.16)),
    )


def _sample_glasses(rng: np.random.Generator) -> Glasses:
    # Mostly dark frames, some coloured or pale; always apart from skin in value
    # or in thickness, so that they can be seen at 64 x 64.
    colour = hsv(rng.random(), rng.uniform(0.0, 0.8), 0.08 + 0.42 * rng.beta(1, 2.2))
    return Glasses(
        width=float(rng.uniform(0.215, 0.255)),
        height=float(rng.uniform(0.155, 0.215)),
        squareness=float(rng.uniform(2.0, 4.5)),
        thickness=float(rng.uniform(0.020, 0.036)),
        colour=colour,
        tint=float(rng.uniform(0.05, 0.22)),
        top_heavy=float(rng.uniform(0.0, 0.02)),
    )


def _sample_clothes(rng: np.random.Generator) -> Clothes:
    return Clothes(
        colour=any_colour(rng, 0.8, 0.1),
        trim=any_colour(rng, 0.6, 0.1),
        neckline=float(rng.uniform(0.05, 0.45)),
        pointed=float(rng.random()),
        collar=float(np.clip(rng.uniform(-1.2, 1.0), 0, 0.95)),
        stripes=float(max(0.0, rng.uniform(-1.2, 0.6))),
        stripe_width=float(rng.uniform(0.08, 0.25)),
    )


def _sample_scene(rng: np.random.Generator) -> Scene:
    first = any_colour(rng, 0.5, 0.15)
    second = any_colour(rng, 0.5, 0.15)
    keep = rng.uniform(0.1, 0.7)  # of the first colour at the other end
    bottom = tuple(
        float(keep * a + (1 - keep) * b) for a, b in zip(first, second, strict=True)
    )
    blobs = tuple(
        Blob(
            x=float(rng.uniform(-0.1, 1.1)),
            y=float(rng.uniform(-0.1, 1.0)),
            radius=float(rng.uniform(0.10, 0.35)),
            colour=any_colour(rng, 0.6, 0.15),
            opacity=float(rng.uniform(0.1, 0.6)),
        )
        for _ in range(int(rng.integers(2, 6)))
    )
    return Scene(
        top=first,
        bottom=bottom,
        slant=float(rng.uniform(0, 2 * np.pi)),
        blobs=blobs,
        vignette=float(rng.uniform(0.0, 0.35)),
        light_x=float(rng.uniform(-0.9, 0.9)),
        light_y=float(rng.uniform(-0.7, -0.1)),
        contrast=float(rng.uniform(0.5, 1.1)),
        exposure=float(rng.normal(1.0, 0.06)),
        warmth=float(np.clip(rng.normal(0, 0.018), -0.04, 0.06)),
        noise=float(rng.uniform(1.0, 2.6)),
        noise_seed=int(rng.integers(2**32)),
    )
