"""The matrix product layer."""

import numpy as np
import pytest

from scratchgan.nn import Linear


def test_values_and_gradients_of_an_example_done_by_hand():
    layer = Linear(2, 3, bias=True, dtype="float64")
    layer.weight.data[...] = [[1, 2], [3, 4], [5, 6]]
    layer.bias.data[...] = [10, 20, 30]
    y, ctx = layer.forward(np.array([[1.0, -1.0], [0.0, 2.0]]))
    np.testing.assert_array_equal(y, [[9, 19, 29], [14, 28, 42]])
    dx = layer.backward(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]), ctx)
    np.testing.assert_array_equal(dx, [[1, 2], [13, 16]])
    np.testing.assert_array_equal(layer.weight.grad, [[1, -1], [0, 2], [0, 4]])
    np.testing.assert_array_equal(layer.bias.grad, [1, 1, 2])


def test_bias_is_absent_unless_asked_for():
    assert list(Linear(2, 3).parameters()) == ["weight"]
    layer = Linear(2, 3, bias=True)
    assert list(layer.parameters()) == ["weight", "bias"]
    assert not layer.bias.data.any()


def test_context_is_the_input_itself():
    x = np.ones((2, 3), "float32")
    assert Linear(3, 1).forward(x)[1] is x


def test_weights_are_drawn_from_n_0_002_by_the_generator_given():
    def build(seed):
        return Linear(200, 250, rng=np.random.default_rng(seed)).weight.data

    weight = build(1)
    assert weight.shape == (250, 200)
    assert weight.dtype == np.float32
    assert weight.std() == pytest.approx(0.02, rel=0.02)  # 50,000 draws
    np.testing.assert_array_equal(weight, build(1))
    assert not np.array_equal(weight, build(2))


def test_fans_of_the_initialiser_are_the_two_sizes():
    seen = []

    def spy(rng, shape, fan_in, fan_out):
        seen.append((shape, fan_in, fan_out))
        return np.zeros(shape)

    Linear(3, 8, weight_init=spy)
    assert seen == [((8, 3), 3, 8)]
