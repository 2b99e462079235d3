"""z: its distribution, and what a seed means."""

import numpy as np
import pytest

from scratchgan.models.architecture import NetworkConfig
from scratchgan.models.latent import draw_latent, latent_from_seeds

NORMAL = NetworkConfig(latent_dim=100, latent="normal")
UNIFORM = NetworkConfig(latent_dim=100, latent="uniform")


def test_normal_z_is_n_0_1(rng):
    z = draw_latent(NORMAL, 500, rng)  # 50,000 numbers: deviation right to 0.3 %
    assert z.shape == (500, 100)
    assert z.dtype == np.float32
    assert abs(z.mean()) < 0.02
    assert z.std() == pytest.approx(1, rel=0.015)
    assert abs(z).max() > 3


def test_uniform_z_fills_minus_1_to_1(rng):
    z = draw_latent(UNIFORM, 500, rng)
    assert z.dtype == np.float32
    assert -1 <= z.min() < -0.999
    assert 0.999 < z.max() <= 1
    assert abs(z.mean()) < 0.012
    assert z.std() == pytest.approx(1 / 3**0.5, rel=0.01)


@pytest.mark.parametrize("config", [NORMAL, UNIFORM])
def test_row_k_is_the_first_draw_of_default_rng_k(config):
    seeds = [3, 0, 7, 3]
    z = latent_from_seeds(config, seeds)
    assert z.shape == (4, 100)
    assert z.dtype == np.float32
    for row, seed in zip(z, seeds, strict=True):
        rng = np.random.default_rng(seed)
        expected = (
            rng.standard_normal((1, 100))
            if config is NORMAL
            else rng.uniform(-1, 1, (1, 100))
        )
        np.testing.assert_array_equal(row, expected[0].astype(np.float32))


def test_a_seed_means_the_same_z_among_any_others():
    np.testing.assert_array_equal(
        latent_from_seeds(NORMAL, range(10))[6], latent_from_seeds(NORMAL, [6])[0]
    )


def test_draws_follow_the_generator(rng):
    one = draw_latent(NORMAL, 2, np.random.default_rng(5))
    generator = np.random.default_rng(5)
    np.testing.assert_array_equal(draw_latent(NORMAL, 2, generator), one)
    assert not np.array_equal(draw_latent(NORMAL, 2, generator), one)
