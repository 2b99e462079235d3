import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import NETWORK, train_tiny, write_dataset

from scratchgan.commands import main
from scratchgan.storage.pictures import GAP


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Run in a folder that has one trained run."""
    monkeypatch.chdir(tmp_path)
    data = write_dataset(tmp_path / "data" / "tiny.h5")
    train_tiny(tmp_path / "runs", data)
    return tmp_path


def run(*args):
    return CliRunner().invoke(main, ["generate", *map(str, args), "--device", "cpu"])


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def tile(grid, row, column, size=8):
    top, left = GAP + row * (size + GAP), GAP + column * (size + GAP)
    return grid[top : top + size, left : left + size]


def test_writes_a_grid_of_the_seeds(work):
    result = run("1", "--seeds", "3-8", "--columns", "3", "--out", "pictures")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "pictures/grid.png"
    grid = read(work / "pictures" / "grid.png")
    assert grid.shape == (2 * (8 + GAP) + GAP, 3 * (8 + GAP) + GAP, 3)


def test_separate_files_are_the_tiles_of_the_grid(work):
    run("1", "--seeds", "3-8", "--columns", "3", "--out", "one")
    result = run("1", "--seeds", "3-8", "--separate", "--out", "many")
    assert result.exit_code == 0
    names = sorted(path.name for path in (work / "many").iterdir())
    assert names == [f"seed0000{n}.png" for n in range(3, 9)]
    grid = read(work / "one" / "grid.png")
    for position in range(6):
        single = read(work / "many" / f"seed0000{3 + position}.png")
        np.testing.assert_array_equal(tile(grid, *divmod(position, 3)), single)


def test_last_sample_grid_of_the_run_is_what_generate_makes(work):
    run("1", "--seeds", "0-5", "--columns", "3")
    made = (work / "out" / "grid.png").read_bytes()
    assert made == (work / "runs/00001-tiny-tiny/samples/000006.png").read_bytes()


def test_count_takes_consecutive_seeds(work):
    run("1", "--count", "3", "--seed", "4", "--separate")
    assert sorted(path.name for path in (work / "out").iterdir()) == [
        f"seed0000{n}.png" for n in (4, 5, 6)
    ]


def test_json_names_the_files(work):
    result = run("1", "--seeds", "2,5", "--separate", "--json")
    record = json.loads(result.stdout)
    assert record["seeds"] == [2, 5]
    assert record["files"] == ["out/seed00002.png", "out/seed00005.png"]


def test_run_by_path_name_number_or_checkpoint_file(work):
    folder = "runs/00001-tiny-tiny"
    pictures = set()
    for name in (
        folder,
        "00001-tiny-tiny",
        "1",
        f"{folder}/checkpoints/step-000006.h5",
    ):
        assert run(name, "--count", "2").exit_code == 0
        pictures.add((work / "out" / "grid.png").read_bytes())
    assert len(pictures) == 1
    run(f"{folder}/checkpoints/step-000004.h5", "--count", "2")
    assert (work / "out" / "grid.png").read_bytes() not in pictures


def test_batch_statistics_change_the_picture(work):
    run("1", "--count", "4", "--out", "running")
    run("1", "--count", "4", "--batch-stats", "--out", "batch")
    running, batch = (
        (work / name / "grid.png").read_bytes() for name in ("running", "batch")
    )
    assert running != batch


def test_label_of_a_conditional_run(tmp_path, monkeypatch):
    import dataclasses

    monkeypatch.chdir(tmp_path)
    data = write_dataset(tmp_path / "labelled.h5", labels=True)
    train_tiny(tmp_path / "runs", data, network=dataclasses.replace(NETWORK, classes=3))
    result = run("1", "--count", "4", "--json")
    assert json.loads(result.stdout)["labels"] == [0, 0, 1, 1]
    result = run("1", "--count", "4", "--label", "2", "--json")
    assert json.loads(result.stdout)["labels"] == [2, 2, 2, 2]
    result = run("1", "--count", "4", "--label", "3")
    assert result.exit_code == 1
    assert "3 classes" in result.stderr


@pytest.fixture
def conditional(tmp_path, monkeypatch):
    import dataclasses

    monkeypatch.chdir(tmp_path)
    data = write_dataset(tmp_path / "labelled.h5", labels=True)
    train_tiny(tmp_path / "runs", data, network=dataclasses.replace(NETWORK, classes=3))
    return tmp_path


@pytest.mark.parametrize(
    ("args", "rows", "columns"),
    [
        (["--count", 12, "--columns", 4], [0, 1, 2], 4),
        (["--count", 12], [0, 1, 2], 4),
        (["--count", 10], [0, 1, 2], 4),  # the last row has two
        (["--seeds", "5-9,20"], [0, 1, 2], 2),
        (["--count", 12, "--columns", 2], [0, 1, 2, 0, 1, 2], 2),
        (["--columns", 5], [0, 1, 2], 5),
        ([], [0, 1, 2], 66),
        (["--count", 2], [0, 1], 1),
        (["--label", 1], [1] * 8, 8),
        (["--label", 1, "--count", 6, "--columns", 3], [1, 1], 3),
    ],
)
def test_every_row_is_one_class_in_order(conditional, args, rows, columns):
    record = json.loads(run("1", *args, "--json").stdout)
    labels = record["labels"]
    assert [labels[i] for i in range(0, len(labels), columns)] == rows
    assert all(labels[i] == rows[i // columns] for i in range(len(labels)))
    grid = read(conditional / "out" / "grid.png")
    assert grid.shape[:2] == (len(rows) * (8 + GAP) + GAP, columns * (8 + GAP) + GAP)


def test_tiles_are_of_their_seed_and_the_class_of_their_row(conditional):
    run("1", "--count", 6)
    sheet = read(conditional / "out" / "grid.png")
    for position in range(6):
        row, column = divmod(position, 2)
        run("1", "--seeds", position, "--label", row, "--separate")
        single = read(conditional / "out" / f"seed0000{position}.png")
        np.testing.assert_array_equal(tile(sheet, row, column), single)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nowhere"], 1, "no run or checkpoint 'nowhere'"),
        (["1", "--label", "0"], 1, "trained without labels"),
        (["1", "--seeds", "5-2"], 2, "backwards"),
        (["1", "--seeds", "a"], 2, "write seeds as"),
        (["1", "--seeds", "1", "--count", "2"], 2, "not both"),
        (["1", "--seeds", "0-999999999"], 2, "at most 100,000 seeds"),
        (["1", "--count", "1", "--batch-stats"], 2, "at least 2 images"),
        (["²"], 1, "no run or checkpoint"),
        (["x" * 300], 1, "name too long"),
        ([], 2, "RUN"),
    ],
)
def test_mistakes_are_plain(work, args, code, words):
    result = run(*args)
    assert result.exit_code == code
    assert words in result.stderr
    assert not (work / "out").exists()
