"""The judge's network: its sizes, and its gradients as a whole."""

import numpy as np
import pytest

from scratchgan.paper.judges.attribute_classifier import AttributeClassifier
from scratchgan.testing import check_layer


@pytest.mark.parametrize(
    ("height", "width", "stages", "features"),
    [
        (64, 64, 4, 64 * 4 * 4),
        (32, 32, 3, 64 * 4 * 4),
        (28, 28, 2, 32 * 7 * 7),
        (48, 64, 3, 64 * 6 * 8),
        (9, 17, 1, 16 * 4 * 8),
        (128, 128, 4, 64 * 8 * 8),
        (4, 4, 0, 3 * 4 * 4),
    ],
)
def test_sizes(height, width, stages, features):
    network = AttributeClassifier(3, height, width, 5)
    assert len(network.layers) == stages + 2
    assert network.layers["read"].in_features == features
    assert network(np.zeros((2, 3, height, width), np.float32)).shape == (2, 5)


def test_the_seed_decides_the_weights():
    states = [
        AttributeClassifier(1, 16, 16, 2, rng=np.random.default_rng(s)).state_dict()
        for s in (0, 0, 1)
    ]
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])
    name = "down1.conv.weight"
    assert not np.array_equal(states[0][name], states[2][name])


def test_gradients(rng):
    network = AttributeClassifier(2, 8, 10, 3, rng=rng, dtype="float64")
    check_layer(network, rng.standard_normal((4, 2, 8, 10)))
