"""The autoencoder: shapes, bits known by hand, gradients."""

import numpy as np

from scratchgan.paper.dedup.denoising_autoencoder import DenoisingAutoencoder
from scratchgan.testing import RepeatedDraws, check_layer


def small(dtype="float64"):
    network = DenoisingAutoencoder(6, 4, rng=np.random.default_rng(0), dtype=dtype)
    rng = np.random.default_rng(1)
    for parameter in network.parameters().values():
        parameter.data[...] = rng.normal(0, 1, parameter.data.shape)
    return network


def test_the_papers_sizes():
    shapes = {
        name: parameter.data.shape
        for name, parameter in DenoisingAutoencoder().parameters().items()
    }
    assert shapes == {
        "encode.weight": (128, 3072),
        "encode.bias": (128,),
        "decode.weight": (3072, 128),
        "decode.bias": (3072,),
    }


def test_bits_known_by_hand(backend):
    network = DenoisingAutoencoder(2, 3, dtype="float64")
    encode = network.layers["encode"]
    encode.weight.data[...] = [[1, 0], [1, 1], [0, -2]]
    encode.bias.data[...] = [0, -3, 1]
    network.to(backend.device)
    x = backend.put(np.array([[2.0, 1.0], [0.0, 0.0], [3.0, 0.5]]))
    # Units: x0 > 0, x0 + x1 > 3, 1 > 2·x1; exactly 0 is not active.
    expected = [[True, False, False], [False, False, True], [True, True, False]]
    np.testing.assert_array_equal(backend.host(network.active(x)), expected)


def test_the_code_knows_no_dropout_and_training_does(rng):
    network, x = small(), rng.standard_normal((50, 6))
    np.testing.assert_array_equal(network.active(x), network.active(x))
    hidden = network.layers["act"](network.layers["encode"](x))
    np.testing.assert_array_equal(network.active(x), hidden > 0)
    assert (network(x) != network(x)).any()
    assert (network.eval()(x) == network(x)).all()


def test_gradients(rng):
    network = small()
    network.layers["dropout"].rng = RepeatedDraws()
    check_layer(network, rng.standard_normal((7, 6)))
