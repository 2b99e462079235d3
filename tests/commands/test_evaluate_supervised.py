"""``scratchgan evaluate supervised`` as a user runs it."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from array_dataset import dataset_of
from click.testing import CliRunner
from tiny import CONFIG, train_tiny

from scratchgan.commands import main
from scratchgan.paper.supervised import random_search
from scratchgan.paper.supervised import training as supervised_training
from tests.paper.labelled_squares import labelled_squares

SPLIT = np.tile([0, 0, 1, 2], 60).astype(np.uint8)
QUICK = ["--trials", 2, "--epochs", 2]


def write_squares(path, channels=3, poison=False, labels=True):
    """Write 240 images with splits; poisoned, those to test on are noise."""
    data = labelled_squares(240, channels=channels)
    images = data.images
    if poison:
        rng = np.random.default_rng(9)
        images[SPLIT == 2] = rng.integers(0, 256, images[SPLIT == 2].shape)
    attributes = (data.labels[:, None] == 1).astype("float32")
    dataset_of(
        path,
        images,
        labels=data.labels if labels else None,
        attributes=attributes,
        attribute_names=["second"],
        class_names=["top left", "top right", "bottom left"] if labels else None,
        split=SPLIT,
    ).close()
    return path


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_squares(tmp_path / "squares.h5")
    train_tiny(tmp_path / "runs", path, replace(CONFIG, dataset=str(path)), steps=2)
    return tmp_path


def evaluate(*arguments, run=("1",), dataset="squares.h5"):
    given = ["evaluate", "supervised", *run]
    given += ["--dataset", f"./{dataset}"] if dataset else []
    given += ["--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(main, given)


def facts_of(result):
    """Return the JSON of a result without how long trials took."""
    facts = json.loads(result.stdout)
    for trial in [*facts["trials"], facts["best"]]:
        del trial["seconds"]
    return facts


def test_a_table_and_numbers(work):
    result = evaluate(*QUICK, "--labels", 30, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["labels"], facts["validation_images"], facts["test_images"]) == (
        *(30, 60, 60),
    )
    assert [trial["number"] for trial in facts["trials"]] == [0, 1]
    assert facts["best"] in facts["trials"]
    assert facts["best"]["validation_accuracy"] == facts["validation_accuracy"]
    assert json.loads((work / "out" / "supervised.json").read_text()) == facts
    page = (work / "out" / "supervised.md").read_text()
    assert f"{100 - 100 * facts['accuracy']:.2f} %" in page
    assert f"{100 - 100 * facts['validation_accuracy']:.2f} %" in page
    assert "28.87" not in page
    assert "trial 2 of 2" in result.stderr


def test_the_papers_rows_stand_beside_its_own_images_only(work):
    with h5py.File("squares.h5", "r+") as file:
        file.attrs["kind"] = "svhn"  # as `data prepare` writes it
    rows = json.loads(evaluate(*QUICK, "--json").stdout)["table"]["rows"]
    (own,) = (row for row in rows if row["here"])
    assert own["paper"] == {"validation error": "28.87 %"}
    (dcgan,) = (row for row in rows if row["method"] == "DCGAN + L2-SVM")
    assert dcgan["paper"] == {"test error": "22.48 %"}


def test_again_it_is_read_and_says_the_same(work, monkeypatch):
    first = evaluate(*QUICK, "--json")
    written = (work / "out" / "supervised.json").read_bytes()
    monkeypatch.setattr(random_search, "train_supervised", None)
    monkeypatch.setattr(random_search, "accuracy", None)
    again = evaluate(*QUICK, "--json")
    assert again.stdout == first.stdout
    assert (work / "out" / "supervised.json").read_bytes() == written


def test_ctrl_c_keeps_trials_and_the_same_command_goes_on(work, monkeypatch):
    whole = evaluate(*QUICK, "--json", "--out", "whole")
    real = random_search.train_supervised

    def interrupted(*arguments, **settings):
        if settings["seed"][1] == 1:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    monkeypatch.setattr(random_search, "train_supervised", interrupted)
    stopped = evaluate(*QUICK)
    assert stopped.exit_code == 130
    assert "interrupted: 1 of 2 trials are kept" in stopped.stderr
    assert not (work / "out" / "supervised.json").exists()
    monkeypatch.setattr(random_search, "train_supervised", real)
    result = evaluate(*QUICK, "--json")
    assert "trial 1 of 2" not in result.stderr
    for key in ("accuracy", "trials", "best"):
        assert facts_of(result)[key] == facts_of(whole)[key]


def test_test_images_change_nothing_but_the_result(work):
    """Were they looked at before, noise in their place would show in the trials."""
    write_squares(work / "poisoned.h5", poison=True)
    clean, poisoned = (
        facts_of(evaluate("--trials", 3, "--epochs", 8, "--json", dataset=name))
        for name in ("squares.h5", "poisoned.h5")
    )
    assert clean["trials"] == poisoned["trials"]
    assert clean["best"] == poisoned["best"]
    assert clean["accuracy"] > 0.9
    assert poisoned["accuracy"] < 0.6


def test_test_rows_are_read_once_and_last(work, monkeypatch):
    """Every row that is read passes here; the search is over when one tests."""
    read = []
    real = supervised_training.stream_images

    def watched(dataset, rows, *others):
        read.append(rows)
        if (SPLIT[rows] == 2).any():
            lines = (work / "out" / "supervised-trials.jsonl").read_text()
            assert len(lines.splitlines()) == 2
        return real(dataset, rows, *others)

    monkeypatch.setattr(supervised_training, "stream_images", watched)
    assert evaluate(*QUICK).exit_code == 0
    assert [set(SPLIT[rows].tolist()) for rows in read] == [{0}, {1}, {2}]


def test_a_preset_or_a_run(work):
    small = write_squares(work / "grey.h5", channels=1)
    assert small.exists()
    result = evaluate(*QUICK, "--json", dataset="grey.h5")  # its D had 3 channels
    assert result.exit_code == 0, result.output
    result = evaluate(*QUICK, run=("--preset", "quick32"))
    assert result.exit_code == 1
    assert "32x32" in result.stderr
    assert evaluate(*QUICK, run=()).exit_code == 2
    assert evaluate(*QUICK, run=("--preset", "quick32"), dataset=None).exit_code == 2
    result = evaluate(*QUICK, "--json", dataset=None)  # the run's own
    assert json.loads(result.stdout)["dataset"].endswith("squares.h5")
    both = evaluate(*QUICK, run=("1", "--preset", "quick32"))
    assert both.exit_code == 2
    assert "one of both" in both.stderr


def test_an_attribute_as_the_class(work):
    write_squares(work / "unlabelled.h5", labels=False)
    result = evaluate(*QUICK, dataset="unlabelled.h5")
    assert result.exit_code == 1
    assert "--attribute" in result.stderr
    result = evaluate(
        *QUICK, "--attribute", "second", "--json", dataset="unlabelled.h5"
    )
    assert json.loads(result.stdout)["classes"] == ["not second", "second"]


def test_a_conditional_run_loses_its_labels_and_says_so(work):
    config = replace(
        CONFIG,
        dataset=str(work / "squares.h5"),
        network=replace(CONFIG.network, classes=3),
    )
    train_tiny(work / "runs", work / "squares.h5", config, steps=2)
    result = evaluate(*QUICK, run=("2",))
    assert result.exit_code == 0, result.output
    assert "without its labels" in result.stderr


def test_time_that_is_up(work):
    result = evaluate("--trials", 3, "--epochs", 1, "--max-minutes", 1e-9, "--json")
    facts = json.loads(result.stdout)
    assert (len(facts["trials"]), facts["trials_asked"]) == (1, 3)
    assert facts["table"]["made_with"]["search"] == (
        "best of 1 trials; 3 were asked for"
    )
