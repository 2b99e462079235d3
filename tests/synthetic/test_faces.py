"""Synthetic faces: repeatable, of the promised shapes, and showing what they claim.

Pictures are compared through `render_face` with one parameter changed, so that a
difference can have only one cause.
"""

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest

from scratchgan.synthetic.faces.head import Head
from scratchgan.synthetic.faces.parameters import (
    MAX_TURN_DEGREES,
    FaceParameters,
    sample_face,
)
from scratchgan.synthetic.faces.portrait import (
    ATTRIBUTE_NAMES,
    attributes_of,
    draw,
    render_face,
)


def column(attributes: np.ndarray, name: str) -> np.ndarray:
    return attributes[:, ATTRIBUTE_NAMES.index(name)]


@pytest.fixture(scope="module")
def many_attributes() -> np.ndarray:
    """Attributes of 1500 faces, (1500, A)."""
    rngs = (np.random.default_rng([5, index]) for index in range(1500))
    return np.array([attributes_of(sample_face(rng)) for rng in rngs])


@pytest.fixture(scope="module")
def many_images() -> np.ndarray:
    """The first 200 faces of one seed, (200, 64, 64, 3)."""
    return np.array([draw(9, index).image for index in range(200)])


@pytest.fixture
def plain() -> FaceParameters:
    """A bald man before a plain background, whose left half mirrors his right."""
    face = sample_face(np.random.default_rng([2, 2]))
    return replace(
        face,
        smiling=False,
        wears_glasses=False,
        skin=(0.87, 0.67, 0.52),
        pose=replace(face.pose, turn=0, nod=0, tilt=0, x=0.5, y=0.48, scale=0.37),
        features=replace(
            face.features, gaze_x=0, freckles=0, smile=0, mouth_open=0, age=0.2
        ),
        hair=replace(face.hair, length=0, bun=0, tail=0, colour=(0.3, 0.2, 0.1)),
        beard=replace(face.beard, shadow=0, cheeks=0, chin=0, moustache=0),
        scene=replace(
            face.scene,
            blobs=(),
            slant=math.pi / 2,
            light_x=0,
            warmth=0,
            exposure=1,
            noise=0,
        ),
    )


def with_turn(face: FaceParameters, degrees: float) -> FaceParameters:
    return replace(face, pose=replace(face.pose, turn=degrees))


def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Absolute difference of two pictures, (size, size), in levels."""
    return np.abs(a.astype(float) - b.astype(float)).mean(axis=-1)


# One picture


def test_same_seed_and_index_give_the_same_picture():
    drawn = draw(3, 14)
    draw(3, 15)  # drawing another in between must not matter
    again = draw(3, 14)
    assert drawn.image.tobytes() == again.image.tobytes()
    assert drawn.attributes.tobytes() == again.attributes.tobytes()


def test_global_random_state_is_neither_read_nor_moved():
    np.random.seed(0)  # noqa: NPY002  the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    image = draw(3, 14).image
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert (draw(3, 14).image == image).all()


@pytest.mark.parametrize("other", [(4, 14), (3, 15), (14, 3)])
def test_other_seed_or_index_gives_another_picture(other):
    drawn, another = draw(3, 14), draw(*other)
    assert change(drawn.image, another.image).mean() > 10
    assert (drawn.attributes != another.attributes).any()


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shape_and_dtype(size):
    drawn = draw(0, 1, size)
    image, attributes = drawn.image, drawn.attributes
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"]
    assert attributes.shape == (len(ATTRIBUTE_NAMES),)
    assert attributes.dtype == np.float32


def test_size_is_64_unless_told():
    assert draw(0, 1).image.shape == (64, 64, 3)
    assert inspect.signature(render_face).parameters["size"].default == 64


@pytest.mark.parametrize("size", [-64, 0, 15, 513])
def test_bad_size_is_refused(size):
    with pytest.raises(ValueError, match=f"size = {size}, expected 16 to 512"):
        draw(0, 0, size)


@pytest.mark.parametrize(("seed", "index", "name"), [(-1, 0, "seed"), (0, -1, "index")])
def test_negative_seed_or_index_is_refused(seed, index, name):
    with pytest.raises(ValueError, match=f"{name} = -1, expected 0 or more"):
        draw(seed, index)


def test_picture_does_not_depend_on_resolution():
    face = sample_face(np.random.default_rng([1, 8]))
    face = replace(face, scene=replace(face.scene, noise=0))
    large = render_face(face, 128).astype(float)
    reduced = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    # Edges differ by a fraction of their contrast, everything else hardly.
    assert change(reduced, render_face(face, 64)).mean() < 3


# Attributes


@pytest.mark.parametrize(
    ("name", "share"), [("smile", 0.5), ("glasses", 0.35), ("sex", 0.5)]
)
def test_classes_have_the_documented_shares(many_attributes, name, share):
    values = column(many_attributes, name)
    assert set(np.unique(values)) == {0.0, 1.0}
    # Four standard deviations of 1500 draws are 0.05.
    assert abs(values.mean() - share) < 0.05


@pytest.mark.parametrize("name", ["hair", "skin", "age"])
def test_measured_values_fill_zero_to_one(many_attributes, name):
    values = column(many_attributes, name)
    assert values.min() >= 0
    assert values.max() <= 1
    assert np.ptp(values) > 0.8


def test_turn_goes_both_ways_within_its_range(many_attributes):
    turn = column(many_attributes, "turn")
    assert np.abs(turn).max() <= MAX_TURN_DEGREES
    assert turn.min() < -0.8 * MAX_TURN_DEGREES
    assert turn.max() > 0.8 * MAX_TURN_DEGREES
    assert abs(turn.mean()) < 2


def test_only_men_have_beards(many_attributes):
    sex, beard = column(many_attributes, "sex"), column(many_attributes, "beard")
    assert 0.2 < beard[sex == 1].mean() < 0.6
    assert not beard[sex == 0].any()


def test_skin_is_independent_of_every_other_attribute(many_attributes):
    table = np.corrcoef(many_attributes.T)
    # The measure can see a dependence: the usual lengths of hair.
    hair, sex = ATTRIBUTE_NAMES.index("hair"), ATTRIBUTE_NAMES.index("sex")
    assert abs(table[hair, sex]) > 0.3
    skin = ATTRIBUTE_NAMES.index("skin")
    others = np.delete(table[skin], skin)
    assert np.abs(others).max() < 0.1  # four standard deviations of no correlation


def test_attributes_are_those_of_the_parameters(plain):
    face = replace(with_turn(plain, 12.5), smiling=True, skin_tone=0.25)
    values = dict(zip(ATTRIBUTE_NAMES, attributes_of(face).tolist(), strict=True))
    assert values["smile"] == 1
    assert values["glasses"] == 0
    assert values["hair"] == 0
    assert values["skin"] == 0.25
    assert values["turn"] == 12.5
    assert values["beard"] == 0


def test_smiling_and_other_mouths_are_kept_apart():
    faces = [sample_face(np.random.default_rng([6, index])) for index in range(400)]
    smiling = [face.features.smile for face in faces if face.smiling]
    others = [face.features.smile for face in faces if not face.smiling]
    assert min(smiling) - max(others) > 0.5
    assert not any(f.features.mouth_open for f in faces if not f.smiling)


# Turn


def test_turned_right_mirrors_turned_left(plain):
    left, right = (render_face(with_turn(plain, turn)) for turn in (-30, 30))
    mirrored = change(right, left[:, ::-1]).mean()
    assert change(right, left).mean() > 8  # the turn is plain to see
    assert mirrored < 1.5  # all but the glints in the eyes


def test_dark_features_follow_the_turn(plain):
    centres = []
    for turn in (-30, -15, 0, 15, 30):
        image = render_face(with_turn(plain, turn)).astype(float)
        band = image[24:36, 8:56].mean(axis=-1)  # eyes and brows
        dark = np.maximum(90 - band, 0).sum(axis=0)
        centres.append((dark * np.arange(8, 56)).sum() / dark.sum())
    assert (np.diff(centres) > 1.5).all(), centres


def test_nose_moves_further_than_eyes_and_the_far_eye_narrows(plain):
    head = Head(plain.shape, replace(plain.pose, turn=30))
    corners = np.array([(-0.46, 0), (-0.16, 0), (0.16, 0), (0.46, 0)])
    eyes = head.surface(corners)[:, 0]
    assert eyes[3] - eyes[2] < 0.7 * (eyes[1] - eyes[0])  # the right one is far
    straight = Head(plain.shape, plain.pose)
    tip = np.array([(0.0, 0.3)])
    nose_moved = head.surface(tip, 0.2)[0, 0] - straight.surface(tip, 0.2)[0, 0]
    eyes_moved = eyes.mean() - straight.surface(corners)[:, 0].mean()
    assert nose_moved > 1.2 * eyes_moved > 0


@pytest.mark.parametrize("turn", [-35.0, 0.0, 20.0])
def test_surface_stays_inside_the_outline(plain, turn):
    head = Head(plain.shape, replace(plain.pose, turn=turn))
    y = np.linspace(-0.9, 0.9, 13)
    for side in (-0.6, 0.0, 0.6):
        x, _ = head.unflat(*head.surface(np.stack((side * 0.6 * (1 - y**2), y), 1)).T)
        middle, half = head.extent(y)
        assert (np.abs(x - middle) <= half + 1e-9).all()


def test_places_around_the_head_go_on_beyond_its_outline(plain):
    head = Head(plain.shape, replace(plain.pose, turn=35))
    degrees = np.linspace(-120, 120, 49)
    x = head.around(degrees, np.zeros(49))[:, 0]
    assert (np.diff(x) > 0).all()
    ahead = head.around(np.array([0.0]), np.array([0.0]))
    nose_root = head.surface(np.array([(0.0, 0.0)]))
    assert ahead == pytest.approx(nose_root, abs=1e-6)


def test_unflat_undoes_flat(plain):
    head = Head(plain.shape, replace(plain.pose, tilt=9, x=0.46))
    x, y = np.array([-0.4, 0.0, 0.7]), np.array([0.9, -0.2, 0.1])
    back = head.unflat(*head.flat(x, y).T)
    assert np.array(back) == pytest.approx(np.array((x, y)))


# Smile, glasses, hair


def test_smile_changes_the_mouth_and_little_else(plain):
    grin = replace(plain.features, smile=0.9, mouth_open=0.12)
    moved = change(render_face(plain), render_face(replace(plain, features=grin)))
    mouth = moved[36:52, 18:46]
    assert mouth.max() > 60
    assert mouth.sum() > 0.75 * moved.sum()
    assert moved[:20].max() == 0  # hair and forehead
    assert moved[56:].max() == 0  # clothes


def test_glasses_change_the_eyes_and_little_else(plain):
    moved = change(render_face(plain), render_face(replace(plain, wears_glasses=True)))
    assert (moved > 40).sum() > 50  # pixels
    assert moved[22:42].sum() > 0.99 * moved.sum()


def test_hair_covers_the_crown_and_not_the_face(plain):
    hair = replace(plain.hair, length=0.2, fringe=0.0, receding=0.0, hairline=-0.6)
    moved = change(render_face(plain), render_face(replace(plain, hair=hair)))
    assert moved[10:14, 26:38].mean() > 30
    assert moved[32:48, 24:40].max() < 5


# Background and camera


def test_backgrounds_vary_in_every_channel(many_images):
    for corner in (many_images[:, :3, :3], many_images[:, :3, -3:]):
        colours = corner.mean(axis=(1, 2))  # (200, 3)
        assert (colours.std(axis=0) > 25).all()
        assert len(np.unique(colours, axis=0)) == 200


def test_background_is_not_flat_and_not_two_halves(many_images):
    top = many_images[:, :4].astype(float)  # (200, 4, 64, 3)
    ends = np.abs(top[:, :, :8].mean(axis=(1, 2)) - top[:, :, -8:].mean(axis=(1, 2)))
    assert np.median(ends.max(axis=-1)) > 8
    # Noise in every picture, yet no jump between neighbours at the very edge.
    steps = np.abs(np.diff(top[:, 0, :8], axis=1))
    assert (steps.mean(axis=(1, 2)) > 0.3).all()
    assert np.median(steps) < 6


def test_glasses_and_smile_do_not_show_in_the_background(many_images):
    attributes = np.array([draw(9, index, 16).attributes for index in range(200)])
    corners = many_images[:, :3, :3].mean(axis=(1, 2))  # (200, 3)
    for name in ("glasses", "smile"):
        table = np.corrcoef(column(attributes, name), corners.T)
        # 0.07 is one standard deviation of no correlation.
        assert np.abs(table[0, 1:]).max() < 0.25
