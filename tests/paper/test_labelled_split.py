"""Rows for training, choosing and testing: disjoint, stratified, by seed."""

import numpy as np
import pytest
from array_dataset import dataset_of

from scratchgan.errors import ConfigError, DatasetError
from scratchgan.paper.labelled_split import (
    draw_per_class,
    draw_stratified,
    split_labelled,
)


@pytest.fixture
def make(tmp_path):
    """Return the function that writes and opens a dataset of 200 tiny images."""

    def make(**columns):
        images = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), np.uint8)
        return dataset_of(tmp_path / "toy.h5", images, **columns)

    return make


LABELS = np.repeat([0, 1, 2, 3], [100, 60, 20, 20])


def parts(split):
    return split.train, split.validation, split.test


def check_disjoint(split, dataset, among):
    rows = np.concatenate(parts(split))
    assert len(np.unique(rows)) == len(rows)
    assert set(rows) <= set(among.tolist())


def test_the_datasets_own_splits_are_kept(make):
    own = np.tile([0, 0, 1, 2, 3], 40).astype("uint8")
    with make(labels=LABELS, split=own) as dataset:
        split = split_labelled(dataset)
        for value, rows in enumerate(parts(split)):
            assert rows.tolist() == np.flatnonzero(own == value).tolist()
        assert split.note == ""
        assert split.class_names == ["0", "1", "2", "3"]


def test_without_a_split_60_15_25_of_every_class(make):
    with make(labels=LABELS) as dataset:
        split = split_labelled(dataset, seed=3)
        check_disjoint(split, dataset, np.arange(200))
        for rows, share in zip(parts(split), (0.60, 0.15, 0.25), strict=True):
            counts = np.bincount(LABELS[rows])
            assert counts.tolist() == [100 * share, 60 * share, 20 * share, 20 * share]
        assert "60/15/25" in split.note
        assert "seed 3" in split.note
        other = split_labelled(dataset, seed=4)
        assert split.test.tolist() != other.test.tolist()
        again = split_labelled(dataset, seed=3)
        assert split.test.tolist() == again.test.tolist()


def test_without_a_validation_split_a_fifth_of_training_chooses(make):
    own = np.tile([0, 0, 0, 2, 3], 40).astype("uint8")
    with make(labels=LABELS, split=own) as dataset:
        split = split_labelled(dataset)
        check_disjoint(split, dataset, np.flatnonzero(own != 3))
        assert split.test.tolist() == np.flatnonzero(own == 2).tolist()
        # A fifth of 60, 36, 12 and 12, rounded in each class.
        assert np.bincount(LABELS[split.validation]).tolist() == [12, 7, 2, 2]
        assert len(split.train) == 120 - 23
        assert "validation" in split.note


def test_without_a_test_split_what_was_held_out_tests_and_does_not_choose(make):
    own = np.tile([0, 0, 0, 0, 1], 40).astype("uint8")
    with make(labels=LABELS, split=own) as dataset:
        split = split_labelled(dataset)
        check_disjoint(split, dataset, np.arange(200))
        assert split.test.tolist() == np.flatnonzero(own == 1).tolist()
        assert len(split.validation) == 32
        assert "validation images test" in split.note


def test_an_attribute_can_be_the_class(make):
    attributes = np.stack([LABELS % 2, np.linspace(0, 1, 200)], axis=1)
    columns = {
        "attributes": attributes.astype("float32"),
        "attribute_names": ["odd", "turn"],
    }
    with make(**columns) as dataset:
        split = split_labelled(dataset, attribute="odd")
        assert split.labels.tolist() == (LABELS % 2).tolist()
        assert split.class_names == ["not odd", "odd"]
        with pytest.raises(ConfigError, match="measured"):
            split_labelled(dataset, attribute="turn")
        with pytest.raises(ConfigError, match="has odd, turn"):
            split_labelled(dataset, attribute="smile")
        with pytest.raises(DatasetError, match="--attribute, from odd, turn"):
            split_labelled(dataset)


def test_no_labels_no_class_one_class(make):
    with make() as dataset, pytest.raises(DatasetError, match="no labels"):
        split_labelled(dataset)
    some = np.where(np.arange(200) < 7, -1, LABELS)
    with make(labels=some) as dataset, pytest.raises(DatasetError, match="7 images"):
        split_labelled(dataset)
    with (
        make(labels=np.zeros(200, int)) as dataset,
        pytest.raises(DatasetError, match="one class"),
    ):
        split_labelled(dataset)


def test_images_that_are_not_used_need_no_class(make):
    own = np.tile([0, 0, 1, 2, 3], 40).astype("uint8")
    some = np.where(own == 3, -1, LABELS)
    with make(labels=some, split=own) as dataset:
        split = split_labelled(dataset)
        assert (split.labels[np.concatenate(parts(split))] >= 0).all()
        assert split.class_names == ["0", "1", "2", "3"]


def test_more_classes_than_names_are_refused(make):
    with (
        make(labels=LABELS, class_names=["a", "b", "c"]) as dataset,
        pytest.raises(DatasetError, match="labels up to 3 and names of 3"),
    ):
        split_labelled(dataset)


def test_stratified_parts_hold_all_rows():
    rows = np.arange(3, 200, 2)
    drawn = draw_stratified(LABELS, rows, (0.7, 0.3), np.random.default_rng(0))
    assert np.sort(np.concatenate(drawn)).tolist() == rows.tolist()
    assert all((np.diff(part) > 0).all() for part in drawn)


def test_per_class_draws_are_balanced_and_differ():
    rng = np.random.default_rng(0)
    one = draw_per_class(LABELS, np.arange(200), 20, rng)
    two = draw_per_class(LABELS, np.arange(200), 20, rng)
    assert np.bincount(LABELS[one]).tolist() == [20, 20, 20, 20]
    assert len(np.unique(one)) == 80
    assert one.tolist() != two.tolist()
    with pytest.raises(DatasetError, match="class 2 has 20 training images, 21"):
        draw_per_class(LABELS, np.arange(200), 21, rng)
