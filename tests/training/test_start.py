import dataclasses

import numpy as np
import pytest
from tiny import CONFIG, NETWORK, write_dataset

from scratchgan.backend import CPU
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import ConfigError, DatasetError, DeviceError
from scratchgan.training.config import (
    LOSSES,
    TrainConfig,
    batches_an_epoch,
    config_from_dict,
    config_to_dict,
)
from scratchgan.training.forecast.estimate import memory_estimate
from scratchgan.training.presets import PRESETS
from scratchgan.training.start import fit_to_dataset, prepare_device


def test_channels_come_from_the_data(tmp_path):
    file = write_dataset(tmp_path / "grey.h5", channels=1)
    with open_dataset(file) as dataset:
        assert fit_to_dataset(CONFIG, dataset).network.channels == 1


def test_classes_come_from_the_data(tmp_path):
    file = write_dataset(tmp_path / "labelled.h5", labels=True)
    config = dataclasses.replace(
        CONFIG, network=dataclasses.replace(NETWORK, classes=10)
    )
    with open_dataset(file) as dataset:
        assert fit_to_dataset(config, dataset).network.classes == 3


def test_conditional_network_without_labels_is_refused(dataset_file):
    config = dataclasses.replace(
        CONFIG, network=dataclasses.replace(NETWORK, classes=10)
    )
    with (
        open_dataset(dataset_file) as dataset,
        pytest.raises(DatasetError, match=r"no labels.*--no-conditional"),
    ):
        fit_to_dataset(config, dataset)


@pytest.mark.parametrize(
    ("images", "batch_size", "batches"),
    [(16, 4, 4), (17, 4, 4), (18, 4, 5), (350_000, 128, 2735), (50_000, 128, 391)],
)
def test_batches_of_an_epoch(images, batch_size, batches):
    # The last two are the authors' figures for faces and MNIST.
    assert batches_an_epoch(images, batch_size) == batches


def test_steps_in_all():
    config = dataclasses.replace(CONFIG, batch_size=128, steps=None, epochs=25)
    assert config.total_steps(350_000) == 25 * 2735
    alternating = dataclasses.replace(config, update_order="alternating")
    assert alternating.total_steps(350_000) == round(25 * 2735 / 2)
    assert dataclasses.replace(config, epochs=1e-9).total_steps(350_000) == 1
    assert dataclasses.replace(config, steps=7).total_steps(350_000) == 7


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_settings_survive_json(preset):
    import json

    assert config_from_dict(json.loads(json.dumps(config_to_dict(preset)))) == preset


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_settings_written_before_there_was_a_choice_of_loss_have_that_of_their_logits(
    preset,
):
    values = config_to_dict(preset)
    assert values.pop("loss") == ("softmax" if preset.network.logits == 2 else "bce")
    assert config_from_dict(values) == preset


def test_unknown_settings_are_named():
    values = config_to_dict(CONFIG) | {"ema": 0.9}
    with pytest.raises(ConfigError, match="ema"):
        config_from_dict(values)


@pytest.mark.parametrize(
    "bad",
    [
        {"batch_size": 1},
        {"update_order": "random"},
        {"decay_start": 5},
        {"loss": "nonsense"},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigError):
        TrainConfig(preset="x", description="", **bad)


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_logits_must_fit(loss):
    def config(logits):
        network = dataclasses.replace(NETWORK, logits=logits)
        return dataclasses.replace(CONFIG, network=network, loss=loss)

    right = LOSSES[loss]
    assert config(right).loss == loss
    with pytest.raises(ConfigError) as error:
        config(3 - right)
    assert str(error.value) == (
        f"loss {loss!r} wants logits = {right}, the network has {3 - right}"
    )


def test_memory_estimate_grows_with_the_batch_and_exceeds_the_parameters():
    small, large = (
        memory_estimate(dataclasses.replace(PRESETS["dcgan64"], batch_size=size))
        for size in (16, 128)
    )
    assert large > small > 4 * 4 * (3_576_704 + 2_765_568)


def test_split_of_rows_is_what_counts(tmp_path):
    split = np.array([0] * 3 + [1] * 15)
    file = write_dataset(tmp_path / "few.h5", split=split)
    with (
        open_dataset(file) as dataset,
        pytest.raises(DatasetError, match="3 images to train on"),
    ):
        fit_to_dataset(CONFIG, dataset)


def test_a_memory_limit_that_cannot_be_read_is_refused_on_the_cpu_too():
    config = dataclasses.replace(PRESETS["dcgan64"], gpu_memory="much")
    with pytest.raises(DeviceError, match="write 75%, 512MiB or 6GiB"):
        prepare_device(config, CPU)
