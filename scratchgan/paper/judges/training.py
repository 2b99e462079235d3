"""Training the attribute judge: all attributes of a dataset at once."""

from dataclasses import dataclass

import numpy as np

from scratchgan.backend import Array, Device, get_array_module
from scratchgan.datasets.loader import scale_images
from scratchgan.functional.losses import sigmoid
from scratchgan.optim.fast_adam import make_adam
from scratchgan.optim.schedule import decayed_lr
from scratchgan.paper.combining import random_overlays
from scratchgan.paper.judges.attribute_classifier import AttributeClassifier
from scratchgan.progress import Progress


@dataclass(frozen=True)
class JudgeSettings:
    """How a judge is trained.

    Attributes
    ----------
    version : int
        Of the procedure; another one makes kept judges out of date.
    epochs : int
        Passes over the training images.
    batch_size : int
        Images in a batch.
    lr : float
        Learning rate of Adam at the start; it falls to 0 in a straight line.
    overlays : int
        Overlays of random images beside each batch, from which the judge learns what is
        not one picture.
    exemplars : int
        Images in each of an overlay's three means.
    images, held_out : int
        Images to train on and to test on, at most.
    seed : int
        Of weights, order and overlays.
    """

    version: int = 4
    epochs: int = 5
    batch_size: int = 64
    lr: float = 2e-3
    overlays: int = 16
    exemplars: int = 3
    images: int = 20_000
    held_out: int = 4_000
    seed: int = 0


def multitask_gradient(
    outputs: Array, targets: Array, binary: Array, counts: Array
) -> tuple[Array, Array]:
    """Return what the network predicts, and the gradient of the loss.

    A 0/1 attribute t has the logistic loss of the output a, log(1 + exp(a)) - t·a,
    whose gradient is s(a) - t. A measured one has half the squared error, (a - t)²/2,
    whose gradient is a - t. Either is the prediction less what is so. The loss is their
    sum over the attributes, averaged over the batch.

    Parameters
    ----------
    outputs, targets : array of shape (N, A)
        Measured targets are standardised.
    binary : array of shape (A,), bool
    counts : array of shape (N, A)
        1 where the target is known, 0 where it is not and nothing is learnt.

    Returns
    -------
    predictions : array of shape (N, A)
        s(a) or a.
    doutputs : array of shape (N, A)
        Gradient, divided by N already.

    Examples
    --------
    >>> outputs, targets = np.array([[0.0, 3.0]]), np.array([[1.0, 1.0]])
    >>> multitask_gradient(outputs, targets, np.array([True, False]), np.ones((1, 2)))
    (array([[0.5, 3. ]]), array([[-0.5,  2. ]]))
    """
    xp = get_array_module(outputs)
    predictions = xp.where(binary, sigmoid(outputs), outputs)
    return predictions, (predictions - targets) * counts / len(outputs)


def train_classifier(
    images: np.ndarray,
    targets: np.ndarray,
    binary: np.ndarray,
    settings: JudgeSettings,
    device: Device,
    progress: Progress | None = None,
) -> AttributeClassifier:
    """Train a network to read the targets off the images.

    One more output says whether the image is one picture, 1, or an overlay, 0.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C), uint8
    targets : ndarray of shape (N, A), float32
        Measured ones standardised.
    binary : ndarray of shape (A,), bool
    settings : JudgeSettings
    device : Device
        Where to compute.
    progress : callable, optional
        Called with (batches done, batches in all).

    Returns
    -------
    AttributeClassifier
        In eval mode, on the device.
    """
    count, height, width, channels = images.shape
    rng = np.random.default_rng(settings.seed)
    network = AttributeClassifier(
        channels, height, width, targets.shape[1] + 1, rng=rng
    )
    network.to(device)
    adam = make_adam(network.parameters(), lr=settings.lr, betas=(0.9, 0.999))
    batches = max(1, count // settings.batch_size)  # a rest waits for the next epoch
    total = settings.epochs * batches
    kinds = device.put(np.append(binary, True))
    for step in range(total):
        if step % batches == 0:
            order = np.array_split(rng.permutation(count), batches)
        pixels, wanted, counts = _batch(
            images, targets, order[step % batches], settings, rng
        )
        x = scale_images(pixels, "tanh")
        outputs, ctx = network.forward(device.put(x))
        _, gradient = multitask_gradient(
            outputs, device.put(wanted), kinds, device.put(counts)
        )
        adam.lr = decayed_lr(settings.lr, step, 0, total)
        adam.zero_grad()
        network.backward(gradient, ctx, need_dx=False)
        adam.step()
        if progress is not None:
            progress(step + 1, total)
    return network.eval()


def _batch(
    images: np.ndarray,
    targets: np.ndarray,
    rows: np.ndarray,
    settings: JudgeSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images with overlays after them, their targets, and which are known."""
    overlays = random_overlays(images, settings.overlays, settings.exemplars, rng)
    pixels = np.concatenate([images[rows], overlays])
    wanted = np.zeros((len(pixels), targets.shape[1] + 1), np.float32)
    wanted[: len(rows)] = np.pad(targets[rows], ((0, 0), (0, 1)), constant_values=1)
    counts = np.ones_like(wanted)
    counts[len(rows) :, :-1] = 0  # what an overlay shows is not known
    return pixels, wanted, counts
