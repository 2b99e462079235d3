"""What the ``inspect`` commands share: frozen statistics, with the data or without."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import CONFIG, train_tiny, write_dataset

from scratchgan.backend import CPU
from scratchgan.commands.inspect.shared import freeze_if_possible
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.paper.frozen_statistics import freeze
from scratchgan.paper.trained_networks import load_networks


@pytest.fixture
def networks(tmp_path):
    (tmp_path / "data").mkdir()
    path = write_dataset(tmp_path / "data" / "toy.h5")
    with open_dataset(path) as dataset:
        config = replace(CONFIG, dataset="toy", dataset_sha256=dataset.sha256)
    _, run, _ = train_tiny(tmp_path / "runs", path, config)
    return load_networks(str(run.path), run.path.parent, CPU)


def same_statistics(one, other):
    ours, theirs = one.discriminator.buffers(), other.discriminator.buffers()
    return all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_frozen_where_the_data_is(networks, tmp_path, capsys):
    frozen = freeze_if_possible(networks, str(tmp_path / "data"))
    with open_dataset(tmp_path / "data" / "toy.h5") as dataset:
        assert same_statistics(frozen, freeze(networks, dataset))
    assert not same_statistics(frozen, networks)
    assert "note" not in capsys.readouterr().err


def test_running_averages_and_a_note_where_it_is_not(networks, tmp_path, capsys):
    assert freeze_if_possible(networks, str(tmp_path / "elsewhere")) is networks
    error = capsys.readouterr().err
    assert error.startswith("note: no dataset 'toy'")
    assert "running averages" in error
    assert error.count("\n") == 1


def test_a_note_where_the_data_is_another(networks, tmp_path, capsys):
    write_dataset(tmp_path / "data" / "toy.h5", count=21)
    freeze_if_possible(networks, str(tmp_path / "data"))
    assert "does not hold the images this run was trained on" in capsys.readouterr().err
