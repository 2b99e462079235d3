import os

import pytest

from scratchgan.errors import CheckpointError, OutputError
from scratchgan.training.run.folder import (
    RunFolder,
    append_log,
    create_run,
    find_checkpoint,
    read_log,
    run_of_checkpoint,
    trim_log,
)


def run_with_checkpoints(runs, *steps):
    run = create_run(runs, "faces", "quick32")
    run.write_config({})
    for step in steps:
        run.checkpoint_file(step).touch()
    return run


def test_runs_are_numbered(tmp_path):
    names = [create_run(tmp_path, "faces", "quick32").path.name for _ in range(3)]
    assert names == [f"0000{n}-faces-quick32" for n in (1, 2, 3)]


def test_numbers_go_on_after_a_gap_and_past_other_folders(tmp_path):
    (tmp_path / "00041-a-b").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "99999.txt").touch()
    assert create_run(tmp_path, "x", "y").path.name == "00042-x-y"


def test_dataset_path_becomes_a_plain_name(tmp_path):
    run = create_run(tmp_path, "/some where/my faces!.h5", "quick32")
    assert run.path.name == "00001-my-faces--quick32"


def test_runs_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        create_run(tmp_path / "runs", "x", "y")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        create_run(tmp_path / "runs", "x", "y")


def test_run_is_found_by_folder_name_number_file_and_as_the_newest(tmp_path):
    old = run_with_checkpoints(tmp_path, 5)
    run = run_with_checkpoints(tmp_path, 10, 200000, 1000000)
    newest = run.checkpoint_file(1000000)
    for name in (None, str(run.path), run.path.name, "2", "00002"):
        assert find_checkpoint(name, tmp_path) == newest
    assert find_checkpoint(str(run.checkpoint_file(10)), tmp_path).name == (
        "step-000010.h5"
    )
    assert find_checkpoint("1", tmp_path) == old.checkpoint_file(5)


def test_missing_run_lists_those_there(tmp_path):
    run_with_checkpoints(tmp_path, 1)
    with pytest.raises(CheckpointError, match="00001-faces-quick32"):
        find_checkpoint("nonsense", tmp_path)


def test_no_runs_at_all(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"no run with a checkpoint.*scratchgan train"
    ):
        find_checkpoint(None, tmp_path / "runs")


def test_run_without_checkpoint(tmp_path):
    run_with_checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        find_checkpoint("1", tmp_path)


def test_checkpoint_outside_a_run_cannot_be_continued(tmp_path):
    run = run_with_checkpoints(tmp_path, 3)
    assert run_of_checkpoint(run.checkpoint_file(3)).path == run.path
    (tmp_path / "loose.h5").touch()
    with pytest.raises(CheckpointError, match="not lie in a run folder"):
        run_of_checkpoint(tmp_path / "loose.h5")


def test_newest_run_is_the_newest_that_can_be_continued(tmp_path):
    good = run_with_checkpoints(tmp_path, 3)
    run_with_checkpoints(tmp_path)
    assert find_checkpoint(None, tmp_path) == good.checkpoint_file(3)


def test_log_survives_lines_that_are_spoilt(tmp_path):
    run = RunFolder(tmp_path)
    run.log_file.write_bytes(
        b'{"step": 1}\n\0\0garbage\xff\n[]\n{"a": 1}\n{"step": "x"}\n{"step": 2}\n'
    )
    assert [record["step"] for record in read_log(run)] == [1, 2]


def test_log_survives_a_line_cut_short(tmp_path):
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        append_log(run, {"step": step})
    with open(run.log_file, "a", encoding="utf-8") as file:
        file.write('{"step": 4, "lo')
    assert [record["step"] for record in read_log(run)] == [1, 2, 3]
    trim_log(run, 2)
    assert run.log_file.read_text() == '{"step": 1}\n{"step": 2}\n'
