"""Features from K-means on patches: the single-layer baseline of the paper's table 1.

Coates, Lee and Ng 2011, AISTATS, "An analysis of single-layer networks in unsupervised
feature learning". Patches of training images are normalised and whitened and K-means
finds centroids among them. An image becomes, for each quarter of it and each centroid,
a sum over its patches of how much nearer the centroid is than the average one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scratchgan.errors import ConfigError, DatasetError
from scratchgan.functional.parallel import one_blas_thread, run_chunks
from scratchgan.progress import Progress

PATCH_SIZE = 6
"""Pixels on a side, the best of the paper's figure 4."""
ITERATIONS = 50
CONTRAST_EPS = 10.0
"""Added to the variance of a patch's pixels in [0, 255]."""
WHITENING_EPS = 0.1
"""Added to the eigenvalues of the covariance."""
BLOCK_BYTES = 1 << 21
"""Of the distances computed at a time, to stay in a core's cache.

With 4,800 centroids an image took 22.5 ms with blocks of 256 KiB, whose products are
too flat to be fast, 15.3 ms with these and 14.3 ms with twice as much; the product
itself 6.2 ms. With 400 centroids it was all the same.
"""
IMAGES_AT_A_TIME = 8
"""Images in a worker's chunk."""


@dataclass(frozen=True)
class KMeansFeatures:
    """Centroids of whitened patches, and the way from images to features.

    Attributes
    ----------
    mean : ndarray of shape (P,), float32
        Of normalised patches; P values are C x size x size pixels.
    whitening : ndarray of shape (P, P), float32
        ZCA: V (D + eps)^-½ Vᵀ for the covariance V D Vᵀ; symmetric.
    centroids : ndarray of shape (K, P), float32
        In the whitened space.
    image_shape : (int, int, int)
        (H, W, C) of the images.
    size : int
        Pixels on a side of a patch.
    """

    mean: np.ndarray
    whitening: np.ndarray
    centroids: np.ndarray
    image_shape: tuple[int, int, int]
    size: int

    @property
    def length(self) -> int:
        """4K, the number of features of an image."""
        return 4 * len(self.centroids)

    def transform(
        self, images: np.ndarray, progress: Progress | None = None
    ) -> np.ndarray:
        """Return the features of images.

        With z_k the distance of a patch to centroid k, f_k = max(0, mean(z) - z_k) is
        0 for the half of them that are farther than average. f is added up over the
        patches of each quarter: top left, top right, bottom left, bottom right. Where
        the rows or columns of patches are odd in number, the middle one belongs to the
        top or left.

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C), uint8
        progress : callable, optional
            Called with images done and all images.

        Returns
        -------
        ndarray of shape (N, 4K), float32

        Raises
        ------
        DatasetError
            The images have another shape.
        """
        _check_images(images, self.image_shape)
        features = np.empty((len(images), self.length), np.float32)
        factors = self._distance_factors()
        part = 32 * IMAGES_AT_A_TIME  # a while, after which progress can be shown

        def work(worker: int, start: int, stop: int) -> None:
            for image in range(first + start, first + stop):
                self._encode(images[image], factors, features[image])

        with one_blas_thread():
            for first in range(0, len(images), part):
                count = min(part, len(images) - first)
                run_chunks(work, count, IMAGES_AT_A_TIME)
                if progress is not None:
                    progress(first + count, len(images))
        return features

    def _distance_factors(self) -> np.ndarray:
        """Return B (P + 2, K) such that (x, |x|², 1) B is |x - c|² for each centroid.

        So one matrix product makes the squared distances, with no pass over them to
        add |x|² and |c|².
        """
        ones = np.ones((1, len(self.centroids)), np.float32)
        squares = (self.centroids**2).sum(axis=1)[None]
        return np.concatenate([-2 * self.centroids.T, ones, squares])

    def _encode(
        self, image: np.ndarray, factors: np.ndarray, features: np.ndarray
    ) -> None:
        """Write the features of one image."""
        size = self.size
        windows = sliding_window_view(image, (size, size), axis=(0, 1))
        rows, columns = windows.shape[:2]
        x = self._whitened(windows.reshape(rows * columns, -1))  # (rows·columns, P)
        squares = (x**2).sum(axis=1, keepdims=True)
        x = np.concatenate([x, squares, np.ones_like(squares)], axis=1)
        x = x.reshape(rows, columns, -1)
        sums = features.reshape(2, 2, -1)  # (top/bottom, left/right, K)
        sums[...] = 0
        left = _quarter_columns(columns)
        middle = (rows + 1) // 2
        step = max(1, BLOCK_BYTES // (columns * factors.shape[1] * 4))
        for half, (first, last) in enumerate([(0, middle), (middle, rows)]):
            for top in range(first, last, step):
                some = x[top : min(top + step, last)]  # (r, columns, P + 2)
                f = triangle(some.reshape(-1, some.shape[2]) @ factors)
                sums[half] += np.tile(left, len(some)) @ f

    def _whitened(self, patches: np.ndarray) -> np.ndarray:
        return (normalise_patches(patches) - self.mean) @ self.whitening


def triangle(squared_distances: np.ndarray) -> np.ndarray:
    """Turn squared distances (M, K) into max(0, mean(z) - z_k), in place.

    Examples
    --------
    >>> triangle(np.array([[1.0, 9.0, 25.0]]))
    array([[2., 0., 0.]])
    """
    z = squared_distances
    np.maximum(z, 0, out=z)  # rounding makes small ones negative
    np.sqrt(z, out=z)
    np.subtract(z.mean(axis=1, keepdims=True), z, out=z)
    return np.maximum(z, 0, out=z)


def normalise_patches(patches: np.ndarray) -> np.ndarray:
    """Take the mean from each patch and divide by its contrast, √(variance + 10).

    Parameters
    ----------
    patches : ndarray of shape (M, P)
        Pixels in [0, 255], all channels together.

    Returns
    -------
    ndarray of shape (M, P), float32
    """
    x = patches.astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    x /= np.sqrt((x**2).mean(axis=1, keepdims=True) + CONTRAST_EPS)
    return x


def learn_kmeans(
    images: np.ndarray,
    centroids: int,
    *,
    patches: int = 100_000,
    size: int = PATCH_SIZE,
    iterations: int = ITERATIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> KMeansFeatures:
    """Find centroids among random patches of training images; no labels are needed.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C), uint8
    centroids : int
        K.
    patches : int, default=100_000
        That are learnt from; all there are, where they are fewer. The paper has
        400,000; more centroids want more.
    size : int, default=6
        Pixels on a side of a patch.
    iterations : int, default=50
        Of K-means, at most; it ends when no patch changes its centroid.
    seed : int, default=0
        Draws patches and the first centroids.
    progress : callable, optional
        Called with iterations done and all iterations.

    Raises
    ------
    ConfigError
        There are fewer patches than centroids, or a patch is larger than the images.
    """
    rng = np.random.default_rng(seed)
    drawn = draw_patches(images, patches, size, rng)
    if not 2 <= centroids <= len(drawn):
        raise ConfigError(
            f"K-means: {centroids} centroids of {len(drawn):,} patches, expected 2 to "
            "as many as patches"
        )
    x = normalise_patches(drawn)
    mean, whitening = fit_whitening(x)
    x = (x - mean) @ whitening
    found = kmeans(x, centroids, iterations, rng, progress)
    return KMeansFeatures(mean, whitening, found, images.shape[1:], size)


def draw_patches(
    images: np.ndarray, count: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return patches from random places, each place at most once: uint8 (M, P).

    Raises
    ------
    ConfigError
        A patch is larger than the images.
    """
    _check_images(images, images.shape[1:])
    if size > min(images.shape[1:3]):
        raise ConfigError(
            f"K-means: patches of {size}x{size} pixels, images of "
            f"{images.shape[1]}x{images.shape[2]}"
        )
    windows = sliding_window_view(images, (size, size), axis=(1, 2))
    places = windows.shape[:3]  # (N, rows, columns)
    total = int(np.prod(places))
    chosen = rng.choice(total, min(count, total), replace=False)
    return windows[np.unravel_index(chosen, places)].reshape(len(chosen), -1)


def fit_whitening(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (P,) and the ZCA matrix (P, P) of rows x (M, P), float32.

    After (x - mean) W the covariance is D/(D + eps) in place of D.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean.astype(np.float32)
    covariance = (centred.T @ centred).astype(np.float64) / len(x)
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(values + WHITENING_EPS)) @ vectors.T
    return mean.astype(np.float32), whitening.astype(np.float32)


def kmeans(
    x: np.ndarray,
    count: int,
    iterations: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the centroids (K, P) of rows x (M, P), by Lloyd's algorithm.

    They begin as K different rows. Each row goes to its nearest centroid, the first of
    equals; then each centroid becomes the mean of its rows. One without any becomes a
    row drawn at random.

    Parameters
    ----------
    x : ndarray of shape (M, P), float32
    count : int
        K, at most M.
    iterations : int
        At most.
    rng : numpy.random.Generator
    progress : callable, optional
        Called with iterations done and all iterations.
    """
    centroids = x[rng.choice(len(x), count, replace=False)]
    nearest = np.full(len(x), -1)
    for iteration in range(iterations):
        before, nearest = nearest, nearest_centroids(x, centroids)
        if progress is not None:
            progress(iteration + 1, iterations)
        if (nearest == before).all():
            break
        order = np.argsort(nearest, kind="stable")
        present, starts, counts = np.unique(
            nearest[order], return_index=True, return_counts=True
        )
        sums = np.add.reduceat(x[order], starts, dtype=np.float64)
        centroids = x[rng.integers(0, len(x), count)]  # stays where there are no rows
        centroids[present] = sums / counts[:, None]
    return centroids


def nearest_centroids(x: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centroid for each row of x, int64 (M,).

    It is where x·c - |c|²/2 is greatest, as |x - c|² = |x|² - 2 (x·c - |c|²/2).
    """
    half = (centroids**2).sum(axis=1) / 2
    nearest = np.empty(len(x), np.int64)

    def work(worker: int, start: int, stop: int) -> None:
        nearest[start:stop] = (x[start:stop] @ centroids.T - half).argmax(axis=1)

    with one_blas_thread():
        run_chunks(work, len(x), max(64, BLOCK_BYTES // (4 * len(centroids))))
    return nearest


def _quarter_columns(columns: int) -> np.ndarray:
    """Return (2, columns): 1 for the columns of the left half, and of the right."""
    is_left = np.arange(columns) < (columns + 1) // 2
    return np.stack([is_left, ~is_left]).astype(np.float32)


def _check_images(images: np.ndarray, shape: tuple[int, ...]) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != tuple(shape):
        raise DatasetError(
            f"K-means: images are {images.dtype} {images.shape}, expected uint8 (N, "
            f"{', '.join(map(str, shape))})"
        )
