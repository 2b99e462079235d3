"""Every loss that D and G can have: gradients, PyTorch, devices, what it refuses.

A loss that is new in `GAN_LOSSES` is tested here without a further line; PyTorch's
formula for it stands in ``scratchgan/bench/torch_network.py``.
"""

import numpy as np
import pytest

from scratchgan.backend import to_host
from scratchgan.functional.gan_losses import FAKE, GAN_LOSSES, REAL, GanLoss
from scratchgan.functional.losses import real_probability
from scratchgan.testing import TOLERANCE, gradient_errors
from scratchgan.training.config import LOSSES

PARTS = {
    "D on real images": lambda loss, a: loss.discriminator(a, REAL),
    "D on fake images": lambda loss, a: loss.discriminator(a, FAKE),
    "G": lambda loss, a: loss.generator(a),
}
every_loss = pytest.mark.parametrize("name", GAN_LOSSES)
every_part = pytest.mark.parametrize("part", PARTS)


def logits_for(name, count=7, dtype="float64"):
    """Return logits of both signs, within and beyond 1, away from hinge's kinks."""
    rng = np.random.default_rng(5)
    a = rng.uniform(-2.5, 2.5, (count, LOSSES[name]))
    near = abs(abs(a) - 1) < 0.01
    return np.where(near, a + 0.05, a).astype(dtype)


def test_the_names_of_the_settings_are_those_of_the_losses():
    assert LOSSES.keys() == GAN_LOSSES.keys(), "LOSSES is in training/config.py"


@every_loss
@every_part
def test_gradient(name, part):
    a, loss_of = logits_for(name), lambda a: PARTS[part](GAN_LOSSES[name], a)
    errors = gradient_errors(
        lambda: loss_of(a)[0], {"a": a}, {"a": loss_of(a)[1]}, seed=3
    )
    assert errors["a"] < TOLERANCE


@every_loss
@every_part
@pytest.mark.oracle
def test_value_and_gradient_are_torchs(name, part):
    torch = pytest.importorskip("torch")
    from scratchgan.bench.torch_network import GAN_LOSSES as TORCH_LOSSES

    assert TORCH_LOSSES.keys() == GAN_LOSSES.keys(), "see bench/torch_network.py"
    a = logits_for(name)
    loss, dlogits = PARTS[part](GAN_LOSSES[name], a)
    leaf = torch.tensor(a, requires_grad=True)
    loss_of_d, loss_of_g = TORCH_LOSSES[name]
    expected = {
        "D on real images": lambda: loss_of_d(leaf, REAL),
        "D on fake images": lambda: loss_of_d(leaf, FAKE),
        "G": lambda: loss_of_g(leaf),
    }[part]()
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(dlogits, leaf.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_values_done_by_hand():
    a = np.array([[3.0], [0.5], [-2.0]])
    hinge, squares = GAN_LOSSES["hinge"], GAN_LOSSES["least-squares"]
    loss, dlogits = hinge.discriminator(a, REAL)
    assert loss == pytest.approx((0 + 0.5 + 3) / 3)
    np.testing.assert_allclose(dlogits, [[0], [-1 / 3], [-1 / 3]])
    loss, dlogits = hinge.discriminator(a, FAKE)
    assert loss == pytest.approx((4 + 1.5 + 0) / 3)
    np.testing.assert_allclose(dlogits, [[1 / 3], [1 / 3], [0]])
    loss, dlogits = hinge.generator(a)
    assert loss == pytest.approx(-(3 + 0.5 - 2) / 3)
    np.testing.assert_allclose(dlogits, [[-1 / 3]] * 3)
    loss, dlogits = squares.discriminator(a, REAL)
    assert loss == pytest.approx((4 + 0.25 + 9) / 6)
    np.testing.assert_allclose(dlogits, [[2 / 3], [-0.5 / 3], [-1]])
    loss, dlogits = squares.discriminator(a, FAKE)
    assert loss == pytest.approx((9 + 0.25 + 4) / 6)
    np.testing.assert_allclose(dlogits, a / 3)


def test_g_has_the_loss_that_is_steep_where_d_is_sure():
    """What G minimises is D's loss with the other target, but for hinge."""
    for name in ("bce", "softmax", "least-squares"):
        a, loss = logits_for(name), GAN_LOSSES[name]
        of_d, of_g = loss.discriminator(a, REAL), loss.generator(a)
        np.testing.assert_array_equal(of_g[0], of_d[0])
        np.testing.assert_array_equal(of_g[1], of_d[1])


@every_loss
def test_score_is_the_probability_where_there_is_one_and_the_mean_logit_elsewhere(name):
    a = logits_for(name)
    expected = real_probability(a) if name in ("bce", "softmax") else a
    assert GAN_LOSSES[name].score(a) == pytest.approx(expected.mean(), rel=1e-12)


@every_loss
@every_part
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_device_gives_the_same_and_keeps_the_dtype(name, part, dtype, backend):
    a = logits_for(name, 300, dtype)
    loss = GAN_LOSSES[name]
    wanted = [*PARTS[part](loss, a), loss.score(a)]
    put = backend.put(a)
    got = [*PARTS[part](loss, put), loss.score(put)]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for ours, expected in zip(got, wanted, strict=True):
        assert ours.dtype == expected.dtype == dtype
        assert ours.shape == expected.shape
        np.testing.assert_allclose(to_host(ours), expected, tolerance, tolerance)
    assert wanted[0].shape == wanted[2].shape == ()
    assert wanted[1].shape == a.shape
    np.testing.assert_array_equal(to_host(put), a)


@every_loss
@every_part
def test_logits_of_another_loss_are_refused_by_name(name, part):
    columns = LOSSES[name]
    for wrong in (np.zeros((4, 3 - columns)), np.zeros(4), np.zeros((4, columns, 1))):
        with pytest.raises(ValueError, match=f"^{name}: logits have shape ") as error:
            PARTS[part](GAN_LOSSES[name], wrong)
        assert f"{wrong.shape}, expected (N, {columns})" in str(error.value)
    with pytest.raises(TypeError, match=f"^{name}: logits are int64"):
        PARTS[part](GAN_LOSSES[name], np.zeros((4, columns), int))


@every_loss
@every_part
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_nan_is_not_hidden(name, part):
    a = logits_for(name)
    a[3] = np.nan
    loss, _ = PARTS[part](GAN_LOSSES[name], a)
    assert np.isnan(loss)


def test_base_is_abstract():
    for part in PARTS.values():
        with pytest.raises(NotImplementedError, match="GanLoss is abstract"):
            part(GanLoss(), np.zeros((2, 1)))
