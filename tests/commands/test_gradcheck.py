import pytest
from click.testing import CliRunner

from scratchgan.commands import main
from scratchgan.gradcheck import check_networks
from scratchgan.nn import Tanh
from scratchgan.nn.fused import on_cpu
from scratchgan.nn.fused.norm_passes import norm_back
from scratchgan.training.presets import PRESETS


def run(*args):
    return CliRunner().invoke(main, ["gradcheck", "--device", "cpu", *args])


def test_prints_a_table_in_which_everything_passes():
    result = run()
    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.stdout
    for name in ("Conv2d", "ConvTranspose2d", "BatchNorm1d", "ConcatLabels", "G, loss"):
        assert name in result.stdout


@pytest.mark.parametrize("preset", PRESETS)
def test_both_networks_of_every_preset(preset):
    rows = list(check_networks(preset))
    assert [row for row in rows if not row.passed] == []
    assert {row.layer for row in rows} == {"D, loss of D", "G, loss through D"}


def test_broken_layer_fails_by_name(monkeypatch):
    monkeypatch.setattr(
        Tanh, "backward", lambda self, dy, ctx, need_dx=True, **flags: dy * (1 - ctx)
    )
    result = run()
    assert result.exit_code == 1
    failed = [line for line in result.stdout.splitlines() if "FAIL" in line]
    assert any(line.startswith("Tanh") for line in failed)
    assert not any(line.startswith("Sigmoid") for line in failed)
    assert "gradient checks failed" in result.stderr


def test_missing_variance_term_in_d_shows_in_gs_weights(monkeypatch):
    def without_variance(g, a, scale, b, c):
        return norm_back(g, a, scale, 0 * b, c)

    monkeypatch.setattr(on_cpu, "norm_back", without_variance)
    failed = {
        (row.layer, row.parameter)
        for row in check_networks("quick32")
        if not row.passed
    }
    assert ("G, loss through D", "up1.conv.weight") in failed
