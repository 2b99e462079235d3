"""A tiny trained run, and a labelled dataset whose classes can be told by colour."""

import numpy as np
import pytest
from array_dataset import coloured, dataset_of
from tiny import train_tiny

from scratchgan.backend import CPU
from scratchgan.paper.trained_networks import load_networks


@pytest.fixture
def labelled(tmp_path):
    """Return the path of the dataset: 72 train, 24 validation, 24 test."""
    images, labels = coloured()
    split = np.repeat([0, 1, 2], [72, 24, 24]).astype(np.uint8)
    with dataset_of(
        tmp_path / "colours.h5",
        images,
        labels=labels,
        class_names=["red", "green", "blue"],
        split=split,
    ) as dataset:
        return dataset.path


@pytest.fixture
def run_folder(tmp_path, labelled):
    """Return the folder of a run of 8 steps on it, with the checkpoints 4 and 8."""
    _, run, _ = train_tiny(tmp_path / "runs", labelled, steps=8, keep_last=5)
    return run.path


@pytest.fixture
def networks(run_folder):
    """Return its networks."""
    return load_networks(str(run_folder), run_folder.parent, CPU)
