"""Ten training steps of four GANs against numbers that PyTorch once computed.

Tolerances as in ``test_oracle``, ten times as wide for sums over whole arrays.
"""

import itertools

import pytest

from tests.oracles import (
    STEPS,
    TRAININGS,
    assert_summary,
    build_gan,
    load_recorded,
    our_training,
)


@pytest.mark.parametrize("name", TRAININGS)
def test_ten_steps_give_the_recorded_numbers(name):
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
    assert cases.keys() == TRAININGS.keys()
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
