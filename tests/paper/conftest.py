"""A tiny trained run that the experiments take apart."""

import pytest
from tiny import train_tiny, write_dataset

from scratchgan.backend import CPU
from scratchgan.paper.trained_networks import load_networks


@pytest.fixture
def run_folder(tmp_path):
    """Return the folder of a run of 8 steps."""
    dataset = write_dataset(tmp_path / "toy.h5", count=40)
    _, run, _ = train_tiny(tmp_path / "runs", dataset, steps=8)
    return run.path


@pytest.fixture
def networks(run_folder):
    """Return its networks, with G's contrast raised: so young, it draws nearly grey."""
    networks = load_networks(str(run_folder), run_folder.parent, CPU)
    networks.generator.parameters()["up2.conv.weight"].data *= 30
    return networks
