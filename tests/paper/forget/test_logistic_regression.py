"""Logistic regression against its definition and scikit-learn."""

import numpy as np
import pytest

from scratchgan.errors import ConfigError, NonFiniteError
from scratchgan.paper.forget.logistic_regression import fit_logistic_regression


def problem(rng, count=300, features=12):
    x = np.maximum(rng.normal(0.3, 2, (count, features)), 0)  # as after a ReLU
    true = rng.normal(size=features)
    noise = rng.logistic(size=count)
    return x, (x @ true - 1 + noise > 0).astype(float)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_gradient_is_zero_at_the_fit(rng, strength):
    x, y = problem(rng)
    fit = fit_logistic_regression(x, y, strength)
    left = 1 / (1 + np.exp(-(x @ fit.weight + fit.bias))) - y
    np.testing.assert_allclose(x.T @ left + strength * fit.weight, 0, atol=1e-5)
    assert abs(left.sum()) < 1e-5  # the bias is not penalised
    np.testing.assert_allclose(fit.probabilities(x), left + y, rtol=1e-9)


@pytest.mark.extras
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_scikit_learn_finds_the_same(rng, strength):
    linear_model = pytest.importorskip(
        "sklearn.linear_model",
        reason="compares with scikit-learn; pip install -e '.[svm]'",
    )
    x, y = problem(rng)
    theirs = linear_model.LogisticRegression(
        C=1 / strength, tol=1e-10, max_iter=10_000
    ).fit(x, y)
    ours = fit_logistic_regression(x, y, strength)
    np.testing.assert_allclose(ours.weight, theirs.coef_[0], rtol=1e-4, atol=1e-5)
    assert ours.bias == pytest.approx(theirs.intercept_[0], rel=1e-4, abs=1e-5)


def test_one_feature_by_hand():
    """x = ±1 with y = 1 for 3 of 4: without a penalty, the odds are 3 to 1."""
    x = np.repeat([1.0, -1.0], 4)[:, None]
    y = np.array([1, 1, 1, 0, 0, 0, 0, 1.0])
    fit = fit_logistic_regression(x, y, 1e-9)
    assert fit.weight[0] == pytest.approx(np.log(3), rel=1e-6)
    assert fit.bias == pytest.approx(0, abs=1e-6)


def test_classes_that_a_plane_parts(rng):
    """Without a penalty the weights would grow for ever; a small one ends it."""
    x = rng.normal(size=(200, 3)).astype(np.float32) * 50
    y = x[:, 0] > 0
    fit = fit_logistic_regression(x, y, 1e-3)
    assert ((fit.probabilities(x) > 0.5) == y).all()
    assert fit.weight[0] > 10 * abs(fit.weight[1:]).max()


def test_features_that_never_are_active(rng):
    x, y = problem(rng)
    x[:, 4] = 0
    assert fit_logistic_regression(x, y).weight[4] == 0


def test_more_features_than_examples(rng):
    x, y = problem(rng, count=20, features=50)
    fit = fit_logistic_regression(x, y, 0.1)
    left = fit.probabilities(x) - y
    np.testing.assert_allclose(x.T @ left + 0.1 * fit.weight, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "strength", "error", "words"),
    [
        (np.ones((3, 1)), np.ones(3), 1.0, ConfigError, "3 examples of class 1"),
        (np.ones((3, 1)), np.zeros(3), 1.0, ConfigError, "both classes"),
        (np.eye(2), np.arange(2), 0.0, ConfigError, "strength is 0"),
        (np.full((2, 2), np.inf), np.arange(2), 1.0, NonFiniteError, "not a finite"),
    ],
)
def test_what_cannot_be_fitted(x, y, strength, error, words):
    with pytest.raises(error, match=words):
        fit_logistic_regression(x, y, strength)
