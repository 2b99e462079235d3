"""What ``import scratchgan`` offers does what the command line does, and silently."""

import ast
import inspect
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tiny import CONFIG, write_dataset

import scratchgan
from scratchgan.commands import main
from scratchgan.datasets.loader import scale_images
from scratchgan.errors import (
    CheckpointError,
    ConfigError,
    DatasetError,
    DeviceError,
    OptionError,
)
from scratchgan.synthetic import prepare as synthetic
from scratchgan.training import loop
from scratchgan.training.presets import PRESETS
from scratchgan.training.run.checkpoint import load_checkpoint
from scratchgan.training.settings import choose_settings

ROOT = Path(__file__).parents[1]
SMALL = {"size": 8, "base_channels": 2, "batch_size": 4, "device": "cpu"}


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Run in an empty folder with one prepared dataset, ``tiny``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCRATCHGAN_DATA", raising=False)
    write_dataset(tmp_path / "data" / "tiny.h5", labels=True)
    return tmp_path


@pytest.fixture
def few_images(monkeypatch):
    """Draw built-in sets of 150 images, by one process."""
    real = synthetic.prepare_synthetic

    def few(name, data_dir, **settings):
        return real(name, data_dir, count=150, workers=1, **settings)

    monkeypatch.setattr(synthetic, "prepare_synthetic", few)


def command(*args):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


def assert_same_arrays(checkpoint, other):
    mine, theirs = load_checkpoint(checkpoint)[0], load_checkpoint(other)[0]
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


# --- the names -----------------------------------------------------------------------


def test_every_name_is_there_and_documented():
    for name in scratchgan.__all__:
        assert name in dir(scratchgan)
        thing = getattr(scratchgan, name)
        assert name == "PRESETS" or inspect.getdoc(thing)
        assert name in scratchgan.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        scratchgan.trian  # noqa: B018


def test_editors_see_the_names_that_are_loaded_when_used():
    tree = ast.parse(inspect.getsource(scratchgan))
    editors = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: f"{node.module}.{alias.name}"
        for node in editors.body
        for alias in node.names
    }
    assert sorted(seen) == sorted(scratchgan.__all__)
    assert seen.pop("nn") == "scratchgan.nn"
    modules = scratchgan._MODULES
    assert seen == {name: f"scratchgan.{modules[name]}.{name}" for name in modules}


# --- training ------------------------------------------------------------------------


def test_training_is_that_of_the_command_line_bit_for_bit(work):
    run = scratchgan.train("tiny", "quick32", steps=5, lr=1e-3, **SMALL)
    flags = ("--size", 8, "--base-channels", 2, "--batch-size", 4, "--device", "cpu")
    args = ("train", "--dataset", "tiny", "--preset", "quick32", "--steps", 5)
    command(*args, "--lr", "1e-3", *flags, "--out", "other")
    other = work / "other" / "00001-tiny-quick32"
    assert_same_arrays(run.checkpoint, other / "checkpoints" / "step-000005.h5")
    assert (run.path / "config.json").read_text() == (other / "config.json").read_text()
    picture = "samples/000005.png"
    assert (run.path / picture).read_bytes() == (other / picture).read_bytes()


def test_the_run_that_comes_back_is_the_one_that_was_saved(work):
    run = scratchgan.train("tiny", "quick32", steps=3, **SMALL)
    assert run.path == work / "runs" / "00001-tiny-quick32"
    assert (run.step, run.config.steps, run.log[-1]["step"]) == (3, 3, 3)
    images = run.generate(range(5))
    for same in (1, "1", run.path, str(run.path), run.checkpoint, run, None):
        opened = scratchgan.open_run(same, "cpu")
        np.testing.assert_array_equal(opened.generate(range(5)), images)


def test_resuming_ends_where_an_uninterrupted_run_does(work):
    scratchgan.train("tiny", "quick32", steps=3, **SMALL)
    resumed = scratchgan.resume(1, steps=7)
    whole = scratchgan.train("tiny", "quick32", steps=7, **SMALL)
    assert resumed.step == whole.step == 7
    assert_same_arrays(resumed.checkpoint, whole.checkpoint)


def test_a_run_is_resumed_from_its_newest_checkpoint(work):
    run = scratchgan.train("tiny", "quick32", steps=2, **SMALL)
    scratchgan.resume(run, steps=4)
    again = scratchgan.resume(run, steps=6)
    assert [record["step"] for record in again.log] == [1, 2, 4, 6]
    older = scratchgan.resume(run.checkpoint, steps=3)
    assert [record["step"] for record in older.log] == [1, 2, 3]


def test_a_run_may_be_resumed_on_another_device(work):
    run = scratchgan.train("tiny", "quick32", steps=2, **SMALL)
    assert run.config.device == "cpu"
    with pytest.raises(DeviceError, match="gpu"):  # there is none here
        scratchgan.resume(run, steps=4, device="gpu")
    assert scratchgan.resume(run, steps=4, device="auto").config.device == "auto"


def test_a_complete_run_comes_back_as_it_is(work):
    run = scratchgan.train("tiny", "quick32", steps=2, **SMALL)
    again = scratchgan.resume()
    assert (again.checkpoint, again.step) == (run.checkpoint, 2)


def test_settings_of_ones_own_are_a_preset(work):
    run = scratchgan.train("tiny", CONFIG, steps=2)
    assert (run.config.preset, run.config.network.widths) == ("tiny", (4, 8))


def test_an_open_dataset_is_trained_on(work):
    with scratchgan.open_dataset("tiny") as dataset:
        run = scratchgan.train(dataset, "quick32", steps=2, **SMALL)
        assert len(dataset.images[:]) == 18
    assert run.config.dataset == str(work / "data" / "tiny.h5")


def test_the_time_limit_ends_a_run_early(work):
    run = scratchgan.train("tiny", "quick32", steps=10**6, max_minutes=0.003, **SMALL)
    assert 1 <= run.step < 10**6
    assert run.config.max_minutes == 0.003
    further = scratchgan.resume(run, steps=run.step + 2)
    assert further.step == run.step + 2
    assert further.config.max_minutes is None  # a limit holds for one stretch only


def test_none_is_the_presets_value(work):
    run = scratchgan.train("tiny", "quick32", steps=1, epochs=None, lr=None, **SMALL)
    assert run.config.lr == PRESETS["quick32"].lr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_saves_and_raises_keyboard_interrupt(work, monkeypatch, name):
    whole = scratchgan.train("tiny", "quick32", steps=6, runs="whole", **SMALL)
    before = signal.getsignal(signal.SIGINT)
    real = loop.append_log

    def stop_at_the_first_record(run, record):
        real(run, record)
        signal.raise_signal(getattr(signal, name))

    monkeypatch.setattr(loop, "append_log", stop_at_the_first_record)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        scratchgan.train("tiny", "quick32", steps=6, **SMALL)
    assert str(interrupt.value) == (
        "interrupted at step 1; saved; go on with: "
        "scratchgan.resume('runs/00001-tiny-quick32')"
    )
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    monkeypatch.chdir(work)
    resumed = eval(str(interrupt.value).split("go on with: ")[1])
    assert_same_arrays(resumed.checkpoint, whole.checkpoint)


# --- what is said --------------------------------------------------------------------


def test_nothing_is_printed_unless_asked(work, few_images, capfd):
    run = scratchgan.train("faces", "quick32", steps=2, **SMALL)
    scratchgan.resume(run, steps=3).generate([0])
    list(scratchgan.batches("faces"))
    scratchgan.open_dataset("bedrooms").close()
    assert capfd.readouterr() == ("", "")


def test_progress_is_reported_on_stderr(work, few_images, capfd):
    scratchgan.train("faces", "quick32", steps=2, progress=True, **SMALL)
    out, err = capfd.readouterr()
    assert out == ""
    assert "drawing the synthetic set now" in err
    assert "drawing: 100%" in err
    assert "150/150" in err
    assert "plan: 2 steps" in err
    assert "2/2" in err
    scratchgan.resume(steps=3, progress=True)
    assert "from step 2 to 3 on cpu" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: scratchgan.train("tny"), DatasetError, "did you mean 'tiny'"),
        (lambda: scratchgan.train("tiny", "dcgan"), OptionError, "no preset 'dcgan'"),
        (lambda: scratchgan.train("tiny", step=1), OptionError, "mean 'steps'"),
        (lambda: scratchgan.train("tiny", steps=0), OptionError, "steps is 0"),
        (lambda: scratchgan.train("tiny", size=70), ConfigError, "64 and 80"),
        (lambda: scratchgan.train("tiny", device="tpu"), DeviceError, "'tpu'"),
        (lambda: scratchgan.train("tiny", gpu_memory="much"), DeviceError, "6GiB"),
        (lambda: scratchgan.train("tiny", device="cpu"), DatasetError, "one batch"),
        (lambda: scratchgan.resume(9), CheckpointError, "no run or checkpoint '9'"),
        (lambda: scratchgan.resume(), CheckpointError, "no run with a checkpoint"),
        (lambda: scratchgan.open_run("x"), CheckpointError, "no run or checkpoint"),
        (lambda: scratchgan.open_run(device=3), CheckpointError, "no run with"),
        (lambda: scratchgan.open_dataset("no.h5"), DatasetError, "does not exist"),
        (lambda: scratchgan.batches("tiny", 0), OptionError, "batch_size is 0"),
        (lambda: scratchgan.batches("tiny", 99), DatasetError, "batch of 99"),
        (lambda: scratchgan.batches("tiny", 4, size=9), DatasetError, "prepare them"),
        (lambda: scratchgan.batches("tiny", 4, split="x"), DatasetError, "'x'"),
    ],
)
def test_mistakes_are_one_line_that_a_user_can_act_on(work, call, kind, words):
    with pytest.raises(scratchgan.ScratchGANError) as error:
        call()
    assert type(error.value) is kind
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (work / "runs").exists()


def test_options_that_are_fixed_in_a_run(work):
    run = scratchgan.train("tiny", "quick32", steps=1, **SMALL)
    with pytest.raises(OptionError, match="--lr cannot change"):
        scratchgan.resume(run, lr=1.0)


# --- data ----------------------------------------------------------------------------


def test_batches_are_every_image_once_as_the_networks_see_them(work):
    with scratchgan.open_dataset("tiny") as dataset:
        images, labels = dataset.images[:], dataset.labels
    seen = []
    for batch in scratchgan.batches("tiny", 4, seed=3):
        assert batch.images.dtype == np.float32
        rows = np.rint((batch.images[:, 0, 0, 0] + 1) * 127.5).astype(int)
        np.testing.assert_array_equal(batch.images, scale_images(images[rows], "tanh"))
        np.testing.assert_array_equal(batch.labels, labels[rows])
        seen += rows.tolist()
    assert sorted(seen) == list(range(18))
    assert seen != sorted(seen)


def test_batches_depend_on_the_seed_and_go_on_for_some_epochs(work):
    def order(**settings):
        found = scratchgan.batches("tiny", 4, **settings)
        return [batch.images[:, 0, 0, 0].tolist() for batch in found]

    assert order(seed=3) == order(seed=3) != order(seed=4)
    epochs = order(seed=3, epochs=2)
    assert epochs[:5] == order(seed=3)
    assert len(epochs) == 10
    assert epochs[5:] != epochs[:5]


def test_batches_are_averaged_down(work):
    batch = next(scratchgan.batches("tiny", 18, size=(4, 4)))
    assert batch.images.shape == (18, 3, 4, 4)


def test_batches_close_the_file_that_they_opened_and_no_other(work):
    with scratchgan.open_dataset("tiny") as dataset:
        given = scratchgan.batches(dataset, 4)
        next(given)
        given.close()
        assert dataset.file
    loaders = scratchgan.batches("tiny", 4)
    next(loaders)
    opened = loaders.gi_frame.f_locals["loader"].dataset
    loaders.close()
    assert not opened.file


# --- README --------------------------------------------------------------------------


def test_the_lines_of_the_readme_run(work, few_images, monkeypatch, capfd):
    """With a network so small that its 800 steps take seconds."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)
    config = choose_settings(
        PRESETS["quick32"], {"base_channels": 2, "batch_size": 4, "device": "cpu"}
    )
    monkeypatch.setitem(PRESETS, "quick32", config)
    names = {}
    exec(code, names)
    assert names["images"].shape == (36, 32, 32, 3)
    assert names["run"].step == 800
    assert names["batch"].images.shape == (64, 3, 32, 32)
    assert names["logits"].shape == (64, 1)
    assert (work / "faces.png").is_file()
    assert str(work / "runs" / "00001-faces-quick32") in capfd.readouterr().out
