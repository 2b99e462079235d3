"""A linear support vector machine with squared hinge loss, one class against the rest.

For each class, with y = 1 for its examples and -1 for the others, it minimises

    |w|²/2 + b²/2 + C · Σ max(0, 1 - y·(x·w + b))²

which is the objective of LIBLINEAR and of scikit-learn's LinearSVC: the bias is the
weight of a constant feature, penalised like the others. There is one minimum.

The method is the modified finite Newton method of Keerthi & DeCoste 2005 ("A modified
finite Newton method for fast solution of large scale linear SVMs", JMLR 6). Examples
with y·f < 1 are the active ones, where the loss is a parabola; conjugate gradients give
a Newton step for them, and an exact line search says how far to go. All classes go
through the same products at once: features are read from memory once for all of them.
Few examples of many features are replaced by their inner products.

LIBLINEAR itself keeps features as pairs of an index and a float64, 16 bytes each:
40,000 x 28,672 of them would take 18 GB beside the 9 GB that are handed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Array, get_array_module, to_host
from scratchgan.errors import ConfigError, NonFiniteError
from scratchgan.functional.parallel import (
    one_blas_thread,
    run_chunks,
    scratch,
    thread_count,
)

MOST_NEWTON_STEPS = 100
MOST_CG_STEPS = 60
CG_TOLERANCE = 0.1
"""Residual of the linear equations of a Newton step, as a share of their right side."""
ROUNDING = 8
"""Last digits by which a step must lower the objective, or it gains nothing."""
FEW_EXAMPLES = 4
"""This many times as many features as examples make inner products worth their cost."""
CHUNK_BYTES = 8 << 20
"""Of features that a thread works on at a time: each part adds F x K sums."""


@dataclass(frozen=True)
class LinearSVM:
    """K linear functions; an image belongs to the class whose function is largest.

    Attributes
    ----------
    weight : array of shape (F, K)
    bias : array of shape (K,)
    objective : ndarray of shape (K,), float64
        What was minimised, for each class.
    """

    weight: Array
    bias: Array
    objective: np.ndarray

    def on_host(self) -> LinearSVM:
        """Return the same machine as NumPy arrays."""
        return LinearSVM(to_host(self.weight), to_host(self.bias), self.objective)

    def decide(self, x: Array) -> Array:
        """Return the K functions of each row of x (N, F): (N, K)."""
        return _products(x, self.weight) + self.bias

    def predict(self, x: Array) -> np.ndarray:
        """Return the class of each row of x (N, F), int64 (N,)."""
        return to_host(self.decide(x).argmax(axis=1))

    def accuracy(self, x: Array, labels: np.ndarray) -> float:
        """Return the share of rows whose class is the label."""
        return float((self.predict(x) == labels).mean())


def fit_linear_svm(
    x: Array,
    labels: np.ndarray,
    classes: int,
    c: float,
    *,
    tolerance: float = 1e-3,
) -> LinearSVM:
    """Return the machine with the least objective.

    Parameters
    ----------
    x : array of shape (N, F), float32 or float64
        Features, on any device; they are not copied.
    labels : ndarray of shape (N,), int64
        0 to ``classes`` - 1.
    classes : int
        K.
    c : float
        C, above 0: what an example inside the margin costs.
    tolerance : float, default=1e-3
        What the objective may be above the least, as a share of it, for each class.
        The penalty makes it strongly convex, so that half the squared norm of the
        gradient is more than what it is above; in truth it is nearer by far. A class
        for which a step gains nothing but rounding is done as well.

    Raises
    ------
    ConfigError
        ``c`` is not above 0, or there are no examples.
    NonFiniteError
        A feature is not finite, or the steps came to no end.
    """
    if not 0 < c < np.inf:
        raise ConfigError(f"C is {c:g}, expected a number above 0")
    if len(x) != len(labels) or not len(x):
        raise ConfigError(
            f"linear SVM got {len(x)} rows of features and {len(labels)} labels, "
            "expected as many of each, at least 1"
        )
    xp = get_array_module(x)
    y = xp.asarray(np.where(labels[:, None] == np.arange(classes), 1, -1), x.dtype)
    few = len(x) * FEW_EXAMPLES < x.shape[1]
    space = _ExampleSpace(x) if few else _WeightSpace(x)
    problem = _Problem(space, y, c)
    w = space.zeros(classes)
    output = xp.zeros_like(y)
    square = xp.zeros(classes, "float64")  # |w|²
    objective = problem.objective(square, output)
    moving = np.ones(classes, bool)
    smallest_gain = ROUNDING * float(np.finfo(x.dtype).eps)
    for _ in range(MOST_NEWTON_STEPS):
        gradient = problem.gradient(w, output)
        along = space.outputs(gradient)
        gap = to_host(space.inner(gradient, gradient, along)) / 2
        if not np.isfinite(gap).all():
            raise NonFiniteError("linear SVM: a feature is not a finite number")
        moving &= gap > tolerance * objective
        if not moving.any():
            weights = space.weights(w)
            return LinearSVM(weights[:-1], weights[-1], objective)
        step, change = problem.newton_step(gradient, along, output, xp.asarray(moving))
        size = problem.line_search(w, output, step, change)
        w += size * step
        output += size * change
        square = space.inner(w, w, output)
        before, objective = objective, problem.objective(square, output)
        moving &= objective < before * (1 - smallest_gain)
    raise NonFiniteError(
        f"linear SVM with C={c:g}: no minimum after {MOST_NEWTON_STEPS} Newton steps; "
        "use a smaller C, or features of a smaller scale"
    )


class _WeightSpace:
    """Vectors are weights (F + 1, K), the bias last.

    Parameters
    ----------
    x : array of shape (N, F)
    """

    def __init__(self, x: Array) -> None:
        self.x = x

    def zeros(self, classes: int) -> Array:
        """Return the vector of zeros."""
        xp = get_array_module(self.x)
        return xp.zeros((self.x.shape[1] + 1, classes), self.x.dtype)

    def outputs(self, vector: Array) -> Array:
        """Return what it gives for each example, (N, K)."""
        return _products(self.x, vector[:-1]) + vector[-1]

    def pull(self, v: Array) -> Array:
        """Return the sum of the examples, each v (N, K) times: a vector."""
        return _sums_of_rows(self.x, v)

    def inner(self, a: Array, b: Array, outputs_of_b: Array) -> Array:
        """Return the inner products of the weights, (K,)."""
        return (a * b).sum(axis=0, dtype="float64")

    def weights(self, vector: Array) -> Array:
        """Return the weights themselves."""
        return vector


class _ExampleSpace:
    """Vectors are coefficients of the examples (N, K): weights are sums of examples.

    So are the gradient and every step that begins at zero. Where examples are fewer
    than features, their inner products say all: x is read twice, to make those and to
    return the weights. Otherwise it is the same method with the same numbers.

    Parameters
    ----------
    x : array of shape (N, F)
    """

    def __init__(self, x: Array) -> None:
        self.x = x
        self._gram = x @ x.T + 1  # the constant feature's product is 1

    def zeros(self, classes: int) -> Array:
        return get_array_module(self.x).zeros((len(self.x), classes), self.x.dtype)

    def outputs(self, vector: Array) -> Array:
        return self._gram @ vector

    def pull(self, v: Array) -> Array:
        return v

    def inner(self, a: Array, b: Array, outputs_of_b: Array) -> Array:
        return (a * outputs_of_b).sum(axis=0, dtype="float64")

    def weights(self, vector: Array) -> Array:
        return _sums_of_rows(self.x, vector)


@dataclass(frozen=True)
class _Problem:
    """The objective of all classes, and what Newton's method asks of it."""

    space: _WeightSpace | _ExampleSpace
    y: Array
    c: float

    def objective(self, square: Array, output: Array) -> np.ndarray:
        """Return the objective of each class from |w|² and outputs, float64 (K,)."""
        xp = get_array_module(output)
        slack = xp.maximum(0, 1 - self.y * output)
        return to_host(square / 2 + self.c * (slack**2).sum(axis=0, dtype="float64"))

    def gradient(self, w: Array, output: Array) -> Array:
        """Return w - 2C Σ y·max(0, 1 - y·f)·x."""
        xp = get_array_module(w)
        slack = xp.maximum(0, 1 - self.y * output)
        return w - 2 * self.c * self.space.pull(self.y * slack)

    def newton_step(
        self, gradient: Array, along_gradient: Array, output: Array, moving: Array
    ) -> tuple[Array, Array]:
        """Return the steps s with (1 + 2C·XᵀDX) s = -gradient, roughly, and X·s.

        ``along_gradient`` is X·gradient. D has ones for active examples. Classes that
        do not move get steps of zero.
        """
        xp, space = get_array_module(gradient), self.space
        active = (self.y * output < 1).astype(output.dtype)
        step, change = xp.zeros_like(gradient), xp.zeros_like(output)
        residual = xp.where(moving, -gradient, 0)
        outputs = xp.where(moving, -along_gradient, 0)
        square = space.inner(residual, residual, outputs)
        goal = CG_TOLERANCE**2 * square
        direction, along = residual, outputs  # along = X·direction
        for _ in range(MOST_CG_STEPS):
            going = square > goal
            if not bool(going.any()):
                break
            bend = space.inner(direction, direction, along)
            bend += 2 * self.c * (active * along**2).sum(axis=0, dtype="float64")
            alpha = _ratio(square, bend, going).astype(output.dtype)
            step += alpha * direction
            change += alpha * along
            curved = direction + 2 * self.c * space.pull(active * along)
            residual = residual - alpha * curved
            outputs = space.outputs(residual)
            before = square
            square = xp.where(going, space.inner(residual, residual, outputs), square)
            beta = _ratio(square, before, going).astype(output.dtype)
            direction = residual + beta * direction
            along = outputs + beta * along
        return step, change

    def line_search(self, w: Array, output: Array, step: Array, change: Array) -> Array:
        """Return for each class the t ≥ 0 with the least objective at w + t·step.

        The derivative along the line rises with t and is linear between the points at
        which an example becomes active or stops being so. Newton's method on it is
        kept within a bracket that shrinks.
        """
        xp = get_array_module(w)
        w_step = self.space.inner(w, step, change)
        step_step = self.space.inner(step, step, change)
        moved = (self.y * change).astype("float64")
        margin = (1 - self.y * output).astype("float64")
        low = xp.zeros_like(step_step)
        high = low + np.inf
        t = xp.ones_like(step_step)
        for _ in range(50):
            slack = margin - t * moved
            active = slack > 0
            slope = w_step + t * step_step
            slope -= 2 * self.c * (active * slack * moved).sum(axis=0)
            bend = step_step + 2 * self.c * (active * moved**2).sum(axis=0)
            low = xp.where(slope < 0, t, low)
            high = xp.where(slope > 0, t, high)
            better = t - _ratio(slope, bend, bend > 0)
            outside = (better <= low) | (better >= high)
            middle = xp.where(high == np.inf, 2 * t, (low + high) / 2)
            better = xp.where(outside & (slope != 0), middle, better)
            if bool((abs(better - t) <= 1e-10 * (1 + t)).all()):
                break
            t = better
        return t.astype(w.dtype)


def _ratio(above: Array, below: Array, where: Array) -> Array:
    """Return above / below where asked for, and 0 elsewhere."""
    xp = get_array_module(above)
    return xp.where(where, above, 0) / xp.where(where, below, 1)


def _products(x: Array, w: Array) -> Array:
    """Return x @ w, (N, K), in chunks of rows on all cores."""
    if not isinstance(x, np.ndarray):
        return x @ w
    result = np.empty((len(x), w.shape[1]), x.dtype)

    def work(_worker: int, start: int, stop: int) -> None:
        np.matmul(x[start:stop], w, out=result[start:stop])

    _in_chunks(work, x)
    return result


def _sums_of_rows(x: Array, v: Array) -> Array:
    """Return xᵀ @ v with the sum of v as its last row, (F + 1, K), on all cores."""
    xp = get_array_module(x)
    if xp is not np:
        return xp.concatenate([x.T @ v, v.sum(axis=0)[None]])
    sums = np.zeros((thread_count(), x.shape[1] + 1, v.shape[1]), x.dtype)

    def work(worker: int, start: int, stop: int) -> None:
        product = scratch("svm sums of rows", (x.shape[1], v.shape[1]), x.dtype)
        np.matmul(x[start:stop].T, v[start:stop], out=product)
        sums[worker, :-1] += product
        sums[worker, -1] += v[start:stop].sum(axis=0)

    _in_chunks(work, x)
    return sums.sum(axis=0)


def _in_chunks(work: Callable[[int, int, int], None], x: np.ndarray) -> None:
    rows = max(1, CHUNK_BYTES // max(1, x.shape[1] * x.itemsize))
    with one_blas_thread():
        run_chunks(work, len(x), rows)
