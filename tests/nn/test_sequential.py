"""Layers one after another: order, flags, labels, several passes in flight."""

import numpy as np
import pytest

from scratchgan.nn import (
    BatchNorm1d,
    Block,
    ConcatLabels,
    Layer,
    Linear,
    Sequential,
    Tanh,
)


class Spy(Layer):
    """Adds a number, and writes down what it is asked for."""

    def __init__(self, number, log):
        self.number, self.log = number, log

    def forward(self, x):
        self.log.append(("forward", self.number))
        return x + self.number, f"ctx {self.number}"

    def backward(self, dy, ctx, *, need_dx=True, need_dparams=True):
        self.log.append(("backward", self.number, ctx, need_dx, need_dparams))
        return dy * self.number if need_dx else None


def test_forward_in_order_and_backward_in_reverse_each_with_its_context():
    log = []
    network = Sequential(a=Spy(2, log), b=Spy(3, log), c=Spy(5, log))
    y, ctx = network.forward(np.zeros(1))
    assert y == 10
    assert ctx == ["ctx 2", "ctx 3", "ctx 5"]
    assert network.backward(np.ones(1), ctx) == 30
    assert log == [
        ("forward", 2),
        ("forward", 3),
        ("forward", 5),
        ("backward", 5, "ctx 5", True, True),
        ("backward", 3, "ctx 3", True, True),
        ("backward", 2, "ctx 2", True, True),
    ]


@pytest.mark.parametrize("need_dx", [True, False])
@pytest.mark.parametrize("need_dparams", [True, False])
def test_only_the_first_layer_may_skip_its_input_gradient(need_dx, need_dparams):
    log = []
    network = Sequential(a=Spy(2, log), inner=Sequential(b=Spy(3, log), c=Spy(5, log)))
    _, ctx = network.forward(np.zeros(1))
    log.clear()
    dx = network.backward(np.ones(1), ctx, need_dx=need_dx, need_dparams=need_dparams)
    assert (dx is None) == (not need_dx)
    assert [entry[1:] for entry in log] == [
        (5, "ctx 5", True, need_dparams),
        (3, "ctx 3", True, need_dparams),
        (2, "ctx 2", need_dx, need_dparams),
    ]


def test_first_layer_of_a_first_sequential_skips_its_input_gradient_too():
    log = []
    network = Sequential(a=Sequential(b=Spy(2, log), c=Spy(3, log)), d=Spy(5, log))
    _, ctx = network.forward(np.zeros(1))
    log.clear()
    assert network.backward(np.ones(1), ctx, need_dx=False) is None
    assert [entry[3] for entry in log] == [True, True, False]


def test_several_passes_in_flight_do_not_disturb_each_other(rng):
    network = Sequential(
        a=Linear(3, 4, dtype="float64"),
        norm=BatchNorm1d(4, dtype="float64"),
        act=Tanh(),
    )
    x1, x2 = rng.normal(size=(2, 5, 3))
    dy = rng.normal(size=(5, 4))
    _, alone = network.forward(x1)
    expected = network.backward(dy, alone)
    _, first = network.forward(x1)
    _, second = network.forward(x2)
    network.backward(dy, second)
    np.testing.assert_array_equal(network.backward(dy, first), expected)
    np.testing.assert_array_equal(network.backward(dy, first), expected)


def test_labels_reach_the_layers_that_take_them_and_no_others(rng):
    network = Sequential(
        a=Linear(3, 4, dtype="float64"),
        inner=Sequential(labels=ConcatLabels(2), b=Linear(6, 1, dtype="float64")),
    )
    x, labels = rng.normal(size=(2, 3)), np.eye(2)
    y = network(x, labels)
    assert y.shape == (2, 1)
    assert not np.allclose(y, network(x, labels[::-1]))
    with pytest.raises(ValueError, match="labels are none"):
        network(x)


@pytest.mark.parametrize("layers", [[Tanh()], [Linear(3, 4), Tanh()]])
def test_layers_by_position_are_refused_and_the_message_says_how_to_name_them(layers):
    with pytest.raises(TypeError) as error:
        Sequential(*layers)
    assert str(error.value) == (
        f"Sequential: {len(layers)} layers without a name, expected a name for each, "
        "as in Sequential(conv=Conv2d(...), act=LeakyReLU())"
    )


@pytest.mark.parametrize("wrong", [Tanh, None, np.tanh])
def test_what_is_no_layer_is_refused(wrong):
    with pytest.raises(TypeError, match=r"Sequential: act is .*, expected a Layer"):
        Sequential(first=Tanh(), act=wrong)


def test_repr_names_the_layers():
    assert repr(Sequential(a=Tanh(), b=Tanh())) == "Sequential(a, b)"
    assert repr(Block(a=Tanh(), b=Linear(2, 3))) == "Block(a, b)"


def test_contexts_given_away_are_dropped_as_they_are_used():
    network = Sequential(first=Linear(3, 4), act=Tanh(), second=Linear(4, 2))
    x, dy = np.ones((5, 3), "float32"), np.ones((5, 2), "float32")
    _, ctx = network.forward(x)
    kept = network.backward(dy, ctx)
    assert all(part is not None for part in ctx)
    given = network.backward(dy, ctx, keep_ctx=False)
    np.testing.assert_array_equal(given, kept)
    assert ctx == [None, None, None]
