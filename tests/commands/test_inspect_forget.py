"""``scratchgan inspect forget`` as a user runs it."""

import dataclasses
import json

import numpy as np
import pytest
from boxed_rooms import write_rooms
from click.testing import CliRunner
from PIL import Image
from tiny import CONFIG, train_tiny, write_dataset

from scratchgan.backend import CPU
from scratchgan.commands import main
from scratchgan.paper.judges import judge, window_judge
from scratchgan.paper.judges.training import JudgeSettings
from scratchgan.paper.judges.window_training import WindowJudgeSettings
from scratchgan.paper.trained_networks import load_networks
from scratchgan.storage.pictures import GAP, image_grid


@pytest.fixture(autouse=True)
def quick_judges(monkeypatch):
    """Let judges learn for a moment only; their own tests are elsewhere."""
    few = WindowJudgeSettings(steps=30, batch_size=8, maps=4, lr=1e-2)
    monkeypatch.setattr(window_judge, "WindowJudgeSettings", lambda: few)
    brief = JudgeSettings(epochs=1, batch_size=8, images=40)
    monkeypatch.setattr(judge, "JudgeSettings", lambda: brief)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = write_rooms(tmp_path / "rooms.h5", count=60)
    config = dataclasses.replace(CONFIG, dataset=str(dataset))
    train_tiny(tmp_path / "runs", dataset, config)
    return tmp_path


def inspect_forget(*arguments):
    command = ["inspect", "forget", "1", "--device", "cpu", "--samples", 12]
    return CliRunner().invoke(main, list(map(str, [*command, *arguments])))


def write_boxes(path, *lines):
    path.write_text("\n".join(["seed,left,top,right,bottom", *lines]) + "\n")
    return path


def test_figure_and_numbers(work):
    result = inspect_forget("--count", 20)
    assert result.exit_code == 0, result.output
    assert "feature maps dropped" in result.stdout
    assert "windows per image" in result.stdout
    assert "images with bed" in result.stdout
    assert "6 steps only" in result.stderr
    assert "the window judge on held-out images" in result.stderr
    with Image.open(work / "out" / "forget.png") as image:
        assert image.size == (10 * (8 + GAP) + GAP, 2 * (8 + GAP) + GAP)
    facts = json.loads((work / "out" / "forget.json").read_text())
    assert facts["layer"] == "project"
    assert facts["layer_shape"] == [8, 2, 2]
    assert facts["maps"] == len(facts["weights"]) == 8
    assert facts["dropped"] == [i for i, w in enumerate(facts["weights"]) if w > 0]
    assert facts["maps_dropped"] == len(facts["dropped"])
    assert set(facts["windows"]) == {"before", "after", "others", "control"}
    assert set(facts["objects"]) == {"bed", "bright"}
    assert facts["window_judge"]["held_out"]["images"] == 12
    assert facts["object_judge"]["held_out"]["bed"]["accuracy"] >= 0
    assert len(facts["figure_seeds"]) == 10
    assert all(20 <= seed < 32 for seed in facts["figure_seeds"])
    assert len(list((work / "judges").iterdir())) == 2


def test_upper_row_is_what_generate_makes(work):
    """And the lower row is not, since some maps are gone."""
    facts = json.loads(inspect_forget("--count", 10, "--json").stdout)
    networks = load_networks("1", work / "runs", CPU)
    images = networks.images(networks.latent(range(10, 22)))  # in the same batch
    shown = [seed - 10 for seed in facts["figure_seeds"]]
    with Image.open(work / "out" / "forget.png") as image:
        figure = np.asarray(image)
    upper = image_grid(images[shown], 10)[:-GAP]
    np.testing.assert_array_equal(figure[: len(upper)], upper)
    assert (figure[len(upper) : -GAP] != upper).any()


def test_no_windows_in_the_samples_still_gives_a_figure(work, monkeypatch):
    monkeypatch.setattr(window_judge, "THRESHOLD", 2.0)  # nothing is sure enough
    result = inspect_forget("--count", 20, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["boxed_samples"] == 10
    assert "windows in 0 of 20 samples" in result.stderr
    assert "most like windows" in facts["notes"][0]


def test_the_same_bytes_again(work):
    for out in ("a", "b"):
        assert inspect_forget("--count", 10, "--out", out).exit_code == 0
    for name in ("forget.png", "forget.json"):
        a, b = ((work / out / name).read_bytes() for out in "ab")
        assert a == b.replace(b"b/forget.png", b"a/forget.png")
    inspect_forget("--count", 10, "--out", "c", "--seed", 1)
    assert (work / "a/forget.png").read_bytes() != (work / "c/forget.png").read_bytes()


def test_own_boxes_need_no_labelled_data(work, tmp_path):
    (work / "rooms.h5").unlink()
    path = write_boxes(tmp_path / "boxes.csv", "2,0,0,4,4", "3,4,4,8,8", "3,0,0,2,2")
    result = inspect_forget("--boxes", path, "--json", "--count", 5)
    assert result.exit_code == 0, result.output
    assert "nothing is counted" in result.stderr
    facts = json.loads(result.stdout)
    assert (facts["boxes"], facts["boxed_samples"]) == (3, 2)
    assert facts["windows"] is None
    assert facts["pixel_change"]["after"]["outside"] > 0
    assert facts["figure_seeds"] == list(range(5, 15))


def test_own_boxes_are_what_the_regression_sees(work, tmp_path):
    """The left half boxed, then the right half: the weights change their signs."""
    weights = []
    for box in ("0,0,4,8", "4,0,8,8"):
        lines = [f"{seed},{box}" for seed in range(30)]
        path = write_boxes(tmp_path / "boxes.csv", *lines)
        result = inspect_forget("--boxes", path, "--json", "--count", 30)
        facts = json.loads(result.stdout)
        assert facts["positions_inside"] == facts["positions_outside"] == 60
        weights.append(facts["weights"])
    np.testing.assert_allclose(weights[0], -np.array(weights[1]), atol=1e-5)


def test_sheet(work):
    result = inspect_forget("--sheet", "--count", 7)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "out/forget-sheet.png"
    with Image.open(work / "out" / "forget-sheet.png") as image:
        assert image.width > 6 * 8 * 20
    assert not (work / "out" / "forget.png").exists()
    assert not (work / "judges").exists()
    as_json = inspect_forget("--sheet", "--count", 7, "--json").stdout
    assert json.loads(as_json)["sheet"].endswith("forget-sheet.png")


def test_random_ones_and_another_layer(work):
    result = inspect_forget(
        "--random", "--count", 10, "--layer", "up1", "--draws", 0, "--json"
    )
    facts = json.loads(result.stdout)
    assert facts["figure_seeds"] == list(range(10, 20))
    assert facts["layer_shape"] == [4, 4, 4]
    assert facts["windows"]["control"] is None


def test_a_high_threshold_drops_nothing_and_changes_nothing(work):
    result = inspect_forget("--threshold", 1e9, "--count", 10, "--json")
    facts = json.loads(result.stdout)
    assert facts["maps_dropped"] == 0
    assert facts["pixel_change"]["after"]["outside"] == 0
    with Image.open(work / "out" / "forget.png") as image:
        figure = np.asarray(image)
    half = 8 + GAP
    np.testing.assert_array_equal(
        figure[GAP : GAP + 8], figure[half + GAP : half + GAP + 8]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "up7"), "--layer up7: the layers of this G"),
        (("--judge", "nowhere"), "no dataset 'nowhere'"),
        (("--judge", "plain.h5"), "has no boxes to learn windows from"),
        (("--label", 0), "was trained without labels"),
        (("--boxes", "none.csv"), "none.csv cannot be read"),
        (("--boxes", "far.csv"), "line 2: no sample has the seed 900"),
        (("--boxes", "big.csv"), "outside the image of 8x8 pixels"),
        (("--boxes", "all.csv"), "0 outside"),
        (("--runs", "elsewhere"), "no run"),
    ],
)
def test_one_plain_line(work, arguments, message):
    write_dataset(work / "plain.h5")
    write_boxes(work / "far.csv", "900,0,0,4,4")
    write_boxes(work / "big.csv", "0,0,0,9,4")
    write_boxes(work / "all.csv", "0,0,0,8,8")
    result = inspect_forget(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    assert [line for line in lines if line.startswith("Error")] == lines[-1:]
    assert not (work / "out").exists()
    assert not (work / "judges").exists()  # nobody waits for a judge first
