"""The program for a real GPU, as far as it goes without one."""

import subprocess
import sys

import pytest
from tiny import CONFIG

from tests import on_a_card


def test_without_a_gpu_it_refuses_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit) as refusal:
        on_a_card.main([str(tmp_path / "out")])
    assert str(refusal.value).startswith("this needs a GPU: CuPy is not installed")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_part_that_fails_or_takes_too_long_is_named_and_the_others_run(
    tmp_path, monkeypatch
):
    now = [0.0]

    def run_command(line, *, stdout, timeout, **others):
        _, text, seconds, status = line
        now[0] += min(seconds, timeout)
        if seconds > timeout:
            raise subprocess.TimeoutExpired(line, timeout)
        stdout.write(text)
        return subprocess.CompletedProcess(line, status)

    monkeypatch.setattr(on_a_card.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(on_a_card.subprocess, "run", run_command)
    commands = {
        "good": [["python", "one ", 10, 0], ["python", "two", 10, 0]],
        "bad": [["python", "no", 10, 1]],
        "slow": [["python", "", 100, 0], ["python", "never", 1, 0]],
        "late": [["python", "never", 1, 0]],
    }
    problems = on_a_card.run_parts(commands, tmp_path, 60)
    assert (tmp_path / "good.txt").read_text() == "one two"
    assert problems == ["bad failed: no 10 1", "slow was cut off", "late was cut off"]
    assert now[0] == 60


def test_every_command_line_is_one_that_the_programs_know():
    for lines in on_a_card.parts().values():
        for line in lines:
            if "cli.py" in line:
                done = subprocess.run(
                    [*line, "--help"], cwd=on_a_card.ROOT, capture_output=True
                )
                assert done.returncode == 0, done.stderr


@pytest.mark.gpu
def test_steps_are_timed_in_both_precisions_one_by_one_and_recorded(gpu):
    rows = list(on_a_card.steps(gpu.device, {"tiny": CONFIG}, 1))
    assert [(row["tf32"], row["graph"]) for row in rows] == [
        (False, False), (False, True), (True, False), (True, True),
    ]  # fmt: skip
    for row in rows:
        assert row["device_seconds"] > 0
        assert bool(row["phases"]) is not row["graph"]


@pytest.mark.gpu
def test_the_step_that_is_profiled_trains(gpu):
    losses = on_a_card.single_launches(CONFIG, gpu.device)()
    assert 0 < float(losses.loss_g) < 10


def test_times_of_kernels_are_added_up_a_step():
    times = [("adam", 2000.0), ("product", 3000.0), ("adam", 2000.0)]
    lines = list(on_a_card.table_of_kernels("tiny, TF32", times, 2))
    assert lines[0] == "tiny, TF32: busy 3.500 ms a step, 2 activities"
    assert [line.split() for line in lines[1:]] == [
        ["2.000", "ms", "1.0", "x", "adam"],
        ["1.500", "ms", "0.5", "x", "product"],
    ]
