"""Every layer against numbers that PyTorch once computed, so without PyTorch.

The recorded numbers are sums over whole arrays in float64, which another BLAS adds up
in another order: 1e-11 is ten times what the comparison with PyTorch itself needs.
"""

import pytest

from tests import oracles
from tests.oracles import (
    LAYERS,
    RECORD_COMMAND,
    assert_summary,
    build_layer,
    load_recorded,
    our_results,
)

TOLERANCE = 1e-11


@pytest.mark.parametrize("name", LAYERS)
def test_layer_gives_the_recorded_numbers(name):
    recorded = load_recorded("layers.json")["cases"][name]
    results = our_results(name, *build_layer(name))
    assert results.keys() == recorded.keys()
    for key, array in results.items():
        assert_summary(f"{key} of {name}", array, recorded[key], TOLERANCE)


def test_every_layer_is_recorded():
    recorded = load_recorded("layers.json")["cases"]
    assert recorded.keys() == LAYERS.keys(), f"run: {RECORD_COMMAND}"


def test_any_single_wrong_element_is_noticed():
    name = "conv k4 s2 p1"
    recorded = load_recorded("layers.json")["cases"][name]
    dx = our_results(name, *build_layer(name))["dx"].copy()
    dx[1, 2, 3, 4] *= 1.001
    with pytest.raises(AssertionError):
        assert_summary(f"dx of {name}", dx, recorded["dx"], TOLERANCE)


def test_a_missing_file_says_how_to_record_it(monkeypatch, tmp_path):
    monkeypatch.setattr(oracles, "RECORDED", tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"python -m tests\.record_oracles"):
        load_recorded("layers.json")
