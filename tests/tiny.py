"""Small datasets and configurations, so that whole runs take milliseconds."""

from pathlib import Path

import numpy as np

from scratchgan.backend import CPU
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.models.architecture import NetworkConfig
from scratchgan.training.config import TrainConfig
from scratchgan.training.loop import train
from scratchgan.training.run.folder import create_run
from scratchgan.training.run.state import new_state

NETWORK = NetworkConfig(
    height=8, width=8, latent_dim=4, widths=(4, 8), strides=(2, 2), gamma_std=0.0
)
CONFIG = TrainConfig(
    preset="tiny",
    description="for tests",
    network=NETWORK,
    batch_size=4,
    epochs=None,
    steps=6,
    log_every=2,
    sample_every=4,
    checkpoint_every=4,
    grid_rows=2,
    grid_columns=3,
    device="cpu",
)


def write_dataset(
    path: Path,
    *,
    count: int = 18,
    height: int = 8,
    width: int = 8,
    channels: int = 3,
    labels: bool = False,
    split: np.ndarray | None = None,
) -> Path:
    """Write a dataset whose image i has its number i in every pixel's first channel."""
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    images[..., 0] = np.arange(count)[:, None, None] % 256
    columns = {}
    if labels:
        columns["labels"] = np.arange(count, dtype=np.int64) % 3
    with DatasetWriter(
        path,
        height,
        width,
        channels,
        name=path.stem,
        title="tiny",
        source="the tests",
        licence="none",
    ) as writer:
        writer.append(images, **columns)
        if split is not None:
            writer.set_split(split)
    return path


def train_tiny(folder: Path, dataset: Path, config: TrainConfig = CONFIG, **changes):
    """Train a new run in ``folder`` and return (state, run, result)."""
    import dataclasses

    config = dataclasses.replace(config, **changes)
    run = create_run(folder, str(dataset), config.preset)
    state = new_state(config, CPU)
    with open_dataset(dataset) as data:
        result = train(state, data, run, CPU, show_progress=False)
    return state, run, result
