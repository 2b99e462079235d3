"""What a table says of the run that it is about."""

from pathlib import Path

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import CheckpointError
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.training.config import TrainConfig
from scratchgan.training.run.folder import read_log, run_of_checkpoint


def describe_run(networks: TrainedNetworks) -> str:
    """Return preset, data, steps, images and minutes of a checkpoint, as one line."""
    config = networks.config
    words = [
        f"{config.preset} on {Path(config.dataset).stem}",
        f"{networks.step:,} steps of batch {config.batch_size}",
        f"seed {config.seed}",
    ]
    minutes = training_minutes(networks.checkpoint, networks.step)
    if minutes is not None:
        words.append(f"{minutes:.0f} minutes")
    return ", ".join(words)


def images_seen(config: TrainConfig, dataset: Dataset, rows: np.ndarray) -> int:
    """Return how many of a dataset's rows a run was trained on.

    0 where it was trained on other images than those in the file.
    """
    if config.dataset_sha256 != dataset.sha256:
        return 0
    return len(np.intersect1d(dataset.rows_of_split(config.split), rows))


def training_minutes(checkpoint: Path, step: int) -> float | None:
    """Return how long the run computed until a step; None where there is no log.

    Each record of the log has the mean time of the steps since the one before.
    """
    try:
        records = read_log(run_of_checkpoint(checkpoint))
    except (CheckpointError, OSError):
        return None
    seconds, last = 0.0, 0
    for record in records:
        if record["step"] > step or "seconds_per_step" not in record:
            continue
        seconds += (record["step"] - last) * record["seconds_per_step"]
        last = record["step"]
    return seconds / 60 if last else None
