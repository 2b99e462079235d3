"""Training a classifier with labels alone, until validation images say enough."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Array, Device, to_host
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import scale_images
from scratchgan.errors import ConfigError, NonFiniteError
from scratchgan.functional.labels import one_hot
from scratchgan.functional.losses import softmax_cross_entropy
from scratchgan.functional.parallel import one_blas_thread
from scratchgan.models.architecture import NetworkConfig
from scratchgan.optim.adam import Adam
from scratchgan.optim.fast_adam import make_adam
from scratchgan.paper.labelled_split import LabelledSplit, draw_per_class
from scratchgan.paper.run_images import stream_images
from scratchgan.paper.supervised.classifier import SupervisedClassifier
from scratchgan.progress import Progress

BETAS = (0.9, 0.999)
"""Of Adam, as its authors have them: β1 = 0.5 is for the swings of a GAN."""
PATIENCE = 10
"""Checks in a row without a better one that end the training."""
BATCH = 256
"""Images classified at a time."""


@dataclass(frozen=True)
class LabelledImages:
    """Images in memory with their classes.

    Attributes
    ----------
    images : ndarray of shape (N, H, W, C), uint8
    labels : ndarray of shape (N,), int64
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class SupervisedSettings:
    """What a random search draws.

    Attributes
    ----------
    lr : float
        Adam's learning rate, constant.
    l2 : float
        Strength of the penalty l2/2·θ² on all parameters.
    batch_size : int
        Images in a batch, at most; the batches of an epoch are of nearly equal size.
    dropout : float
        Rate before the last layer.
    """

    lr: float
    l2: float
    batch_size: int
    dropout: float


@dataclass(frozen=True)
class TrainedClassifier:
    """The network of the best check.

    Attributes
    ----------
    network : SupervisedClassifier
        In eval mode, on the device.
    validation_accuracy : float
        Share of the validation images that it classifies rightly.
    epochs : int
        Passes over the training images it had made.
    """

    network: SupervisedClassifier
    validation_accuracy: float
    epochs: int


def choose_rows(split: LabelledSplit, count: int | None, seed: int) -> np.ndarray:
    """Return the rows whose labels are used: all for training, or some of each class.

    Parameters
    ----------
    split : LabelledSplit
    count : int or None
        Images in all, the same number of each class; None for all.
    seed : int
        Draws them.

    Raises
    ------
    ConfigError
        The classes do not divide the number.
    DatasetError
        A class has fewer images.
    """
    if count is None:
        return split.train
    classes = len(np.unique(split.labels[split.train]))
    if count % classes:
        below = max(1, count // classes) * classes
        raise ConfigError(
            f"--labels {count}: there are {classes} classes, each with the same number "
            f"of images; take {below}, for instance"
        )
    rng = np.random.default_rng(seed)
    return draw_per_class(split.labels, split.train, count // classes, rng)


def read_labelled(
    dataset: Dataset,
    rows: np.ndarray,
    labels: np.ndarray,
    config: NetworkConfig,
    progress: Progress | None = None,
) -> LabelledImages:
    """Read some rows in the network's size, and no others.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int64
        Ascending.
    labels : ndarray of shape (N,), int64
        Of all rows of the dataset.
    config : NetworkConfig
    progress : callable, optional
        Called with images read and all images.
    """
    shape = len(rows), config.height, config.width, dataset.channels
    images = np.empty(shape, np.uint8)
    done = 0
    for _, pixels, _ in stream_images(dataset, rows, config, progress):
        images[done : done + len(pixels)] = pixels
        done += len(pixels)
    return LabelledImages(images, labels[rows])


def classify(
    network: SupervisedClassifier, images: np.ndarray, device: Device
) -> np.ndarray:
    """Return the class of each image, that of the largest logit.

    In eval mode each image is treated on its own, with the running averages of batch
    normalisation.

    Parameters
    ----------
    network : SupervisedClassifier
        In eval mode, on the device.
    images : ndarray of shape (N, H, W, C), uint8
    device : Device

    Returns
    -------
    ndarray of shape (N,), int64

    Raises
    ------
    NonFiniteError
        A logit is not a finite number.
    """
    classes = np.empty(len(images), np.int64)
    for start in range(0, len(images), BATCH):
        chosen = slice(start, start + BATCH)
        x = device.put(scale_images(images[chosen], network.config.output))
        logits = to_host(network(x))
        if not np.isfinite(logits).all():
            raise NonFiniteError("the network's outputs are not finite")
        classes[chosen] = logits.argmax(axis=1)
    return classes


def accuracy(
    network: SupervisedClassifier, data: LabelledImages, device: Device
) -> float:
    """Return the share of images that the network classifies rightly."""
    return float((classify(network, data.images, device) == data.labels).mean())


def epochs_a_check(train: int, validation: int) -> int:
    """Return how many epochs are made between two looks at the validation images.

    As many as it takes to learn from as many images as there are to classify, so that
    checks stay the smaller part of the work where few images have labels.

    Examples
    --------
    >>> epochs_a_check(1_000, 10_000), epochs_a_check(63_257, 10_000)
    (10, 1)
    """
    return max(1, round(validation / train))


def train_supervised(
    config: NetworkConfig,
    classes: int,
    train: LabelledImages,
    validation: LabelledImages,
    settings: SupervisedSettings,
    *,
    epochs: int,
    seed: Sequence[int],
    device: Device,
    progress: Callable[[], None] | None = None,
) -> TrainedClassifier:
    """Train with Adam on the softmax cross-entropy, and keep the best network seen.

    Training ends after ``epochs``, or after `PATIENCE` checks on the validation images
    without a better one. There is no augmentation, as in the rest of the paper.

    Parameters
    ----------
    config : NetworkConfig
        D's.
    classes : int
        K.
    train, validation : LabelledImages
        Of the network's size.
    settings : SupervisedSettings
    epochs : int
        At most.
    seed : sequence of int
        Draws weights, dropout and the order of images.
    device : Device
        Where to compute.
    progress : callable, optional
        Called after each batch.

    Raises
    ------
    NonFiniteError
        The loss or a logit is not a finite number.
    """
    network_seed, order_seed = np.random.SeedSequence(seed).spawn(2)
    network = SupervisedClassifier(
        config,
        classes,
        dropout=settings.dropout,
        rng=np.random.default_rng(network_seed),
    ).to(device)
    adam = make_adam(network.parameters(), lr=settings.lr, betas=BETAS, l2=settings.l2)
    order = np.random.default_rng(order_seed)
    between = epochs_a_check(len(train.labels), len(validation.labels))
    best, best_epoch, best_state = -1.0, 0, network.state_dict()
    # Losses are looked at, and said in plain words; cores belong to `run_chunks`.
    with one_blas_thread(), np.errstate(all="ignore"):
        for epoch in range(1, epochs + 1):
            total = 0.0
            for pixels, labels in _batches(train, settings.batch_size, order):
                total = total + _step(network, adam, pixels, labels, device)
                if progress is not None:
                    progress()
            if not np.isfinite(float(total)):
                raise NonFiniteError(f"the loss is not finite in epoch {epoch}")
            if epoch % between and epoch != epochs:
                continue
            reached = accuracy(network.eval(), validation, device)
            network.train()
            if reached > best:
                best, best_epoch, best_state = reached, epoch, network.state_dict()
            elif epoch - best_epoch >= PATIENCE * between:
                break
    network.load_state_dict(best_state)
    return TrainedClassifier(network.eval(), best, best_epoch)


def _batches(
    data: LabelledImages, size: int, order: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images and classes of all batches of an epoch, of nearly equal size."""
    count = len(data.labels)
    for rows in np.array_split(order.permutation(count), -(-count // size)):
        yield data.images[rows], data.labels[rows]


def _step(
    network: SupervisedClassifier,
    adam: Adam,
    pixels: np.ndarray,
    labels: np.ndarray,
    device: Device,
) -> Array:
    """Make one update and return the loss before it, on the device."""
    config = network.config
    x = device.put(scale_images(pixels, config.output))
    logits, ctx = network.forward(x)
    loss, dlogits = softmax_cross_entropy(
        logits, device.put(one_hot(labels, config.logits))
    )
    adam.zero_grad()
    network.backward(dlogits, ctx, need_dx=False)
    adam.step()
    return loss
