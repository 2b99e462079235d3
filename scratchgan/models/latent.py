"""The input of the generator: random z, drawn on the host."""

from collections.abc import Sequence

import numpy as np

from scratchgan.models.architecture import NetworkConfig


def draw_latent(
    config: NetworkConfig, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return z of shape (count, latent_dim), float32, N(0, 1) or U(-1, 1).

    Drawn by NumPy wherever the network lives (50 KB a batch), so that runs of one
    seed see the same z on every device.
    """
    shape = (count, config.latent_dim)
    if config.latent == "uniform":
        return rng.uniform(-1, 1, shape).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def latent_from_seeds(config: NetworkConfig, seeds: Sequence[int]) -> np.ndarray:
    """Return one z a seed: seed k always means the first draw of ``default_rng(k)``."""
    rows = [draw_latent(config, 1, np.random.default_rng(seed)) for seed in seeds]
    return np.concatenate(rows)  # (len(seeds), latent_dim)
