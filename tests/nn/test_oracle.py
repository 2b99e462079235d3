"""Every layer against PyTorch in float64: outputs, all gradients, running averages.

Both sides compute the same sums of at most a few thousand products, in another order:
1e-12 of the largest element is some thousand roundings, far below any wrong term.
"""

import numpy as np
import pytest

from scratchgan.nn import ConvTranspose2d
from tests.oracles import (
    LAYERS,
    build_case,
    build_layer,
    convolutions,
    our_results,
    torch_results,
)

pytestmark = pytest.mark.oracle
TOLERANCE = 1e-12


def assert_same_results(name, layer, x, labels):
    expected = torch_results(name, layer, x, labels)
    got = our_results(name, layer, x, labels)
    assert got.keys() == expected.keys()
    for key in expected:
        assert got[key].shape == expected[key].shape, key
        assert got[key].dtype == np.float64, key
        scale = max(1.0, abs(expected[key]).max())
        np.testing.assert_allclose(
            got[key], expected[key], rtol=0, atol=TOLERANCE * scale, err_msg=key
        )


@pytest.mark.parametrize("name", LAYERS)
def test_layer_agrees_with_torch(name):
    assert_same_results(name, *build_layer(name))


@pytest.mark.usefixtures("fast_everywhere")
@pytest.mark.parametrize("impl", ["fast", "matmul", "strips", "reference"])
def test_convolutions_agree_with_torch_over_a_grid_of_geometry(impl):
    pytest.importorskip("torch")
    cases = list(convolutions())
    assert len(cases) > 200
    for name, build, shape in cases:
        layer, x, _ = build_case(name, build, shape)
        layer.impl = impl
        assert_same_results(f"{name} {impl}", layer, x, None)


@pytest.mark.parametrize("output_padding", [(0, 0), (1, 2), (2, 0)])
@pytest.mark.parametrize("padding", [0, (1, 2)])
def test_output_padding_agrees_with_torch(output_padding, padding):
    def build(**settings):
        return ConvTranspose2d(
            3, 2, (4, 5), stride=3, padding=padding, output_padding=output_padding,
            bias=True, **settings,
        )  # fmt: skip

    name = f"output padding {output_padding} {padding}"
    assert_same_results(name, *build_case(name, build, (2, 3, 5, 3)))


@pytest.mark.parametrize("name", ["batch norm 2d", "batch norm 1d, eps 1e-8"])
def test_running_averages_follow_torch_over_many_batches(name, rng):
    torch = pytest.importorskip("torch")
    layer, x, _ = build_layer(name)
    mean, var = (torch.tensor(layer.buffers()[f"running_{s}"]) for s in ("mean", "var"))
    for step in range(5):
        batch = rng.normal(step, 1 + step, x.shape)
        layer.forward(batch)
        torch.nn.functional.batch_norm(
            torch.tensor(batch), mean, var, None, None, True, layer.momentum, layer.eps
        )
    np.testing.assert_allclose(layer.running_mean, mean.numpy(), rtol=TOLERANCE)
    np.testing.assert_allclose(layer.running_var, var.numpy(), rtol=TOLERANCE)
