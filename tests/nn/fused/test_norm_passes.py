"""The merged passes against formulas written out over whole arrays."""

import numpy as np
import pytest

from scratchgan.functional import parallel
from scratchgan.nn.fused import norm_passes
from scratchgan.nn.fused.norm_passes import (
    Moments,
    activation_back,
    norm_back,
    normalise_activate,
)

SHAPES = [(2, 3, 4, 4), (5, 7, 3, 5), (1, 1, 1, 2), (6, 16, 8, 8), (7, 2, 1, 1)]


@pytest.fixture(autouse=True, params=["one chunk", "many chunks"])
def _chunks(request, monkeypatch):
    if request.param == "many chunks":
        monkeypatch.setattr(parallel, "CHUNK_BYTES", 256)
        monkeypatch.setattr(norm_passes, "WIDE", 8)


def channels_last(array):
    return array.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)


def draw(rng, shape, count, dtype="float64"):
    return [channels_last(rng.normal(size=shape).astype(dtype)) for _ in range(count)]


def along(values):
    return values[:, None, None]


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_of_chunks_are_those_of_the_whole(shape, rng):
    (a,) = draw(rng, shape, 1)
    moments = Moments()
    for start in reversed(range(0, len(a), 2)):  # in any order of arrival
        moments.add(start, a[start : start + 2])
    mean, var, count = moments.total()
    np.testing.assert_allclose(mean, a.mean(axis=(0, 2, 3)), atol=1e-14)
    np.testing.assert_allclose(var, a.var(axis=(0, 2, 3)), atol=1e-14)
    assert count == a.size // a.shape[1]


def test_moments_keep_their_digits_where_the_mean_is_large(rng):
    a = channels_last((1000 + rng.normal(size=(8, 3, 16, 16))).astype("float32"))
    moments = Moments()
    for start in range(0, 8, 2):
        moments.add(start, a[start : start + 2])
    exact = a.astype("float64").var(axis=(0, 2, 3))
    np.testing.assert_allclose(moments.total().var, exact, rtol=1e-4)


def test_moments_do_not_depend_on_which_chunk_came_first(rng):
    (a,) = draw(rng, (8, 5, 6, 6), 1, "float32")
    totals = []
    for order in ((0, 2, 4, 6), (6, 0, 4, 2)):
        moments = Moments()
        for start in order:
            moments.add(start, a[start : start + 2])
        totals.append(moments.total())
    np.testing.assert_array_equal(totals[0].mean, totals[1].mean)
    np.testing.assert_array_equal(totals[0].var, totals[1].var)


def relu(x, out):
    np.maximum(x, 0, out=out)


def relu_back(dy, y, out):
    np.multiply(dy, y > 0, out=out)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("apply", [relu, None])
def test_one_pass_scales_shifts_and_activates(shape, apply, rng):
    (a,) = draw(rng, shape, 1)
    kept = a.copy()
    scale, shift = rng.normal(size=(2, shape[1]))
    y = normalise_activate(a, scale, shift, apply)
    expected = along(scale) * a + along(shift)
    np.testing.assert_allclose(
        y, np.maximum(expected, 0) if apply else expected, atol=1e-14
    )
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(a, kept)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pull_back", [relu_back, None])
def test_activation_back_gives_g_and_its_sums(shape, pull_back, rng):
    dy, y, a = draw(rng, shape, 3)
    dy = np.ascontiguousarray(dy)  # as the gradient of a flattened layer comes
    mean = rng.normal(size=shape[1])
    g, sum_g, sum_g_centred = activation_back(dy, y, a, mean, pull_back)
    expected = dy * (y > 0) if pull_back else dy
    np.testing.assert_array_equal(g, expected)
    axes = 0, 2, 3
    np.testing.assert_allclose(sum_g, expected.sum(axis=axes), atol=1e-12)
    centred = expected * (a - along(mean))
    np.testing.assert_allclose(sum_g_centred, centred.sum(axis=axes), atol=1e-12)


def test_sums_of_activation_back_do_not_depend_on_which_chunk_came_first(
    rng, monkeypatch
):
    dy, y, a = draw(rng, (8, 5, 6, 6), 3)

    def backwards(work, count, chunk_size):
        for start in reversed(range(0, count, chunk_size)):
            work(0, start, min(start + chunk_size, count))

    mean = a.mean(axis=(0, 2, 3))
    one = activation_back(dy, y, a, mean, None)
    monkeypatch.setattr(norm_passes, "run_chunks", backwards)
    other = activation_back(dy, y, a, mean, None)
    for got, expected in zip(other, one, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_norm_back_is_its_formula_for_any_images(shape, rng):
    g, a = draw(rng, shape, 2)
    scale, b, c = rng.normal(size=(3, shape[1]))
    da = norm_back(g, a, scale, b, c)
    expected = along(scale) * (g + along(b) * a + along(c))
    assert da.shape == shape
    for start in range(len(a)):
        part = slice(start, start + 2)
        np.testing.assert_allclose(da[part], expected[part], atol=1e-13)
