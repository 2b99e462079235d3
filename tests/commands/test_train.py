import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from tiny import write_dataset

from scratchgan.commands import main
from scratchgan.training import describe
from scratchgan.training.config import LOSSES
from scratchgan.training.presets import PRESETS
from scratchgan.training.run.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[2]
SMALL = ["--preset", "quick32", "--size", "8", "--base-channels", "2", "--batch-size"]
SMALL += ["4", "--device", "cpu", "--steps"]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Run in an empty folder with one prepared dataset, ``tiny``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCRATCHGAN_DATA", raising=False)
    write_dataset(tmp_path / "data" / "tiny.h5")
    return tmp_path


def run(*args, **settings):
    return CliRunner().invoke(main, [str(arg) for arg in args], **settings)


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(result, *words):
    """Assert exit code 1 with one plain line that has the words."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    error = [line for line in lines if line.startswith("Error: ")]
    assert len(error) == 1
    assert lines[-1] == error[0]
    for word in words:
        assert word in error[0]


def test_trains_and_says_where_the_results_are(work):
    result = run("train", "--dataset", "tiny", *SMALL, 5)
    assert result.exit_code == 0, result.output
    assert "samples: " in result.stdout
    assert "parameters" in result.stderr
    assert "GiB of memory" in result.stderr
    folder = work / "runs" / "00001-tiny-quick32"
    assert (folder / "samples" / "000005.png").is_file()
    assert (folder / "checkpoints" / "step-000005.h5").is_file()
    config = json.loads((folder / "config.json").read_text())
    assert config["network"]["widths"] == [2, 4, 8]
    assert config["steps"] == 5


def test_dataset_by_path_and_from_the_folder_that_a_variable_names(work, monkeypatch):
    (work / "elsewhere").mkdir()
    file = write_dataset(work / "elsewhere" / "other.h5")
    assert run("train", "--dataset", file, *SMALL, 1).exit_code == 0
    monkeypatch.setenv("SCRATCHGAN_DATA", str(work / "elsewhere"))
    assert run("train", "--dataset", "other", *SMALL, 1).exit_code == 0


def test_out_is_the_folder_of_runs(work):
    assert run("train", "--dataset", "tiny", *SMALL, 1, "--out", "a/b").exit_code == 0
    assert (work / "a/b/00001-tiny-quick32/config.json").is_file()


def test_resume_continues_the_newest_run_to_the_step_in_all(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    result = run("train", "--resume", "--steps", 5, "--device", "cpu")
    assert result.exit_code == 0, result.output
    folder = work / "runs" / "00001-tiny-quick32"
    log = (folder / "log.jsonl").read_text()
    steps = [json.loads(x)["step"] for x in log.splitlines()]
    assert steps == [1, 3, 5]
    assert len(list((work / "runs").iterdir())) == 1


def test_resume_of_a_complete_run_says_how_to_go_on(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    result = run("train", "--resume", "1", "--device", "cpu")
    assert result.exit_code == 0
    assert "complete" in result.stderr
    assert "--steps" in result.stderr


def test_resume_keeps_the_device_of_the_run(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    assert run("train", "--resume", "--steps", 4).exit_code == 0
    config = json.loads((work / "runs/00001-tiny-quick32/config.json").read_text())
    assert config["device"] == "cpu"


def test_time_limit_says_how_to_go_on(work):
    result = run("train", "--dataset", "tiny", *SMALL, 10**6, "--max-minutes", "0.005")
    assert result.exit_code == 0
    assert "time limit at step" in result.stderr
    assert "of 1,000,000; saved; go on with: scratchgan train --resume" in result.stderr


def test_run_on_a_dataset_by_path_continues_from_anywhere(work, monkeypatch):
    run("train", "--dataset", "data/tiny.h5", *SMALL, 3)
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    folder = "../runs/00001-tiny-quick32"
    assert run("train", "--resume", folder, "--steps", 4).exit_code == 0
    (work / "data" / "tiny.h5").rename(work / "moved.h5")
    result = run("train", "--resume", folder, "--steps", 5)
    refused(result, "tiny.h5 does not exist")
    result = run("train", "--resume", folder, "--steps", 5, "--dataset", "../moved.h5")
    assert result.exit_code == 0, result.output
    monkeypatch.chdir(work)
    result = run("train", "--resume", "--steps", 6)
    assert result.exit_code == 0, result.output


def test_split_without_images(work):
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--split", "test")
    refused(result, "0 images", "--split")


def test_resume_refuses_settings_that_are_fixed(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    for extra in (["--lr", "1"], ["--seed", "3"], ["--preset", "dcgan64"]):
        result = run("train", "--resume", *["1"], *extra)
        assert result.exit_code == 2
        assert extra[0] in result.stderr


def test_resume_of_a_damaged_checkpoint(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    file = work / "runs/00001-tiny-quick32/checkpoints/step-000003.h5"
    with h5py.File(file, "r+") as hdf5:
        hdf5["adam_g/v/up1.conv.weight"][0, 0, 0, 0] += 1
    refused(run("train", "--resume", "--steps", 5), "damaged", "older checkpoint")


def test_resume_on_other_images_is_refused(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    write_dataset(work / "data" / "tiny.h5", count=20)
    result = run("train", "--resume", "--steps", 5, "--device", "cpu")
    refused(result, "tiny.h5", "not hold the images this run was started on")


def test_dry_run_prints_everything_and_does_nothing(work):
    before = files_in(work)
    result = run("train", "--dataset", "tiny", *SMALL, 5, "--dry-run")
    assert result.exit_code == 0
    assert '"base_channels"' not in result.stdout
    assert '"widths"' in result.stdout
    assert "generator" in result.stdout
    assert "5 steps" in result.stdout
    assert files_in(work) == before


@pytest.mark.parametrize("loss", LOSSES)
def test_trains_with_every_loss_and_keeps_it_on_resume(work, loss):
    result = run("train", "--dataset", "tiny", *SMALL, 5, "--loss", loss)
    assert result.exit_code == 0, result.output
    folder = work / "runs" / "00001-tiny-quick32"
    assert (folder / "samples" / "000005.png").is_file()
    result = run("train", "--resume", "--steps", 7)
    assert result.exit_code == 0, result.output
    config = json.loads((folder / "config.json").read_text())
    assert config["loss"] == loss
    assert config["network"]["logits"] == LOSSES[loss]
    log = [json.loads(x) for x in (folder / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 7
    for record in log:
        for name in ("loss_d", "loss_g", "p_real", "p_fake"):
            assert math.isfinite(record[name])


def test_the_loss_gives_a_preset_its_logits(work):
    for args, loss, logits in (
        (["--preset", "tf28"], "softmax", 2),
        (["--preset", "tf28", "--loss", "hinge"], "hinge", 1),
        (["--preset", "quick32"], "bce", 1),
        (["--preset", "quick32", "--loss", "softmax"], "softmax", 2),
    ):
        settings = ["--dataset", "faces", "--size", "8", "--base-channels", "2"]
        result = run("train", *settings, *args, "--dry-run")
        assert result.exit_code == 0, result.output
        assert f'"loss": "{loss}"' in result.stdout
        assert f'"logits": {logits}' in result.stdout


def test_loss_cannot_change_on_resume(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    result = run("train", "--resume", "--steps", 5, "--loss", "hinge")
    assert result.exit_code == 2
    assert "--loss cannot change when a run is resumed" in result.stderr


def test_a_run_from_before_there_was_a_choice_of_loss_goes_on(work):
    run("train", "--dataset", "tiny", *SMALL, 3)
    folder = work / "runs" / "00001-tiny-quick32"
    file = folder / "checkpoints" / "step-000003.h5"
    arrays, meta = load_checkpoint(file)
    del meta["config"]["loss"]
    save_checkpoint(file, arrays, meta)
    result = run("train", "--resume", "--steps", 5)
    assert result.exit_code == 0, result.output
    assert json.loads((folder / "config.json").read_text())["loss"] == "bce"


@pytest.mark.parametrize("preset", PRESETS)
def test_dry_run_of_every_preset_fits_its_parameters(work, preset, monkeypatch):
    # The forecast would build the paper's networks; its figures are tested elsewhere.
    from scratchgan.training.forecast import estimate

    monkeypatch.setattr(estimate, "measure_step_seconds", lambda *args: 1.0)
    channels = PRESETS[preset].network.channels
    size = PRESETS[preset].network.height
    write_dataset(
        work / "data" / "fit.h5",
        count=130,
        height=size,
        width=size,
        channels=channels,
        labels=True,
    )
    result = run("train", "--dataset", "fit", "--preset", preset, "--dry-run")
    assert result.exit_code == 0, result.output
    assert f'"preset": "{preset}"' in result.stdout


def test_dry_run_before_the_built_in_data_is_drawn(work):
    result = run("train", "--dataset", "faces", *SMALL, 5, "--dry-run")
    assert result.exit_code == 0
    assert "not prepared yet" in result.stdout
    assert not (work / "data" / "faces.h5").exists()


def test_missing_faces_are_drawn_and_real_photographs_pointed_to(work, monkeypatch):
    from scratchgan.synthetic import prepare as synthetic

    real = synthetic.prepare_synthetic

    def few(name, data_dir, **settings):
        return real(name, data_dir, count=40, size=16, workers=1, **settings)

    monkeypatch.setattr(synthetic, "prepare_synthetic", few)
    result = run("train", *SMALL, 2)
    assert result.exit_code == 0, result.output
    assert "data prepare faces FOLDER" in result.stderr
    assert "averaged down to 8x8" in result.stderr
    assert (work / "data" / "faces.h5").is_file()


@pytest.mark.parametrize(
    ("dataset", "options"),
    [
        ("bedrooms", ["--preset", "quick32", "--base-channels", "2"]),
        ("digits", ["--preset", "mnist28c", "--size", "28", "--base-channels", "4"]),
    ],
)
def test_the_other_built_in_sets_are_drawn_too(work, monkeypatch, dataset, options):
    from scratchgan.synthetic import prepare as synthetic

    real = synthetic.prepare_synthetic

    def few(name, data_dir, **settings):
        return real(name, data_dir, count=60, workers=1, **settings)

    monkeypatch.setattr(synthetic, "prepare_synthetic", few)
    options += ["--batch-size", "4", "--steps", "2", "--device", "cpu"]
    result = run("train", "--dataset", dataset, *options)
    assert result.exit_code == 0, result.output
    config = next((work / "runs").glob("*/config.json")).read_text()
    network = json.loads(config)["network"]
    assert network["channels"] == (1 if dataset == "digits" else 3)
    assert network["classes"] == (10 if dataset == "digits" else 0)


def test_misspelt_dataset(work):
    refused(run("train", "--dataset", "tny", *SMALL, 1), "tny", "did you mean 'tiny'")
    assert not (work / "runs").exists()


def test_batch_larger_than_the_data(work):
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--batch-size", 99)
    refused(result, "18 images", "batch of 99", "--batch-size 18")
    assert not (work / "runs").exists()


def test_size_that_the_strides_do_not_divide(work):
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--size", 70)
    refused(result, "70", "64 and 72")


def test_size_the_data_does_not_have(work):
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--size", "16x8")
    refused(result, "8x8", "16x8", "data prepare")


def test_conditional_without_labels(work):
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--conditional")
    refused(result, "no labels")


def test_conditional_with_labels(work):
    write_dataset(work / "data" / "labelled.h5", labels=True)
    result = run("train", "--dataset", "labelled", *SMALL, 2, "--conditional")
    assert result.exit_code == 0, result.output
    config = json.loads((work / "runs/00001-labelled-quick32/config.json").read_text())
    assert config["network"]["classes"] == 3


def test_missing_gpu_is_one_line_and_no_run(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes the import fail
    result = run("train", "--dataset", "tiny", *SMALL[:-3], "--device", "gpu")
    refused(result, "device gpu", "CuPy")
    assert not (work / "runs").exists()


def test_auto_without_a_gpu_says_why_it_computes_on_the_cpu(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(describe, "has_nvidia_driver", lambda: True)
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--device", "auto")
    assert result.exit_code == 0, result.output
    assert "device: cpu (CuPy is" in result.stderr


def test_too_little_memory_is_one_line(work, monkeypatch):
    from scratchgan.training import loop

    def fail(*args, **kwargs):
        raise MemoryError("Unable to allocate 3.00 TiB")

    monkeypatch.setattr(loop, "train_step", fail)
    result = run("train", "--dataset", "tiny", *SMALL, 1)
    refused(result, "not enough memory (Unable to allocate", "smaller batches")


def test_output_folder_that_cannot_be_made(work):
    (work / "blocked").touch()
    result = run("train", "--dataset", "tiny", *SMALL, 1, "--out", "blocked/runs")
    refused(result, "blocked")


@pytest.mark.parametrize(
    "args",
    [
        ["--steps", "1", "--epochs", "1"],
        ["--batch-size", "1"],
        ["--beta1", "1"],
        ["--preset", "dcgan"],
        ["--loss", "wasserstein"],
        ["--size", "big"],
        ["--resume", "--dry-run"],
    ],
)
def test_wrong_usage_exits_with_2(work, args):
    assert run("train", "--dataset", "tiny", *args).exit_code == 2


def test_exploding_run_keeps_no_bad_checkpoint(work):
    result = run("train", "--dataset", "tiny", *SMALL, 300, "--lr", "1e38")
    refused(result, "training stopped at step", "began at", "--lr")
    assert not list(work.rglob("step-*.h5"))


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_and_exits_with_130(work, number):
    command = [sys.executable, ROOT / "cli.py", "train", "--dataset", "tiny"]
    process = subprocess.Popen(
        [*map(str, command), *SMALL, "1000000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    folder = work / "runs" / "00001-tiny-quick32"
    deadline = time.monotonic() + 60
    while not (folder / "log.jsonl").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"saved; go on with: scratchgan train --resume" in stderr
    assert b"Traceback" not in stderr
    (checkpoint,) = (folder / "checkpoints").glob("step-*.h5")
    step = int(checkpoint.stem.split("-")[1])
    assert run("train", "--resume", "--steps", step + 1).exit_code == 0
