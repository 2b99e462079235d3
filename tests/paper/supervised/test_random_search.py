"""Random search: draws, what is kept, and when test images are read."""

import dataclasses
import json

import numpy as np
import pytest
from tiny import NETWORK

from scratchgan.backend import CPU
from scratchgan.errors import NonFiniteError
from scratchgan.paper.supervised import random_search
from scratchgan.paper.supervised.classifier import SupervisedClassifier
from scratchgan.paper.supervised.random_search import (
    Search,
    SearchSpace,
    best_trial,
    make_trial,
    measure_best,
    run_search,
)
from scratchgan.paper.supervised.training import SupervisedSettings, accuracy
from scratchgan.paper.supervised.trial_files import Trial, TrialFiles
from tests.paper.labelled_squares import labelled_squares

SPACE = SearchSpace(lr=(1e-3, 1e-2), batch_sizes=(10, 20))
SEARCH = Search(
    dataclasses.replace(NETWORK, channels=1),
    3,
    labelled_squares(40, 0),
    labelled_squares(30, 1),
    epochs=3,
    seed=0,
    device=CPU,
    space=SPACE,
)
TEST = labelled_squares(60, 2)


def files_of(folder, search=SEARCH):
    return TrialFiles(folder, search.key())


def test_draws_are_in_the_space_and_even_on_their_scale():
    space = SearchSpace()
    drawn = [space.draw(np.random.default_rng([5, k])) for k in range(2000)]
    for name in ("lr", "l2"):
        low, high = np.log(getattr(space, name))
        values = (np.log([getattr(s, name) for s in drawn]) - low) / (high - low)
        assert 0 <= values.min() < 0.01 < 0.99 < values.max() <= 1
        # The mean of 2,000 even draws is within 0.03 of 1/2: more than 4 deviations.
        assert values.mean() == pytest.approx(0.5, abs=0.03)
    rates = np.array([s.dropout for s in drawn])
    assert (rates.min(), rates.max()) == pytest.approx(space.dropout, abs=0.01)
    counts = [sum(s.batch_size == size for s in drawn) for size in space.batch_sizes]
    assert sum(counts) == 2000
    assert min(counts) > 400


def test_a_trial_depends_on_seed_and_number_alone(tmp_path):
    three = run_search(SEARCH, 3, files_of(tmp_path / "a"))
    assert [trial.number for trial in three] == [0, 1, 2]
    assert run_search(SEARCH, 2, files_of(tmp_path / "b")) == three[:2]
    other = dataclasses.replace(SEARCH, seed=1)
    assert other.settings(0) != SEARCH.settings(0)


def test_an_interrupted_search_goes_on_with_the_next_trial(tmp_path):
    whole = run_search(SEARCH, 3, files_of(tmp_path / "whole"))

    calls = []

    def interrupt(done, total):
        calls.append(done)
        if calls.count(1) == 3:  # in the middle of the second trial
            raise KeyboardInterrupt

    files = files_of(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        run_search(SEARCH, 3, files, progress=interrupt)
    assert list(files.trials()) == [0]
    notes = []
    assert run_search(SEARCH, 3, files, note=notes.append) == whole
    assert len(notes) == 2
    assert "trial 2 of 3" in notes[0]
    kept = [files_of(tmp_path / name).trials() for name in ("whole", "parts")]
    assert kept[0] == kept[1] == dict(enumerate(whole))


def test_a_finished_search_is_read_not_computed(tmp_path, monkeypatch):
    files = files_of(tmp_path)
    trials = run_search(SEARCH, 2, files)
    result = measure_best(SEARCH, trials, files, "test", lambda: TEST)

    def refuse(*arguments, **settings):
        raise AssertionError("it is there already")

    monkeypatch.setattr(random_search, "train_supervised", refuse)
    monkeypatch.setattr(random_search, "accuracy", refuse)
    assert run_search(SEARCH, 2, files) == trials
    assert measure_best(SEARCH, trials, files, "test", refuse) == result
    with pytest.raises(AssertionError, match="there already"):  # more trials
        run_search(SEARCH, 3, files)
    with pytest.raises(AssertionError, match="there already"):  # other test images
        measure_best(SEARCH, trials, files, "others", refuse)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 4},
        {"seed": 1},
        {"classes": 4},
        {"space": SearchSpace()},
        {"train": labelled_squares(43, 0)},
        {"validation": labelled_squares(30, 3)},
        {"config": dataclasses.replace(SEARCH.config, widths=(4, 6))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_search_has_trials_of_its_own(change, tmp_path):
    files_of(tmp_path).add_trial(Trial(0, SEARCH.settings(0), 0.5, 1))
    other = dataclasses.replace(SEARCH, **change)
    assert files_of(tmp_path, other).trials() == {}
    assert list(files_of(tmp_path).trials()) == [0]


def test_images_and_labels_are_both_part_of_the_key():
    labels = np.roll(SEARCH.train.labels, 1)
    train = dataclasses.replace(SEARCH.train, labels=labels)
    assert dataclasses.replace(SEARCH, train=train).key() != SEARCH.key()
    assert dataclasses.replace(SEARCH).key() == SEARCH.key()


def test_the_best_network_is_kept_and_it_alone_is_tested(tmp_path):
    files = files_of(tmp_path)
    trials = run_search(SEARCH, 4, files)
    best, reached = measure_best(SEARCH, trials, files, "test", lambda: TEST)
    assert best.validation_accuracy == max(t.validation_accuracy for t in trials)
    network = SupervisedClassifier(SEARCH.config, 3).eval()
    assert files.load_network(best, network)
    assert accuracy(network, TEST, CPU) == reached
    assert accuracy(network, SEARCH.validation, CPU) == best.validation_accuracy
    other = trials[0] if best.number else trials[1]
    assert not files.load_network(other, network)


def test_test_images_are_read_when_the_network_is_chosen(tmp_path, monkeypatch):
    files = files_of(tmp_path)
    events = []
    real = random_search.train_supervised

    def train(*arguments, **settings):
        events.append("train")
        return real(*arguments, **settings)

    def read_test():
        events.append("test")
        return TEST

    monkeypatch.setattr(random_search, "train_supervised", train)
    trials = run_search(SEARCH, 3, files)
    measure_best(SEARCH, trials, files, "test", read_test)
    measure_best(SEARCH, trials, files, "test", read_test)
    assert events == ["train", "train", "train", "test"]


@pytest.mark.parametrize("damage", ["gone", "short", "empty", "other"])
def test_without_its_kept_network_the_best_trial_is_made_again(tmp_path, damage):
    files = files_of(tmp_path)
    trials = run_search(SEARCH, 2, files)
    whole = files.network.read_bytes()
    if damage == "gone":
        files.network.unlink()
    elif damage == "other":
        other = SupervisedClassifier(SEARCH.config, 3)
        TrialFiles(tmp_path, "another").keep_network(best_trial(trials), other)
    else:
        files.network.write_bytes(whole[: len(whole) // 2 if damage == "short" else 0])
    best, reached = measure_best(SEARCH, trials, files, "test", lambda: TEST)
    network = SupervisedClassifier(SEARCH.config, 3).eval()
    assert files.load_network(best, network)
    assert accuracy(network, TEST, CPU) == reached
    assert accuracy(network, SEARCH.validation, CPU) == best.validation_accuracy


def test_a_network_of_the_first_versions_is_read(tmp_path):
    """Its key stood in place of the text of metadata."""
    files, trial = files_of(tmp_path), Trial(3, SEARCH.settings(3), 0.5, 1)
    written = SupervisedClassifier(SEARCH.config, 3, rng=np.random.default_rng(3))
    state = written.state_dict()
    np.savez(files.network, about=np.array(f"{SEARCH.key()} 3"), **state)
    network = SupervisedClassifier(SEARCH.config, 3)
    assert files.load_network(trial, network)
    for name, array in network.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_a_trial_that_is_not_finite_has_failed_and_the_search_goes_on(tmp_path):
    """From half of this space, learning rates lead to numbers without end."""
    search = dataclasses.replace(
        SEARCH, space=dataclasses.replace(SPACE, lr=(1e-30, 1e38))
    )
    files = files_of(tmp_path, search)
    trials = run_search(search, 8, files)
    failed = [trial for trial in trials if trial.failed]
    assert len(trials) == 8
    assert 0 < len(failed) < 8
    assert "not finite" in failed[0].failed
    assert failed[0].validation_accuracy is None
    best, _ = measure_best(search, trials, files, "test", lambda: TEST)
    assert not best.failed
    assert list(files.trials().values()) == trials
    with pytest.raises(NonFiniteError, match="all 1 trials failed"):
        measure_best(search, failed[:1], files, "test", lambda: TEST)


def test_time_that_is_up_ends_it_after_a_trial(tmp_path):
    files = files_of(tmp_path)
    assert len(run_search(SEARCH, 3, files, is_time_up=lambda: True)) == 1
    assert len(run_search(SEARCH, 3, files, is_time_up=lambda: True)) == 1
    assert len(run_search(SEARCH, 3, files)) == 3


def test_the_earlier_of_two_equals_is_best():
    settings = SupervisedSettings(1e-3, 1e-5, 32, 0.1)
    trials = [
        Trial(0, settings, None, 0, "failed"),
        Trial(1, settings, 0.5, 1),
        Trial(2, settings, 0.7, 1),
        Trial(3, settings, 0.7, 1),
    ]
    assert best_trial(trials).number == 2
    assert best_trial(trials[::-1]).number == 2
    assert best_trial(trials[:1]) is None


@pytest.mark.parametrize("tail", ['{"key": "', "not this\n", "[1]\n", "\xff\n", "{}"])
def test_lines_that_a_kill_spoilt_do_no_harm(tmp_path, tail):
    files = files_of(tmp_path)
    trials = [Trial(k, SEARCH.settings(k), 0.5, 1) for k in range(3)]
    files.add_trial(trials[0])
    with open(files.lines, "a", encoding="latin-1") as file:
        file.write(tail)
    files.add_trial(trials[1])
    files.add_trial(trials[2])
    assert list(files.trials().values()) == trials
    lines = files.lines.read_text(encoding="utf-8", errors="replace").splitlines()
    assert json.loads(lines[-1])["trial"]["number"] == 2


def test_trials_with_equal_settings_draw_other_weights():
    """So a search in a single point still says how much depends on luck."""
    point = SearchSpace((1e-3, 1e-3), (1e-5, 1e-5), (10,), (0.1, 0.1))
    search = dataclasses.replace(SEARCH, space=point)
    assert search.settings(0) == search.settings(1)
    states = [make_trial(search, k, lambda: None)[1].state_dict() for k in (0, 1)]
    name = "down1.conv.weight"
    assert (states[0][name] != states[1][name]).all()
