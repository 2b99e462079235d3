"""``data dedup``: what it prints, where, and with which exit code."""

import importlib
import json

import numpy as np
import pytest
from click.testing import CliRunner

from scratchgan.commands import main
from scratchgan.paper.dedup.training import AutoencoderSettings
from tests.paper.dedup.sets import landscapes, write_set

# The package also has the command under this name.
dedup = importlib.import_module("scratchgan.commands.data.dedup")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``scratchgan data dedup`` on a set of 30 pictures, three of them twice."""
    monkeypatch.setenv("SCRATCHGAN_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    images = landscapes(30)
    images = np.concatenate([images, images[:2], images[:1]])
    files = [f"{row}-a.png" for row in range(30)] + ["0-b.png", "1-b.png", "0-c.png"]
    write_set(tmp_path / "data" / "toy.h5", images, source_files=files)

    def command(*args, steps=3):
        words = ["data", "dedup", *args, "--steps", steps, "--device", "cpu"]
        return CliRunner().invoke(main, list(map(str, words)))

    return command


def test_report(run, tmp_path):
    result = run("toy", "--truth-pattern", r"^\d+")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    text = result.stdout
    assert "30 of 33 images kept, 3 removed (9.1%)" in text
    assert "28 alone, 1 pairs, 1 of 3" in text
    assert "3 like row 0, " in text
    assert "precision 100.00% (4 of 4 pairs), recall 100.00% (of 4)" in text
    assert "0.0% of 3 removed images are further than" in text
    for ending in ("h5", "png", "csv"):
        assert (tmp_path / "data" / f"toy-dedup.{ending}").is_file()
        assert f"toy-dedup.{ending}" in text


def test_json_and_out(run, tmp_path):
    result = run("toy", "--json", "--out", tmp_path / "new" / "results")
    facts = json.loads(result.stdout)
    assert facts["path"] == str(tmp_path / "data" / "toy-dedup.h5")
    assert facts["sheet"] == str(tmp_path / "new" / "results" / "toy-dedup.png")
    assert facts["removed"] == 3
    assert "truth" not in facts
    assert (tmp_path / "new" / "results" / "toy-dedup.csv").is_file()


def test_nothing_removed(run, tmp_path):
    write_set(tmp_path / "data" / "single.h5", landscapes(1))
    result = run("single")
    assert "1 of 1 images kept, 0 removed (0.0%)" in result.stdout
    assert "look at them" not in result.stdout
    assert json.loads(run("single", "--json", "--force").stdout)["sheet"] is None


def test_existing_and_force(run):
    assert run("toy").exit_code == 0
    again = run("toy")
    assert again.exit_code == 1
    (line,) = again.stderr.splitlines()
    assert "toy-dedup.h5 is there already" in line
    assert "--force" in line
    assert run("toy", "--force").exit_code == 0


def test_unknown_dataset_and_bad_options(run):
    assert "did you mean 'toy'" in run("tyo").stderr
    assert run("toy", steps=0).exit_code == 2
    assert "--truth-pattern '('" in run("toy", "--truth-pattern", "(").stderr


def test_defaults_are_those_of_the_library():
    settings = AutoencoderSettings()
    assert settings.steps == dedup.STEPS
    assert settings.images == dedup.TRAINING_IMAGES


def test_sizes_in_words():
    sizes = {"1": 1000, "2": 5, "4": 1, "9": 2, "10": 1, "77": 1}
    words = "1,000 alone, 5 pairs, 3 of 4 to 9, 2 of 10 or more"
    assert dedup._sizes(sizes) == words
