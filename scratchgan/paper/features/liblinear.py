"""The same machine from scikit-learn's LIBLINEAR, for those who want to compare."""

import numpy as np

from scratchgan.errors import ConfigError
from scratchgan.paper.features.linear_svm import LinearSVM, fit_linear_svm

TOLERANCE = 1e-8


def fit_liblinear(
    x: np.ndarray, labels: np.ndarray, classes: int, c: float
) -> LinearSVM:
    """Return what scikit-learn's LinearSVC finds; see `fit_linear_svm`.

    It computes in float64 and keeps 16 bytes for every feature: for what fits into
    memory three times over.

    Raises
    ------
    ConfigError
        scikit-learn is missing.
    """
    try:
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise ConfigError(
            "--solver liblinear needs scikit-learn; install it with: "
            "pip install 'scratchgan[svm]'"
        ) from error
    machine = LinearSVC(C=c, dual=False, tol=TOLERANCE, max_iter=100_000)
    weights, biases, objectives = [], [], []
    for number in range(classes):  # one at a time, so that two classes are no exception
        y = np.where(labels == number, 1, -1)
        if (y == -1).all():  # which it refuses to learn
            ours = fit_linear_svm(x.astype("float64"), labels * 0, 2, c)
            weight, bias = ours.weight[:, 1], ours.bias[1]
        else:
            machine.fit(x, y)
            weight, bias = machine.coef_[0], machine.intercept_[0]
        slack = np.maximum(0, 1 - y * (x @ weight + bias))
        weights.append(weight)
        biases.append(bias)
        objectives.append((weight @ weight + bias**2) / 2 + c * (slack @ slack))
    return LinearSVM(
        np.stack(weights, axis=1).astype(x.dtype),
        np.array(biases, x.dtype),
        np.array(objectives),
    )
