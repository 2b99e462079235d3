"""Small labelled datasets, and a judge whose answers are known beforehand."""

import numpy as np

from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.paper.judges.training import JudgeSettings

QUICK = JudgeSettings(epochs=12, batch_size=20, overlays=4, lr=0.01)


def write_labelled(
    path, *, count=240, channels=3, split=True, labels=False, attributes=True, side=8
):
    """Write images with a bright half (``bright``: 1 left) on a level (``level``)."""
    rng = np.random.default_rng(3)
    bright = rng.integers(0, 2, count)
    level = rng.uniform(0, 100, count)
    images = level[:, None, None, None] + rng.normal(
        0, 3, (count, side, side, channels)
    )
    for image, left in zip(images, bright, strict=True):
        half = slice(None, side // 2) if left else slice(side // 2, None)
        image[:, half] += 100
    columns = {}
    names = None
    if attributes:
        columns["attributes"] = np.stack([bright, level], 1).astype(np.float32)
        names = ("bright", "level")
    if labels:
        columns["labels"] = bright.astype(np.int64)
    with DatasetWriter(
        path,
        side,
        side,
        channels,
        name=path.stem,
        title="labelled",
        source="the tests",
        licence="none",
        attribute_names=names,
        class_names=("dark", "bright") if labels else None,
    ) as writer:
        writer.append(np.clip(images, 0, 255).astype(np.uint8), **columns)
        if split:
            writer.set_split(np.repeat([0, 2], [count - 40, 40]).astype(np.uint8))
    return path


class LinearNetworks:
    """Stands in for networks: G is linear, pixel i of an image is 128 + 10·z_i."""

    latent_dim = 4

    def latent(self, seeds):
        draws = [np.random.default_rng(s).normal(size=4) for s in seeds]
        return np.stack(draws).astype(np.float32)

    def images(self, z, labels=None):
        pixels = np.clip(np.rint(128 + 10 * np.asarray(z)), 0, 255).astype(np.uint8)
        return pixels.reshape(-1, 2, 2, 1)


class PixelJudge:
    """Stands in for a judge: it reads what `LinearNetworks` wrote.

    ``smile``, ``sex`` and ``glasses`` are whether pixel 0, 1 and 2 are above 128;
    ``turn`` is pixel 3 less 128, in degrees.
    """

    names = ("smile", "sex", "glasses", "turn")
    binary = np.array([True, True, True, False])
    held_out = {  # noqa: RUF012
        "smile": {"accuracy": 1.0},
        "sex": {"accuracy": 1.0},
        "glasses": {"accuracy": 1.0},
        "turn": {"mean_absolute_error": 1.0, "unit": "degrees"},
    }
    about = {"dataset": "pixels"}  # noqa: RUF012

    def probabilities(self, images):
        pixels = images.reshape(len(images), 4).astype(float) - 128
        judged = {n: 1 / (1 + np.exp(-pixels[:, i])) for i, n in enumerate(self.names)}
        return judged | {"turn": pixels[:, 3]}

    def single(self, images):
        return np.ones(len(images))
