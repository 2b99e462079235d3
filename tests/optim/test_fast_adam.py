"""Adam on all cores is Adam, bit for bit; on a GPU, see tests/gpu/test_kernels.py."""

import numpy as np
import pytest

from scratchgan.functional import parallel
from scratchgan.nn import Parameter
from scratchgan.optim.adam import Adam
from scratchgan.optim.fast_adam import ParallelAdam, make_adam


@pytest.mark.parametrize("l2", [0.0, 1e-2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_parts_and_whole(dtype, l2, rng, monkeypatch):
    monkeypatch.setattr(parallel, "CHUNK_BYTES", 256)
    parts = []
    update = Adam._update

    def counted(self, theta, *others):
        parts.append(theta.size)
        update(self, theta, *others)

    monkeypatch.setattr(Adam, "_update", counted)
    weights = {
        "conv.weight": rng.normal(size=(4, 5, 6, 7)).astype(dtype),
        "taps first": rng.normal(size=(6, 7, 5, 4)).astype(dtype).transpose(3, 2, 0, 1),
        "gamma": rng.normal(size=3).astype(dtype),
    }
    ours = {name: Parameter(w.copy(order="K")) for name, w in weights.items()}
    theirs = {name: Parameter(w.copy()) for name, w in weights.items()}
    settings = {"lr": 0.1, "betas": (0.5, 0.9), "l2": l2}
    fast, plain = make_adam(ours, **settings), Adam(theirs, **settings)
    assert type(fast) is ParallelAdam
    for _ in range(3):
        for name, w in weights.items():
            theirs[name].grad[...] = ours[name].grad[...] = rng.normal(size=w.shape)
        fast.step()
        cut = len(parts)
        plain.step()
        assert cut > 2 * len(weights) == 2 * (len(parts) - cut)
        parts.clear()
    for name in weights:
        np.testing.assert_array_equal(ours[name].data, theirs[name].data, err_msg=name)
    state, expected = fast.state_dict(), plain.state_dict()
    assert state.keys() == expected.keys()
    for name, moment in expected.items():
        np.testing.assert_array_equal(state[name], moment, err_msg=name)
    assert fast.steps == 3
