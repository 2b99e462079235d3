import dataclasses
import json
import signal
import threading

import numpy as np
import pytest
from PIL import Image
from tiny import CONFIG, NETWORK, train_tiny, write_dataset

from scratchgan.backend import CPU
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import NonFiniteError, OutputError
from scratchgan.training import loop
from scratchgan.training.loop import train
from scratchgan.training.run.folder import create_run
from scratchgan.training.run.state import new_state


def log_of(run):
    return [json.loads(line) for line in run.log_file.read_text().splitlines()]


def test_run_folder_has_everything(tmp_path, dataset_file):
    _, run, result = train_tiny(tmp_path / "runs", dataset_file)
    assert run.path.name == "00001-tiny-tiny"
    assert json.loads(run.config_file.read_text())["batch_size"] == 4
    assert run.checkpoint_steps() == [4, 6]
    samples = sorted(path.name for path in run.samples.iterdir())
    assert samples == ["000004.png", "000006.png", "epoch-001.png", "real.png"]
    assert result.step == 6
    assert not result.interrupted


def test_shortest_run_still_writes_samples_checkpoint_and_log(tmp_path, dataset_file):
    _, run, result = train_tiny(tmp_path, dataset_file, steps=1)
    assert result.checkpoint.is_file()
    assert result.samples.is_file()
    assert [record["step"] for record in log_of(run)] == [1]


def test_log_records_are_numbers_with_their_step(tmp_path, dataset_file):
    _, run, _ = train_tiny(tmp_path, dataset_file, steps=5)
    records = log_of(run)
    assert [record["step"] for record in records] == [1, 2, 4, 5]
    for record in records:
        assert np.isfinite(list(record.values())).all()
        assert 0 <= record["p_real"] <= 1
        assert 0 <= record["data_wait"] <= 1
    assert records[-1]["epoch"] == 1.0  # 18 images in batches of 4: 5 batches


def test_grids_after_epochs_1_and_5_show_the_same_z(tmp_path, dataset_file):
    _, run, _ = train_tiny(tmp_path, dataset_file, steps=26)
    assert (run.samples / "epoch-001.png").is_file()
    assert (run.samples / "epoch-005.png").is_file()
    assert not (run.samples / "epoch-002.png").exists()
    # With a learning rate so small that no weight changes, only the running averages
    # of batch normalisation would move the pictures: their z is the same.
    _, still, _ = train_tiny(tmp_path, dataset_file, steps=26, lr=1e-30)
    pictures = []
    for name in ("epoch-001.png", "epoch-005.png"):
        with Image.open(still.samples / name) as image:
            pictures.append(np.asarray(image, float))
    first, fifth = pictures
    assert abs(first - fifth).mean() < 12


@pytest.mark.parametrize(
    ("keep_last", "keep_every", "kept"),
    [(1, 0, [10]), (2, 0, [8, 10]), (1, 4, [4, 8, 10]), (9, 0, [2, 4, 6, 8, 10])],
)
def test_old_checkpoints_go(tmp_path, dataset_file, keep_last, keep_every, kept):
    _, run, _ = train_tiny(
        tmp_path,
        dataset_file,
        steps=10,
        checkpoint_every=2,
        keep_last=keep_last,
        keep_every=keep_every,
    )
    assert run.checkpoint_steps() == kept


def test_time_limit_saves_and_stops(tmp_path, dataset_file):
    _, run, result = train_tiny(tmp_path, dataset_file, steps=10**6, max_minutes=0.005)
    assert 1 <= result.step < 10**6
    assert not result.interrupted
    assert run.checkpoint_steps()[-1] == result.step


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_and_stops_between_steps(tmp_path, dataset_file, number):
    before = signal.getsignal(number)
    threading.Timer(0.5, signal.raise_signal, (number,)).start()
    _, run, result = train_tiny(tmp_path, dataset_file, steps=10**6)
    assert result.interrupted
    assert run.checkpoint_steps()[-1] == result.step
    assert log_of(run)[-1]["step"] == result.step
    assert signal.getsignal(number) is before


def test_failing_picture_does_not_cost_the_checkpoint(
    tmp_path, dataset_file, monkeypatch
):
    def fail(pixels, path):
        if path.name == "000006.png":
            raise OutputError(f"cannot write {path}")

    monkeypatch.setattr(loop, "save_png", fail)
    with pytest.raises(OutputError, match=r"000006\.png.*step-000006\.h5"):
        train_tiny(tmp_path, dataset_file, steps=6)


def test_signal_that_the_job_was_told_to_ignore_stays_ignored(tmp_path, dataset_file):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loop.StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.due
    finally:
        signal.signal(signal.SIGINT, before)


def test_non_finite_loss_names_the_layer_and_keeps_the_last_checkpoint(
    tmp_path, dataset_file
):
    run = create_run(tmp_path, "tiny", "tiny")
    state = new_state(dataclasses.replace(CONFIG, steps=20), CPU)
    weight = state.gan.generator.parameters()["up1.conv.weight"]
    real_step = loop.train_step

    def poison(*args, **kwargs):
        if state.step == 6:
            weight.data[0, 0, 0, 0] = np.inf
        return real_step(*args, **kwargs)

    loop.train_step = poison
    try:
        with (
            open_dataset(dataset_file) as dataset,
            pytest.raises(NonFiniteError) as error,
        ):
            train(state, dataset, run, CPU, show_progress=False)
    finally:
        loop.train_step = real_step
    message = str(error.value)
    assert "stopped at step 6" in message
    assert "parameter up1.conv.weight of G" in message
    assert "step-000004.h5" in message
    assert run.checkpoint_steps() == [4]


def test_exploding_run_ends_with_a_plain_message(tmp_path, dataset_file):
    with pytest.raises(NonFiniteError, match="training stopped at step"):
        train_tiny(tmp_path, dataset_file, steps=200, lr=1e38)


def test_full_disk_stops_the_run_and_keeps_the_last_checkpoint(
    tmp_path, dataset_file, monkeypatch
):
    real_save = loop.save_checkpoint

    def full(path, *args):
        if path.name == "step-000008.h5":
            raise OutputError(f"cannot write {path}: the disk is full")
        real_save(path, *args)

    monkeypatch.setattr(loop, "save_checkpoint", full)
    with pytest.raises(OutputError, match=r"step 8.*disk is full.*step-000004\.h5"):
        train_tiny(tmp_path, dataset_file, steps=12)
    assert (tmp_path / "00001-tiny-tiny/checkpoints/step-000004.h5").is_file()


def test_alternating_order_reads_two_batches_a_step(tmp_path, dataset_file):
    state, _, _ = train_tiny(
        tmp_path, dataset_file, steps=4, update_order="alternating"
    )
    assert (state.epoch, state.batch) == (1, 3)  # 8 batches, 5 an epoch


def test_conditional_run_on_labels(tmp_path):
    file = write_dataset(tmp_path / "d" / "labelled.h5", labels=True)
    network = dataclasses.replace(NETWORK, classes=3)
    state, _, _ = train_tiny(tmp_path, file, network=network)
    assert state.gan.generator.parameters()["up1.conv.weight"].data.shape[0] == 11


def test_learning_rate_falls_as_scheduled(tmp_path, dataset_file):
    _, run, _ = train_tiny(
        tmp_path, dataset_file, steps=20, log_every=1, decay_start=1, decay_epochs=4
    )
    by_step = {record["step"]: record["lr"] for record in log_of(run)}
    assert by_step[5] == by_step[10] == CONFIG.lr  # epochs 0 and 1
    assert by_step[11] == pytest.approx(CONFIG.lr * 0.75)
    assert by_step[16] == pytest.approx(CONFIG.lr * 0.5)
