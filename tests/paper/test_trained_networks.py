"""A run's networks as the experiments see them."""

import dataclasses

import numpy as np
import pytest

from scratchgan.datasets.loader import scale_images
from scratchgan.errors import ConfigError
from scratchgan.models.dcgan import Generator
from scratchgan.models.latent import latent_from_seeds
from scratchgan.paper.trained_networks import check_label
from scratchgan.training.preview import generate_images


def test_images_are_those_that_generate_makes(networks):
    z = networks.latent([3, 4])
    np.testing.assert_array_equal(z, latent_from_seeds(networks.config.network, [3, 4]))
    expected = generate_images(networks.generator, [3, 4], networks.device)
    np.testing.assert_array_equal(networks.images(z), expected)


def test_one_class_stands_for_all_and_class_0_for_none(networks):
    network = dataclasses.replace(networks.config.network, classes=3)
    conditional = dataclasses.replace(
        networks,
        config=dataclasses.replace(networks.config, network=network),
        generator=Generator(network, rng=np.random.default_rng(0)).eval(),
    )
    z = networks.latent([3, 4])
    for one, each in ((2, [2, 2]), (None, [0, 0])):
        images = conditional.images(z, one)
        np.testing.assert_array_equal(images, conditional.images(z, each))
    assert (conditional.images(z, 2) != conditional.images(z, 0)).any()


def test_activations_lead_to_the_logits(networks):
    """Each is what the next stage of D reads; the last stage makes the logit of it."""
    images = networks.images(networks.latent(range(5)))
    names, arrays = zip(*networks.activations(images), strict=True)
    stages = [n for n in networks.discriminator.layers if n != "flatten"]
    assert list(names) == stages[:-1]
    output = networks.discriminator.layers[stages[-1]](arrays[-1])
    logits = networks.discriminator(scale_images(images, "tanh"))
    np.testing.assert_allclose(output.reshape(5, 1), logits, rtol=1e-6)


def test_features_are_the_last_activation_whatever_the_batch(networks):
    images = networks.images(networks.latent(range(70)))
    features = networks.features(images)
    *_, (_, last) = networks.activations(images[:3])
    np.testing.assert_allclose(features[:3], last.reshape(3, -1), rtol=1e-5)
    assert len(features) == 70


def test_labels_that_the_networks_do_not_have(networks):
    with pytest.raises(ConfigError, match="was trained without labels"):
        check_label(networks, 0)
    check_label(networks, None)
    network = dataclasses.replace(networks.config.network, classes=3)
    config = dataclasses.replace(networks.config, network=network)
    conditional = dataclasses.replace(networks, config=config)
    check_label(conditional, 2)
    with pytest.raises(ConfigError, match="--label 3: this network has 3 classes"):
        check_label(conditional, 3)
