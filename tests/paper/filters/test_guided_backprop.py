"""Guided backpropagation: a case by hand, the plain gradient, what is let through."""

import numpy as np
import pytest

from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.filters.guided_backprop import as_tiles, unit_gradients

TWO_LAYERS = NetworkConfig(
    height=4,
    width=4,
    channels=1,
    widths=(),
    strides=(),
    ends="linear",
    discriminator_hidden=(3, 2),
    norm_eps=1e-12,
    gamma_std=0.0,
)


@pytest.fixture
def by_hand():
    """Return a dense D whose normalisation does nothing; only two pixels count.

    hidden1 = lrelu(a), a = (x0 - x1, x1, -x0); hidden2 = lrelu(b),
    b = (2·h0 + 3·h1 + 5·h2, -h0 + h1).
    """
    network = Discriminator(TWO_LAYERS, dtype="float64").eval()
    values = network.state_dict()
    first = np.zeros((3, 16))
    first[:, :2] = [[1, -1], [0, 1], [-1, 0]]
    values["hidden1.linear.weight"] = first
    values["hidden2.linear.weight"] = np.array([[2.0, 3, 5], [-1, 1, 0]])
    network.load_state_dict(values)
    return network


def image(x0, x1):
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 0, :2] = x0, x1
    return x


def gradient(network, x, feature, **options):
    dx = unit_gradients(
        network, x, "hidden2", np.array([feature]), np.array([0]), **options
    )
    return dx[0, 0, 0, :2]


def test_by_hand_all_on(by_hand):
    """x = (2, 1): a = (1, 1, -2), h = (1, 1, -0.4), b0 = 2 + 3 - 2 = 3 > 0.

    The gradient 1 passes; into hidden1 go (2, 3, 5), of which the third meets a
    negative input and stops. dx0 = 2·1 + 0 = 2, dx1 = 2·(-1) + 3·1 = 1.
    """
    np.testing.assert_allclose(gradient(by_hand, image(2.0, 1.0), 0), [2, 1])


def test_by_hand_a_negative_gradient_stops(by_hand):
    """x = (2, 3): a = (-1, 3, -2), b1 = 0.2 + 3 = 3.2 > 0; (-1, 1, 0) go in.

    -1 would stop for its sign and for its input, 1 passes: dx = (0, 1).
    x = (4, 3): a = (1, 3, -4), b1 = -1 + 3 = 2: -1 meets a positive input and stops
    for its sign alone; the plain gradient would be (-1, 2).
    """
    np.testing.assert_allclose(gradient(by_hand, image(2.0, 3.0), 1), [0, 1])
    np.testing.assert_allclose(gradient(by_hand, image(4.0, 3.0), 1), [0, 1])
    plain = gradient(by_hand, image(4.0, 3.0), 1, guided=False)
    np.testing.assert_allclose(plain, [-1, 2], rtol=1e-9)


def test_by_hand_a_unit_that_is_off(by_hand):
    """x = (4, 1): a = (3, 1, -4), b1 = -3 + 1 = -2 < 0: nothing excites it."""
    np.testing.assert_array_equal(gradient(by_hand, image(4.0, 1.0), 1), [0, 0])


CONVOLUTIONS = NetworkConfig(
    height=8, width=12, kernel_size=5, widths=(3, 4), strides=(2, 2), classes=2
)


def settled(config, dtype="float64"):
    """Return D in eval mode with averages that differ between features."""
    rng = np.random.default_rng(3)
    network = Discriminator(config, rng=rng, dtype=dtype).eval()
    values = network.state_dict()
    for name in values:
        if name.endswith("weight"):
            values[name] = values[name] * 20
        elif name.endswith("running_mean"):
            values[name] = rng.normal(0, 0.3, values[name].shape)
        elif name.endswith("running_var"):
            values[name] = rng.uniform(0.5, 2, values[name].shape)
    network.load_state_dict(values)
    return network


def batch(rng, dtype="float64"):
    x = rng.normal(size=(3, 3, 8, 12)).astype(dtype)
    labels = np.eye(2, dtype=dtype)[[0, 1, 1]]
    return x, labels, np.array([1, 3, 0]), np.array([0, 5, 3])


@pytest.mark.parametrize("layer", ["down1", "down2"])
def test_without_the_rule_it_is_the_numeric_gradient(rng, layer):
    network = settled(CONVOLUTIONS)
    x, labels, features, positions = batch(rng)
    features = features % 3
    dx = unit_gradients(network, x, layer, features, positions, labels, guided=False)

    def units(x):
        y = x
        for name, stage in network.layers.items():
            y = stage(y, labels)
            if name == layer:
                break
        return y.reshape(3, y.shape[1], -1)[np.arange(3), features, positions]

    step = 1e-6
    for index in np.ndindex(3, 8, 12):
        at = (slice(None), *index)
        above, below = x.copy(), x.copy()
        above[at] += step
        below[at] -= step
        numeric = (units(above) - units(below)) / (2 * step)
        np.testing.assert_allclose(dx[at], numeric, atol=1e-7)
    assert abs(dx).max() > 0.01


def test_images_do_not_answer_for_each_other(rng):
    network = settled(CONVOLUTIONS)
    x, labels, features, positions = batch(rng)
    together = unit_gradients(network, x, "down2", features, positions, labels)
    for n in range(3):
        one = slice(n, n + 1)
        alone = unit_gradients(
            network, x[one], "down2", features[one], positions[one], labels[one]
        )
        np.testing.assert_allclose(together[one], alone, atol=1e-12)


def test_the_rule_matters(rng):
    network = settled(CONVOLUTIONS)
    x, labels, *unit = batch(rng)
    guided = unit_gradients(network, x, "down2", *unit, labels)
    plain = unit_gradients(network, x, "down2", *unit, labels, guided=False)
    assert not np.allclose(guided, plain)


def test_everywhere_the_same(backend, rng):
    network = settled(CONVOLUTIONS, "float32")
    x, labels, *unit = batch(rng, "float32")
    expected = unit_gradients(network, x, "down2", *unit, labels)
    network.to(backend.device)
    found = unit_gradients(network, backend.put(x), "down2", *unit, backend.put(labels))
    np.testing.assert_allclose(backend.host(found), expected, rtol=1e-3, atol=1e-5)
    assert abs(expected).max() > 0.01


def test_training_mode_and_unknown_stages_are_refused(rng):
    network = settled(CONVOLUTIONS)
    x, labels, *unit = batch(rng)
    with pytest.raises(KeyError, match="down9"):
        unit_gradients(network, x, "down9", *unit, labels)
    network.train()
    with pytest.raises(ValueError, match="training mode"):
        unit_gradients(network, x, "down2", *unit, labels)


def test_tiles():
    gradients = np.zeros((2, 1, 3, 1))
    gradients[0, 0, :, 0] = -0.5, 0, 0.25
    tiles = as_tiles(gradients)[:, 0, :, 0]
    np.testing.assert_array_equal(tiles, [[1, 128, 192], [128, 128, 128]])
