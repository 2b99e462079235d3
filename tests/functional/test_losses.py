"""Losses on logits against their formulas, at ordinary and at extreme logits.

Ordinary logits keep float64 formulas accurate to about 1e-14, hence 1e-12.
"""

import math

import numpy as np
import pytest

from scratchgan.backend import to_host
from scratchgan.functional.losses import (
    bce_with_logits,
    class_cross_entropy,
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
def test_class_cross_entropy_is_its_formula_with_its_gradient(classes, rng):
    logits = rng.normal(0, 3, (5, classes))
    targets = random_targets(rng, 5, classes)
    loss, dlogits = class_cross_entropy(logits, targets)
    losses = [
        math.log(sum(math.exp(v) for v in row)) - row[wanted]
        for row, wanted in zip(logits, targets.argmax(axis=1), strict=True)
    ]
    assert float(loss) == pytest.approx(np.mean(losses), rel=TOLERANCE)
    numeric = numeric_gradient(lambda a: class_cross_entropy(a, targets)[0], logits)
    np.testing.assert_allclose(dlogits, numeric, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_class_cross_entropy_of_one_class_is_that_of_a_whole_batch(dtype, rng):
    logits = rng.normal(0, 3, (6, 3)).astype(dtype)
    targets = np.eye(3, dtype=dtype)[[1] * 6]
    logits.setflags(write=False)
    loss, dlogits = class_cross_entropy(logits, targets)
    same_loss, same = softmax_cross_entropy(logits, 1)
    assert loss.dtype == dlogits.dtype == np.dtype(dtype)
    np.testing.assert_allclose(loss, same_loss, rtol=1e-6)
    np.testing.assert_allclose(dlogits, same, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_class_cross_entropy_at_extreme_logits(dtype):
    logits = np.array([[1000.0, -1000.0], [-1e4, 1e4]], dtype)
    loss, dlogits = class_cross_entropy(logits, np.eye(2, dtype=dtype)[[0, 0]])
    assert float(loss) == 1e4  # (0 + 2e4) / 2
    np.testing.assert_array_equal(dlogits, [[0.0, 0.0], [-0.5, 0.5]])


def test_class_cross_entropy_on_every_device(rng, backend):
    logits = rng.normal(0, 3, (5, 4)).astype("float32")
    targets = random_targets(rng, 5, 4, "float32")
    expected = class_cross_entropy(logits, targets)
    put = backend.device.put
    for got, wanted in zip(
        class_cross_entropy(put(logits), put(targets)), expected, strict=True
    ):
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-6, atol=1e-7)
