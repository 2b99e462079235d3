"""Synthetic digits: of all classes, legible to a classifier, placed as in MNIST."""

from dataclasses import replace

import numpy as np
import pytest

from scratchgan.synthetic.digits.digit import (
    STYLES,
    draw,
    render_digit,
    sample_hand,
)
from scratchgan.synthetic.digits.skeletons import SKELETONS, curve, segments


@pytest.fixture(scope="module")
def digits():
    """Pixels in [0, 1], (2400, 784), and labels of 2400 digits."""
    drawn = [draw(5, index) for index in range(2400)]
    images = np.stack([each.image for each in drawn]).reshape(2400, -1) / 255
    return images, np.array([each.label for each in drawn])


@pytest.fixture
def hand():
    return sample_hand(np.random.default_rng([1, 1]))


def test_all_classes_are_equally_likely(digits):
    counts = np.bincount(digits[1], minlength=10)
    assert len(counts) == 10
    # Five standard deviations of 2400 draws.
    assert np.abs(counts - 240).max() < 74


def test_a_nearest_neighbour_reads_them(digits):
    images, labels = digits
    seen, unseen = images[:2000], images[2000:]
    distances = (seen**2).sum(1) - 2 * unseen @ seen.T
    read = labels[:2000][distances.argmin(axis=1)]
    # 0.97 when written; 0.1 is chance.
    assert (read == labels[2000:]).mean() > 0.94


def test_a_line_between_classes_is_not_enough(digits):
    """They vary: a linear classifier is far from chance and from perfect."""
    images, labels = digits
    seen = np.c_[images[:2000], np.ones(2000)]
    unseen = np.c_[images[2000:], np.ones(400)]
    normal = seen.T @ seen + 10 * np.eye(785)
    weights = np.linalg.solve(normal, seen.T @ np.eye(10)[labels[:2000]])
    accuracy = ((unseen @ weights).argmax(axis=1) == labels[2000:]).mean()
    assert 0.8 < accuracy < 0.98


def test_light_on_dark_inside_the_margin(digits):
    images = digits[0].reshape(-1, 28, 28)
    assert 0.08 < images.mean() < 0.2  # MNIST's is 0.13
    sides = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    assert max(side.max() for side in sides) == 0
    assert (images.max(axis=(1, 2)) > 0.6).all()


def test_centre_of_mass_is_in_the_middle(digits):
    images = digits[0].reshape(-1, 28, 28)
    places = np.arange(28) + 0.5
    for axis in (1, 2):
        profile = images.sum(axis=3 - axis)
        centres = profile @ places / profile.sum(axis=1)
        # Shifts are whole pixels; some, mostly of 7, stop at the edge.
        off = np.abs(centres - 14)
        assert (off < 0.51).mean() > 0.9
        assert off.max() < 4


@pytest.mark.parametrize("style", STYLES)
def test_styles_differ(hand, style):
    plain = render_digit(4, replace(hand, style="round"))
    styled = render_digit(4, replace(hand, style=style)).astype(int)
    assert (np.abs(styled - plain).mean() > 2) == (style != "round")


def test_thickness_and_slant(hand):
    hand = replace(hand, style="round", skeleton=0, turn=0.0, slant=0.0)
    thin = render_digit(0, replace(hand, thickness=0.04)).sum()
    assert render_digit(0, replace(hand, thickness=0.08)).sum() > 1.4 * thin
    image = render_digit(7, replace(hand, slant=0.4))[..., 0].astype(float)
    upright = render_digit(7, hand)[..., 0].astype(float)

    def lean(pixels):
        """How much further right the upper half is than the lower."""
        columns = np.arange(28)
        top, bottom = pixels[:14].sum(axis=0), pixels[14:].sum(axis=0)
        return top @ columns / top.sum() - bottom @ columns / bottom.sum()

    assert lean(image) > lean(upright) + 2


def test_size_changes_the_resolution_only(hand):
    large = render_digit(3, hand, 56)[..., 0].astype(float)
    reduced = large.reshape(28, 2, 28, 2).mean(axis=(1, 3))
    small = render_digit(3, hand, 28)[..., 0].astype(float)
    # Whole pixels of shift differ by half a pixel at most, so compare all of them.
    shifted = [
        np.abs(np.roll(reduced, (a, b), (0, 1)) - small).mean()
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
    ]
    assert min(shifted) < 12


def test_every_digit_has_several_skeletons_inside_its_box():
    assert len(SKELETONS) == 10
    for variants in SKELETONS:
        assert len(variants) >= 2
        for strokes in variants:
            points = np.concatenate([curve(stroke) for stroke in strokes])
            assert (points > -0.06).all()
            assert (points[:, 0] < 0.75).all()
            assert (points[:, 1] < 1.06).all()
            assert np.ptp(points[:, 1]) > 0.85


def test_a_repeated_point_is_a_corner():
    corner = curve([(0, 0), (1, 0), (1, 0), (1, 1)])
    assert np.abs(corner - (1, 0)).sum(axis=1).min() < 1e-9
    assert ((corner[:, 1] == 0) | (corner[:, 0] == 1)).all()
    soft = curve([(0, 0), (1, 0), (1, 1)])
    assert not ((soft[:, 1] == 0) | (soft[:, 0] == 1)).all()


def test_segments_are_those_of_a_display():
    counts = [len(segments(digit)) for digit in range(10)]
    assert counts == [6, 2, 5, 5, 4, 5, 6, 3, 7, 6]
    lit = [{frozenset(ends) for ends in segments(digit)} for digit in range(10)]
    left, right = (frozenset([(x, 0.0), (x, 0.5)]) for x in (0.0, 0.55))
    low_left, low_right = (frozenset([(x, 0.5), (x, 1.0)]) for x in (0.0, 0.55))
    # What the others have less than 8, which has all seven.
    middle = lit[8] - lit[0]
    assert [lit[8] - each for each in lit[2:]] == [
        {left, low_right},
        {left, low_left},
        {frozenset([(0.0, y), (0.55, y)]) for y in (0.0, 1.0)} | {low_left},
        {right, low_left},
        {right},
        middle | {left, low_left, frozenset([(0.0, 1.0), (0.55, 1.0)])},
        set(),
        {low_left},
    ]
    assert middle == {frozenset([(0.0, 0.5), (0.55, 0.5)])}
    assert lit[1] == {right, low_right}
