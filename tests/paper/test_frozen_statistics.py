"""Frozen statistics: their definition, what stays as it was, where they are kept."""

import dataclasses
from itertools import islice

import numpy as np
import pytest
from tiny import NETWORK, write_dataset

from scratchgan.backend import CPU
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.loader import BatchLoader
from scratchgan.errors import DatasetError
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper import frozen_statistics
from scratchgan.paper.frozen_statistics import freeze, measure_statistics

DENSE = dataclasses.replace(NETWORK, discriminator_hidden=(6,), classes=3)


@pytest.fixture
def dataset(tmp_path):
    with open_dataset(
        write_dataset(tmp_path / "set.h5", count=41, labels=True)
    ) as data:
        yield data


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(frozen_statistics, "BATCH", 8)


def direct_statistics(network, dataset, count, batch=8):
    """Average batch statistics by NumPy alone, going through D's layers one by one."""
    loader = BatchLoader(
        dataset,
        np.arange(count),
        batch_size=batch,
        height=8,
        width=8,
        output="tanh",
        seed=0,
    )
    means, variances = {}, {}
    with loader:
        batches = list(islice(loader, -(-(count - 1) // batch)))
    for loaded in batches:
        labels = np.eye(3, dtype="float32")[loaded.labels]
        x = loaded.images
        for name, stage in network.layers.items():
            for part_name, part in stage.children().items():
                if part_name == "norm":
                    axes = (0, 2, 3) if x.ndim == 4 else (0,)
                    wide = x.astype(np.float64)
                    mean, variance = wide.mean(axes), wide.var(axes)
                    means.setdefault(f"{name}.norm.running_mean", []).append(mean)
                    variances.setdefault(f"{name}.norm.running_var", []).append(
                        variance
                    )
                    shape = (1, -1, *(1,) * (x.ndim - 2))
                    gamma, beta = (
                        values.data.reshape(shape) for values in (part.gamma, part.beta)
                    )
                    x = (wide - mean.reshape(shape)) / np.sqrt(
                        variance.reshape(shape) + part.eps
                    ) * gamma + beta
                    x = x.astype("float32")
                else:
                    x = part(x, labels) if part.takes_labels else part(x)
    return {k: np.mean(v, axis=0) for k, v in (means | variances).items()}


# 41 = 5·8 + 1: the last image is alone and left out; 37 has a last batch of 5.
@pytest.mark.parametrize("count", [41, 37, 5])
def test_mean_of_all_batches_alike(dataset, small_batches, count, backend):
    network = Discriminator(DENSE, rng=np.random.default_rng(0))
    expected = direct_statistics(network, dataset, count, batch=min(8, count))
    network.to(backend.device)
    found = measure_statistics(network, dataset, np.arange(count), backend.device)
    assert set(found) == set(expected) == set(network.buffers())
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=1e-6)


def test_networks_are_as_before(dataset, small_batches):
    network = Discriminator(DENSE, rng=np.random.default_rng(0)).eval()
    before = network.state_dict()
    measure_statistics(network, dataset, np.arange(20), CPU)
    after = network.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not network.training
    assert network.layers["down2"].children()["norm"].momentum == 0.1


def test_too_few_images(dataset):
    network = Discriminator(DENSE)
    with pytest.raises(DatasetError, match="at least 2 are needed"):
        measure_statistics(network, dataset, np.arange(1), CPU)


@pytest.fixture
def trained_on(networks, run_folder):
    with open_dataset(run_folder.parent.parent / "toy.h5") as data:
        yield data


def kept_files(networks):
    return list(networks.checkpoint.parent.glob("frozen-*"))


def test_freezing_changes_a_copy_and_is_kept(networks, trained_on, monkeypatch):
    before = networks.discriminator.state_dict()
    frozen = freeze(networks, trained_on)
    after = networks.discriminator.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    measured = measure_statistics(
        networks.discriminator, trained_on, np.arange(40), CPU
    )
    for name, array in frozen.discriminator.state_dict().items():
        np.testing.assert_array_equal(array, measured.get(name, before[name]))
    assert not frozen.discriminator.training
    assert frozen.generator is networks.generator
    (file,) = kept_files(networks)

    monkeypatch.setattr(frozen_statistics, "measure_statistics", None)
    again = freeze(networks, trained_on)  # read, not measured
    for name, array in again.discriminator.buffers().items():
        np.testing.assert_array_equal(array, frozen.discriminator.buffers()[name])


def damage(file, networks, trained_on):
    file.write_bytes(file.read_bytes()[:200])


def empty(file, networks, trained_on):
    file.write_bytes(b"")


def encrypt(file, networks, trained_on):
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\1\2") + 8] ^= 1  # a flag in the zip's directory
    file.write_bytes(content)


def train_on(file, networks, trained_on):
    networks.discriminator.parameters()["down2.conv.weight"].data[...] *= 1.5


def other_pixels(file, networks, trained_on):
    trained_on.sha256 = trained_on.sha256[:12] + "0" * 52  # the same file name


@pytest.mark.parametrize("change", [damage, empty, encrypt, train_on, other_pixels])
def test_what_does_not_fit_is_measured_again(networks, trained_on, monkeypatch, change):
    freeze(networks, trained_on)
    (file,) = kept_files(networks)
    change(file, networks, trained_on)
    calls = []
    measure = frozen_statistics.measure_statistics
    monkeypatch.setattr(
        frozen_statistics,
        "measure_statistics",
        lambda *args: calls.append(1) or measure(*args),
    )
    freeze(networks, trained_on)
    assert calls == [1]
    freeze(networks, trained_on)
    assert calls == [1]  # and kept again


def test_a_folder_that_cannot_be_written_is_no_error(
    networks, trained_on, monkeypatch, tmp_path
):
    elsewhere = dataclasses.replace(
        networks, checkpoint=tmp_path / "gone" / "step-000008.h5"
    )
    frozen = freeze(elsewhere, trained_on)
    assert not frozen.discriminator.training
    assert not (tmp_path / "gone").exists()
