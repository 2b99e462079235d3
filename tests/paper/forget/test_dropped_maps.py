"""Dropped maps are really zero, and nothing else is changed."""

import dataclasses

import numpy as np
import pytest
from tiny import NETWORK

from scratchgan.backend import CPU, to_host
from scratchgan.errors import ConfigError
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.paper.forget.dropped_maps import (
    SplitGenerator,
    choose_layer,
    drop_maps,
    layers_with_maps,
)
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.training.config import TrainConfig
from scratchgan.training.presets import PRESETS


@pytest.mark.parametrize(
    ("preset", "name", "shape"),
    [
        ("paper64", "up2", (256, 16, 16)),  # the paper's, 200 of 256 maps dropped
        ("dcgan64", "up2", (128, 16, 16)),
        ("quick32", "up1", (64, 8, 8)),
        ("imagenet32", "up4", (128, 16, 16)),
        ("svhn32", "up1", (128, 8, 8)),
        ("mnist28c", "project", (128, 7, 7)),
    ],
)
def test_second_highest_layer(preset, name, shape):
    stage = choose_layer(PRESETS[preset].network)
    assert (stage.name, stage.outputs, stage.activation) == (name, shape, "relu")


def test_layer_by_name():
    assert choose_layer(NETWORK, "project").outputs == (8, 2, 2)
    with pytest.raises(ConfigError, match=r"--layer up9: .* are project, up1"):
        choose_layer(NETWORK, "up9")
    with pytest.raises(ConfigError, match="up2"):  # the image itself
        choose_layer(NETWORK, "up2")
    with pytest.raises(ConfigError, match="are none"):
        choose_layer(PRESETS["mlp28"].network, "hidden1")
    with pytest.raises(ConfigError, match="0 hidden layers with feature maps"):
        choose_layer(PRESETS["mlp28"].network)


def kept_but(networks, layer, *dropped):
    kept = np.ones(choose_layer(networks.config.network, layer).outputs[0], bool)
    kept[list(dropped)] = False
    return kept


@pytest.mark.parametrize("layer", ["project", "up1"])
def test_with_all_maps_the_images_are_the_same_bytes(networks, layer):
    z = networks.latent(range(70))  # more than one batch
    split = SplitGenerator(networks, layer)
    (images,) = split.images(z, [kept_but(networks, layer)])
    np.testing.assert_array_equal(images, networks.images(z))


@pytest.mark.parametrize("layer", ["project", "up1"])
def test_dropped_maps_are_zero_and_the_others_as_before(networks, layer, monkeypatch):
    """Seen where the next stage reads them."""
    names, stages = zip(*networks.generator.layers.items(), strict=True)
    above = names.index(layer) + 1
    seen = []

    def spy(x):
        seen.append(x)
        return stages[above](x)

    monkeypatch.setitem(networks.generator.layers, names[above], spy)
    z = networks.latent(range(5))
    split = SplitGenerator(networks, layer)
    split.images(z, [kept_but(networks, layer), kept_but(networks, layer, 0, 3)])
    before, after = seen
    assert abs(before[:, [0, 3]]).max() > 0  # else nothing is shown
    np.testing.assert_array_equal(after[:, [0, 3]], 0)
    others = [c for c in range(before.shape[1]) if c not in (0, 3)]
    np.testing.assert_array_equal(after[:, others], before[:, others])
    np.testing.assert_array_equal(split.features(z), before)


def test_dropping_is_what_a_zero_row_of_weights_does(networks):
    """The next convolution without the rows of a map gives the same image."""
    z = networks.latent(range(6))
    without = SplitGenerator(networks, "project").images(
        z, [kept_but(networks, "project", 2, 5)]
    )[0]
    networks.generator.parameters()["up1.conv.weight"].data[[2, 5]] = 0
    expected = networks.images(z)
    assert abs(without.astype(int) - expected).max() <= 1  # sums in another order


def test_each_choice_is_made_of_the_same_z(networks):
    z = networks.latent(range(4))
    split = SplitGenerator(networks, "up1")
    choices = [kept_but(networks, "up1", 0), kept_but(networks, "up1", 1, 2)]
    together = split.images(z, choices)
    for choice, images in zip(choices, together, strict=True):
        np.testing.assert_array_equal(split.images(z, [choice])[0], images)
    assert (together[0] != together[1]).any()


def test_networks_do_not_change(networks):
    z = networks.latent(range(4))
    before = networks.generator.state_dict()
    SplitGenerator(networks, "up1").images(z, [kept_but(networks, "up1", 0, 1, 2)])
    after = networks.generator.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_values_that_are_not_finite_are_dropped_too():
    x = np.array([np.inf, np.nan, 2.0]).reshape(1, 3, 1, 1)
    dropped = drop_maps(x, np.array([False, False, True]))
    np.testing.assert_array_equal(dropped.ravel(), [0, 0, 2])


def made(network, device):
    config = TrainConfig(preset="x", description="x", network=network)
    rng = np.random.default_rng(3)
    generator, discriminator = (
        kind(network, rng=rng).to(device).eval() for kind in (Generator, Discriminator)
    )
    return TrainedNetworks(None, 0, config, generator, discriminator, device)


def test_every_backend_drops_the_same(backend):
    here, there = made(NETWORK, CPU), made(NETWORK, backend.device)
    z = here.latent(range(3))
    kept = kept_but(here, "up1", 1, 3)
    x = here.generator.layers["project"](z)
    np.testing.assert_array_equal(
        to_host(drop_maps(backend.put(x), backend.put(np.arange(8) > 3))),
        x * (np.arange(8) > 3)[:, None, None],
    )
    ours, expected = (SplitGenerator(n, "up1") for n in (there, here))
    np.testing.assert_allclose(ours.features(z), expected.features(z), atol=1e-5)
    difference = ours.images(z, [kept]).astype(int) - expected.images(z, [kept])
    assert abs(difference).max() <= 1


def test_conditional_network_draws_its_class():
    network = dataclasses.replace(NETWORK, classes=3)
    networks = made(network, CPU)
    z = networks.latent(range(3))
    for label in (None, 0, 2):
        (images,) = SplitGenerator(networks, "up1", label).images(z, [np.ones(4, bool)])
        np.testing.assert_array_equal(images, networks.images(z, [label or 0] * 3))


def test_layers_with_maps_leave_out_vectors_and_the_image():
    names = [s.name for s in layers_with_maps(PRESETS["mnist28c"].network)]
    assert names == ["project", "up1"]
