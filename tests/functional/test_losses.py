"""Losses on logits against their formulas, at ordinary and at extreme logits.

Ordinary logits keep float64 formulas accurate to about 1e-14, hence 1e-12.
"""

import math

import numpy as np
import pytest

from scratchgan.backend import to_host
from scratchgan.functional.labels import one_hot
from scratchgan.functional.losses import (
    bce_with_logits,
    real_probability,
    sigmoid,
    softmax_cross_entropy,
)

TOLERANCE = 1e-12


def logistic(x):
    return 1 / (1 + math.exp(-x))


def numeric_gradient(loss, logits, step=1e-5):
    """Return central differences, right to about step² = 1e-10."""
    gradient = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (float(loss(up)) - float(loss(down))) / (2 * step)
    return gradient


@pytest.mark.parametrize("target", [0.0, 1.0, 0.9])
def test_bce_is_its_formula(target, rng):
    logits = rng.normal(0, 3, (7, 1))
    loss, _ = bce_with_logits(logits, target)
    expected = np.mean(
        [
            -target * math.log(logistic(a)) - (1 - target) * math.log(1 - logistic(a))
            for a in logits[:, 0]
        ]
    )
    assert float(loss) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("target", [0.0, 1.0, 0.9])
def test_bce_gradient_is_numeric_and_divided_by_the_batch(target, rng):
    logits = rng.normal(0, 3, (5, 1))
    _, dlogits = bce_with_logits(logits, target)
    numeric = numeric_gradient(lambda a: bce_with_logits(a, target)[0], logits)
    np.testing.assert_allclose(dlogits, numeric, atol=1e-9)
    by_formula = [[(logistic(a) - target) / 5] for a in logits[:, 0]]
    np.testing.assert_allclose(dlogits, by_formula, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("classes", [2, 4])
def test_softmax_cross_entropy_is_its_formula_with_its_gradient(target, classes, rng):
    logits = rng.normal(0, 3, (5, classes))
    loss, dlogits = softmax_cross_entropy(logits, target)
    losses = [math.log(sum(math.exp(v) for v in row)) - row[target] for row in logits]
    assert float(loss) == pytest.approx(np.mean(losses), rel=TOLERANCE)
    numeric = numeric_gradient(lambda a: softmax_cross_entropy(a, target)[0], logits)
    np.testing.assert_allclose(dlogits, numeric, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_undecided_discriminator_has_the_known_losses(dtype):
    """s(a) = 1/2: L_D = 2 log 2 = 1.386 and L_G = log 2 = 0.693."""
    one, two = np.zeros((8, 1), dtype), np.zeros((8, 2), dtype)
    loss_d = bce_with_logits(one, 1.0)[0] + bce_with_logits(one, 0.0)[0]
    assert float(loss_d) == pytest.approx(1.386, abs=5e-4)
    assert float(bce_with_logits(one, 1.0)[0]) == pytest.approx(0.693, abs=5e-4)
    loss_d = softmax_cross_entropy(two, 1)[0] + softmax_cross_entropy(two, 0)[0]
    assert float(loss_d) == pytest.approx(1.386, abs=5e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_give_exact_losses_without_overflow(dtype):
    logits = np.array([[1000.0], [-1000.0]], dtype)
    loss, dlogits = bce_with_logits(logits, 1.0)
    assert float(loss) == 500.0  # (0 + 1000) / 2
    np.testing.assert_array_equal(dlogits, [[0.0], [-0.5]])
    loss, dlogits = bce_with_logits(logits, 0.0)
    assert float(loss) == 500.0
    np.testing.assert_array_equal(dlogits, [[0.5], [0.0]])
    logits = np.array([[1000.0, -1000.0], [-1e4, 1e4]], dtype)
    loss, dlogits = softmax_cross_entropy(logits, 0)
    assert float(loss) == 1e4  # (0 + 2e4) / 2
    np.testing.assert_array_equal(dlogits, [[0.0, 0.0], [-0.5, 0.5]])


def test_small_losses_keep_their_digits():
    """-log s(30) is 9.4e-14, which log(sigmoid) would round to 0 or to noise."""
    loss, _ = bce_with_logits(np.array([[30.0]]), 1.0)
    assert float(loss) == pytest.approx(math.exp(-30), rel=1e-2)


def test_two_logits_are_one_logit_in_difference(rng):
    two = rng.normal(0, 3, (6, 2))
    one = two[:, 1:] - two[:, :1]
    for target in (0, 1):
        loss_two, d_two = softmax_cross_entropy(two, target)
        loss_one, d_one = bce_with_logits(one, float(target))
        assert float(loss_two) == pytest.approx(float(loss_one), rel=TOLERANCE)
        np.testing.assert_allclose(d_two[:, 1:], d_one, atol=1e-15)
        np.testing.assert_allclose(d_two[:, :1], -d_one, atol=1e-15)
    np.testing.assert_allclose(real_probability(two), real_probability(one))


def test_sigmoid_is_its_formula_and_saturates_quietly():
    x = np.array([-5.0, -0.3, 0.0, 2.0, 5.0])
    np.testing.assert_allclose(sigmoid(x), [logistic(v) for v in x], atol=1e-16)
    np.testing.assert_array_equal(sigmoid(np.array([-1e300, 1e300])), [0.0, 1.0])


def test_real_probability_is_one_number_an_image():
    np.testing.assert_allclose(
        real_probability(np.array([[0.0], [math.log(3)]])), [0.5, 0.75]
    )
    np.testing.assert_allclose(
        real_probability(np.array([[1.0, 1.0], [0.0, math.log(3)]])), [0.5, 0.75]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept_and_arguments_are_not_modified(dtype, rng):
    one = rng.normal(size=(4, 1)).astype(dtype)
    two = rng.normal(size=(4, 2)).astype(dtype)
    for logits in (one, two):
        logits.setflags(write=False)
    results = [*bce_with_logits(one, 1.0), *softmax_cross_entropy(two, 1)]
    results += [sigmoid(one), real_probability(one), real_probability(two)]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert results[0].shape == results[2].shape == ()


def test_sigmoid_keeps_small_values_in_float32():
    x = np.array([-80.0, -20.0, 0.0, 20.0], np.float32)
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(sigmoid(x), expected, rtol=1e-5)
    assert sigmoid(x).dtype == np.float32


def random_targets(rng, count, classes, dtype="float64"):
    return np.eye(classes, dtype=dtype)[rng.integers(0, classes, count)]


@pytest.mark.parametrize("classes", [2, 7])
def test_softmax_cross_entropy_of_rows_is_its_formula_with_its_gradient(classes, rng):
    logits = rng.normal(0, 3, (5, classes))
    targets = random_targets(rng, 5, classes)
    loss, dlogits = softmax_cross_entropy(logits, targets)
    losses = [
        math.log(sum(math.exp(v) for v in row)) - row[wanted]
        for row, wanted in zip(logits, targets.argmax(axis=1), strict=True)
    ]
    assert float(loss) == pytest.approx(np.mean(losses), rel=TOLERANCE)
    numeric = numeric_gradient(lambda a: softmax_cross_entropy(a, targets)[0], logits)
    np.testing.assert_allclose(dlogits, numeric, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_one_class_are_that_class_for_a_whole_batch(dtype, rng):
    logits = rng.normal(0, 3, (6, 3)).astype(dtype)
    targets = np.eye(3, dtype=dtype)[[1] * 6]
    logits.setflags(write=False)
    loss, dlogits = softmax_cross_entropy(logits, targets)
    same_loss, same = softmax_cross_entropy(logits, 1)
    assert loss.dtype == dlogits.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(loss, same_loss)
    np.testing.assert_array_equal(dlogits, same)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_cross_entropy_of_rows_at_extreme_logits(dtype):
    logits = np.array([[1000.0, -1000.0], [-1e4, 1e4]], dtype)
    loss, dlogits = softmax_cross_entropy(logits, np.eye(2, dtype=dtype)[[0, 0]])
    assert float(loss) == 1e4  # (0 + 2e4) / 2
    np.testing.assert_array_equal(dlogits, [[0.0, 0.0], [-0.5, 0.5]])


def test_softmax_cross_entropy_of_rows_on_every_device(rng, backend):
    logits = rng.normal(0, 3, (5, 4)).astype("float32")
    targets = random_targets(rng, 5, 4, "float32")
    expected = softmax_cross_entropy(logits, targets)
    put = backend.device.put
    for got, wanted in zip(
        softmax_cross_entropy(put(logits), put(targets)), expected, strict=True
    ):
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-6, atol=1e-7)


def test_bce_of_a_target_for_each_logit_on_every_device(rng, backend):
    logits, targets = rng.random((2, 5, 4), "float32")
    logits[0] = [-1000, 1000, -1000, 1000]  # where the probability rounds to 0 or 1
    targets[0] = [0, 1, 1, 0]
    expected = bce_with_logits(logits.astype("float64"), targets.astype("float64"))
    put = backend.device.put
    for got, wanted in zip(
        bce_with_logits(put(logits), put(targets)), expected, strict=True
    ):
        assert got.dtype == np.float32
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(expected[1][0], [0, 0, -1 / 20, 1 / 20])


# --- arguments ---------------------------------------------------------------------


def test_bce_with_a_target_for_each_logit(rng):
    logits, targets = rng.normal(0, 3, (5, 3)), rng.random((5, 3))
    loss, dlogits = bce_with_logits(logits, targets)
    each = [
        bce_with_logits(np.array([[a]]), float(t))
        for a, t in zip(logits.flat, targets.flat, strict=True)
    ]
    assert float(loss) == pytest.approx(np.mean([one for one, _ in each]))
    by_each = np.reshape([d[0, 0] / 15 for _, d in each], (5, 3))
    np.testing.assert_allclose(dlogits, by_each, rtol=TOLERANCE)
    numeric = numeric_gradient(lambda a: bce_with_logits(a, targets)[0], logits)
    np.testing.assert_allclose(dlogits, numeric, atol=1e-9)
    same, _ = bce_with_logits(logits[:, :1], np.ones((5, 1)))
    assert float(same) == float(bce_with_logits(logits[:, :1], 1.0)[0])


@pytest.mark.parametrize("number", [0, 1, np.float32(1), np.int64(0), 0.5])
def test_bce_keeps_the_dtype_whatever_number_the_target_is(number):
    loss, dlogits = bce_with_logits(np.ones((3, 1), "float32"), number)
    assert loss.dtype == dlogits.dtype == np.float32


ONE, TWO = np.zeros((4, 1), "float32"), np.zeros((4, 2), "float32")
SQUARE = np.zeros((4, 4), "float32")
WRONG = {
    "bce, a row of targets, which would make (4, 4)": (
        bce_with_logits, ONE, np.ones(4, "float32"), ValueError,
        r"target is of shape \(4,\), expected a number, or an array of shape \(4, 1\)",
    ),
    "bce, targets of another batch": (
        bce_with_logits, ONE, np.ones((1, 1), "float32"), ValueError,
        r"target is of shape \(1, 1\)",
    ),
    "bce, a list": (
        bce_with_logits, ONE, [1.0] * 4, ValueError, "target is list, expected",
    ),
    "bce, none": (
        bce_with_logits, ONE, None, ValueError, "target is NoneType, expected",
    ),
    "bce, targets of another dtype": (
        bce_with_logits, ONE, np.ones((4, 1)), TypeError,
        "target is float64, logits float32",
    ),
    "bce, a target that is no probability": (
        bce_with_logits, ONE, 2, ValueError, r"target is 2, expected \[0, 1\]",
    ),
    "bce, a target that is no number": (
        bce_with_logits, ONE, float("nan"), ValueError, "target is nan",
    ),
    "bce, logits without a second axis": (
        bce_with_logits, ONE[:, 0], 1.0, ValueError,
        r"logits have shape \(4,\), expected \(N, K\)",
    ),
    "bce, whole numbers for logits": (
        bce_with_logits, ONE.astype(int), 1.0, TypeError, "logits are int64",
    ),
    "softmax, class indices where N = K": (
        softmax_cross_entropy, SQUARE, np.array([0, 1, 2, 3]), ValueError,
        r"target is of shape \(4,\), expected .*one_hot.* of shape \(4, 4\)",
    ),
    "softmax, class indices where N is not K": (
        softmax_cross_entropy, TWO, np.array([0, 1, 1, 0]), ValueError,
        r"target .* expected a class, or one_hot\(...\) of shape \(4, 2\)",
    ),
    "softmax, a list of classes": (
        softmax_cross_entropy, SQUARE, [0, 1, 2, 3], ValueError,
        "target is list, expected .*one_hot",
    ),
    "softmax, whole numbers for rows": (
        softmax_cross_entropy, SQUARE, np.eye(4, dtype=int), TypeError,
        "target is int64, logits float32",
    ),
    "softmax, one class too few": (
        softmax_cross_entropy, SQUARE, np.zeros((4, 3), "float32"), ValueError,
        r"target is of shape \(4, 3\)",
    ),
    "softmax, no such class": (
        softmax_cross_entropy, TWO, 2, ValueError, "target is class 2, expected 0 to 1",
    ),
    "softmax, counted from the end": (
        softmax_cross_entropy, TWO, -1, ValueError, "target is class -1",
    ),
    "softmax, a class that is no whole number": (
        softmax_cross_entropy, TWO, 1.0, ValueError, "target is float, expected",
    ),
    "softmax, logits of maps": (
        softmax_cross_entropy, SQUARE.reshape(4, 4, 1, 1), 1, ValueError,
        r"logits have shape \(4, 4, 1, 1\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_refused_by_name(case):
    function, logits, target, error, message = WRONG[case]
    with pytest.raises(error, match=f"^{function.__name__}: {message}"):
        function(logits, target)


def test_one_hot_rows_are_what_the_message_says(rng):
    logits = rng.normal(size=(4, 4)).astype("float32")
    loss, _ = softmax_cross_entropy(logits, one_hot([2, 0, 1, 3], 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(p[range(4), [2, 0, 1, 3]]).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_nan_passes_through_to_where_losses_are_looked_at():
    bad = np.array([[1.0, np.nan]])
    for loss, dlogits in (
        bce_with_logits(bad[:, 1:], 1.0),
        softmax_cross_entropy(bad, 1),
        softmax_cross_entropy(bad, np.eye(2)[[0]]),
    ):
        assert np.isnan(loss)
        assert np.isnan(dlogits).all()
