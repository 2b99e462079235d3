"""Features of a dataset: what is in the file, when it is made anew, what it knows."""

import dataclasses
import os

import h5py
import numpy as np
import pytest
from array_dataset import coloured, dataset_of

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import DatasetError
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.features.discriminator_features import (
    random_features,
    trained_features,
)
from scratchgan.paper.features.pooled_features import pooled_features
from scratchgan.paper.frozen_statistics import freeze
from scratchgan.paper.labelled_split import split_labelled


@pytest.fixture
def dataset(labelled):
    with open_dataset(labelled) as opened:
        yield opened


def test_parts_are_the_features_of_their_rows(networks, dataset):
    split = split_labelled(dataset)
    features = trained_features(networks, dataset, split)
    frozen = freeze(networks, dataset)  # the run was trained on the same split
    for part in ("test", "train", "validation"):
        rows = getattr(split, part)
        expected = pooled_features(frozen, dataset.images[rows[0] : rows[-1] + 1])
        assert features.part(part).shape == (len(rows), features.length)
        np.testing.assert_allclose(features.part(part), expected, atol=1e-5)


def test_the_file_is_made_once(networks, dataset):
    split = split_labelled(dataset)
    first = trained_features(networks, dataset, split)
    assert not first.reused
    written = first.path.stat().st_mtime_ns
    again = trained_features(networks, dataset, split)
    assert again.reused
    assert again.path.stat().st_mtime_ns == written
    assert first.path.parent.name == "features"


def test_another_split_makes_it_anew(networks, tmp_path):
    images, labels = coloured()
    with dataset_of(tmp_path / "all.h5", images, labels=labels) as dataset:
        first = trained_features(networks, dataset, split_labelled(dataset, seed=0))
        other = trained_features(networks, dataset, split_labelled(dataset, seed=1))
        assert other.path == first.path
        assert not other.reused


def test_a_file_that_another_split_replaced_is_not_read(networks, tmp_path):
    """Two commands at once: rows of the other split must not pass for ours."""
    images, labels = coloured()
    with dataset_of(tmp_path / "all.h5", images, labels=labels) as dataset:
        first = trained_features(networks, dataset, split_labelled(dataset, seed=0))
        trained_features(networks, dataset, split_labelled(dataset, seed=1))
        with pytest.raises(DatasetError, match="replaced by another command"):
            first.part("train")


def test_another_architecture_with_the_same_weights_makes_it_anew(networks, dataset):
    split = split_labelled(dataset)
    first = random_features(networks, dataset, split, 0)
    before = first.part("train")
    steeper = dataclasses.replace(
        networks.discriminator.config, negative_slope=0.5, strides=(4, 1)
    )
    other = dataclasses.replace(networks, discriminator=Discriminator(steeper))
    after = random_features(other, dataset, split, 0)
    assert after.path == first.path
    assert not after.reused
    assert after.length != first.length
    assert len(after.part("train")) == len(before)


def test_a_damaged_file_is_made_anew(networks, dataset):
    split = split_labelled(dataset)
    first = trained_features(networks, dataset, split)
    expected = first.part("train")
    first.path.write_bytes(first.path.read_bytes()[:200])
    with pytest.raises(DatasetError, match="delete it, and it is made anew"):
        first.part("train")
    again = trained_features(networks, dataset, split)
    assert not again.reused
    np.testing.assert_array_equal(again.part("train"), expected)


def test_statistics_come_from_training_images_alone(networks, labelled):
    """Whatever is in the test images, the features of the others are the same."""
    with open_dataset(labelled) as dataset:
        split = split_labelled(dataset)
        before = trained_features(networks, dataset, split)
        expected = before.part("train"), before.part("validation")
        os.remove(before.path)
    with h5py.File(labelled, "r+") as file:
        file["images"][split.test[0] :] = 255
    with open_dataset(labelled) as dataset:
        after = trained_features(networks, dataset, split)
        np.testing.assert_array_equal(after.part("train"), expected[0])
        np.testing.assert_array_equal(after.part("validation"), expected[1])
        assert len(np.unique(after.part("test"), axis=0)) == 1


def test_random_weights_are_others_and_by_seed(networks, dataset):
    split = split_labelled(dataset)
    trained = trained_features(networks, dataset, split).part("train")
    one = random_features(networks, dataset, split, 0)
    first = one.part("train")
    two = random_features(networks, dataset, split, 1)
    assert not two.reused
    assert abs(first - trained).mean() > 0.01
    assert abs(first - two.part("train")).mean() > 0.01
    again = random_features(networks, dataset, split, 0)
    assert again.reused
    np.testing.assert_array_equal(again.part("train"), first)


def test_an_interruption_leaves_nothing(networks, dataset):
    split = split_labelled(dataset)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_features(networks, dataset, split, interrupt)
    folder = networks.checkpoint.parent.parent / "features"
    assert list(folder.iterdir()) == []
    assert not trained_features(networks, dataset, split).reused
