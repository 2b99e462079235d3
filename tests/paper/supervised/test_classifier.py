"""D with an output for each class: the same stages, other ends."""

from dataclasses import replace

import numpy as np
import pytest

from scratchgan.functional.losses import softmax_cross_entropy
from scratchgan.gradcheck import small_network
from scratchgan.models.dcgan import Discriminator
from scratchgan.nn import Dropout
from scratchgan.paper.supervised.classifier import SupervisedClassifier
from scratchgan.testing import RepeatedDraws, gradient_errors
from scratchgan.training.presets import PRESETS


def shapes(network):
    return {name: p.data.shape for name, p in network.parameters().items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_all_but_the_last_layer_is_that_of_d(preset):
    config = replace(small_network(PRESETS[preset].network), classes=0)
    network, d = SupervisedClassifier(config, 7), Discriminator(config)
    ours, theirs = shapes(network), shapes(d)
    assert ours.keys() == theirs.keys()
    different = {name for name in ours if ours[name] != theirs[name]}
    assert {name.split(".")[0] for name in different} == {"head"}
    assert network(np.zeros((2, *config.image_shape), "float32")).shape == (2, 7)


def test_a_conditional_d_is_built_without_its_labels():
    config = PRESETS["mnist28c"].network
    network = SupervisedClassifier(small_network(config), 10)
    plain = SupervisedClassifier(small_network(replace(config, classes=0)), 10)
    assert shapes(network) == shapes(plain)
    assert network.config.classes == 0


def test_dropout_is_in_front_of_the_last_layer_and_only_in_training(rng):
    config = small_network(PRESETS["quick32"].network)
    network = SupervisedClassifier(config, 3, dropout=0.5)
    names = list(network.layers)
    assert names.index("dropout") == names.index("head") - 1
    assert isinstance(network.layers["dropout"], Dropout)
    x = rng.standard_normal((4, *config.image_shape)).astype("float32")
    assert (network(x) != network(x)).any()
    network.eval()
    np.testing.assert_array_equal(network(x), network(x))


@pytest.mark.parametrize("preset", ["svhn32", "quick32", "mnist28c", "tf28"])
def test_gradients_of_the_whole_network_are_numeric(preset, rng):
    config = small_network(PRESETS[preset].network)
    network = SupervisedClassifier(config, 5, dropout=0.3, rng=rng, dtype="float64")
    network.layers["dropout"].rng = RepeatedDraws()
    for name, parameter in network.parameters().items():
        if name.endswith("weight"):
            parameter.data *= 10  # gradients well above rounding
    x = rng.standard_normal((4, *config.image_shape))
    targets = np.eye(5)[rng.integers(0, 5, 4)]
    logits, ctx = network.forward(x)
    dx = network.backward(softmax_cross_entropy(logits, targets)[1], ctx)
    parameters = network.parameters()
    errors = gradient_errors(
        lambda: softmax_cross_entropy(network(x), targets)[0],
        {"x": x} | {name: p.data for name, p in parameters.items()},
        {"x": dx} | {name: p.grad for name, p in parameters.items()},
    )
    assert max(errors.values()) < 1e-6, errors
