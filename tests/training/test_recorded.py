"""Ten training steps of six GANs against numbers that PyTorch once computed.

Tolerances as in ``test_oracle``, ten times as wide for sums over whole arrays.
"""

import itertools

import numpy as np
import pytest

from scratchgan.errors import NonFiniteError
from scratchgan.functional.gan_losses import GAN_LOSSES, GanLoss
from scratchgan.training.step import (
    Batch,
    StepSettings,
    train_step,
    update_discriminator,
    update_generator,
)
from tests.oracles import (
    RECORD_COMMAND,
    STEPS,
    TRAININGS,
    assert_summary,
    build_gan,
    draw_step,
    load_recorded,
    our_training,
    seeded,
)


@pytest.mark.parametrize("choice", ["by shape", "fast everywhere"])
@pytest.mark.parametrize("name", TRAININGS)
def test_ten_steps_give_the_recorded_numbers(name, choice, request):
    if choice == "fast everywhere":
        request.getfixturevalue("fast_everywhere")
    recorded = load_recorded("training.json")["cases"][name]
    tolerance = 1e-8 if TRAININGS[name].network.bias else 1e-11
    losses_d, losses_g = [], []
    for step, (loss_d, loss_g, gan) in enumerate(our_training(name), 1):
        losses_d.append(loss_d)
        losses_g.append(loss_g)
        if str(step) not in recorded["arrays"]:
            continue
        state = {f"generator.{k}": v for k, v in gan.generator.state_dict().items()}
        state |= {
            f"discriminator.{k}": v for k, v in gan.discriminator.state_dict().items()
        }
        expected = recorded["arrays"][str(step)]
        assert state.keys() == expected.keys()
        for key, array in state.items():
            label = f"{key} after step {step} of {name}"
            assert_summary(label, array, expected[key], tolerance)
    assert losses_d == pytest.approx(recorded["loss_d"], rel=1e-11)
    assert losses_g == pytest.approx(recorded["loss_g"], rel=1e-11)


def test_every_training_is_recorded_at_its_first_and_last_step():
    cases = load_recorded("training.json")["cases"]
    assert cases.keys() == TRAININGS.keys(), f"run: {RECORD_COMMAND}"
    for case in cases.values():
        assert case["arrays"].keys() == {"1", str(STEPS)}


@pytest.mark.parametrize("name", TRAININGS)
def test_float32_steps_stay_close_to_the_recorded_float64_ones(name):
    """Float32 rounds at 6e-8; ten Adam steps of small networks keep four digits."""
    recorded = load_recorded("training.json")["cases"][name]
    losses = [step[:2] for step in our_training(name, dtype="float32")]
    assert [d for d, _ in losses] == pytest.approx(recorded["loss_d"], rel=1e-4)
    assert [g for _, g in losses] == pytest.approx(recorded["loss_g"], rel=1e-4)


@pytest.mark.parametrize("name", TRAININGS)
def test_the_steps_move_losses_and_every_parameter(name):
    """Without this the comparison could agree on networks that stand still."""
    gan = build_gan(name)
    networks = (gan.generator, gan.discriminator)
    before = [network.state_dict() for network in networks]
    losses = [ours[:2] for ours in our_training(name, gan)]
    for (d1, g1), (d2, g2) in itertools.pairwise(losses):
        assert abs(d1 - d2) > 1e-4
        assert abs(g1 - g2) > 1e-4
    for network, start in zip(networks, before, strict=True):
        for key, parameter in network.parameters().items():
            # A bias in front of batch normalisation has no effect and no gradient.
            stage = key.rsplit(".", 2)[0]
            cancelled = key.endswith("bias") and f"{stage}.norm.gamma" in start
            moved = abs(parameter.data - start[key]).max()
            assert (moved < 1e-8) if cancelled else (moved > 1e-3), key


@pytest.mark.parametrize("name", TRAININGS)
def test_dtype_of_everything_is_kept(name):
    """One NumPy scalar in a step would turn float32 weights or moments to float64."""
    *_, (_, _, gan) = our_training(name, dtype="float32")
    arrays = {}
    for part, adam in ((gan.generator, gan.adam_g), (gan.discriminator, gan.adam_d)):
        for key, parameter in part.parameters().items():
            arrays[f"{key} data"] = parameter.data
            arrays[f"{key} grad"] = parameter.grad
            arrays[f"{key} m"] = adam.m[key]
            arrays[f"{key} v"] = adam.v[key]
        arrays |= part.buffers()
    assert {key for key, array in arrays.items() if array.dtype != np.float32} == set()


@pytest.mark.parametrize("name", TRAININGS)
def test_each_update_leaves_the_other_network_alone(name):
    gan = build_gan(name)
    (batch, *_), zs = draw_step(name, 0)
    fake, ctx = gan.generator.forward(zs[0], batch.labels)
    before = gan.generator.state_dict()
    settings = TRAININGS[name].settings
    update_discriminator(gan, batch, fake, settings)
    for key, array in gan.generator.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    assert not any(p.grad.any() for p in gan.generator.parameters().values())

    parameters = gan.discriminator.parameters()
    before = {key: (p.data.copy(), p.grad.copy()) for key, p in parameters.items()}
    assert any(grad.any() for _, grad in before.values())
    update_generator(gan, fake, ctx, batch.labels, settings)
    for key, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.data, before[key][0])
        np.testing.assert_array_equal(parameter.grad, before[key][1])


@pytest.mark.parametrize("update_order", ["pytorch", "tensorflow", "alternating"])
def test_step_draws_z_and_uses_batches_as_its_order_says(update_order):
    """z for as many images as each batch has; alternating reads a batch an update."""
    name = "pytorch example"
    images = draw_step(name, 0)[0][0].images
    small, large = Batch(images[:3]), Batch(images)
    batches = [small, large] if update_order == "alternating" else [large]
    counts = []

    def draw_z(count):
        counts.append(count)
        return seeded("z").standard_normal((count, 5))

    train_step(build_gan(name), batches, draw_z, StepSettings(update_order))
    assert (
        counts
        == {"pytorch": [5], "tensorflow": [5, 5], "alternating": [3, 5]}[update_order]
    )


def test_loss_that_is_not_finite_stops_the_step_before_the_weights_change():
    gan = build_gan("paper")
    batches, zs = draw_step("paper", 0)
    batches[1].images[0, 0, 0, 0] = np.nan
    before = gan.discriminator.state_dict()
    with (
        np.errstate(invalid="ignore"),  # NumPy would warn of the nan first
        pytest.raises(NonFiniteError, match="the loss of D is nan"),
    ):
        train_step(gan, batches, lambda count: zs[0], StepSettings("alternating"))
    for key in gan.discriminator.parameters():
        np.testing.assert_array_equal(
            gan.discriminator.parameters()[key].data, before[key]
        )


def test_unknown_order_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="update_order is 'random', expected one of"):
        StepSettings("random")


def test_a_loss_of_ones_own_can_be_given_to_a_step():
    class Twice(GanLoss):
        def discriminator(self, logits, target):
            loss, dlogits = GAN_LOSSES["bce"].discriminator(logits, target)
            return 2 * loss, 2 * dlogits

    (batch,), zs = draw_step("pytorch example", 0)
    results = []
    for loss in (GAN_LOSSES["bce"], Twice()):
        gan = build_gan("pytorch example")
        fake = gan.generator(zs[0])
        loss_d, *_ = update_discriminator(gan, batch, fake, StepSettings(loss=loss))
        results.append((loss_d, gan.discriminator.parameters()["down1.conv.weight"]))
    (once, weight_once), (twice, weight_twice) = results
    assert twice == 2 * once
    np.testing.assert_array_equal(weight_twice.grad, 2 * weight_once.grad)


def test_a_network_for_another_loss_is_refused_before_anything_is_learnt():
    gan = build_gan("tensorflow")
    batches, zs = draw_step("tensorflow", 0)
    parameters = gan.discriminator.parameters()
    before = {key: p.data.copy() for key, p in parameters.items()}
    with pytest.raises(ValueError, match=r"^bce: .*\(5, 2\), expected \(N, 1\)"):
        train_step(gan, batches, lambda count: zs[0], StepSettings("tensorflow"))
    for key, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.data, before[key])
