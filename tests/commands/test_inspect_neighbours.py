"""``scratchgan inspect neighbours`` as a user runs it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import CONFIG, train_tiny, write_dataset

from scratchgan.commands import main
from scratchgan.storage.pictures import GAP, WIDE_GAP


def make_work(tmp_path, monkeypatch, *, train=40, others=10, channels=3, **changes):
    monkeypatch.chdir(tmp_path)
    split = np.array([0] * train + [1] * others, np.uint8)
    path = write_dataset(
        tmp_path / "toy.h5",
        count=train + others,
        split=split,
        channels=channels,
        labels=True,
    )
    train_tiny(tmp_path / "runs", path, replace(CONFIG, dataset=str(path), **changes))
    return tmp_path


@pytest.fixture
def work(tmp_path, monkeypatch):
    return make_work(tmp_path, monkeypatch)


def inspect_neighbours(*arguments):
    command = ["inspect", "neighbours", "1", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(main, command)


def test_figure_and_numbers(work):
    result = inspect_neighbours("--count", 12, "--rows", 3, "--seed", 7)
    assert result.exit_code == 0, result.output
    assert "held-out images" in result.stdout
    facts = json.loads((work / "out" / "neighbours.json").read_text())
    assert facts["training_images"] == 40
    assert facts["held_out_images"] == 10
    assert facts["held_out_from_training"] is False
    assert [image["seed"] for image in facts["images"]] == list(range(7, 19))
    assert len(facts["images"][0]["features"]["rows"]) == 5
    assert max(facts["images"][0]["pixels"]["rows"]) < 40
    nearest = [image["pixels"]["distances"][0] for image in facts["images"]]
    assert facts["pixels"]["generated"] == pytest.approx(np.median(nearest))
    with Image.open(work / "out" / "neighbours.png") as image:
        columns = 64 + GAP, 5 * (64 + GAP), 5 * (64 + GAP)
        assert image.width == sum(columns) + 3 * GAP + 2 * WIDE_GAP


def test_json_is_one_object(work):
    facts = json.loads(inspect_neighbours("--count", 2, "--json").stdout)
    assert facts["memorised"] in (False, True)


def test_the_same_bytes_again(work):
    for out, seed in (("a", 0), ("b", 0), ("c", 900)):
        assert inspect_neighbours("--out", out, "--seed", seed).exit_code == 0
    figures = [(work / out / "neighbours.png").read_bytes() for out in "abc"]
    assert figures[0] == figures[1] != figures[2]


def test_without_held_out_images(tmp_path, monkeypatch):
    make_work(tmp_path, monkeypatch, train=4, others=0)
    result = inspect_neighbours("--count", 3)
    assert result.exit_code == 0, result.output
    assert "other training images" in result.stdout
    facts = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert facts["held_out_from_training"] is True
    assert len(facts["images"][0]["pixels"]["rows"]) == 4  # there are no more


def test_grey_images_and_classes(tmp_path, monkeypatch):
    network = replace(CONFIG.network, channels=1, classes=3)
    make_work(tmp_path, monkeypatch, channels=1, network=network)
    result = inspect_neighbours("--count", 3, "--label", 2, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["label"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--label", 1), "was trained without labels"),
        (("--runs", "elsewhere"), "no run"),
    ],
)
def test_one_plain_line(work, arguments, message):
    result = inspect_neighbours(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (work / "out").exists()


def test_the_dataset_is_gone(work):
    (work / "toy.h5").unlink()
    result = inspect_neighbours()
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
