"""Pooling to 4x4 and joining the layers: lengths, order and values."""

import dataclasses

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.features.pooled_features import (
    feature_length,
    max_pool_to_grid,
    pooled_features,
)
from scratchgan.training.presets import PRESETS


@pytest.mark.parametrize(
    ("preset", "length"),
    [("imagenet32", 28672), ("svhn32", 7168), ("dcgan64", 15360), ("tf28", 3072)],
)
def test_lengths(preset, length):
    assert feature_length(PRESETS[preset].network) == length


def test_refusals():
    with pytest.raises(ConfigError, match="given the labels"):
        feature_length(PRESETS["mnist28c"].network)
    with pytest.raises(ConfigError, match="no convolution layers"):
        feature_length(PRESETS["mlp28"].network)


@pytest.mark.parametrize("shape", [(8, 8), (16, 4), (7, 14), (28, 28), (5, 9), (3, 2)])
def test_pooling_by_its_definition(shape, backend):
    maps = np.random.default_rng(0).normal(size=(2, 3, *shape)).astype("float32")
    pooled = backend.host(max_pool_to_grid(backend.put(maps), 4))
    rows, columns = min(4, shape[0]), min(4, shape[1])
    assert pooled.shape == (2, 3, rows, columns)
    for i in range(rows):
        for j in range(columns):
            top, bottom = i * shape[0] // rows, -(-(i + 1) * shape[0] // rows)
            left, right = j * shape[1] // columns, -(-(j + 1) * shape[1] // columns)
            np.testing.assert_array_equal(
                pooled[:, :, i, j], maps[:, :, top:bottom, left:right].max(axis=(2, 3))
            )


def test_windows_are_the_strides_where_4_divides():
    maps = np.arange(64.0).reshape(1, 1, 8, 8)
    expected = maps.reshape(4, 2, 4, 2).max(axis=(1, 3))
    np.testing.assert_array_equal(max_pool_to_grid(maps, 4)[0, 0], expected)


def test_features_are_all_conv_layers_from_the_image_inwards(networks):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    features = pooled_features(networks, images)
    network = networks.config.network
    assert features.shape == (5, feature_length(network))
    layers = dict(networks.activations(images))
    assert list(layers) == ["down1", "down2"]
    first, second = layers["down1"], layers["down2"]  # (5, 4, 4, 4), (5, 8, 2, 2)
    np.testing.assert_array_equal(features[:, :64], first.reshape(5, -1))
    np.testing.assert_array_equal(features[:, 64:], second.reshape(5, -1))
    assert (features < 0).any()  # after LeakyReLU, not ReLU


def test_dense_layers_are_left_out(networks):
    network = dataclasses.replace(
        networks.config.network, discriminator_hidden=(7,), ends="linear"
    )
    with_dense = dataclasses.replace(
        networks,
        config=dataclasses.replace(networks.config, network=network),
        discriminator=Discriminator(network).eval(),
    )
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    assert [name for name, _ in with_dense.activations(images)][-1] == "hidden1"
    assert feature_length(network) == 16 * 4 + 4 * 8
    assert pooled_features(with_dense, images).shape == (5, 16 * 4 + 4 * 8)
