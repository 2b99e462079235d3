"""Options from Python are checked as those of the command line are."""

import dataclasses
import json

import click
import numpy as np
import pytest
from tiny import CONFIG

from scratchgan.commands.train import train
from scratchgan.errors import ConfigError, OptionError
from scratchgan.functional.conv.primitives import IMPLEMENTATIONS
from scratchgan.training.config import TrainConfig, config_to_dict
from scratchgan.training.presets import PRESETS
from scratchgan.training.settings import (
    CHANGEABLE_ON_RESUME,
    CONV_IMPLS,
    LEAST,
    NETWORK_OPTIONS,
    NOT_OPTIONS,
    RANGES,
    choose_settings,
    find_preset,
    refuse_fixed,
)

FLAGS = {parameter.name: parameter.type for parameter in train.params}
LIBRARY = {"preset", "out", "data_dir", "resume", "dry_run"}
"""Flags that say what to do, not how to train."""


def accepted(name, value):
    try:
        choose_settings(PRESETS["quick32"], {name: value})
    except OptionError:
        return False
    except ConfigError:  # in its range, but something else does not fit
        return True
    return True


def accepted_by_click(name, value):
    try:
        FLAGS[name].convert(str(value), None, None)
    except click.UsageError:
        return False
    return True


NUMBERS = sorted({*LEAST, *(name for names, *_ in RANGES for name in names)})


@pytest.mark.parametrize("name", [name for name in NUMBERS if name in FLAGS])
def test_ranges_are_those_of_the_command_line(name):
    assert isinstance(FLAGS[name], click.IntRange | click.FloatRange)
    whole = isinstance(FLAGS[name], click.IntRange)
    values = (-1, 0, 1, 2, 3) if whole else (-1.0, 0.0, 1e-300, 0.5, 1.0, 7.5)
    assert [accepted(name, v) for v in values] == [
        accepted_by_click(name, v) for v in values
    ]


def test_every_flag_is_an_option_of_the_library():
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    options = fields - set(NOT_OPTIONS) | set(NETWORK_OPTIONS)
    assert set(FLAGS) - LIBRARY <= options
    assert set(CHANGEABLE_ON_RESUME) <= options


def test_every_number_among_the_settings_has_a_range():
    numbers = {
        field.name
        for field in dataclasses.fields(TrainConfig)
        if field.type in (int, float, int | None, float | None)
    }
    assert numbers <= set(NUMBERS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number of at least 1"),
        ({"steps": 2.5}, "steps is 2.5, expected a whole number"),
        ({"batch_size": "4"}, "batch_size is '4', expected a whole number"),
        ({"lr": -1}, "lr is -1, expected a number above 0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"epochs": float("inf")}, "epochs is inf"),
        ({"beta1": 1}, "beta1 is 1, expected a number from 0 to below 1"),
        ({"l2": "x"}, "l2 is 'x', expected a number of at least 0"),
        ({"size": (8,)}, "size is"),
        ({"size": 0}, "size is 0, expected pixels as 64 or"),
        ({"size": (8, 0)}, "size is (8, 0)"),
        ({"size": "8x8"}, "expected pixels as 64 or"),
        ({"tf32": 2}, "tf32 is 2, expected True or False"),
        ({"conv_impl": "slow"}, "conv_impl is 'slow', expected one of fast, matmul"),
        ({"split": 3}, "split is 3, expected text"),
        ({"device": 0}, "device is 0, expected text"),
        ({"learning_rate": 1}, "there is no option 'learning_rate'"),
        ({"batchsize": 1}, "did you mean 'batch_size'"),
        ({"network": None}, "there is no option 'network'"),
        ({"dataset_sha256": ""}, "there is no option"),
        ({"steps": 1, "epochs": 1}, "give --steps or --epochs, not both"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(OptionError) as error:
        choose_settings(CONFIG, options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_words_that_are_not_known_are_refused():
    for options in ({"latent": "x"}, {"update_order": "x"}):
        with pytest.raises(ConfigError, match="'x'"):
            choose_settings(CONFIG, options)


def test_numbers_of_numpy_become_plain_ones():
    options = {"steps": np.int64(5), "lr": np.float32(0.5), "size": (np.int32(8), 16)}
    config = choose_settings(CONFIG, options)
    assert json.loads(json.dumps(config_to_dict(config)))["steps"] == 5
    assert (config.network.height, config.network.width) == (8, 16)
    assert config.lr == 0.5


def test_implementations_of_convolution_are_those_there_are():
    assert set(CONV_IMPLS) == set(IMPLEMENTATIONS)


def test_steps_and_epochs_take_each_others_place():
    config = choose_settings(CONFIG, {"epochs": 2})
    assert (config.steps, config.epochs) == (None, 2)
    config = choose_settings(config, {"steps": 3})
    assert (config.steps, config.epochs) == (3, None)


def test_size_is_a_square_or_height_and_width():
    for size, shape in ((16, (16, 16)), ((8, 16), (8, 16))):
        network = choose_settings(CONFIG, {"size": size}).network
        assert (network.height, network.width) == shape


def test_widths_keep_their_proportion():
    config = choose_settings(PRESETS["imagenet32"], {"base_channels": 3})
    assert config.network.widths == (3, 3, 6, 6, 12, 12)
    with pytest.raises(ConfigError, match="has no convolutions"):
        choose_settings(PRESETS["mlp28"], {"base_channels": 3})


def test_conditional_keeps_the_number_of_classes():
    assert choose_settings(CONFIG, {"conditional": True}).network.classes == 10
    conditional = PRESETS["mnist28c"]
    assert choose_settings(conditional, {"conditional": True}) == conditional
    assert choose_settings(conditional, {"conditional": False}).network.classes == 0


def test_a_preset_that_does_not_exist():
    with pytest.raises(OptionError, match="no preset 'dcgan'; there is dcgan64, "):
        find_preset("dcgan")


def test_options_that_are_fixed_in_a_run_are_named_as_flags():
    refuse_fixed(dict.fromkeys(CHANGEABLE_ON_RESUME))
    with pytest.raises(OptionError, match="--batch-size, --lr cannot change"):
        refuse_fixed({"lr": 1, "steps": 2, "batch_size": 3})
