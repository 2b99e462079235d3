"""Protocols: what is drawn, what chooses C, and that the test images only test."""

import dataclasses

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.paper.features.features import Features
from scratchgan.paper.features.linear_svm import fit_linear_svm
from scratchgan.paper.features.protocols import (
    AUTHORS_GRID,
    PROTOCOLS,
    Method,
    Protocol,
    best_setting,
    missing_images,
    score_features,
)
from scratchgan.paper.labelled_split import LabelledSplit

SVM = Method(fit_linear_svm)
FEW = Protocol("6-labels", total=6, draws_to_choose=3, draws=5)


class Given(Features):
    """Features of given values, which notes the parts that are asked for."""

    name = "given"

    def __init__(self, **parts):
        self.parts = parts
        self.length = parts["train"].shape[1]
        self.asked = []

    def part(self, name):
        self.asked.append(name)
        return self.parts[name]


def make(seed=0, *, drawn=False, counts=(60, 30, 40), classes=2, noise=1.0):
    """Return features in which the class can be seen, and their split."""
    rng = np.random.default_rng(seed)
    labels = np.arange(sum(counts)) % classes
    x = rng.normal(size=(len(labels), 5)).astype("float32") * noise
    x[np.arange(len(labels)), labels] += 2
    bounds = np.cumsum(counts)
    rows = np.split(np.arange(len(labels)), bounds[:-1])
    names = [f"class {k}" for k in range(classes)]
    split = LabelledSplit(labels, names, *rows, "", drawn)
    features = Given(
        **{
            name: x[chosen]
            for name, chosen in zip(("train", "validation", "test"), rows, strict=True)
        }
    )
    return features, split


def counting_fit(calls):
    """Return a fit that records what it was given."""

    def fit(x, labels, classes, c):
        calls.append((x.copy(), labels.copy(), c))
        return fit_linear_svm(x, labels, classes, c)

    return fit


def test_full_fits_all_training_images_and_scores_the_test_images():
    features, split = make()
    score = score_features(features, split, PROTOCOLS["full"], SVM)
    machine = fit_linear_svm(
        features.parts["train"], split.labels[split.train], 2, score.setting
    )
    tested = machine.accuracy(features.parts["test"], split.labels[split.test])
    chosen = machine.accuracy(
        features.parts["validation"], split.labels[split.validation]
    )
    assert score.accuracy == tested
    assert score.validation_accuracy == chosen == score.tried[score.setting]
    assert score.labels == 60
    assert (score.interval, score.draws) == (None, [])


def test_one_draw_has_no_interval():
    features, split = make()
    once = dataclasses.replace(FEW, draws=1)
    score = score_features(features, split, once, SVM)
    assert len(score.draws) == 1
    assert (score.interval, score.validation_interval) == (None, None)
    assert "±" not in str(score)


def test_test_features_are_asked_for_last_and_choose_nothing():
    features, split = make()
    before = score_features(features, split, FEW, SVM)
    assert features.asked == ["train", "validation", "test"]
    calls, others = [], []
    score_features(features, split, FEW, Method(counting_fit(calls)))
    poisoned = Given(**features.parts | {"test": np.full((40, 5), np.nan, "float32")})
    after = score_features(poisoned, split, FEW, Method(counting_fit(others)))
    assert after.tried == before.tried
    assert after.setting == before.setting
    assert after.validation_accuracy == before.validation_accuracy
    for ours, theirs in zip(calls, others, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_test_labels_choose_nothing():
    features, split = make()
    wrong = split.labels.copy()
    wrong[split.test] = 1 - wrong[split.test]
    other = dataclasses.replace(split, labels=wrong)
    one = score_features(features, split, FEW, SVM)
    two = score_features(features, other, FEW, SVM)
    assert two.tried == one.tried
    assert two.accuracy == pytest.approx(1 - one.accuracy)


def test_draws_are_balanced_fresh_and_the_same_for_each_c():
    features, split = make()
    calls = []
    score = score_features(features, split, FEW, Method(counting_fit(calls)))
    assert all(labels.tolist().count(0) == 3 == len(x) / 2 for x, labels, _ in calls)
    by_c = {c: [x for x, _, used in calls if used == c] for c in score.tried}
    first, *others = (found[:3] for found in by_c.values())
    for other in others:
        np.testing.assert_array_equal(first, other)
    reported = [x for x, _, _ in calls[-5:]]
    assert len({x.tobytes() for x in (*first, *reported)}) == 8
    assert len(score.draws) == 5
    assert score.accuracy == pytest.approx(np.mean(score.draws))
    assert score.interval == pytest.approx(1.96 * np.std(score.draws))


def test_what_a_draw_leaves_over_chooses_where_validation_is_not_given():
    features, split = make(drawn=True, counts=(20, 10, 40))
    pool = np.concatenate([features.parts["train"], features.parts["validation"]])
    seen, fitted = [], []

    class Watched:
        def __init__(self, machine):
            self.machine = machine

        def accuracy(self, x, labels):
            seen.append(x.copy())
            return self.machine.accuracy(x, labels)

    def fit(x, labels, classes, c):
        fitted.append(x.copy())
        return Watched(fit_linear_svm(x, labels, classes, c))

    score_features(features, split, FEW, Method(fit))
    for x, rest in zip(fitted[:3], seen[:3], strict=True):
        together = np.concatenate([x, rest])
        assert sorted(map(tuple, together)) == sorted(map(tuple, pool))


def test_same_seed_same_score():
    features, split = make(noise=3)
    one = score_features(features, split, FEW, SVM, seed=4)
    assert one == score_features(features, split, FEW, SVM, seed=4)
    assert one.draws != score_features(features, split, FEW, SVM, seed=5).draws


@pytest.mark.parametrize("best", [1e-7, 3e-4, 0.2])
def test_the_grid_is_extended_until_the_best_is_inside(best):
    features, split = make()

    class Graded:
        def __init__(self, c):
            self.c = c

        def accuracy(self, x, labels):
            return 1 - abs(np.log(self.c / best)) / 100

    protocol = Protocol("full")
    score = score_features(
        features, split, protocol, Method(lambda x, y, k, c: Graded(c))
    )
    assert abs(np.log(score.setting / best)) <= np.log(4)
    assert min(score.tried) < score.setting < max(score.tried)


def test_the_authors_grid_is_that_of_1000_labels():
    assert PROTOCOLS["1000-labels"].grid == AUTHORS_GRID
    assert PROTOCOLS["1000-labels"].labels_per_class(10) == 100
    assert PROTOCOLS["400-per-class"].labels_per_class(10) == 400
    assert PROTOCOLS["full"].labels_per_class(10) is None


def test_of_equal_values_the_smallest_c():
    assert best_setting({4.0: 0.5, 1.0: 0.5, 0.25: 0.4}) == 1.0


def test_too_few_images():
    features, split = make()
    assert missing_images(PROTOCOLS["full"], split) is None
    assert missing_images(Protocol("60", total=60), split) is None
    reason = missing_images(PROTOCOLS["400-per-class"], split)
    assert "needs 400 labelled training images of each class, class 0 has 30" in reason
    with pytest.raises(ConfigError, match="class 0 has 30"):
        score_features(features, split, PROTOCOLS["400-per-class"], SVM)
    _, drawn = make(drawn=True)
    assert missing_images(Protocol("90", total=90), drawn) is not None
    assert missing_images(Protocol("88", total=88), drawn) is None


def test_labels_that_do_not_divide():
    with pytest.raises(ConfigError, match=r"7 labels are not the same number.*6"):
        Protocol("7-labels", total=7).labels_per_class(2)


def test_settings_that_are_given_are_all_that_is_tried():
    features, split = make()

    class Graded:
        def __init__(self, k):
            self.k = k

        def accuracy(self, x, labels):
            return 1 / self.k

    method = Method(lambda x, y, classes, k: Graded(k), "k", (1, 3, 5))
    score = score_features(features, split, PROTOCOLS["full"], method)
    assert (score.symbol, score.setting) == ("k", 1)
    assert list(score.tried) == [1, 3, 5]
