"""Train N + M steps = train N, resume, M: bit for bit on the CPU."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from tiny import CONFIG, train_tiny

from scratchgan.backend import CPU
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import CheckpointError
from scratchgan.training.loop import train
from scratchgan.training.run.checkpoint import load_checkpoint
from scratchgan.training.run.folder import find_checkpoint, run_of_checkpoint
from scratchgan.training.run.state import load_state


def resume(checkpoint, dataset_file, steps):
    state = load_state(checkpoint, CPU)
    state.config = dataclasses.replace(state.config, steps=steps)
    with open_dataset(dataset_file) as dataset:
        run = run_of_checkpoint(checkpoint)
        return train(state, dataset, run, CPU, show_progress=False)


def assert_same_checkpoint(one, other):
    arrays, meta = load_checkpoint(one)
    others, other_meta = load_checkpoint(other)
    assert arrays.keys() == others.keys()
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], others[name], err_msg=name)
    for key in ("step", "epoch", "batch", "adam_steps", "rng"):
        assert meta[key] == other_meta[key], key


@pytest.mark.parametrize("order", ["pytorch", "tensorflow", "alternating"])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, dataset_file, order, cut):
    # 18 images in batches of 4: epochs end in a batch of 2, and runs are cut in
    # the middle of epochs and of logging intervals.
    _, _, whole = train_tiny(
        tmp_path / "whole", dataset_file, steps=11, update_order=order
    )
    _, run, _ = train_tiny(
        tmp_path / "cut", dataset_file, steps=cut, update_order=order
    )
    resumed = resume(run.checkpoint_file(cut), dataset_file, 11)
    assert_same_checkpoint(whole.checkpoint, resumed.checkpoint)
    assert whole.samples.read_bytes() == resumed.samples.read_bytes()


def test_twice_resumed_run_equals_an_uninterrupted_one(tmp_path, dataset_file):
    _, _, whole = train_tiny(tmp_path / "whole", dataset_file, steps=9)
    _, run, _ = train_tiny(tmp_path / "cut", dataset_file, steps=2)
    second = resume(run.checkpoint_file(2), dataset_file, 5)
    third = resume(second.checkpoint, dataset_file, 9)
    assert_same_checkpoint(whole.checkpoint, third.checkpoint)


def test_another_seed_gives_another_run(tmp_path, dataset_file):
    _, _, one = train_tiny(tmp_path, dataset_file, seed=0)
    _, _, other = train_tiny(tmp_path, dataset_file, seed=1)
    weights = [
        load_checkpoint(result.checkpoint)[0]["generator/up1.conv.weight"]
        for result in (one, other)
    ]
    assert not np.array_equal(*weights)


def test_log_has_each_step_once_after_a_resume_from_an_older_checkpoint(
    tmp_path, dataset_file
):
    _, run, _ = train_tiny(tmp_path, dataset_file, steps=8)
    resume(run.checkpoint_file(4), dataset_file, 10)
    records = [json.loads(line) for line in run.log_file.read_text().splitlines()]
    steps = [record["step"] for record in records]
    assert steps == [1, 2, 4, 6, 8, 10]


def test_going_on_from_an_older_checkpoint_sets_the_later_ones_aside(
    tmp_path, dataset_file
):
    _, run, _ = train_tiny(
        tmp_path, dataset_file, steps=8, checkpoint_every=2, keep_last=1, keep_every=2
    )
    resumed = resume(run.checkpoint_file(2), dataset_file, 3)
    assert resumed.checkpoint.is_file()
    assert find_checkpoint(None, tmp_path) == resumed.checkpoint
    first = run.checkpoints / "superseded-1"
    aside = sorted(path.name for path in first.iterdir())
    assert aside == ["step-000004.h5", "step-000006.h5", "step-000008.h5"]
    # They are still good to go on from, and going back again keeps both.
    resume(first / "step-000008.h5", dataset_file, 9)
    resume(run.checkpoint_file(2), dataset_file, 3)
    assert (run.checkpoints / "superseded-2" / "step-000009.h5").is_file()
    assert (first / "step-000008.h5").is_file()


def test_second_process_in_the_same_run_is_refused(tmp_path, dataset_file):
    _, run, _ = train_tiny(tmp_path, dataset_file, steps=4)
    with run.locked(), pytest.raises(CheckpointError, match="in use: another process"):
        resume(run.checkpoint_file(4), dataset_file, 6)
    assert resume(run.checkpoint_file(4), dataset_file, 6).step == 6


def test_folders_that_were_deleted_are_made_again(tmp_path, dataset_file):
    _, run, _ = train_tiny(tmp_path, dataset_file, steps=4)
    shutil.rmtree(run.samples)
    assert resume(run.checkpoint_file(4), dataset_file, 6).samples.is_file()


KILLED_WHILE_WRITING = """
import os, signal, sys
import h5py
from pathlib import Path
sys.path.insert(0, {tests!r})
from tiny import train_tiny

create = h5py.Group.create_dataset
calls = 0

def create_or_die(self, name, *args, **kwargs):
    global calls
    calls += name == "adam_d/m/head.conv.weight"
    if calls == 2:  # in the middle of the second checkpoint
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return create(self, name, *args, **kwargs)

h5py.Group.create_dataset = create_or_die
train_tiny(Path({folder!r}), Path({dataset!r}), steps=9, checkpoint_every=3)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX only")
def test_run_killed_while_writing_a_checkpoint_resumes_exactly(tmp_path, dataset_file):
    _, _, whole = train_tiny(tmp_path / "whole", dataset_file, steps=9)
    script = KILLED_WHILE_WRITING.format(
        tests=os.path.dirname(os.path.dirname(__file__)),
        folder=str(tmp_path / "killed"),
        dataset=str(dataset_file),
    )
    killed = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL

    checkpoint = find_checkpoint(None, tmp_path / "killed")
    assert checkpoint.name == "step-000003.h5"
    leftovers = list(checkpoint.parent.glob(".*"))
    assert leftovers, "the kill was meant to leave a half-written file"
    resumed = resume(checkpoint, dataset_file, 9)
    assert_same_checkpoint(whole.checkpoint, resumed.checkpoint)
    assert not list(checkpoint.parent.glob(".*"))


@pytest.mark.parametrize("batch_size", [5, 6])
def test_resume_at_the_very_end_of_an_epoch(tmp_path, dataset_file, batch_size):
    steps = -(-18 // batch_size)
    config = dataclasses.replace(CONFIG, batch_size=batch_size)
    _, _, whole = train_tiny(tmp_path / "a", dataset_file, config, steps=2 * steps)
    state, run, _ = train_tiny(tmp_path / "b", dataset_file, config, steps=steps)
    assert (state.epoch, state.batch) == (1, 0)
    resumed = resume(run.checkpoint_file(steps), dataset_file, 2 * steps)
    assert_same_checkpoint(whole.checkpoint, resumed.checkpoint)
