"""Ten training steps of six GANs against the same steps in PyTorch, in float64.

A wrong term in any gradient or in Adam is off by about lr = 2e-3 after one step.
Rounding differs by 1e-16 a step. Where batch normalisation follows a bias the bias's
gradient is rounding alone, about 1e-16, which Adam divides by eps = 1e-8 and multiplies
by lr: 1e-11 a step, and so 1e-9 for the network with biases.
"""

import numpy as np
import pytest

from tests.oracles import STEPS, TRAININGS, our_training, torch_training

pytestmark = pytest.mark.oracle
LOSS_TOLERANCE = 1e-12


@pytest.mark.parametrize("choice", ["by shape", "fast everywhere"])
@pytest.mark.parametrize("name", TRAININGS)
def test_ten_steps_agree_with_torch(name, choice, request):
    if choice == "fast everywhere":
        request.getfixturevalue("fast_everywhere")
    tolerance = 1e-9 if TRAININGS[name].network.bias else 1e-12
    steps = 0
    for ours, theirs in zip(our_training(name), torch_training(name), strict=True):
        steps += 1
        loss_d, loss_g, gan = ours
        assert loss_d == pytest.approx(theirs[0], rel=LOSS_TOLERANCE), steps
        assert loss_g == pytest.approx(theirs[1], rel=LOSS_TOLERANCE), steps
        for network, expected in zip(
            (gan.generator, gan.discriminator), theirs[2:], strict=True
        ):
            state = network.state_dict()
            assert state.keys() == expected.keys()
            for key in expected:
                np.testing.assert_allclose(
                    state[key],
                    expected[key],
                    rtol=tolerance,
                    atol=tolerance,
                    err_msg=f"{key} after step {steps}",
                )
    assert steps == STEPS
