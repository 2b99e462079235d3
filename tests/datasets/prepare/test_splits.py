"""Validation images are drawn as the paper did: how many, which, and when at all."""

import numpy as np
import pytest

from scratchgan.datasets.format.dataset import SPLITS
from scratchgan.datasets.prepare.splits import (
    FEWEST_TO_HOLD_OUT,
    hold_out,
    papers_validation,
)
from scratchgan.errors import DatasetError

TRAIN, VALIDATION, TEST = (SPLITS[name] for name in ("train", "validation", "test"))


def test_a_whole_published_set_gives_the_papers_number():
    split = np.full(FEWEST_TO_HOLD_OUT + 9, TRAIN, np.uint8)
    assert papers_validation(split, 10_000) == 10_000
    split[:10] = TEST  # one training image too few
    assert papers_validation(split, 10_000) == 0


def test_a_set_that_has_validation_images_keeps_its_own():
    split = np.full(FEWEST_TO_HOLD_OUT + 9, TRAIN, np.uint8)
    split[0] = VALIDATION
    assert papers_validation(split, 10_000) == 0


def test_held_out_images_are_training_images_and_always_the_same():
    split = np.array([TRAIN, TEST] * 50, np.uint8)
    again = split.copy()
    hold_out(split, 20)
    hold_out(again, 20)
    np.testing.assert_array_equal(split, again)
    assert (split == VALIDATION).sum() == 20
    assert (split == TRAIN).sum() == 30
    assert (split[1::2] == TEST).all()


def test_test_images_are_held_out_before_validation_images():
    split = np.full(100, TRAIN, np.uint8)
    hold_out(split, 25, "test")
    tested = np.flatnonzero(split == TEST)
    hold_out(split, 15)
    assert np.flatnonzero(split == TEST).tolist() == tested.tolist()
    assert np.bincount(split).tolist() == [60, 15, 25]
    with pytest.raises(DatasetError, match="--test 60: there are 60"):
        hold_out(split, 60, "test")


@pytest.mark.parametrize("count", [50, 51])
def test_something_is_left_to_train_on(count):
    split = np.full(50, TRAIN, np.uint8)
    with pytest.raises(DatasetError, match=f"--validation {count}: there are 50"):
        hold_out(split, count)


def test_nothing_is_held_out_of_nothing():
    split = np.full(5, TEST, np.uint8)
    hold_out(split, 0)
    assert (split == TEST).all()
