"""``scratchgan inspect arithmetic`` and ``inspect turn`` as a user runs them."""

import dataclasses
import importlib
import json
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import CONFIG, train_tiny, write_dataset

from scratchgan.backend import CPU
from scratchgan.commands import main
from scratchgan.paper.arithmetic import arithmetic as experiment
from scratchgan.paper.judges import judge as judge_module
from tests.paper.labelled import QUICK, write_labelled


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a folder with a run on labelled images, and their judge."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "data").mkdir()
    dataset = write_labelled(folder / "data" / "toy.h5")
    config = dataclasses.replace(CONFIG, dataset="toy")
    train_tiny(folder / "runs", dataset, config)
    judge_module.load_judge(dataset, 8, 8, CPU, settings=QUICK)
    return folder


@pytest.fixture
def work(prepared, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(judge_module, "JudgeSettings", lambda: QUICK)
    return folder


def inspect(name, *arguments):
    command = ["inspect", name, "1", "--device", "cpu", "--data-dir", "data"]
    return CliRunner().invoke(main, [*command, *map(str, arguments)])


CONCEPT = ("--a", "bright=1,level>50", "--b", "bright=0", "--c", "bright=0,level<50")
FEW = ("--candidates", 30)


def arithmetic(*arguments):
    return inspect("arithmetic", *FEW, "--triples", 10, *arguments)


def turn(*arguments):
    few = (*FEW, "--samples", 5)
    return inspect("turn", "--attribute", "level", *few, *arguments)


def test_arithmetic_of_conditions(work):
    shutil.rmtree(work / "data" / "judges")
    result = arithmetic(*CONCEPT)
    assert result.exit_code == 0, result.output
    assert "judged bright=1 and level>50" in result.stdout
    assert "the judge on held-out images, balanced accuracy: bright" in result.stderr
    assert "6 steps only" in result.stderr
    facts = json.loads((work / "out" / "arithmetic.json").read_text())
    assert facts["target"] == ["bright=1", "level>50"]
    assert facts["score"]["arithmetic"]["of"] == 10
    assert facts["score"]["chance"]["of"] == 30
    assert len(facts["a"]["seeds"]) == 3
    assert facts["judge"]["held_out"]["bright"]["accuracy"] > 0.9
    with Image.open(work / "out" / "arithmetic.png") as image:
        assert image.mode == "RGB"
    (kept,) = (work / "data" / "judges").iterdir()
    assert kept.suffix == ".npz"


def test_arithmetic_of_seeds_and_a_sheet(work):
    seeds = ("--a", "1,2,3", "--b", "4,5,6", "--c", "7,8,9")
    result = arithmetic(*seeds, "--target", "bright=1", "--sheet", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["b"]["seeds"] == [4, 5, 6]
    assert facts["nine_tiles"]["of"] == 9
    assert "score" not in facts
    assert (work / facts["sheet"]).is_file()


def test_without_conditions_it_says_what_is_seen(work):
    result = arithmetic("--a", "1,2,3", "--b", "4,5,6", "--c", "7,8,9")
    assert result.stdout.startswith("G(Y) is judged: bright ")


def test_seeds_need_no_dataset(work):
    (work / "data" / "toy.h5").unlink()
    result = arithmetic("--a", "1,2,3", "--b", "4,5,6", "--c", "7,8,9")
    assert result.exit_code == 0, result.output
    assert "nothing is judged: no dataset 'toy'" in result.stderr


def test_turn(work):
    result = turn()
    assert result.exit_code == 0, result.output
    assert "level goes from" in result.stdout
    facts = json.loads((work / "out" / "turn.json").read_text())
    assert len(facts["left"]) == len(facts["right"]) == 4
    assert len(facts["measured"]["vector"]["mean"]) == 11
    assert len(facts["measured"]["random"]) == 5
    assert (work / "out" / "turn.png").is_file()


def test_turn_of_seeds(work):
    facts = json.loads(turn("--left", "1-4", "--right", "9,8", "--json").stdout)
    assert (facts["left"], facts["right"]) == ([1, 2, 3, 4], [9, 8])


def test_measured_samples_are_none_of_the_candidates(work, monkeypatch):
    from scratchgan.paper.trained_networks import TrainedNetworks

    asked, original = [], TrainedNetworks.latent

    def latent(self, seeds):
        asked.append(set(map(int, seeds)))
        return original(self, seeds)

    monkeypatch.setattr(TrainedNetworks, "latent", latent)
    turn("--seed", 7)
    candidates, _, _, measured = asked
    assert candidates == set(range(7, 37))
    assert measured == set(range(37, 42))


@pytest.mark.parametrize("command", [lambda *a: arithmetic(*CONCEPT, *a), turn])
def test_the_same_bytes_again(work, command):
    """Also with a judge that was kept instead of trained."""
    name = "arithmetic" if command is not turn else "turn"
    made = []
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        result = command("--out", out, "--seed", seed)
        assert result.exit_code == 0, result.output
        made.append((work / out / f"{name}.png").read_bytes())
    assert made[0] == made[1] != made[2]


def test_the_judge_of_another_dataset(work):
    other = work / "data" / "other.h5"
    write_labelled(other, labels=True, attributes=False)
    result = turn("--judge", "other", "--attribute", "dark")
    assert result.exit_code == 0, result.output
    facts = json.loads((work / "out" / "turn.json").read_text())
    assert facts["judge"]["dataset"] == "other"
    assert facts["attribute"] == "dark"


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (arithmetic, (), "toy has no attribute 'smile'; it has bright (0 or 1), level"),
        (arithmetic, (*CONCEPT[:-1], "level=3"), "level is measured; write level>3"),
        (arithmetic, (*CONCEPT[:-1], "1,2,"), "write seeds as 7,12,30"),
        (arithmetic, (*CONCEPT, "--label", 1), "was trained without labels"),
        (turn, ("--attribute", "turn"), "toy has no attribute 'turn'; it has bright"),
        (turn, ("--judge", "plain"), "neither attributes nor labels"),
        (turn, ("--judge", "missing"), "no dataset 'missing'"),
        (turn, ("--judge", "small"), "holds images of 4x4 pixels"),
        (turn, ("--runs", "elsewhere"), "no run"),
    ],
)
def test_one_plain_line(work, command, arguments, message):
    write_dataset(work / "data" / "plain.h5")
    write_dataset(work / "data" / "small.h5", height=4, width=4)
    result = command(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (work / "out").exists()


def test_choices_are_those_of_the_library():
    command = importlib.import_module("scratchgan.commands.inspect.arithmetic")
    assert tuple(experiment.CONCEPTS) == command.CONCEPTS
