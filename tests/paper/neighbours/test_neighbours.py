"""The test of memorisation: what is compared with what, and that it can fail."""

import numpy as np
import pytest
from tiny import write_dataset

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import DatasetError
from scratchgan.paper.frozen_statistics import freeze
from scratchgan.paper.neighbours.neighbours import (
    HELD_OUT,
    MUCH_NEARER,
    NEAR_PERCENTILE,
    HeldOut,
    choose_held_out,
    compare_distances,
    find_neighbours,
)
from scratchgan.paper.run_images import read_images


def open_with_split(tmp_path, split):
    path = write_dataset(tmp_path / "set.h5", count=len(split), split=np.array(split))
    return open_dataset(path)


def test_held_out_images_were_not_trained_on(tmp_path):
    with open_with_split(tmp_path, [0, 1, 2, 3, 0, 1]) as dataset:
        held_out = choose_held_out(dataset, "train")
        assert held_out.rows.tolist() == [1, 2, 5]
        assert not held_out.from_training
        trained_on_both = choose_held_out(dataset, "train+validation")
        assert trained_on_both.rows.tolist() == [2]


def test_training_images_where_there_are_no_others(tmp_path):
    with open_with_split(tmp_path, [0] * (2 * HELD_OUT)) as dataset:
        held_out = choose_held_out(dataset, "train")
    assert held_out.from_training
    np.testing.assert_array_equal(held_out.rows, np.arange(HELD_OUT) * 2)


def test_too_few_training_images(tmp_path):
    with (
        open_with_split(tmp_path, [0, 1, 1]) as dataset,
        pytest.raises(DatasetError, match="1 images in the split 'train'"),
    ):
        choose_held_out(dataset, "train")


@pytest.fixture
def dataset(tmp_path):
    split = np.array([0] * 40 + [1] * 20, np.uint8)
    with open_dataset(write_dataset(tmp_path / "s.h5", count=60, split=split)) as data:
        yield data


def test_neighbours_are_the_nearest_of_the_training_split(networks, dataset):
    networks = freeze(networks, dataset)
    queries = networks.images(networks.latent(range(6)))
    found = find_neighbours(
        networks, dataset, queries, HeldOut(np.arange(40, 60), False)
    )
    training = read_images(dataset, np.arange(40), networks.config.network)
    spaces = {
        "pixels": lambda images: images.reshape(len(images), -1).astype(float),
        "features": lambda images: networks.features(images).astype(float),
    }
    for name, vectors_of in spaces.items():
        of_queries, of_training = vectors_of(queries), vectors_of(training)
        distances = np.sqrt(((of_queries[:, None] - of_training) ** 2).mean(axis=2))
        nearest = found[name].generated
        np.testing.assert_allclose(
            nearest.distances, np.sort(distances, axis=1)[:, :5], rtol=1e-4
        )
        assert nearest.rows.max() < 40
        assert found[name].held_out.distances.shape == (20, 5)


def verdicts(networks, dataset, generated):
    networks = freeze(networks, dataset)
    held_out = choose_held_out(dataset, "train")
    found = find_neighbours(networks, dataset, generated, held_out)
    return {
        name: compare_distances(
            pair.generated.distances[:, 0], pair.held_out.distances[:, 0]
        )
        for name, pair in found.items()
    }


def test_copies_are_found_even_with_noise(networks, dataset, rng):
    copies = read_images(dataset, np.arange(0, 40, 2), networks.config.network)
    for noise in (0, 8):
        shaken = copies + rng.normal(0, noise, copies.shape)
        shaken = np.clip(shaken, 0, 255).astype(np.uint8)
        found = verdicts(networks, dataset, shaken)
        assert found["pixels"]["memorised"]
        assert found["features"]["memorised"]
        assert found["pixels"]["share"] == 1


def test_new_images_of_the_same_kind_are_not_copies(networks, dataset, rng):
    new = rng.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    new[..., 0] = rng.integers(0, 60, 40)[:, None, None]
    found = verdicts(networks, dataset, new)
    assert not found["pixels"]["memorised"]
    assert not found["features"]["memorised"]


@pytest.mark.parametrize(
    ("generated", "memorised"),
    [
        (np.full(10, MUCH_NEARER * 50.5 - 1), False),  # nearer, but not near enough
        (np.full(10, NEAR_PERCENTILE * 0.9), True),
        (np.r_[np.full(5, 1.0), np.full(5, 60.0)], False),  # no more than half of them
        (np.full(10, 60.0), False),
    ],
)
def test_what_is_memorised(generated, memorised):
    found = compare_distances(generated, np.arange(1.0, 101))
    assert found["memorised"] is memorised
    assert found["held_out"] == 50.5
    assert found["ratio"] == pytest.approx(np.median(generated) / 50.5)
    assert found["share"] == (generated < found["too_near"]).mean()


def test_a_dataset_of_copies_has_no_ratio():
    found = compare_distances(np.ones(3), np.zeros(4))
    assert found["ratio"] is None
    assert not found["memorised"]
