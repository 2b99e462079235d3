"""``scratchgan evaluate features`` as a user runs it."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from array_dataset import coloured, dataset_of
from click.testing import CliRunner
from tiny import CONFIG, train_tiny

from scratchgan.commands import main
from scratchgan.commands.evaluate.shared import PROTOCOL_NAMES
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.paper.features.protocols import PROTOCOLS


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Make a dataset with splits and a run trained on it."""
    monkeypatch.chdir(tmp_path)
    images, labels = coloured()
    attributes = np.stack([labels == 0, np.linspace(0, 1, 120)], axis=1)
    path = tmp_path / "colours.h5"
    dataset_of(
        path,
        images,
        labels=labels,
        attributes=attributes.astype("float32"),
        attribute_names=["red", "turn"],
        class_names=["red", "green", "blue"],
        split=np.repeat([0, 1, 2], [72, 24, 24]).astype(np.uint8),
    ).close()
    train_on(path)
    return tmp_path


def train_on(path, **changes):
    """Train a tiny run on a dataset in the current folder."""
    with open_dataset(path) as dataset:
        config = replace(CONFIG, dataset=str(path), dataset_sha256=dataset.sha256)
    train_tiny(Path("runs"), path, config, steps=8, keep_last=5, **changes)


def evaluate(*arguments):
    command = ["evaluate", "features", "1", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(main, command)


def numbers(*arguments):
    result = evaluate("--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_table_and_numbers(work):
    result = evaluate()
    assert result.exit_code == 0, result.output
    assert "| D's features |" in result.stdout
    assert "| raw pixels |" in result.stdout
    written = (work / "out" / "features.md").read_text(encoding="utf-8")
    assert written in result.stdout
    facts = json.loads((work / "out" / "features.json").read_text(encoding="utf-8"))
    assert facts["feature_length"] == 16 * 4 + 4 * 8
    assert facts["protocol"] == "full"
    assert facts["raw_pixels"] == 1.0  # the brightest channel is a linear matter
    assert 0 <= facts["random_weights"] <= 1
    assert facts["accuracy"] == facts["scores"]["D's features"]["full"]["accuracy"]
    assert f"| {100 * facts['accuracy']:.1f} % |" in written
    assert "72 train, 24 choose, 24 test" in written


def test_several_protocols_and_one_that_is_skipped(work):
    facts = numbers("--protocol", "400-per-class", "--labels", 12, "--draws", 3)
    assert facts["protocol"] == "12-labels"
    score = facts["scores"]["D's features"]["12-labels"]
    assert len(score["draws"]) == 3
    assert score["labels"] == 12
    assert "needs 400 labelled training images" in facts["skipped"][0]


def test_nothing_left_is_one_line(work):
    result = evaluate("--protocol", "1000-labels")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    result = evaluate("--protocol", "400-per-class")
    assert result.exit_code == 1
    assert "nothing to measure" in result.stderr


def test_same_seed_same_numbers_and_kept_features(work):
    first = numbers("--labels", 12, "--draws", 2, "--seed", 3)
    result = evaluate("--json", "--labels", 12, "--draws", 2, "--seed", 3)
    again = json.loads(result.stdout)
    for facts in (first, again):
        del facts["table"]["made_with"]["time"]
    assert again == first
    assert "from" in result.stderr
    assert "features" in result.stderr


def test_curve_has_the_runs_other_checkpoints(work):
    facts = numbers("--curve", "--no-controls")
    assert list(facts["scores"]) == ["D's features", "D's features, step 4"]
    assert facts["random_weights"] is None
    assert facts["raw_pixels"] is None


def test_a_curve_without_a_run_is_refused_before_any_work(work):
    [checkpoint] = (work / "runs").rglob("step-000008.h5")
    (work / "lone").mkdir()
    lone = checkpoint.rename(work / "lone" / "d.h5")
    command = ["evaluate", "features", str(lone), "--curve", "--dataset", "colours.h5"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "leave --curve away" in result.stderr
    assert not (work / "lone" / "features").exists()


@pytest.mark.parametrize("command", [("features", "1"), ("baselines",)])
def test_a_folder_that_takes_no_results_is_refused_before_any_work(
    work, monkeypatch, command
):
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    arguments = [*command, "--dataset", "colours.h5", "--out", "taken"]
    result = CliRunner().invoke(main, ["evaluate", *arguments])
    assert result.exit_code == 1
    assert "cannot write taken: Permission denied" in result.stderr
    assert not list((work / "runs").rglob("features"))


def test_an_attribute_as_the_class(work):
    facts = numbers("--attribute", "red", "--no-controls")
    assert facts["accuracy"] > 0.6
    result = evaluate("--attribute", "hat")
    assert result.exit_code == 1
    assert "has red, turn" in result.stderr


def test_no_choice_sees_the_test_images(work):
    """Other pixels and labels of test images change nothing but the test accuracy."""
    options = ("--labels", 12, "--draws", 2)
    before = numbers(*options)
    with h5py.File(work / "colours.h5", "r+") as file:
        test = file["split"][:] == 2
        file["images"][test] = 255 - file["images"][test]
        file["labels"][test] = (file["labels"][test] + 1) % 3
    for kept in (work / "runs").rglob("features/*.h5"):
        kept.unlink()
    after = numbers(*options)
    assert after["accuracy"] != before["accuracy"]
    for name, found in before["scores"].items():
        for key in ("setting", "tried", "validation_accuracy"):
            assert after["scores"][name]["12-labels"][key] == found["12-labels"][key]


def test_a_set_without_splits_says_what_was_drawn_and_seen(work):
    images, labels = coloured()
    dataset_of(work / "whole.h5", images, labels=labels).close()
    train_on(work / "whole.h5")
    result = CliRunner().invoke(
        main, ["evaluate", "features", "2", "--device", "cpu", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert "60/15/25 % drawn" in result.stderr
    assert "D has seen 30 of the 30 test images" in result.stderr
    made_with = json.loads(result.stdout)["table"]["made_with"]
    assert "60/15/25" in made_with["data"]
    assert "without labels" in made_with["discriminator"]


def test_refusals_are_one_line(work):
    images, labels = coloured(size=12)
    dataset_of(work / "wide.h5", images[:, :6], labels=labels).close()
    for arguments, words in (
        (["--dataset", "wide.h5"], "6x12"),
        (["--dataset", "missing"], "no dataset"),
        (["--labels", "7"], "7 labels are not the same number"),
    ):
        result = evaluate(*arguments)
        assert result.exit_code == 1, arguments
        note, error = result.stderr.splitlines()
        assert note.startswith("note: ")  # of so young a run
        assert words in error


def test_a_conditional_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = coloured()
    dataset_of(tmp_path / "c.h5", images, labels=labels).close()
    train_on(tmp_path / "c.h5", network=replace(CONFIG.network, classes=3))
    result = evaluate("--dataset", "c.h5")
    assert result.exit_code == 1
    assert "given the labels" in result.stderr


def test_protocol_names_are_those_of_the_library():
    assert tuple(PROTOCOLS) == PROTOCOL_NAMES
