import json

import pytest
from click.testing import CliRunner

from scratchgan.bench import step_gflop
from scratchgan.commands import main
from scratchgan.functional import parallel
from scratchgan.training.presets import PRESETS


@pytest.fixture(autouse=True)
def _same_threads_afterwards():
    before = parallel.thread_count()
    yield
    parallel.set_thread_count(before)


def run(*args):
    return CliRunner().invoke(main, ["bench", "step", "--device", "cpu", *args])


def test_measures_a_step_and_its_phases():
    result = run("--preset", "quick32", "--batch-size", "4", "--steps", "3", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    low, median, high = (
        record[f"{name}_seconds"] for name in ("minimum", "median", "maximum")
    )
    assert 0 < low <= median <= high
    assert record["images_per_second"] == pytest.approx(4 / median)
    names = {"G forward", "G backward", "D forward", "D backward", "Adam"}
    assert set(record["phases"]) == names
    assert 0.5 < sum(record["phases"].values()) <= 1
    assert record["product_gflops"] > 0


@pytest.mark.parametrize("preset", ["mnist28c", "tf28", "svhn32"])
def test_every_update_order_and_labels(preset):
    result = run("--preset", preset, "--batch-size", "2", "--steps", "1")
    assert result.exit_code == 0, result.output
    assert "s a step" in result.stdout


def test_threads_are_as_asked_for():
    result = run(
        "--preset", "quick32", "--batch-size", "2", "--steps", "1", "--threads", "1",
        "--json",
    )  # fmt: skip
    assert json.loads(result.stdout)["threads"] == 1


def test_counted_work_of_the_pytorch_example():
    # 8 passes of D's 103.8 million multiply-adds an image and 3 of G's 104.6, less
    # the input gradients of first layers: 288 GFLOP for 128 images.
    discriminator, generator = 103_817_216, 104_628_224
    first_d, first_g = 3 * 64 * 16 * 32 * 32, 100 * 512 * 16
    multiplications = 8 * discriminator - 2 * first_d + 3 * generator - first_g
    expected = 2 * 128 * multiplications / 1e9
    assert step_gflop(PRESETS["dcgan64"]) == pytest.approx(expected)
    assert 285 < expected < 295
