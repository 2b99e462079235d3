"""``scratchgan inspect filters`` as a user runs it."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import CONFIG, train_tiny, write_dataset

from scratchgan.commands import main
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.storage.pictures import GAP, WIDE_GAP


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_dataset(tmp_path / "toy.h5", count=40)
    with open_dataset(path) as dataset:
        config = replace(CONFIG, dataset=str(path), dataset_sha256=dataset.sha256)
    train_tiny(tmp_path / "runs", path, config)
    return tmp_path


def inspect_filters(*arguments):
    command = ["inspect", "filters", "1", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(main, command)


def width(field, factor):
    half = 5 * (field * factor + GAP) + GAP
    return 2 * half + WIDE_GAP


def test_figure_and_numbers(work):
    result = inspect_filters()
    assert result.exit_code == 0, result.output
    assert "down2, sparseness" in result.stdout
    assert "sha256" not in result.stderr
    with Image.open(work / "out" / "filters.png") as image:
        assert image.size == (width(10, 6), 6 * (60 + GAP) + GAP)
    facts = json.loads((work / "out" / "filters.json").read_text())
    assert facts["images"] == 40
    assert len(facts["layers"]["down2"]["trained"]) == 6
    assert len(facts["layers"]["down2"]["random"][0]["images"]) == 5


def test_all_layers_with_patches(work):
    result = inspect_filters(
        "--layer", "all", "--features", "1,3", "--images", "--json"
    )
    facts = json.loads(result.stdout)
    assert list(facts["layers"]) == ["down1", "down2"]
    assert [f["feature"] for f in facts["layers"]["down1"]["random"]] == [1, 3]
    with Image.open(work / "out" / "filters.png") as image:
        parts = [2 * (64 + GAP) + GAP] * 2 + [2 * (60 + GAP) + GAP] * 2
        assert image.size == (width(4, 16), sum(parts) + 3 * WIDE_GAP)


def test_the_same_bytes_again(work):
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert inspect_filters("--out", out, "--seed", seed).exit_code == 0
    figures = [(work / out / "filters.png").read_bytes() for out in "abc"]
    assert figures[0] == figures[1] != figures[2]
    numbers = [json.loads((work / out / "filters.json").read_text()) for out in "ab"]
    assert numbers[0]["layers"] == numbers[1]["layers"]


def test_another_dataset_of_that_name_is_a_note(work):
    write_dataset(work / "toy.h5", count=30)
    result = inspect_filters()
    assert result.exit_code == 0, result.output
    assert "does not hold the images this run was trained on" in result.stderr


def prepare_smaller(work):
    write_dataset(work / "toy.h5", height=4, width=4)


def prepare_grey(work):
    write_dataset(work / "toy.h5", channels=1)


def remove_dataset(work):
    (work / "toy.h5").unlink()


def test_features_that_are_no_numbers(work):
    result = inspect_filters("--features", "eyes")
    assert result.exit_code == 2
    assert "write features as 7, 0-35" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        (("--layer", "down7"), None, "D has down1, down2"),
        (("--features", "8"), None, "down2 has 8 features"),
        (("--split", "test"), None, "0 images"),
        (("--split", "tset"), None, "choose from train"),
        ((), prepare_smaller, "4x4 pixels and the network makes 8x8"),
        ((), prepare_grey, "1 channels"),
        ((), remove_dataset, "does not exist"),
    ],
)
def test_one_plain_line(work, arguments, change, message):
    if change:
        change(work)
    result = inspect_filters(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (work / "out").exists()


DENSE = replace(CONFIG.network, channels=1, classes=3, discriminator_hidden=(9,))
ONLY_DENSE = replace(
    CONFIG.network,
    widths=(),
    strides=(),
    ends="linear",
    generator_hidden=(8,),
    discriminator_hidden=(7, 6),
)


@pytest.mark.parametrize(
    ("network", "layers", "default"),
    [
        (DENSE, ["down1", "down2", "hidden1"], "down2"),
        (ONLY_DENSE, ["hidden1", "hidden2"], "hidden2"),
    ],
)
def test_classes_grey_images_and_dense_stages(
    tmp_path, monkeypatch, network, layers, default
):
    monkeypatch.chdir(tmp_path)
    path = write_dataset(
        tmp_path / "toy.h5", count=30, channels=network.channels, labels=True
    )
    config = replace(CONFIG, dataset=str(path), network=network)
    train_tiny(tmp_path / "runs", path, config)
    every = ("--layer", "all", "--images", "--features", "0-3", "--json")
    result = inspect_filters(*every)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert list(facts["layers"]) == layers
    dense = facts["layers"][layers[-1]]["trained"][0]
    assert dense["positions"] == [[0, 0]] * 5
    alone = json.loads(inspect_filters("--json", "--features", "0").stdout)
    assert list(alone["layers"]) == [default]
