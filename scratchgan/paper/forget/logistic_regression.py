"""Logistic regression with an L2 penalty, by Newton's method."""

from typing import NamedTuple

import numpy as np

from scratchgan.errors import ConfigError, NonFiniteError
from scratchgan.functional.losses import sigmoid

MOST_STEPS = 100
TOLERANCE = 1e-8
"""Of the gradient's largest component, for each example."""


class LogisticFit(NamedTuple):
    """A fitted regression: the probability of class 1 is s(x · weight + bias).

    Attributes
    ----------
    weight : ndarray of shape (F,), float64
    bias : float
    """

    weight: np.ndarray
    bias: float

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Return the probability of class 1 for each row of x (N, F)."""
        return sigmoid(x.astype(np.float64) @ self.weight + self.bias)


def fit_logistic_regression(
    x: np.ndarray, y: np.ndarray, strength: float = 1.0
) -> LogisticFit:
    """Return the weights w and the bias b with the least penalised logistic loss.

    The loss is Σ [log(1 + exp(a)) - y·a] + strength/2 · |w|², with a = x·w + b. The
    bias has no penalty. Each Newton step d solves (Xᵀ D X + strength·I) d = gradient,
    D = s(a)·(1 - s(a)), and is halved until the loss falls as its slope promises. The
    loss is convex, and with a penalty strictly so: there is one minimum.

    Parameters
    ----------
    x : ndarray of shape (N, F)
    y : ndarray of shape (N,)
        0 or 1; both occur.
    strength : float, default=1
        Of the penalty, above 0. It is 1/C of scikit-learn's LogisticRegression.

    Raises
    ------
    ConfigError
        ``strength`` is not above 0, or only one class occurs.
    NonFiniteError
        x is not finite, or the steps came to no end.
    """
    if not 0 < strength < np.inf:
        raise ConfigError(f"strength is {strength:g}, expected a number above 0")
    if not 0 < np.count_nonzero(y) < len(y):
        raise ConfigError(
            f"logistic regression got {np.count_nonzero(y)} examples of class 1 among "
            f"{len(y)}, expected both classes"
        )
    # The bias is the weight of a last column of ones.
    x = np.hstack([x, np.ones((len(x), 1))]).astype(np.float64)
    if not np.isfinite(x).all():
        raise NonFiniteError("logistic regression: a feature is not a finite number")
    penalty = np.full(x.shape[1], float(strength))
    penalty[-1] = 0
    w = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        p = sigmoid(x @ w)
        gradient = x.T @ (p - y) + penalty * w
        if abs(gradient).max() <= TOLERANCE * len(y):
            return LogisticFit(w[:-1], float(w[-1]))
        hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        hessian[-1, -1] += 1e-12 * len(y)  # where every p has rounded to 0 or 1
        w = _shortened(x, y, penalty, w, np.linalg.solve(hessian, gradient), gradient)
    raise NonFiniteError(
        f"logistic regression: no minimum after {MOST_STEPS} Newton steps; use a "
        f"strength above {strength:g}"
    )


def _shortened(
    x: np.ndarray,
    y: np.ndarray,
    penalty: np.ndarray,
    w: np.ndarray,
    step: np.ndarray,
    gradient: np.ndarray,
) -> np.ndarray:
    """Return w after a step that is short enough for the loss to fall."""
    before, slope = _loss(x, y, penalty, w), gradient @ step
    size = 1.0
    while size > 1e-6:
        if _loss(x, y, penalty, w - size * step) <= before - 1e-4 * size * slope:
            return w - size * step
        size /= 2
    return w - step  # at the minimum, where rounding hides how the loss falls


def _loss(x: np.ndarray, y: np.ndarray, penalty: np.ndarray, w: np.ndarray) -> float:
    a = x @ w
    return float((np.logaddexp(a, 0) - y * a).sum() + (penalty * w * w).sum() / 2)
