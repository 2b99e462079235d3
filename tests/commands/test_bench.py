import json
from contextlib import nullcontext
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from click.testing import CliRunner

from scratchgan.backend import CPU, Device
from scratchgan.bench import child, turns
from scratchgan.bench.step import StepTimes, random_batches, step_gflop
from scratchgan.commands import main
from scratchgan.errors import ScratchGANError
from scratchgan.functional import parallel
from scratchgan.kernels.products import allow_tf32
from scratchgan.models.latent import draw_latent
from scratchgan.training.presets import PRESETS
from scratchgan.training.run.state import new_state
from scratchgan.training.step import StepSettings, train_step


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
    assert record["device_seconds"] is record["host_seconds"] is None


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


def test_layers_are_timed_in_every_implementation_with_their_errors():
    result = CliRunner().invoke(
        main, ["bench", "layers", "--preset", "quick32", "--batch-size", "2", "--json"]
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["layers"]
    names = {(row["layer"], row["primitive"], row["impl"]) for row in rows}
    primitives = "forward", "input gradient", "weight gradient"
    layers = "G.project", "G.up1", "G.up2", "G.up3", "D.down1", "D.down2", "D.down3"
    assert names == {
        (layer, primitive, impl)
        for layer in (*layers, "D.head")
        for primitive in primitives
        for impl in ("fast", "matmul", "strips", "reference")
    }
    for row in rows:
        assert row["milliseconds"] > 0
        assert 0 < row["error"] < 1e-5
    # The same work in the same time is the same speed.
    for row in rows:
        same = [r for r in rows if r["layer"] == row["layer"]]
        work = {round(r["gflops"] * r["milliseconds"], 6) for r in same}
        assert len(work) == 1


def test_layers_in_words():
    result = CliRunner().invoke(
        main, ["bench", "layers", "--preset", "mnist28c", "--batch-size", "2"]
    )
    assert result.exit_code == 0, result.output
    assert "G.up2" in result.stdout
    assert "GFLOP/s" in result.stdout


def test_comparing_without_pytorch_names_what_to_install(monkeypatch):
    monkeypatch.setattr(turns.importlib.util, "find_spec", lambda name: None)
    result = run("--preset", "quick32", "--batch-size", "2", "--steps", "1",
                 "--against", "torch")  # fmt: skip
    assert result.exit_code == 1
    assert "PyTorch, to compare with, is not installed" in result.stderr
    assert "Traceback" not in result.output


def test_side_that_fails_is_named_with_its_reason(monkeypatch):
    monkeypatch.setattr(turns.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(turns, "config_to_dict", lambda config: {"no such setting": 1})
    with pytest.raises(ScratchGANError, match=r"torch sideways could not .*no such"):
        turns.compare_with_torch(
            PRESETS["quick32"], 1, 1, CPU, {"torch sideways": turns.Side("torch")}
        )


@pytest.mark.oracle
def test_sides_take_turns_and_the_ratio_is_of_the_better_layout():
    pytest.importorskip("torch")
    result = run("--preset", "quick32", "--batch-size", "4", "--steps", "2",
                 "--against", "torch", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    against = json.loads(result.stdout)["against"]
    assert set(against["sides"]) == {"scratchgan", "torch NCHW", "torch channels_last"}
    for side in against["sides"].values():
        assert 0 < side["minimum_seconds"] <= side["median_seconds"]
        assert side["peak_memory_bytes"] > 10_000_000
    better = against["sides"][against["better_layout"]]["median_seconds"]
    others = [
        side["median_seconds"]
        for name, side in against["sides"].items()
        if name != "scratchgan"
    ]
    assert better == min(others)
    ours = against["sides"]["scratchgan"]["median_seconds"]
    assert against["ratio"] == pytest.approx(better / ours)


@pytest.mark.oracle
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("preset", ["dcgan64", "paper64", "mnist28c", "tf28"])
def test_the_network_compared_with_learns_the_same(preset, channels_last):
    pytest.importorskip("torch")
    from scratchgan.bench.torch_network import make_step

    config = PRESETS[preset]
    widths = (4, 6, 8, 10)[: len(config.network.widths)]
    network = replace(config.network, widths=widths, norm_eps=1e-5)
    config = replace(config, network=network, batch_size=8)
    state, batches = new_state(config, CPU), random_batches(config, CPU)
    theirs = make_step(
        config,
        state.gan.generator,
        state.gan.discriminator,
        batches,
        draws_of_z(config),
        channels_last=channels_last,
    )
    draw_z = draws_of_z(config)
    for _ in range(3):
        loss_d, loss_g = theirs()
        ours = train_step(state.gan, batches, draw_z, StepSettings.of(config))
        assert float(ours.loss_d) == pytest.approx(float(loss_d), rel=2e-3)
        assert float(ours.loss_g) == pytest.approx(float(loss_g), rel=2e-3)


def draws_of_z(config):
    rng = np.random.default_rng(1)
    return lambda count: draw_latent(config.network, count, rng)


@pytest.mark.parametrize(("tf32", "precision"), [(False, "float32"), (True, "TF32")])
def test_on_a_gpu_the_ratio_is_to_the_best_of_the_same_precision(tf32, precision):
    sides = turns.sides_on(Device("gpu"), tf32=tf32, graph=True)
    assert sides.pop("scratchgan") == turns.Side("scratchgan", precision, graph=True)
    assert {(s.precision, s.channels_last, s.graph) for s in sides.values()} == {
        *product((precision,), (False, True), (False, True)),
        *product(("bfloat16",), (True,), (False, True)),
    }
    fastest = f"torch {precision} NCHW graph"
    seconds = dict.fromkeys(sides, 3.0)
    seconds |= {fastest: 2.0, "torch bfloat16 channels_last graph": 1.0}
    times = {n: turns.SideTimes(s, s, s, None) for n, s in seconds.items()}
    ours = {"scratchgan": turns.Side("scratchgan", precision)}
    assert turns.best_of_torch(sides | ours, times) == fastest


def test_comparing_on_a_gpu_is_asked_for_with_the_options_given(monkeypatch):
    asked = {}

    def compare(config, threads, steps, device, sides):
        asked.update(steps=steps, device=device, ours=sides["scratchgan"])
        return {n: turns.SideTimes(i, i, i, None) for i, n in enumerate(sides, 1)}

    monkeypatch.setattr(turns, "compare_with_torch", compare)
    monkeypatch.setattr("scratchgan.backend.resolve_device", lambda _: Device("gpu", 1))
    monkeypatch.setattr(Device, "stream", lambda self: nullcontext())
    monkeypatch.setattr("scratchgan.bench.step.measure_steps", lambda *_: STEP_TIMES)
    args = "bench", "step", "--preset", "quick32", "--against", "torch", "--steps", "7"
    for more, precision, graph in (
        ((), "float32", True),
        (("--tf32",), "TF32", True),
        (("--no-cuda-graph",), "float32", False),
    ):
        result = CliRunner().invoke(main, [*args, "--device", "gpu:1", *more])
        allow_tf32(False)
        assert result.exit_code == 0, result.output
        assert asked == {
            "steps": 7,
            "device": Device("gpu", 1),
            "ours": turns.Side("scratchgan", precision, graph=graph),
        }
        assert f"2.00 times as fast as torch {precision} NCHW\n" in result.stdout


STEP_TIMES = StepTimes(
    *(0.1,) * 7, phases={}, gflop=1, product_gflops=1, fraction_of_product=1,
    peak_memory_bytes=None,
)  # fmt: skip


@pytest.mark.oracle
def test_bfloat16_learns_nearly_the_same():
    pytest.importorskip("torch")
    from scratchgan.bench.torch_network import make_step

    config = replace(PRESETS["quick32"], batch_size=8)
    losses = {}
    for bfloat16 in (False, True):
        state = new_state(config, CPU)
        step = make_step(
            config, state.gan.generator, state.gan.discriminator,
            random_batches(config, CPU), draws_of_z(config),
            channels_last=True, bfloat16=bfloat16,
        )  # fmt: skip
        losses[bfloat16] = [float(loss) for loss in step()]
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.05)


def test_turns_on_a_gpu_are_of_many_steps_after_as_many_that_warm_up(monkeypatch):
    happened = []
    monkeypatch.setattr(child.time, "perf_counter", lambda: float(len(happened)))

    def seconds(device):
        happened.clear()
        return child.seconds_a_step(
            lambda: happened.append("step"), lambda: happened.append("wait"), device
        )

    assert seconds(CPU) == 2.0
    assert happened == ["step", "wait"]
    steps = child.GPU_TURN_STEPS
    assert seconds(Device("gpu")) == pytest.approx((steps + 1) / steps)
    assert happened == 2 * [*steps * ["step"], "wait"]
