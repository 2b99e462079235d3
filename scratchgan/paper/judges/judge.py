"""The judge: a small network that has learnt from labels what an image shows.

The paper's authors looked at G's images themselves. A judge makes what they saw a
number: it chooses the samples that a concept is averaged from, and says of how many
results the effect is there. It is trained once a dataset and image size, and kept in
the folder ``judges`` beside the dataset.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scratchgan.backend import Device, to_host
from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.datasets.loader import check_size, scale_images
from scratchgan.errors import ConfigError
from scratchgan.functional.losses import sigmoid
from scratchgan.paper.combining import random_overlays
from scratchgan.paper.judges.attribute_classifier import AttributeClassifier
from scratchgan.paper.judges.attributes import (
    UNITS,
    AttributeTable,
    read_attributes,
    split_rows,
)
from scratchgan.paper.judges.kept_judge import load_or_train, network_state
from scratchgan.paper.judges.rating import rate_presence, rate_values
from scratchgan.paper.judges.training import JudgeSettings, train_classifier
from scratchgan.paper.run_images import ImageSize, read_images
from scratchgan.progress import Note, Progress
from scratchgan.storage.kept_arrays import Kept

BATCH = 256
"""Images judged at a time."""
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R 601), as in prepared grey sets."""
ARRAYS = ("binary", "centre", "spread", "share")
"""What is kept of a judge beside its network, in the order of its fields."""


@dataclass(frozen=True)
class Judge:
    """A trained network with the meaning of its outputs.

    Attributes
    ----------
    names : tuple of str
        The A attributes.
    binary : ndarray of shape (A,), bool
        Which are 0 or 1; the others are measured.
    centre, spread : ndarray of shape (A,), float32
        Mean and standard deviation of measured values in training; 0 and 1 for 0/1.
    share : ndarray of shape (A,), float32
        Of the training images that show a 0/1 attribute; 0.5 where none or all do, and
        for a measured one.
    held_out : dict
        For each name how well it is judged on images it was not trained on, see
        `rate_presence` and `rate_values`; and ``unit``, if it has one.
    about : dict
        ``dataset``, ``sha256``, ``held_out_split``, ``single_accuracy`` (how often an
        image and an overlay are told apart) and the settings.
    network : AttributeClassifier
    height, width, channels : int
        Of the images it judges.
    device : Device
    """

    names: tuple[str, ...]
    binary: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    share: np.ndarray
    held_out: dict[str, dict[str, Any]]
    about: dict[str, Any]
    network: AttributeClassifier
    height: int
    width: int
    channels: int
    device: Device

    def probabilities(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is seen in each image.

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C), uint8
            Of the judge's size, grey or RGB.

        Returns
        -------
        dict of ndarray of shape (N,), float64
            By name: the probability of a 0/1 attribute, the value of a measured one in
            its own unit.

        Raises
        ------
        ConfigError
            The images have another size.
        """
        outputs = self._outputs(images)[:, :-1]
        judged = np.where(self.binary, sigmoid(outputs), outputs)
        judged = judged * self.spread + self.centre
        return {name: judged[:, i] for i, name in enumerate(self.names)}

    def present(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return which images show each 0/1 attribute, whatever most images show.

        The probability is compared with the share of the training images that show the
        attribute, which is what a probability of 1/2 would be if as many images showed
        it as not. So what nearly all images have, such as a bed, is not taken for
        granted where it is hard to see.

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C), uint8

        Returns
        -------
        dict of ndarray of shape (N,), bool
            By name.
        """
        judged = self.probabilities(images)
        return {
            name: judged[name] > self.share[i]
            for i, name in enumerate(self.names)
            if self.binary[i]
        }

    def single(self, images: np.ndarray) -> np.ndarray:
        """Return how likely each image is one picture, not an overlay of several.

        Parameters
        ----------
        images : ndarray of shape (N, H, W, C), uint8

        Returns
        -------
        ndarray of shape (N,), float64
            In [0, 1].
        """
        return sigmoid(self._outputs(images)[:, -1])

    def summary(self) -> str:
        """Say in a line how well each attribute is judged on held-out images."""
        parts = []
        for name, facts in self.held_out.items():
            if "balanced_accuracy" in facts:
                share = facts["balanced_accuracy"]
                parts.append(f"{name} {'-' if share is None else f'{share:.1%}'}")
            else:
                unit = f" {facts['unit']}" if "unit" in facts else ""
                error = facts["mean_absolute_error"]
                parts.append(f"{name} within {error:.2g}{unit}")
        parts.append(f"overlays {self.about['single_accuracy']:.1%}")
        return f"the judge on held-out images, balanced accuracy: {', '.join(parts)}"

    def to_keep(self) -> Kept:
        """Return what is kept of it beside its network: arrays, and plain values."""
        about = {
            "names": self.names,
            "size": [self.height, self.width, self.channels],
            "held_out": self.held_out,
            "about": self.about,
        }
        return Kept({name: getattr(self, name) for name in ARRAYS}, about)

    def _outputs(self, images: np.ndarray) -> np.ndarray:
        if images.shape[1:3] != (self.height, self.width):
            raise ConfigError(
                f"the judge sees images of {self.height}x{self.width} pixels, got "
                f"{images.shape[1]}x{images.shape[2]}"
            )
        images = _in_channels(images, self.channels)
        outputs = np.empty((len(images), len(self.names) + 1))
        for start in range(0, len(images), BATCH):
            chosen = slice(start, start + BATCH)
            x = self.device.put(scale_images(images[chosen], "tanh"))
            outputs[chosen] = to_host(self.network(x))
        return outputs


def load_judge(
    dataset: str | Path,
    height: int,
    width: int,
    device: Device,
    *,
    progress: Progress | None = None,
    note: Note | None = None,
    settings: JudgeSettings | None = None,
) -> Judge:
    """Return the judge of a dataset at an image size, trained if none is kept.

    Parameters
    ----------
    dataset : str or Path
        The file of a labelled dataset; `find_dataset` finds it by name.
    height, width : int
        Of the images to be judged; the dataset's are averaged down to it.
    device : Device
        Where to compute.
    progress : callable, optional
        Called with (batches done, batches in all) while a judge is trained.
    note : callable, optional
        Given a line if the judge cannot be kept.
    settings : JudgeSettings, optional

    Raises
    ------
    DatasetError
        The dataset has no attributes and no labels, or smaller images.
    """
    settings = settings or JudgeSettings()
    with open_dataset(dataset) as opened:
        check_size(opened, height, width)
        table, size = read_attributes(opened), ImageSize(height, width)
        return load_or_train(
            opened,
            table.digest(),
            settings,
            size,
            device,
            lambda arrays, about: _restore(arrays, about, device),
            lambda: _train(opened, table, size, device, settings, progress),
            note,
        )


def _train(
    dataset: Dataset,
    table: AttributeTable,
    size: ImageSize,
    device: Device,
    settings: JudgeSettings,
    progress: Progress | None,
) -> Judge:
    rows, test_rows, held_out_split = split_rows(dataset, settings.seed)
    rng = np.random.default_rng(settings.seed)
    rows, test_rows = (
        np.sort(rng.choice(r, min(len(r), most), replace=False))
        for r, most in ((rows, settings.images), (test_rows, settings.held_out))
    )
    values = table.values[rows]
    centre = np.where(table.binary, 0, values.mean(axis=0)).astype(np.float32)
    spread = np.where(table.binary, 1, values.std(axis=0)).astype(np.float32)
    spread[spread == 0] = 1  # a value that never changes
    share = np.where(table.binary, values.mean(axis=0), 0).astype(np.float32)
    share[(share == 0) | (share == 1)] = 0.5  # nothing to weigh
    network = train_classifier(
        read_images(dataset, rows, size),
        (values - centre) / spread,
        table.binary,
        settings,
        device,
        progress,
    )
    about = {
        "dataset": dataset.name,
        "sha256": dataset.sha256,
        "trained_on": len(rows),
        "held_out_split": held_out_split,
        "settings": dataclasses.asdict(settings),
    }
    channels = dataset.channels
    judge = Judge(
        table.names, table.binary, centre, spread, share, {}, about, network, *size,
        channels, device,
    )  # fmt: skip
    images = read_images(dataset, test_rows, size)
    judged = judge.probabilities(images)
    truth = table.values[test_rows]
    for i, name in enumerate(table.names):
        if table.binary[i]:
            facts = rate_presence(judged[name], truth[:, i], float(share[i]))
        else:
            facts = rate_values(judged[name], truth[:, i])
            if name in UNITS:
                facts["unit"] = UNITS[name]
        judge.held_out[name] = facts
    overlays = random_overlays(images, len(images), settings.exemplars, rng)
    right = (judge.single(images) > 0.5).sum() + (judge.single(overlays) <= 0.5).sum()
    about["single_accuracy"] = float(right / (2 * len(images)))
    return judge


def _in_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Return grey images as RGB, or RGB ones as grey, where that is needed."""
    if images.shape[3] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=3)
    return np.rint(images @ np.array(LUMA)).astype(np.uint8)[..., None]


def _restore(
    arrays: dict[str, np.ndarray], about: dict[str, Any], device: Device
) -> Judge:
    """Return the judge that was kept; see `Judge.to_keep`."""
    names, (height, width, channels) = tuple(about["names"]), about["size"]
    network = AttributeClassifier(channels, height, width, len(names) + 1)
    network.load_state_dict(network_state(arrays))
    network.to(device).eval()
    return Judge(
        names, *(arrays[name] for name in ARRAYS), about["held_out"], about["about"],
        network, height, width, channels, device,
    )  # fmt: skip
