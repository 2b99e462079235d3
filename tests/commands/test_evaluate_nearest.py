"""``scratchgan evaluate nearest`` as a user runs it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from scratchgan.commands import main
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.paper.nearest import references as nearest_references
from scratchgan.paper.nearest import search as nearest_search
from tests.array_dataset import dataset_of
from tests.tiny import CONFIG, NETWORK, train_tiny

CONDITIONAL = replace(NETWORK, channels=1, classes=3)


def write(path, *, count=30, side=8, classes=3, split=True, labels=True, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, side, side, 1), dtype=np.uint8)
    part = np.array([0] * (count - 12) + [1] * 3 + [2] * 9, np.uint8)
    dataset_of(
        path,
        images,
        labels=np.arange(count) % classes if labels else None,
        split=part if split else None,
    ).close()
    return path


def sha256_of(path):
    with open_dataset(path) as dataset:
        return dataset.sha256


def trained(folder, path, **changes):
    config = replace(CONFIG, dataset=str(path), steps=2, **changes)
    train_tiny(folder / "runs", path, config)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nearest_references, "BLOCK", 16)
    path = write(tmp_path / "toy.h5")
    trained(tmp_path, path, network=CONDITIONAL, dataset_sha256=sha256_of(path))
    return tmp_path


def run(*arguments):
    command = ["evaluate", "nearest", *map(str, arguments), "--device", "cpu"]
    return CliRunner().invoke(main, command)


def facts(work):
    return json.loads((work / "out" / "nearest.json").read_text())


def test_table_numbers_and_figure(work):
    result = run(1, "--samples", 20, "--samples", 10)
    assert result.exit_code == 0, result.output
    found = facts(work)
    assert found["dataset"] == str(work / "toy.h5")
    assert found["queries"] == 9
    assert found["training_images"] == 18
    assert found["classes"] == ["0", "1", "2"]
    assert found["samples"] == 20
    [one] = found["results"]
    assert list(one["errors"]) == ["10", "18", "20"]  # 18: as many as real ones
    assert found["error"] == one["errors"]["20"]
    assert one["step"] == 2
    assert len(one["errors_per_class"]["20"]) == 3
    assert list(found["real"]["errors"]) == ["18"]
    assert found["notes"] == []
    assert result.stdout.startswith("### Nearest neighbours")
    table = (work / "out" / "nearest.md").read_text()
    rate = f"{100 * found['real']['errors']['18']:.2f} %"
    assert f"| real training images | – | – | {rate} |" in table
    assert "| AlignMNIST | not run here |" in table
    assert "2.98 %" in table
    with Image.open(work / "out" / "nearest.png") as image:
        assert image.mode == "RGB"


def test_several_runs_are_rows(work):
    trained(work, work / "toy.h5", network=CONDITIONAL, seed=1)
    result = run(1, 2, "--samples", 10, "--json", "--no-real")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    names = [one["run"] for one in found["results"]]
    assert names == ["00001-toy-tiny", "00002-toy-tiny"]
    assert found["error"] == found["results"][0]["errors"]["10"]
    assert found["real"] is None
    assert "00002-toy-tiny was trained on other images" in " ".join(found["notes"])


def test_the_same_again_is_read_from_the_state(work):
    first = json.loads(run(1, "--samples", 20, "--json").stdout)
    states = {p.name: p.read_bytes() for p in (work / "out").glob("*.npz")}
    assert len(states) == 2
    again = json.loads(run(1, "--samples", 20, "--json").stdout)
    assert again == first
    assert {p.name: p.read_bytes() for p in (work / "out").glob("*.npz")} == states


def test_without_a_split_one_is_drawn_and_what_g_has_seen_is_said(work):
    path = write(work / "all.h5", count=60, split=False)
    result = run(1, "--dataset", path, "--samples", 10, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["queries"] == 15
    assert found["training_images"] == 45
    assert "60/15/25 % drawn with seed 0" in found["notes"][0]
    assert "note: no split in all.h5" in result.stderr
    trained(
        work, path, network=CONDITIONAL, dataset_sha256=sha256_of(path), split="train"
    )
    found = json.loads(run(2, "--samples", 10, "--json").stdout)
    assert "was trained on 15 of the 15 queries" in found["notes"][1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, "--samples", 2), "--samples 2: expected at least one for each of the 3"),
        ((9,), "there is no run or checkpoint '9'"),
        ((1, "--dataset", "unlabelled.h5"), "has no labels to compare with"),
        ((1, "--dataset", "others.h5"), "has 5 classes and the network was"),
        ((1, "--dataset", "small.h5"), "holds images of 4x4 pixels"),
        ((1, "--dataset", "gone.h5"), "gone.h5 does not exist"),
        ((2,), "2 was trained without labels"),
        ((1, 3), "00003-toy-tiny draws (1, 8, 8) images of 4 classes"),
    ],
)
def test_refusals_are_one_line(work, arguments, message):
    write(work / "unlabelled.h5", labels=False)
    write(work / "others.h5", classes=5)
    write(work / "small.h5", side=4)
    trained(work, work / "toy.h5", network=replace(CONDITIONAL, classes=0))
    trained(work, work / "toy.h5", network=replace(CONDITIONAL, classes=4))
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output
    assert not (work / "out").exists()


def test_no_run_is_wrong_usage(work):
    assert run().exit_code == 2


def test_interrupted_and_continued(work, monkeypatch):
    whole = json.loads(run(1, "--samples", 40, "--out", "whole", "--json").stdout)
    next_block = nearest_search.next_block

    def interrupted(search, queries, references, sizes):
        if search.done == 16 and isinstance(references, nearest_references.Samples):
            raise KeyboardInterrupt
        return next_block(search, queries, references, sizes)

    monkeypatch.setattr(nearest_search, "next_block", interrupted)
    result = run(1, "--samples", 40)
    assert result.exit_code == 130
    assert "16 references are kept in out" in result.stderr
    monkeypatch.setattr(nearest_search, "next_block", next_block)
    found = json.loads(run(1, "--samples", 40, "--json").stdout)
    for one in (whole, found):
        for part in (one["results"][0], one["real"]):
            part.pop("seconds_search")
            part.pop("seconds_generation")
    assert found["results"] == whole["results"]
    assert found["real"] == whole["real"]


def test_bench_nearest():
    command = ["bench", "nearest", "--queries", 9, "--references", 20, "--side", 4]
    command = [*map(str, command), "--device", "cpu", "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["references"] == 1024
    assert record["ratio"] == pytest.approx(
        record["seconds_search"] / record["seconds_product"]
    )
