import dataclasses
import sys

import pytest
from tiny import CONFIG

from scratchgan.backend import CPU
from scratchgan.training import describe
from scratchgan.training.describe import describe_device, describe_plan, layer_table
from scratchgan.training.forecast.estimate import forecast
from scratchgan.training.presets import PRESETS


def test_forecast_counts_parameters_and_measures_time():
    prediction = forecast(CONFIG, CPU)
    assert prediction.parameters_g == sum(
        stage_total(line) for line in layer_table(CONFIG)[1:4]
    )
    assert prediction.step_seconds > 0
    text = " ".join(describe_plan(CONFIG, 18, prediction))
    assert "6 steps = 1.2 epochs" in text


def stage_total(line):
    return int(line.split()[2].replace(",", ""))


def test_layer_table_adds_up_for_the_paper():
    table = "\n".join(layer_table(PRESETS["paper64"]))
    assert "18,885,760" in table
    assert "17,232,768" in table


def test_settings_for_a_gpu_are_named_where_they_have_no_effect():
    config = dataclasses.replace(PRESETS["dcgan64"], device="cpu", tf32=True)
    assert describe_device(config, CPU) == "device: cpu; without effect there: --tf32"
    config = dataclasses.replace(config, tf32=False)
    assert describe_device(config, CPU) == "device: cpu"


@pytest.mark.parametrize(
    ("driver", "line"),
    [
        (False, "device: cpu (no NVIDIA driver)"),
        (True, "device: cpu (CuPy is not installed; run pip install"),
    ],
)
def test_remedies_are_named_only_where_there_is_a_driver(monkeypatch, driver, line):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(describe, "has_nvidia_driver", lambda: driver)
    config = dataclasses.replace(PRESETS["dcgan64"], device="auto")
    described = describe_device(config, CPU)
    assert described.startswith(line)
    assert ("pip install" in described) is driver
