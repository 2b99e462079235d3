"""D's pooled activations of a whole dataset, computed once and kept in a file.

The file is made for one set of weights, one dataset and one split; its key says which,
and a file with another key is made anew. Rows come in the order training, validation,
test, so that each part is one stretch of the file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

import h5py
import numpy as np

from scratchgan.datasets.format.dataset import READ_ERRORS, Dataset
from scratchgan.errors import DatasetError
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.features.features import PARTS, Features
from scratchgan.paper.features.pooled_features import feature_length, pooled_features
from scratchgan.paper.frozen_statistics import measure_statistics
from scratchgan.paper.labelled_split import LabelledSplit
from scratchgan.paper.run_images import Progress, stream_images
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.storage.hdf5_output import Hdf5Output

VERSION = 1
"""Of the computation; another one makes kept files out of date."""


class DiscriminatorFeatures(Features):
    """What `pooled_features` gives for every image of a split, read from a file.

    Attributes
    ----------
    path : Path
        The HDF5 file: ``features`` float32 (N, F), ``rows`` int64 (N,) of the dataset.
    reused : bool
        Whether it was there already.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        key: str,
        length: int,
        split: LabelledSplit,
        reused: bool,
    ) -> None:
        self.name = name
        self.path = path
        self.length = length
        self.reused = reused
        self._key = key
        self._split = split

    def part(self, name: str) -> np.ndarray:
        """Return the features of a part, as they are in the file.

        Raises
        ------
        DatasetError
            The file is damaged, or another command has replaced it since.
        """
        sizes = [len(getattr(self._split, part)) for part in PARTS]
        number = PARTS.index(name)
        start = sum(sizes[:number])
        try:
            with h5py.File(self.path, "r") as file:
                if file.attrs["key"] == self._key:
                    return file["features"][start : start + sizes[number]]
        except READ_ERRORS as error:
            raise DatasetError(
                f"{self.path} cannot be read ({error}); delete it, and it is made anew"
            ) from error
        raise DatasetError(
            f"{self.path} was replaced by another command, with features of another "
            "split; run one after the other"
        )


def trained_features(
    networks: TrainedNetworks,
    dataset: Dataset,
    split: LabelledSplit,
    progress: Progress | None = None,
) -> DiscriminatorFeatures:
    """Return the features that a run's D gives.

    Its batch-norm statistics are frozen on the training images of the split: no other
    image takes part in them.

    Raises
    ------
    ConfigError
        D has no features to use, see `feature_length`.
    DatasetError
        The images do not fit D.
    OutputError
        The file cannot be written.
    """
    return _features(networks, dataset, split, "discriminator", progress)


def random_features(
    networks: TrainedNetworks,
    dataset: Dataset,
    split: LabelledSplit,
    seed: int,
    progress: Progress | None = None,
) -> DiscriminatorFeatures:
    """Return the features of a D of the same architecture that was never trained.

    Parameters
    ----------
    networks : TrainedNetworks
        Of any run with this architecture.
    dataset, split
        As for `trained_features`.
    seed : int
        Of the weights.
    progress : callable, optional
        Called with images done and all of them.
    """
    untrained = Discriminator(
        networks.discriminator.config, rng=np.random.default_rng(seed)
    )
    networks = dataclasses.replace(
        networks, discriminator=untrained.to(networks.device).eval()
    )
    return _features(networks, dataset, split, f"random-{seed}", progress)


def _features(
    networks: TrainedNetworks,
    dataset: Dataset,
    split: LabelledSplit,
    name: str,
    progress: Progress | None,
) -> DiscriminatorFeatures:
    length = feature_length(networks.discriminator.config)
    path, key = _file_and_key(networks, dataset, split, name)
    reused = _has_key(path, key)
    if not reused:
        _write(path, key, networks, dataset, split, length, progress)
    title = "D's features" if name == "discriminator" else "random-weight D"
    return DiscriminatorFeatures(title, path, key, length, split, reused)


def _write(
    path: Path,
    key: str,
    networks: TrainedNetworks,
    dataset: Dataset,
    split: LabelledSplit,
    length: int,
    progress: Progress | None,
) -> None:
    discriminator = networks.discriminator
    statistics = measure_statistics(
        discriminator, dataset, split.train, networks.device
    )
    discriminator.load_state_dict(discriminator.state_dict() | statistics)
    total = sum(len(getattr(split, part)) for part in PARTS)
    output = Hdf5Output(path, needed_bytes=4 * total * length)
    with output as file:
        with output.writing():
            # About a megabyte a chunk: parts are read in one stretch.
            rows_a_chunk = max(1, min(total, (1 << 20) // (4 * length)))
            features = file.create_dataset(
                "features",
                (total, length),
                "float32",
                chunks=(rows_a_chunk, length),
            )
            file.create_dataset(
                "rows", data=np.concatenate([getattr(split, part) for part in PARTS])
            )
        done = 0
        for part in PARTS:
            rows = getattr(split, part)
            for block, images, _ in stream_images(
                dataset, rows, discriminator.config, None
            ):
                values = pooled_features(networks, images)
                with output.writing():
                    features[done : done + len(block)] = values
                done += len(block)
                if progress:
                    progress(done, total)
        with output.writing():
            file.attrs["key"] = key


def _file_and_key(
    networks: TrainedNetworks, dataset: Dataset, split: LabelledSplit, name: str
) -> tuple[Path, str]:
    """Return the file of kept features, and the key that says what they are of."""
    # Strides, slopes and the like change no weight, but what comes of it.
    digest = hashlib.sha256(networks.discriminator.config.as_text().encode())
    for parameter, array in sorted(networks.discriminator.state_dict().items()):
        if "running" not in parameter:  # those are measured anew
            digest.update(parameter.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    for part in PARTS:
        digest.update(getattr(split, part).tobytes())
    key = f"{VERSION} {dataset.sha256} {digest.hexdigest()}"
    folder = networks.checkpoint.parent
    if folder.name == "checkpoints":
        folder = folder.parent
    step = f"{networks.step:06d}-" if name == "discriminator" else ""
    safe = re.sub(r"[^\w.-]", "_", dataset.name)
    return folder / "features" / f"{name}-{step}{safe}.h5", key


def _has_key(path: Path, key: str) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("key", "")) == key
    except READ_ERRORS:
        return False
