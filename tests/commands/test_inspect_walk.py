"""``scratchgan inspect walk`` as a user runs it."""

import importlib
import json

import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import train_tiny, write_dataset

from scratchgan.commands import main
from scratchgan.paper import walk as experiment
from scratchgan.storage.pictures import GAP


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = write_dataset(tmp_path / "toy.h5")
    train_tiny(tmp_path / "runs", dataset)
    return tmp_path


def inspect_walk(*arguments):
    command = ["inspect", "walk", "1", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(main, command)


def test_figure_and_numbers(work):
    result = inspect_walk("--rows", 3, "--tiles", 4)
    assert result.exit_code == 0, result.output
    assert "transitions" in result.stdout
    assert "6 steps only" in result.stderr
    with Image.open(work / "out" / "walk.png") as image:
        assert image.size == (4 * (8 + GAP) + GAP, 3 * (8 + GAP) + GAP)
    facts = json.loads((work / "out" / "walk.json").read_text())
    assert facts["step"] == 6
    assert len(facts["smoothness"]["pixels"]["rows"]) == 3


def test_json_is_one_object(work):
    result = inspect_walk("--rows", 1, "--tiles", 3, "--json")
    assert json.loads(result.stdout)["rows"] == 1


def test_the_same_bytes_again(work):
    for out in ("a", "b"):
        inspect_walk("--out", out, "--rows", 2)
    assert (work / "a/walk.png").read_bytes() == (work / "b/walk.png").read_bytes()
    inspect_walk("--out", "c", "--rows", 2, "--seed", 1)
    assert (work / "a/walk.png").read_bytes() != (work / "c/walk.png").read_bytes()


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_animation(work, ending):
    result = inspect_walk("--rows", 1, "--tiles", 3, "--animate", ending)
    assert result.exit_code == 0, result.output
    with Image.open(work / "out" / f"walk.{ending}") as image:
        assert image.size == (8, 8)


def test_coordinate(work):
    result = inspect_walk("--rows", 2, "--coordinate", 1, "--json")
    assert json.loads(result.stdout)["coordinate"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--coordinate", 99), "z has 4 components"),
        (("--label", 0), "was trained without labels"),
        (("--runs", "elsewhere"), "no run"),
    ],
)
def test_one_plain_line(work, arguments, message):
    result = inspect_walk(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (work / "out").exists()


def test_choices_are_those_of_the_library():
    # scratchgan.commands.inspect.walk is the command; its module is found by name.
    command = importlib.import_module("scratchgan.commands.inspect.walk")
    assert command.PATHS == experiment.PATHS
