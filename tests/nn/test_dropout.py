"""Dropout: which elements, how large the others, the same on every device, ctx."""

import numpy as np
import pytest

from scratchgan.nn import Dropout, Sequential
from scratchgan.testing import RepeatedDraws, check_layer


def new_layer(rate=0.5, seed=0):
    return Dropout(rate, rng=np.random.default_rng(seed))


class Draws:
    """A generator whose draws are given."""

    def __init__(self, draws):
        self.draws = np.asarray(draws, np.float32)

    def random(self, size, dtype):
        assert self.draws.shape == size
        return self.draws.astype(dtype)


def test_elements_drawn_below_the_rate_are_dropped_and_the_others_grow():
    layer = Dropout(0.75, rng=Draws([[0.0, 0.7499, 0.75, 0.99]]))
    y, ctx = layer.forward(np.array([[1.0, 2.0, 3.0, -5.0]]))
    np.testing.assert_array_equal(y, [[0, 0, 12, -20]])
    np.testing.assert_array_equal(ctx, [[0, 0, 4, 4]])
    dx = layer.backward(np.array([[7.0, 7.0, 7.0, -1.0]]), ctx)
    np.testing.assert_array_equal(dx, [[0, 0, 28, -4]])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_of_dropped_elements_and_mean(rate):
    y = new_layer(rate)(np.ones((1000, 1000)))
    # A million draws: five standard deviations of the share.
    slack = 5 * (rate * (1 - rate) / 1e6) ** 0.5
    assert (y == 0).mean() == pytest.approx(rate, abs=slack)
    assert y.mean() == pytest.approx(1, abs=slack / (1 - rate))
    assert set(np.unique(y)) == {0, 1 / (1 - rate)}


def test_elements_are_dropped_on_their_own_not_by_row_or_column():
    kept = new_layer(0.5)(np.ones((200, 200))) > 0
    # Of 200 draws, standard deviation 7: none in 400 is as far as 50 from 100.
    assert abs(kept.sum(axis=0) - 100).max() < 50
    assert abs(kept.sum(axis=1) - 100).max() < 50


def test_eval_mode_and_rate_zero_leave_x_alone_and_draw_nothing():
    x = np.arange(6.0).reshape(2, 3)
    layer = new_layer()
    before = layer.rng.bit_generator.state
    for quiet in (layer.eval(), new_layer(0)):
        y, ctx = quiet.forward(x)
        assert y is x
        assert ctx == x.shape
        assert quiet.backward(x, ctx) is x
        assert quiet.backward(x, ctx, need_dx=False) is None
    assert layer.rng.bit_generator.state == before


def test_train_and_eval_reach_it_inside_a_sequence():
    network = Sequential(drop=new_layer())
    x = np.ones((4, 50))
    assert (network(x) == 0).any()
    assert (network.eval()(x) == 1).all()
    assert (network.train()(x) == 0).any()


def test_masks_differ_from_pass_to_pass_and_repeat_with_the_seed():
    x = np.ones((3, 40))
    one, two = new_layer(seed=5), new_layer(seed=5)
    first, second = one(x), one(x)
    assert (first != second).any()
    np.testing.assert_array_equal(two(x), first)
    np.testing.assert_array_equal(two(x), second)
    assert (new_layer(seed=6)(x) != first).any()


def test_the_seed_drops_the_same_elements_on_every_device_and_in_any_order(backend):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    expected, _ = new_layer().forward(x)
    y, ctx = new_layer().forward(backend.put(x))
    np.testing.assert_array_equal(backend.host(y), expected)
    dx = new_layer().backward(backend.put(x), ctx)
    np.testing.assert_array_equal(backend.host(dx), expected)
    channels_last = x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    y_last = new_layer()(backend.put(channels_last))
    np.testing.assert_array_equal(backend.host(y_last), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_stays(dtype):
    layer = new_layer()
    y, ctx = layer.forward(np.ones((4, 5), dtype))
    assert y.dtype == ctx.dtype == layer.backward(y, ctx).dtype == dtype


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_rates_without_sense_are_refused(rate):
    with pytest.raises(ValueError, match=rf"rate is {rate}, expected \[0, 1\)"):
        Dropout(rate)


def test_gradient(rng):
    x = rng.standard_normal((3, 2, 5, 4))
    check_layer(Dropout(0.4, rng=RepeatedDraws()), x)
    check_layer(Dropout(0.4).eval(), x)


def test_the_check_needs_repeated_draws_and_notices_a_wrong_backward(rng):
    class Unscaled(Dropout):
        def backward(self, dy, ctx, **flags):
            dx = super().backward(dy, ctx, **flags)
            return dx if dx is None else dx * (1 - self.rate)

    x = rng.standard_normal((4, 5))
    with pytest.raises(AssertionError, match="gradient of x"):
        check_layer(Unscaled(0.4, rng=RepeatedDraws()), x)
    with pytest.raises(AssertionError):
        check_layer(new_layer(), x)


@pytest.mark.oracle
@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_with_the_mask_that_torch_drew_it_gives_what_torch_gives(rate, rng):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    x = rng.standard_normal((6, 7))
    leaf = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.dropout(leaf, rate)
    dy = rng.standard_normal(x.shape)
    expected.backward(torch.tensor(dy))
    dropped = (expected == 0).numpy()
    assert dropped.any()
    assert not dropped.all()
    layer = Dropout(rate, rng=Draws(np.where(dropped, 0.0, 0.999)))
    y, ctx = layer.forward(x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-15)
    np.testing.assert_allclose(layer.backward(dy, ctx), leaf.grad.numpy(), rtol=1e-15)
