"""Images whose class is easily seen: which quarter is bright."""

import numpy as np

from scratchgan.paper.supervised.training import LabelledImages


def labelled_squares(count, seed=0, side=8, channels=1, classes=3):
    """Return images of noise with one bright quarter, the class's."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 120, (count, side, side, channels))
    for image, label in zip(images, labels, strict=True):
        top, left = (side // 2 * part for part in divmod(int(label), 2))
        image[top : top + side // 2, left : left + side // 2] += 100
    return LabelledImages(images.astype(np.uint8), labels.astype(np.int64))
