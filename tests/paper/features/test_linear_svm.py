"""The linear SVM: its minimum is that of the objective, and of LIBLINEAR."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError, NonFiniteError
from scratchgan.paper.features import linear_svm
from scratchgan.paper.features.linear_svm import LinearSVM, fit_linear_svm


def clusters(n, features, classes, dtype="float64", seed=0, distance=1.0):
    """Return points around a centre for each class, far from 0, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = rng.normal(size=(classes, features)) * distance
    x = rng.normal(size=(n, features)) + centres[labels] + 2
    return x.astype(dtype), labels


def objective(machine, x, labels, c):
    """Return the objective by its definition, for each class."""
    found = []
    for k in range(machine.weight.shape[1]):
        w, b = machine.weight[:, k].astype(float), float(machine.bias[k])
        loss = sum(
            max(0.0, 1 - (1 if label == k else -1) * (row @ w + b)) ** 2
            for row, label in zip(x.astype(float), labels, strict=True)
        )
        found.append((w @ w + b * b) / 2 + c * loss)
    return np.array(found)


def test_two_points_by_hand():
    # x = ±1, y = ±1: by symmetry b = 0, and w/2·w + 2C(1 - w)² is least at 4C/(1 + 4C).
    x = np.array([[1.0], [-1.0]])
    machine = fit_linear_svm(x, np.array([1, 0]), 2, 0.5, tolerance=1e-14)
    np.testing.assert_allclose(machine.weight, [[-2 / 3, 2 / 3]], rtol=1e-6)
    np.testing.assert_allclose(machine.bias, 0, atol=1e-12)


@pytest.mark.parametrize("c", [1e-4, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("shape", [(60, 7, 3), (20, 50, 4), (31, 1, 2)])
def test_no_step_away_from_the_minimum_is_better(c, shape):
    x, labels = clusters(*shape)
    machine = fit_linear_svm(x, labels, shape[2], c, tolerance=1e-12)
    best = objective(machine, x, labels, c)
    np.testing.assert_allclose(machine.objective, best, rtol=1e-9)
    rng = np.random.default_rng(1)
    for size in (1e-1, 1e-3, 1e-5):
        moved = LinearSVM(
            machine.weight + size * rng.normal(size=machine.weight.shape),
            machine.bias + size * rng.normal(size=machine.bias.shape),
            machine.objective,
        )
        assert (objective(moved, x, labels, c) > best).all()


@pytest.mark.extras
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("c", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("shape", [(300, 40, 5), (80, 400, 3), (100, 20, 2)])
def test_same_minimum_as_liblinear(dtype, c, shape):
    pytest.importorskip("sklearn")
    from scratchgan.paper.features.liblinear import fit_liblinear

    x, labels = clusters(*shape, dtype=dtype, distance=0.3)
    ours = fit_linear_svm(x, labels, shape[2], c)
    theirs = fit_liblinear(x.astype("float64"), labels, shape[2], c)
    np.testing.assert_allclose(
        objective(ours, x, labels, c), theirs.objective, rtol=1e-3
    )
    exact = fit_linear_svm(x.astype("float64"), labels, shape[2], c, tolerance=1e-12)
    np.testing.assert_allclose(exact.weight, theirs.weight, atol=2e-5)
    np.testing.assert_allclose(exact.bias, theirs.bias, atol=2e-5)
    np.testing.assert_array_equal(
        exact.predict(x.astype("float64")), theirs.predict(x.astype("float64"))
    )


def test_chunks_and_threads_change_nothing_but_rounding(monkeypatch):
    x, labels = clusters(230, 30, 4)
    whole = fit_linear_svm(x, labels, 4, 0.1, tolerance=1e-12)
    monkeypatch.setattr(linear_svm, "CHUNK_BYTES", 7 * 30 * 8)
    cut = fit_linear_svm(x, labels, 4, 0.1, tolerance=1e-12)
    np.testing.assert_allclose(cut.weight, whole.weight, atol=1e-6)
    again = fit_linear_svm(x, labels, 4, 0.1, tolerance=1e-12)
    np.testing.assert_array_equal(cut.weight, again.weight)


@pytest.mark.parametrize("c", [1e-3, 1.0])
def test_weights_and_coefficients_of_examples_lead_to_one_minimum(monkeypatch, c):
    x, labels = clusters(30, 200, 3)
    assert len(x) * linear_svm.FEW_EXAMPLES < x.shape[1]
    by_examples = fit_linear_svm(x, labels, 3, c, tolerance=1e-12)
    monkeypatch.setattr(linear_svm, "_ExampleSpace", None)
    monkeypatch.setattr(linear_svm, "FEW_EXAMPLES", 1000)
    by_weights = fit_linear_svm(x, labels, 3, c, tolerance=1e-12)
    np.testing.assert_allclose(by_examples.weight, by_weights.weight, atol=1e-7)
    np.testing.assert_allclose(by_examples.bias, by_weights.bias, atol=1e-7)
    np.testing.assert_allclose(by_examples.objective, by_weights.objective)


def test_a_class_without_examples_is_never_chosen():
    x, labels = clusters(50, 5, 2)
    machine = fit_linear_svm(x, labels, 3, 1.0)
    assert set(machine.predict(x)) <= {0, 1}


@pytest.mark.extras
def test_liblinear_leaves_out_a_class_without_examples():
    pytest.importorskip("sklearn")
    from scratchgan.paper.features.liblinear import fit_liblinear

    x, labels = clusters(50, 5, 2)
    labels = labels * 2  # none of class 1
    machine = fit_liblinear(x, labels, 3, 1.0)
    assert set(machine.predict(x)) <= {0, 2}
    np.testing.assert_allclose(machine.objective, objective(machine, x, labels, 1.0))


def test_x_is_left_as_it_was():
    x, labels = clusters(50, 5, 2)
    before = x.copy()
    fit_linear_svm(x, labels, 2, 1.0)
    np.testing.assert_array_equal(x, before)


def test_features_are_read_once_for_a_gradient_and_its_step(monkeypatch):
    """Passes over the features are what a fit costs."""
    x, labels = clusters(60, 7, 2)
    passes = []
    products = linear_svm._products
    monkeypatch.setattr(
        linear_svm, "_products", lambda x, w: passes.append(w.copy()) or products(x, w)
    )
    fit_linear_svm(x, labels, 2, 0.1)
    directions = {abs(w).tobytes() for w in passes}
    assert len(directions) == len(passes)


def test_separable_classes_are_separated():
    x, labels = clusters(200, 20, 4, "float32", distance=5)
    machine = fit_linear_svm(x, labels, 4, 1.0)
    assert machine.accuracy(x, labels) == 1.0


@pytest.mark.parametrize("c", [0, -1, np.inf, np.nan])
def test_c_must_be_above_0(c):
    with pytest.raises(ConfigError, match="above 0"):
        fit_linear_svm(np.ones((2, 1)), np.array([0, 1]), 2, c)


def test_bad_input():
    with pytest.raises(ConfigError, match="2 rows of features and 3 labels"):
        fit_linear_svm(np.ones((2, 1)), np.array([0, 1, 0]), 2, 1.0)
    with pytest.raises(ConfigError, match="0 rows"):
        fit_linear_svm(np.ones((0, 1)), np.zeros(0, int), 2, 1.0)
    with pytest.raises(NonFiniteError, match="not a finite"):
        fit_linear_svm(np.array([[1.0], [np.nan]]), np.array([0, 1]), 2, 1.0)


def test_the_strict_stand_in_for_cupy(backend):
    x, labels = clusters(40, 6, 3, "float32")
    machine = fit_linear_svm(backend.device.put(x), labels, 3, 0.1).on_host()
    expected = fit_linear_svm(x, labels, 3, 0.1)
    np.testing.assert_allclose(machine.weight, expected.weight, atol=1e-3)
    assert isinstance(machine.weight, np.ndarray)
