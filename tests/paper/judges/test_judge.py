"""The judge: what it learns, what is kept, and what makes it anew."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest

from scratchgan.backend import CPU
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.errors import ConfigError, DatasetError
from scratchgan.paper.combining import random_overlays
from scratchgan.paper.judges.attributes import split_rows
from scratchgan.paper.judges.judge import load_judge
from scratchgan.paper.judges.training import multitask_gradient
from tests.paper.labelled import QUICK, write_labelled


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a dataset beside which its judge is kept, and the judge."""
    path = write_labelled(tmp_path_factory.mktemp("data") / "set.h5")
    return path, load_judge(path, 8, 8, CPU, settings=QUICK)


@pytest.fixture
def dataset(trained, tmp_path):
    """Return a copy of the dataset with its judge."""
    shutil.copytree(trained[0].parent, tmp_path / "data")
    return tmp_path / "data" / "set.h5"


def kept(dataset):
    return sorted((dataset.parent / "judges").glob("*"))


def load(dataset, **settings):
    """Return a judge and how many batches it was trained for now."""
    calls = []
    judge = load_judge(
        dataset,
        8,
        8,
        CPU,
        progress=lambda *call: calls.append(call),
        settings=dataclasses.replace(QUICK, **settings),
    )
    return judge, len(calls)


def test_it_learns_both_kinds_of_attributes(trained):
    path, judge = trained
    assert judge.names == ("bright", "level")
    assert list(judge.binary) == [True, False]
    bright, level = judge.held_out["bright"], judge.held_out["level"]
    assert bright["accuracy"] >= 0.95 > bright["majority"] >= 0.5
    assert level["mean_absolute_error"] < level["spread"] / 3
    assert bright["images"] == level["images"] == 40
    assert judge.about["held_out_split"] == "test"
    assert "bright" in judge.summary()
    assert "within" in judge.summary()


def test_what_it_reports_is_what_it_says(trained):
    path, judge = trained
    with open_dataset(path) as data:
        rows = data.rows_of_split("test")
        images, truth = data.images[rows[0] :], data.attributes[rows]
    judged = judge.probabilities(images)
    assert ((judged["bright"] >= 0) & (judged["bright"] <= 1)).all()
    accuracy = ((judged["bright"] > 0.5) == truth[:, 0]).mean()
    assert judge.held_out["bright"]["accuracy"] == accuracy
    present = judge.present(images)
    assert list(present) == ["bright"]  # a level is neither there nor not
    shares = [
        (present["bright"] == truth[:, 0])[truth[:, 0] == t].mean() for t in (0, 1)
    ]
    assert judge.held_out["bright"]["balanced_accuracy"] == np.mean(shares)
    error = abs(judged["level"] - truth[:, 1]).mean()
    np.testing.assert_allclose(judge.held_out["level"]["mean_absolute_error"], error)


def test_what_most_images_show_has_to_be_seen(trained):
    """Where 95 % of the images show something, 94 % is less than nothing known."""
    path, judge = trained
    with open_dataset(path) as data:
        images = data.images[:]
        training = data.attributes[data.rows_of_split("train"), 0]
    assert judge.share[0] == pytest.approx(training.mean())
    assert 0.4 < judge.share[0] < 0.6
    judged = judge.probabilities(images)["bright"]
    common = dataclasses.replace(judge, share=np.array([0.95, 0.5], np.float32))
    np.testing.assert_array_equal(common.present(images)["bright"], judged > 0.95)


def test_what_no_image_shows_is_not_seen(tmp_path):
    path = write_labelled(tmp_path / "none.h5")
    with h5py.File(path, "r+") as file:
        file["attributes"][:, 0] = 0
    judge, _ = load(path)
    assert judge.share[0] == 0.5
    with open_dataset(path) as data:
        assert not judge.present(data.images[:])["bright"].any()
    assert judge.held_out["bright"]["balanced_accuracy"] is None
    assert "bright -" in judge.summary()


def test_it_is_kept_and_says_the_same_again(trained, dataset):
    again, batches = load(dataset)
    assert batches == 0
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    for name, values in trained[1].probabilities(images).items():
        np.testing.assert_array_equal(again.probabilities(images)[name], values)
    assert again.held_out == trained[1].held_out
    (file,) = kept(dataset)
    assert file.name.startswith("set-")
    assert file.name.endswith("-8x8.npz")
    assert not list(dataset.parent.glob("judges/*.h5"))


def test_trained_anew_it_is_the_same_file(dataset):
    (file,) = kept(dataset)
    before = file.read_bytes()
    file.unlink()
    _, batches = load(dataset)
    assert batches == 12 * 10
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["short", "flipped", "empty", "text", "encrypted"])
def test_a_damaged_one_is_trained_anew(dataset, damage):
    (file,) = kept(dataset)
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = bytes([whole[middle] ^ 255])
    flags = whole.index(b"PK\1\2") + 8  # of the first file in the zip's directory
    encrypted = bytes([whole[flags] ^ 1])
    file.write_bytes(
        {
            "short": whole[:middle],
            "flipped": whole[:middle] + flipped + whole[middle + 1 :],
            "empty": b"",
            "text": b"not this",
            "encrypted": whole[:flags] + encrypted + whole[flags + 1 :],
        }[damage]
    )
    assert load(dataset)[1] > 0
    assert file.read_bytes() == whole


def test_other_attributes_or_settings_need_another(dataset):
    assert load(dataset, seed=1)[1] > 0
    with h5py.File(dataset, "r+") as file:
        file["attributes"][0, 1] += 1
    assert load(dataset)[1] > 0
    assert len(kept(dataset)) == 3


def test_nothing_is_left_of_a_broken_off_one(dataset):
    shutil.rmtree(dataset.parent / "judges")

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_judge(dataset, 8, 8, CPU, progress=stop, settings=QUICK)
    assert kept(dataset) == []


def test_where_it_cannot_be_kept_a_line_says_so(dataset):
    shutil.rmtree(dataset.parent / "judges")
    (dataset.parent / "judges").write_text("a file")
    notes = []
    settings = dataclasses.replace(QUICK, epochs=1)
    load_judge(dataset, 8, 8, CPU, note=notes.append, settings=settings)
    (line,) = notes
    assert "the judge is not kept" in line


def test_classes_are_attributes_where_there_are_no_others(tmp_path):
    path = write_labelled(tmp_path / "c.h5", labels=True, attributes=False)
    judge, _ = load(path)
    assert judge.names == ("dark", "bright")
    assert judge.binary.all()
    assert judge.held_out["bright"]["accuracy"] >= 0.95


def test_a_dataset_without_anything_to_learn(tmp_path):
    path = write_labelled(tmp_path / "c.h5", attributes=False)
    with pytest.raises(DatasetError, match="neither attributes nor labels"):
        load(path)


def test_values_that_are_no_numbers(dataset):
    with h5py.File(dataset, "r+") as file:
        file["attributes"][0, 1] = np.nan
    with pytest.raises(DatasetError, match="not finite"):
        load(dataset)


def test_sizes_that_do_not_fit(trained, dataset):
    with pytest.raises(ConfigError, match="8x8 pixels, got 16x16"):
        trained[1].probabilities(np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(DatasetError, match="the network makes 16x16"):
        load_judge(dataset, 16, 16, CPU, settings=QUICK)


def test_larger_images_are_averaged_down(tmp_path):
    path = write_labelled(tmp_path / "large.h5", side=16)
    judge, _ = load(path)
    assert (judge.height, judge.width) == (8, 8)
    assert judge.held_out["bright"]["accuracy"] >= 0.95


def test_grey_and_colour(trained, tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    colour = np.repeat(grey, 3, axis=3)
    probabilities = trained[1].probabilities
    np.testing.assert_array_equal(
        probabilities(grey)["level"], probabilities(colour)["level"]
    )
    path = write_labelled(tmp_path / "grey.h5", channels=1)
    probabilities = load(path, epochs=1)[0].probabilities
    np.testing.assert_array_equal(
        probabilities(grey)["level"], probabilities(colour)["level"]
    )


def test_overlays_are_told_from_images(tmp_path):
    """Their halves differ by thirds of 100, those of images by 100."""
    path = write_labelled(tmp_path / "o.h5")
    judge, _ = load(path, epochs=30, overlays=20)
    with open_dataset(path) as data:
        images = data.images[200:]
    overlays = random_overlays(images, 40, 3, np.random.default_rng(0))
    shares = (judge.single(images) > 0.5).mean(), (judge.single(overlays) > 0.5).mean()
    assert shares[0] > shares[1] + 0.4
    assert judge.about["single_accuracy"] > 0.7


def test_gradient_is_that_of_both_losses(rng):
    outputs, targets = rng.normal(size=(2, 5, 3))
    binary = np.array([True, False, True])
    targets[:, binary] = rng.integers(0, 2, (5, 2))
    counts = rng.integers(0, 2, (5, 3)).astype(float)

    def loss(a):
        logistic = np.logaddexp(0, a) - targets * a
        square = (a - targets) ** 2 / 2
        return (np.where(binary, logistic, square) * counts).sum() / 5

    judged, gradient = multitask_gradient(outputs, targets, binary, counts)
    for place in np.ndindex(5, 3):
        step = np.zeros((5, 3))
        step[place] = 1e-6
        numeric = (loss(outputs + step) - loss(outputs - step)) / 2e-6
        np.testing.assert_allclose(gradient[place], numeric, atol=1e-8)
    np.testing.assert_array_equal(judged[:, 1], outputs[:, 1])
    np.testing.assert_allclose(judged[:, 0], 1 / (1 + np.exp(-outputs[:, 0])))


def test_gradient_on_every_device(rng, backend):
    """float32 stays float32, and the mask of kinds may live on a device."""
    outputs, targets, counts = rng.normal(size=(3, 5, 3)).astype(np.float32)
    binary = np.array([True, False, True])
    arrays = outputs, targets, binary, counts
    expected = multitask_gradient(*arrays)
    got = multitask_gradient(*map(backend.put, arrays))
    for one, other in zip(expected, got, strict=True):
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_allclose(backend.host(other), one, rtol=1e-5)


def test_without_a_split_a_fifth_is_held_out(tmp_path):
    path = write_labelled(tmp_path / "s.h5", split=False)
    with open_dataset(path) as data:
        train, held, name = split_rows(data, seed=0)
    assert name == "drawn from train"
    assert (len(train), len(held)) == (192, 48)
    assert set(train) | set(held) == set(range(240))
