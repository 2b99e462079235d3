"""K-means features against their definition, patch by patch in float64.

Distances of whitened patches are near 10; float32 products give them to about 1e-5 of
that, and sums over a quarter to about 1e-3.
"""

import numpy as np
import pytest

from scratchgan.errors import ConfigError, DatasetError
from scratchgan.functional import parallel
from scratchgan.functional.parallel import set_thread_count
from scratchgan.paper.baselines import kmeans as kmeans_module
from scratchgan.paper.baselines.kmeans import (
    KMeansFeatures,
    draw_patches,
    fit_whitening,
    kmeans,
    learn_kmeans,
    nearest_centroids,
    normalise_patches,
)


@pytest.fixture(autouse=True)
def _same_threads_afterwards():
    before = parallel.thread_count()
    yield
    set_thread_count(before)


def smooth_images(rng, count, height, width, channels):
    """Return images with structure, so that whitening has something to do."""
    steps = rng.normal(0, 12, (count, height, width, channels))
    walk = 128 + np.cumsum(steps, axis=1) + np.cumsum(steps, axis=2)
    return np.clip(walk, 0, 255).astype(np.uint8)


def slow_features(learnt, image):
    """Return the features of one image as the paper says, one patch after another."""
    height, width, _ = learnt.image_shape
    size = learnt.size
    rows, columns = height - size + 1, width - size + 1
    quarters = np.zeros((2, 2, len(learnt.centroids)))
    for row in range(rows):
        for column in range(columns):
            patch = image[row : row + size, column : column + size].astype(np.float64)
            patch = patch.transpose(2, 0, 1).ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + 10)
            patch = learnt.whitening.astype(np.float64) @ (patch - learnt.mean)
            z = np.array([np.linalg.norm(patch - c) for c in learnt.centroids])
            f = np.maximum(0, z.mean() - z)
            quarters[int(2 * row >= rows), int(2 * column >= columns)] += f
    return quarters.ravel()


@pytest.mark.parametrize(
    ("shape", "size"),
    [((11, 11, 3), 6), ((9, 12, 1), 4), ((7, 10, 3), 3), ((8, 8, 1), 8)],
    ids=str,
)
def test_features_are_those_of_the_definition(shape, size, rng):
    images = smooth_images(rng, 12, *shape)
    learnt = learn_kmeans(images, 7, patches=200, size=size, iterations=4)
    features = learnt.transform(images[:3])
    assert features.dtype == np.float32
    assert features.shape == (3, 28) == (3, learnt.length)
    expected = [slow_features(learnt, image) for image in images[:3]]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-3)
    assert (np.array(expected) > 1).any()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("block", [1, 1000, 1 << 21])
def test_blocks_and_threads_make_no_difference(threads, block, monkeypatch, rng):
    images = smooth_images(rng, 30, 12, 11, 3)
    whole = learn_kmeans(images, 9, patches=400, iterations=5)
    features = whole.transform(images)
    set_thread_count(threads)
    monkeypatch.setattr(kmeans_module, "BLOCK_BYTES", block)
    monkeypatch.setattr(kmeans_module, "IMAGES_AT_A_TIME", 1)  # parts of 32
    calls = []
    again = whole.transform(images, lambda *call: calls.append(call))
    np.testing.assert_allclose(again, features, rtol=1e-4, atol=1e-3)
    assert calls == [(30, 30)]


def test_progress_of_many_images(rng):
    images = smooth_images(rng, 300, 6, 6, 1)
    calls = []
    learnt = learn_kmeans(images, 3, size=3, iterations=2)
    features = learnt.transform(images, lambda *call: calls.append(call))
    assert calls == [(256, 300), (300, 300)]
    np.testing.assert_allclose(
        features[290], learnt.transform(images[290:291])[0], rtol=1e-5
    )


def test_the_same_seed_gives_the_same_centroids_on_any_threads(rng):
    images = smooth_images(rng, 20, 12, 12, 3)
    made = []
    for threads, seed in ((1, 0), (3, 0), (1, 1)):
        set_thread_count(threads)
        made.append(learn_kmeans(images, 8, patches=300, seed=seed).centroids)
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


def test_patches_are_normalised_by_brightness_and_contrast():
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 100, (5, 27)).astype(np.uint8)
    x = normalise_patches(patches)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-6)
    variance = patches.astype(float).var(axis=1)
    np.testing.assert_allclose(x.var(axis=1), variance / (variance + 10), rtol=1e-5)
    np.testing.assert_allclose(normalise_patches(patches + 50), x, atol=1e-5)
    np.testing.assert_array_equal(normalise_patches(np.full((1, 27), 77)), 0)


def test_whitening_makes_the_covariance_what_it_says(rng):
    mixing = rng.normal(size=(6, 6))
    x = (rng.normal(size=(20_000, 6)) @ mixing + 3).astype(np.float32)
    mean, whitening = fit_whitening(x)
    np.testing.assert_allclose(whitening, whitening.T, atol=1e-5)  # ZCA, not PCA
    white = (x - mean) @ whitening
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    expected = (vectors * (values / (values + 0.1))) @ vectors.T
    np.testing.assert_allclose(np.cov(white.T, bias=True), expected, atol=1e-3)


def test_patches_come_from_the_images_each_once(rng):
    """Every pixel of these has a value of its own, so a patch says where it is from."""
    images = np.arange(2 * 9 * 10, dtype=np.uint8).reshape(2, 9, 10, 1)
    drawn = draw_patches(images, 1000, 4, rng)
    assert len(drawn) == 2 * 6 * 7  # all there are
    assert len(np.unique(drawn[:, 0])) == len(drawn)
    offsets = (np.arange(4)[:, None] * 10 + np.arange(4)).ravel()
    np.testing.assert_array_equal(drawn, drawn[:, :1] + offsets.astype(np.uint8))
    assert len(draw_patches(images, 5, 4, rng)) == 5


def test_kmeans_finds_clusters_that_are_there(rng):
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)
    x = np.repeat(centres, 50, axis=0) + rng.normal(0, 0.3, (200, 2))
    # From some beginnings it stops where two clusters share a centroid.
    runs = [kmeans(x.astype(np.float32), 4, 50, rng) for _ in range(20)]
    whole = [
        found
        for found in runs
        if len(np.unique(nearest_centroids(centres, found))) == 4
    ]
    assert len(whole) >= 5
    for found in whole:
        order = nearest_centroids(centres, found)
        means = x.reshape(4, 50, 2).mean(axis=1)
        np.testing.assert_allclose(found[order], means, atol=1e-5)


def test_kmeans_makes_the_steps_of_lloyd(rng):
    x = rng.normal(size=(300, 5)).astype(np.float32)
    centroids = kmeans(x, 6, 1, np.random.default_rng(3))
    first = x[np.random.default_rng(3).choice(300, 6, replace=False)]
    squares = ((x[:, None].astype(np.float64) - first) ** 2).sum(axis=2)
    nearest = squares.argmin(axis=1)
    np.testing.assert_array_equal(nearest_centroids(x, first), nearest)
    expected = [x[nearest == k].mean(axis=0) for k in range(6)]
    np.testing.assert_allclose(centroids, expected, atol=1e-5)


def test_kmeans_ends_when_nothing_changes(rng):
    x = np.repeat(rng.normal(size=(3, 4)), 20, axis=0).astype(np.float32)
    calls = []
    kmeans(x[::20], 3, 50, rng, lambda *call: calls.append(call))
    assert calls == [(1, 50), (2, 50)]


def test_a_centroid_without_patches_becomes_one_of_them():
    """All rows but one are alike, so most of the first centroids are left empty."""
    x = np.zeros((50, 3), np.float32)
    x[7] = 5
    found = kmeans(x, 4, 10, np.random.default_rng(0))
    assert np.isfinite(found).all()
    assert {tuple(row) for row in found} <= {(0, 0, 0), (5, 5, 5)}


def test_what_does_not_fit_is_refused(rng):
    images = smooth_images(rng, 4, 8, 8, 3)
    with pytest.raises(ConfigError, match="patches of 9x9 pixels, images of 8x8"):
        learn_kmeans(images, 2, size=9)
    with pytest.raises(ConfigError, match="37 centroids of 36 patches"):
        learn_kmeans(images, 37)
    learnt = learn_kmeans(images, 3)
    for wrong in (images[:, :7], images[..., :1], images.astype(np.float32)):
        with pytest.raises(DatasetError, match=r"expected uint8 \(N, 8, 8, 3\)"):
            learnt.transform(wrong)


def test_equal_patches_are_at_distance_zero():
    """|x|² - 2xc + |c|² may come out below 0 there, whose root is no number."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (1, 6, 6, 3), np.uint8)
    x = normalise_patches(images.transpose(0, 3, 1, 2).reshape(1, -1))
    for scale in (1, 7, 123):
        centroids = np.concatenate([x * scale, -x * scale]).astype(np.float32)
        eye = scale * np.eye(108, dtype=np.float32)
        learnt = KMeansFeatures(np.zeros(108, "f4"), eye, centroids, (6, 6, 3), 6)
        near, far = learnt.transform(images)[0, :2]
        assert far == 0
        assert near == pytest.approx(np.linalg.norm(x) * scale, rel=1e-2)
