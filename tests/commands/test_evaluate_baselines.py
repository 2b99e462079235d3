"""``scratchgan evaluate baselines`` as a user runs it."""

import json
import tracemalloc

import h5py
import numpy as np
import pytest
from array_dataset import coloured, dataset_of
from click.testing import CliRunner

from scratchgan.commands import main
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.paper.baselines.kmeans import learn_kmeans
from scratchgan.paper.baselines.kmeans_of_split import (
    KMeansBaseline,
    mean_and_deviation,
)
from scratchgan.paper.baselines.neighbours import knn_classify
from scratchgan.paper.features.protocols import AUTHORS_GRID
from scratchgan.paper.labelled_split import split_labelled
from scratchgan.paper.published_results import CIFAR10, SVHN

CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = coloured()
    split = np.repeat([0, 1, 2], [72, 24, 24]).astype(np.uint8)
    dataset_of(tmp_path / "colours.h5", images, labels=labels, split=split).close()
    return tmp_path


def evaluate(*arguments):
    command = ["evaluate", "baselines", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(main, command)


def numbers(*arguments):
    result = evaluate("--json", "--dataset", "colours.h5", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_all_methods_by_two_protocols(work):
    facts = numbers(
        "--centroids", 4, "--labels", 12, "--draws", 2, "--protocol", "full"
    )
    assert list(facts["scores"]) == [
        "1-layer K-means, 4 centroids",
        "KNN on pixels",
        "raw pixels",
    ]
    for found in facts["scores"].values():
        assert list(found) == ["full", "12-labels"]
    assert facts["scores"]["raw pixels"]["full"]["accuracy"] == 1.0
    table = facts["table"]
    assert table["columns"] == ["full", "12-labels"]
    assert [row["method"] for row in table["rows"]] == list(facts["scores"])


def test_knn_is_that_of_the_chosen_k(work):
    score = numbers("--method", "knn")["scores"]["KNN on pixels"]["full"]
    assert score["symbol"] == "k"
    with open_dataset("colours.h5") as data:
        images, labels, split = data.images[:], data.labels, split_labelled(data)
    accuracies = {
        k: np.mean(
            knn_classify(images[split.train], labels[split.train], images[rows], k)
            == labels[rows]
        )
        for k, rows in (
            (1, split.validation),
            (3, split.validation),
            (score["setting"], split.test),
        )
    }
    assert score["tried"]["1"] == accuracies[1]
    assert score["tried"]["3"] == pytest.approx(accuracies[3])
    assert score["accuracy"] == accuracies[score["setting"]]


def test_no_k_is_larger_than_the_labels(work):
    facts = numbers("--method", "knn", "--labels", 6, "--draws", 1)
    tried = facts["scores"]["KNN on pixels"]["6-labels"]["tried"]
    assert list(tried) == ["1", "3", "5"]


def test_kmeans_knows_training_images_alone(work):
    with open_dataset("colours.h5") as data:
        split = split_labelled(data)
        made = KMeansBaseline(data, split, 4, seed=0)
        train, test = made.part("train"), made.part("test")
        machine = learn_kmeans(data.images[:72], 4, seed=0)
        raw = machine.transform(data.images[:72])
        tested = machine.transform(data.images[96:])
    np.testing.assert_allclose(
        train, (raw - raw.mean(axis=0)) / raw.std(axis=0), atol=1e-4
    )
    np.testing.assert_allclose(
        test, (tested - raw.mean(axis=0)) / raw.std(axis=0), atol=1e-3
    )


def test_standardising_needs_no_second_copy_of_the_features(rng):
    features = rng.normal(5, 2, (20_000, 8)).astype(np.float32)
    tracemalloc.start()
    mean, deviation = mean_and_deviation(features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < features.nbytes / 2
    exact = features.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, exact.std(axis=0), rtol=1e-6)


def test_test_images_choose_nothing(work):
    before = numbers("--centroids", 4)
    with h5py.File("colours.h5", "r+") as file:
        test = file["split"][:] == 2
        file["images"][test] = 255 - file["images"][test]
    after = numbers("--centroids", 4)
    for name, found in before["scores"].items():
        for key in ("setting", "tried", "validation_accuracy"):
            assert after["scores"][name]["full"][key] == found["full"][key]
    pixels = [f["scores"]["raw pixels"]["full"]["accuracy"] for f in (before, after)]
    assert pixels[0] != pixels[1]


def test_the_papers_rows_stand_beside_and_are_marked(work):
    images, labels = coloured(size=8)
    dataset_of(
        work / "ten.h5", images, labels=labels, class_names=CIFAR10_NAMES
    ).close()
    result = evaluate("--dataset", "ten.h5", "--centroids", 4)
    assert result.exit_code == 0, result.output
    for row in CIFAR10:
        assert row.figures["full"] in result.stdout
    lines = result.stdout.splitlines()
    exemplar = next(line for line in lines if line.startswith("| Exemplar CNN"))
    assert exemplar == "| Exemplar CNN | not run here | 84.3 % | [P] table 1 |"
    ours = next(line for line in lines if line.startswith("| 1-layer K-means, 4"))
    assert "| 80.6 % |" in ours  # the paper's figure beside ours
    assert ours.endswith("; paper: [P] table 1 |")


def test_errors_where_the_papers_table_has_errors(work):
    images, labels = coloured()
    dataset_of(work / "svhn.h5", images, labels=labels).close()
    with h5py.File("svhn.h5", "r+") as file:
        file.attrs["kind"] = "svhn"
    result = evaluate("--dataset", "svhn.h5", "--method", "knn", "--json")
    facts = json.loads(result.stdout)
    accuracy = facts["scores"]["KNN on pixels"]["full"]["accuracy"]
    row = facts["table"]["rows"][0]
    assert row["here"]["full"] == f"{100 * (1 - accuracy):.2f} %"
    assert row["paper"] == SVHN[0].figures
    assert facts["table"]["title"] == "Error on test images"


def test_a_thousand_labels_are_the_papers_protocol(work):
    images, labels = coloured(count=3000, size=4)
    names = ["red", "green"]
    kept = labels < 2
    dataset_of(
        work / "two.h5", images[kept], labels=labels[kept], class_names=names
    ).close()
    options = ("--dataset", "two.h5", "--method", "pixels", "--draws", 2, "--json")
    one = json.loads(evaluate(*options, "--labels", 1000).stdout)
    both = evaluate(*options, "--labels", 1000, "--protocol", "1000-labels")
    two = json.loads(both.stdout)
    assert two["table"]["columns"] == one["table"]["columns"] == ["1000-labels"]
    assert one["scores"] == two["scores"]
    tried = one["scores"]["raw pixels"]["1000-labels"]["tried"]
    assert {str(c) for c in AUTHORS_GRID} <= tried.keys()


def test_a_dataset_must_be_named(work):
    result = evaluate()
    assert result.exit_code == 2
    assert "Missing option '--dataset'" in result.stderr
