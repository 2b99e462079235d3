"""A gradient that is not one of y's is refused by name, whichever layer it is given to.

Broadcasting would take many of these, and give an array of some shape.
"""

import numpy as np
import pytest

from scratchgan.nn import Sequential
from tests.oracles import LAYERS, build_layer, call, upstream

WRONG_SHAPES = {
    "one image less": lambda dy: dy[1:],
    "one image, to be broadcast": lambda dy: dy[:1],
    "no batch axis": lambda dy: dy[0],
    "a number": lambda dy: dy.sum(),
    "one channel, to be broadcast": lambda dy: dy[:, :1],
    "one channel more": lambda dy: np.concatenate([dy, dy[:, :1]], axis=1),
    "a further axis": lambda dy: dy[..., None],
    "flat": lambda dy: dy.ravel(),
    "the last axis shorter": lambda dy: dy[..., :-1],
    "transposed": lambda dy: dy.T,
}


def built(name, dtype="float64"):
    """Return (layer, dy, ctx) of one of the layers."""
    layer, x, labels = build_layer(name, dtype)
    y, ctx = call(layer, x, labels)
    return layer, upstream(name, y), ctx


def refused(error, layer, dy, ctx, **flags):
    """Assert that dy is refused by the layer that met it, and nothing was added."""
    layer.zero_grad()
    with pytest.raises(error, match="dy ") as caught:
        layer.backward(dy, ctx, **flags)
    if not isinstance(layer, Sequential):
        assert str(caught.value).startswith(f"{layer}: dy ")
    assert not any(p.grad.any() for p in layer.parameters().values())
    return str(caught.value)


@pytest.mark.parametrize("wrong", WRONG_SHAPES)
@pytest.mark.parametrize("name", LAYERS)
def test_dy_of_another_shape_than_y_is_refused_with_both_shapes(name, wrong):
    layer, dy, ctx = built(name)
    bad = WRONG_SHAPES[wrong](dy)
    if bad.shape == dy.shape:
        pytest.skip("the same shape")
    message = refused(ValueError, layer, bad, ctx)
    assert f"dy has shape {bad.shape}, expected" in message
    assert str(dy.shape) in message


@pytest.mark.parametrize("flags", [{"need_dx": False}, {"need_dparams": False}])
@pytest.mark.parametrize("name", LAYERS)
def test_the_flags_do_not_matter(name, flags):
    layer, dy, ctx = built(name)
    refused(ValueError, layer, dy[1:], ctx, **flags)


@pytest.mark.parametrize("name", LAYERS)
def test_dy_of_another_dtype_is_refused_where_the_layer_has_one(name):
    layer, dy, ctx = built(name, "float32")
    if not layer.parameters() and name != "dropout":
        pytest.skip("without parameters and a mask there is no dtype of its own")
    message = refused(TypeError, layer, dy.astype("float64"), ctx)
    assert "dy is float64, expected float32" in message


@pytest.mark.parametrize("name", LAYERS)
def test_the_right_dy_is_taken_whatever_its_order_in_memory(name):
    layer, dy, ctx = built(name)
    expected = layer.backward(dy, ctx)
    got = layer.backward(np.asfortranarray(dy), ctx)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
