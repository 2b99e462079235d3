"""Numbers of the effect, with judges whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from scratchgan.paper.forget.effect import (
    Drawn,
    Judges,
    doubts,
    measure_effect,
    verdict,
)


class Windows:
    """Takes images whose first pixel is n to have n windows, each of 2 x 1 pixels."""

    def boxes(self, images):
        return [
            np.array([[2 * k, 2, 2 * k + 2, 3] for k in range(image[0, 0, 0])], int)
            .reshape(-1, 4)
            for image in images
        ]  # fmt: skip

    def counts(self, images):
        return np.array([len(found) for found in self.boxes(images)])


OBJECTS = SimpleNamespace(present=lambda images: {"bed": images[:, 1, 0, 0] > 200})


def images_of(windows, beds):
    images = np.full((len(windows), 4, 4, 3), 100, np.uint8)
    images[:, 0, 0] = np.array(windows)[:, None]
    images[:, 1, 0] = np.array(beds)[:, None] * 255
    return images


@pytest.fixture
def effect():
    before = images_of([2, 1, 1, 0], [1, 1, 1, 0])
    after = images_of([1, 0, 0, 0], [1, 1, 0, 1])
    others = images_of([2, 2, 1, 1], [0, 0, 1, 0])
    control = [images_of([2, 1, 0, 0], [1, 0, 0, 0]), images_of([2, 0, 0, 0], [1] * 4)]
    judges = Judges(Windows(), OBJECTS)
    return measure_effect(Drawn(before, after, others, control), judges)


def test_windows(effect):
    windows = effect["windows"]
    assert windows["before"] == {"per_image": 1.0, "share": 0.75}
    assert windows["after"] == {"per_image": 0.25, "share": 0.25, "reduction": 0.75}
    assert windows["others"] == {"per_image": 1.5, "share": 1.0, "reduction": -0.5}
    assert windows["control"] == {
        "per_image": 0.625,
        "share": 0.375,
        "reduction": 0.375,
    }


def test_objects(effect):
    assert list(effect["objects"]) == ["bed"]
    assert effect["objects"]["bed"] == {
        "before": 0.75,
        "after": 0.75,
        "kept": pytest.approx(2 / 3),
        "others": 0.25,
        "control": pytest.approx(0.625),
        "control_kept": pytest.approx(2 / 3),
    }


def test_verdict_says_the_numbers(effect):
    lines = verdict(33, 64, effect)
    assert lines[0] == "33 of 64 feature maps dropped"
    assert "1.00 before, 0.25 without these maps (-75%); 0.62 " in lines[1]
    assert "(-38%); 1.50 without the other 31 (+50%)" in lines[1]
    assert lines[2].startswith("images with bed: 75% before, 75% without")
    assert lines[2].endswith("62% without as many random ones; 25% without the others")


def test_pixel_change_outside_and_inside_of_what_was_there():
    before = images_of([1], [0])
    after = before.copy()
    after[0, 2, :2] += 30  # the window
    after[0, 3, 0, :2] -= 21  # one pixel, two of three channels
    effect = measure_effect(Drawn(before, after, before, []), Judges(Windows()))
    change = effect["pixel_change"]
    assert change["after"] == {"outside": pytest.approx(14 / 14), "inside": 30}
    assert change["control"] is None


def test_without_judges_only_pixels():
    before = images_of([1, 0], [0, 1])
    effect = measure_effect(Drawn(before, before, before, [before]), Judges())
    assert effect["windows"] is None
    assert effect["objects"] is None
    assert effect["pixel_change"]["control"] == {"outside": 0, "inside": None}
    assert verdict(1, 2, effect) == ["1 of 2 feature maps dropped"]


def test_no_windows_before():
    before = images_of([0, 0], [1, 1])
    drawn = Drawn(before, before, before, [before])
    effect = measure_effect(drawn, Judges(Windows(), OBJECTS))
    assert effect["windows"]["after"]["reduction"] is None
    assert "0.00 before, 0.00 without these maps; " in verdict(1, 2, effect)[1]


def test_a_judge_that_hardly_tells_an_object_is_doubted():
    held_out = {
        "bed": {"accuracy": 0.94, "balanced_accuracy": 0.55},
        "lamp": {"accuracy": 0.7, "balanced_accuracy": 0.7},
        "sofa": {"accuracy": 1.0, "balanced_accuracy": None},  # in none of the images
        "turn": {"mean_absolute_error": 3.0, "spread": 2.0},
    }
    (line,) = doubts(SimpleNamespace(held_out=held_out))
    assert "hardly tell bed 55% (" in line
    held_out["bed"]["balanced_accuracy"] = 0.8
    assert doubts(SimpleNamespace(held_out=held_out)) == []
    assert doubts(None) == []
