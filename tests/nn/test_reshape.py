"""Layers that rearrange, and labels beside the input."""

import numpy as np
import pytest

from scratchgan.nn import ConcatLabels, Flatten, Reshape


def test_reshape_and_flatten_are_inverse_in_c_order(rng):
    x = rng.normal(size=(3, 12))
    maps, ctx = Reshape(2, 2, 3).forward(x)
    assert maps.shape == (3, 2, 2, 3)
    np.testing.assert_array_equal(maps[1, 0, 1], x[1, 3:6])
    np.testing.assert_array_equal(Flatten()(maps), x)
    np.testing.assert_array_equal(Reshape(2, 2, 3).backward(maps, ctx), x)


def test_order_of_elements_does_not_depend_on_memory(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    channels_last = x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    y, ctx = Flatten().forward(channels_last)
    np.testing.assert_array_equal(y, x.reshape(2, 60))
    assert Flatten().backward(y, ctx).shape == x.shape


def test_context_is_the_shape_only(rng):
    assert Flatten().forward(rng.normal(size=(2, 3, 4, 5)))[1] == (2, 3, 4, 5)
    assert Reshape(5, 1).forward(rng.normal(size=(2, 5)))[1] == (2, 5)
    x, labels = rng.normal(size=(2, 5)), np.eye(2)
    assert ConcatLabels(2).forward(x, labels)[1] == (2, 5)


def test_shape_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="reshape"):
        Reshape(2, 3).forward(np.zeros((4, 5)))


def test_labels_are_further_units_or_constant_planes(rng):
    layer = ConcatLabels(3)
    labels = np.array([[0.0, 1.0, 0.0], [0.25, 0.0, 0.75]])
    vector, maps = rng.normal(size=(2, 4)), rng.normal(size=(2, 4, 3, 2))
    y = layer(vector, labels)
    np.testing.assert_array_equal(y[:, :4], vector)
    np.testing.assert_array_equal(y[:, 4:], labels)
    y, ctx = layer.forward(maps, labels)
    np.testing.assert_array_equal(y[:, :4], maps)
    for image, label in np.ndindex(2, 3):
        assert (y[image, 4 + label] == labels[image, label]).all()
    dy = rng.normal(size=y.shape)
    np.testing.assert_array_equal(layer.backward(dy, ctx), dy[:, :4])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels are none"),
        (np.zeros((2, 4)), r"labels are shape \(2, 4\)"),
        (np.zeros((3, 3)), r"labels are shape \(3, 3\)"),
        (np.zeros(2), r"labels are shape \(2,\)"),
    ],
)
def test_missing_or_misshapen_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message) as error:
        ConcatLabels(3).forward(np.zeros((2, 4, 5, 5)), labels)
    assert "(2, 3)" in str(error.value)
    assert "ConcatLabels(3)" in str(error.value)


def test_labels_of_another_dtype_are_refused():
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match="labels are float64, x is float32"):
        ConcatLabels(2).forward(x, np.eye(2))
