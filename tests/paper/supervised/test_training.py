"""Training with labels: that it learns, when it ends, and what it depends on."""

import dataclasses

import numpy as np
import pytest
from array_dataset import dataset_of
from tiny import NETWORK

from scratchgan.backend import CPU
from scratchgan.errors import ConfigError, DatasetError, NonFiniteError
from scratchgan.optim.adam import Adam
from scratchgan.paper.labelled_split import split_labelled
from scratchgan.paper.supervised import training as supervised_training
from scratchgan.paper.supervised.classifier import SupervisedClassifier
from scratchgan.paper.supervised.training import (
    PATIENCE,
    SupervisedSettings,
    accuracy,
    choose_rows,
    classify,
    epochs_a_check,
    read_labelled,
    train_supervised,
)
from tests.paper.labelled_squares import labelled_squares

CONFIG = dataclasses.replace(NETWORK, channels=1)
SETTINGS = SupervisedSettings(lr=0.01, l2=1e-5, batch_size=10, dropout=0.2)
TRAIN, VALIDATION = labelled_squares(60, 0), labelled_squares(45, 1)


def train(data=TRAIN, validation=VALIDATION, epochs=30, seed=(0,), **changes):
    given = {"device": CPU, "progress": None} | changes
    settings = given.pop("settings", SETTINGS)
    return train_supervised(
        CONFIG, 3, data, validation, settings, epochs=epochs, seed=seed, **given
    )


def test_it_learns_what_can_be_learnt():
    trained = train()
    assert trained.validation_accuracy == 1.0
    assert accuracy(trained.network, labelled_squares(90, 2), CPU) >= 0.97


def test_wrong_labels_cannot_be_learnt(rng):
    """Else the test above would say nothing."""
    labels = rng.permutation(TRAIN.labels)
    trained = train(dataclasses.replace(TRAIN, labels=labels), epochs=5)
    assert accuracy(trained.network, labelled_squares(300, 2), CPU) < 0.7


def test_it_ends_when_validation_gets_no_better():
    batches = []
    trained = train(epochs=1000, progress=lambda: batches.append(1))
    assert trained.validation_accuracy == 1.0
    assert len(batches) == 6 * (trained.epochs + PATIENCE)


def test_the_best_network_is_returned_not_the_last(monkeypatch):
    """Validation is made to say: middling, best, worse from then on."""
    errors = iter([0.5, 0.9, *[0.1] * 100])
    states, networks = [], []

    def fake(network, data, device):
        assert not network.training
        states.append(network.state_dict())
        networks.append(network)
        return next(errors)

    def progress():
        assert all(network.training for network in networks)

    monkeypatch.setattr(supervised_training, "accuracy", fake)
    trained = train(epochs=6, progress=progress)
    assert not trained.network.training
    assert (trained.validation_accuracy, trained.epochs) == (0.9, 2)
    for name, array in trained.network.state_dict().items():
        np.testing.assert_array_equal(array, states[1][name])
    assert any((states[5][name] != states[1][name]).any() for name in states[1])


def test_many_validation_images_are_looked_at_less_often():
    assert epochs_a_check(60, 45) == 1
    assert epochs_a_check(60, 450) == 8
    batches = []
    trained = train(
        validation=labelled_squares(300, 1),
        epochs=7,
        progress=lambda: batches.append(1),
    )
    assert len(batches) == 7 * 6
    assert trained.epochs in (5, 7)  # every fifth, and the last


def test_the_same_seed_gives_the_same_network():
    first, again, other = (train(epochs=2, seed=seed) for seed in ([1], [1], [2]))
    for name, array in first.network.state_dict().items():
        np.testing.assert_array_equal(again.network.state_dict()[name], array)
    weight = "down1.conv.weight"
    assert (
        first.network.state_dict()[weight] != other.network.state_dict()[weight]
    ).any()


def test_every_setting_counts():
    plain = train(epochs=1).network.state_dict()["head.conv.weight"]
    for change in ({"lr": 0.02}, {"l2": 0.1}, {"batch_size": 12}, {"dropout": 0.5}):
        settings = dataclasses.replace(SETTINGS, **change)
        trained = train(epochs=1, settings=settings)
        assert (trained.network.state_dict()["head.conv.weight"] != plain).any(), change


def test_an_image_is_classified_on_its_own():
    network = train(epochs=2).network
    images = labelled_squares(300, 3).images
    together = classify(network, images, CPU)
    assert together.dtype == np.int64
    assert classify(network, images[7:8], CPU)[0] == together[7]
    np.testing.assert_array_equal(classify(network, images[::-1], CPU)[::-1], together)


def test_values_that_are_not_finite_are_an_error():
    with pytest.raises(NonFiniteError, match="not finite"):
        train(settings=dataclasses.replace(SETTINGS, lr=1e38), epochs=3)


def test_it_runs_where_arrays_live_elsewhere(backend):
    trained = train(epochs=2, device=backend.device)
    here = train(epochs=2)
    assert trained.epochs == here.epochs
    assert trained.validation_accuracy == pytest.approx(
        here.validation_accuracy, abs=0.1
    )


def test_rows_are_read_in_their_order_and_averaged_down(tmp_path, rng):
    images = rng.integers(0, 256, (600, 16, 16, 3), np.uint8)
    labels = np.arange(600) % 2
    rows = np.sort(rng.choice(600, 300, replace=False))
    with dataset_of(tmp_path / "toy.h5", images, labels=labels) as dataset:
        data = read_labelled(dataset, rows, labels, dataclasses.replace(NETWORK))
    means = images[rows].reshape(300, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert abs(data.images - means).max() <= 0.5
    np.testing.assert_array_equal(data.labels, labels[rows])


def test_labels_are_drawn_from_every_class_alike(tmp_path, rng):
    images = np.zeros((200, 4, 4, 1), np.uint8)
    labels = np.repeat([0, 1, 2], [120, 50, 30])
    with dataset_of(tmp_path / "toy.h5", images, labels=labels) as dataset:
        split = split_labelled(dataset)
    np.testing.assert_array_equal(choose_rows(split, None, 0), split.train)
    rows = choose_rows(split, 30, 0)
    assert np.bincount(labels[rows]).tolist() == [10, 10, 10]
    assert set(rows) <= set(split.train.tolist())
    np.testing.assert_array_equal(choose_rows(split, 30, 0), rows)
    assert (choose_rows(split, 30, 1) != rows).any()
    with pytest.raises(ConfigError, match=r"--labels 31: .* 3 classes.* take 30"):
        choose_rows(split, 31, 0)
    with pytest.raises(DatasetError, match="class 2 has 18"):
        choose_rows(split, 60, 0)


def test_gradients_of_one_batch_do_not_stay():
    network = SupervisedClassifier(CONFIG, 3, rng=np.random.default_rng(0))
    adam = Adam(network.parameters(), lr=0)
    gradients = []
    for _ in range(2):
        supervised_training._step(network, adam, TRAIN.images, TRAIN.labels, CPU)
        gradients.append({k: p.grad.copy() for k, p in network.parameters().items()})
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], gradient, rtol=1e-5, atol=1e-8)
        assert gradient.any()
