"""Batch-norm statistics of D that are fixed before features are taken from it.

In training each batch is normalised with its own mean and variance, so what D says of
an image depends on the others. The authors of DCGAN fixed that before they used D as a
feature extractor: they ran the training images through it in batches of 128, averaged
the means and the variances of all batches, and kept them (their code for SVHN). The
variance of the means between batches is left out.

The running averages of a checkpoint differ from these: they have followed both real
and generated images, while the weights still changed.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from scratchgan.backend import Device, to_host
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import BatchLoader, check_rows
from scratchgan.errors import OutputError
from scratchgan.functional.labels import one_hot
from scratchgan.models.architecture import Stage, plan_discriminator
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.progress import Progress
from scratchgan.storage.kept_arrays import UnusableFileError, kept_arrays, write_arrays

BATCH = 128


def freeze(
    networks: TrainedNetworks, dataset: Dataset, progress: Progress | None = None
) -> TrainedNetworks:
    """Return the networks with another D: its statistics are those of the dataset.

    They are kept beside the checkpoint, and read from there the next time.

    Parameters
    ----------
    networks : TrainedNetworks
        Left as they are.
    dataset : Dataset
        Its split that the run was trained on is used.
    progress : callable, optional
        Called with batches done and all batches, if there is something to compute.

    Raises
    ------
    DatasetError
        There are fewer than 2 images, or they do not fit the network.
    """
    original = networks.discriminator
    path, key = _kept_at(networks, dataset)
    statistics = _read(path, key, original)
    discriminator = copy_discriminator(original, networks.device)
    if statistics is None:
        rows = dataset.rows_of_split(networks.config.split)
        statistics = measure_statistics(
            discriminator, dataset, rows, networks.device, progress
        )
        _keep(path, key, statistics)
    discriminator.load_state_dict(discriminator.state_dict() | statistics)
    return dataclasses.replace(networks, discriminator=discriminator.eval())


def copy_discriminator(original: Discriminator, device: Device) -> Discriminator:
    """Return a D with the same weights and statistics, and arrays of its own."""
    discriminator = Discriminator(original.config)
    discriminator.load_state_dict(original.state_dict())
    return discriminator.to(device).train(original.training)


def measure_statistics(
    discriminator: Discriminator,
    dataset: Dataset,
    rows: np.ndarray,
    device: Device,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Return the mean of all batches' means and biased variances, each batch alike.

    Batches are shuffled as in training, so that a dataset in the order of its classes
    does not make batches of one class. A last batch that is not full counts as one; an
    image alone in it is left out, as it has no variance.

    Parameters
    ----------
    discriminator : Discriminator
        Its own statistics are as before afterwards.
    dataset : Dataset
    rows : ndarray of int64
        Ascending, at least 2.
    device : Device
        Where D lives.
    progress : callable, optional
        Called with batches done and all batches.

    Returns
    -------
    dict of ndarray, float32
        By the names of D's buffers: ``down2.norm.running_mean``, ...

    Raises
    ------
    DatasetError
        There are fewer than 2 rows.
    """
    check_rows(dataset, rows, batch_size=2)
    config = discriminator.config
    sums = {k: np.zeros(array.shape) for k, array in discriminator.buffers().items()}
    batches = -(-(len(rows) - 1) // BATCH)
    loader = BatchLoader(
        dataset,
        rows,
        batch_size=min(BATCH, len(rows)),
        height=config.height,
        width=config.width,
        output=config.output,
        seed=0,
    )
    with _batch_statistics_only(discriminator), loader:
        for done, batch in enumerate(islice(loader, batches if sums else 0), 1):
            given = [device.put(batch.images)]
            if config.classes:
                given.append(device.put(one_hot(batch.labels, config.classes)))
            _set_to_zero(discriminator)  # 0 + 1·(mean - 0) is free of rounding
            discriminator(*given)
            _add(discriminator, len(batch.images), sums)
            if progress:
                progress(done, batches)
    return {name: (total / batches).astype("float32") for name, total in sums.items()}


@contextmanager
def _batch_statistics_only(discriminator: Discriminator) -> Iterator[None]:
    """Let running averages be those of the last batch, and be restored afterwards."""
    before = {name: array.copy() for name, array in discriminator.buffers().items()}
    momenta = {norm: norm.momentum for norm in _norms(discriminator)}
    was_training = discriminator.training
    discriminator.train()
    for norm in momenta:
        norm.momentum = 1.0
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for name, array in discriminator.buffers().items():
            array[...] = before[name]
        discriminator.train(was_training)


def _norms(discriminator: Discriminator) -> list:
    parts = (stage.children().get("norm") for stage in discriminator.layers.values())
    return [norm for norm in parts if norm is not None]


def _set_to_zero(discriminator: Discriminator) -> None:
    for array in discriminator.buffers().values():
        array[...] = 0


def _add(
    discriminator: Discriminator, images: int, sums: dict[str, np.ndarray]
) -> None:
    """Add a batch's statistics; `BatchNorm2d` keeps the unbiased variance."""
    stages = {stage.name: stage for stage in plan_discriminator(discriminator.config)}
    for name, array in discriminator.buffers().items():
        values = to_host(array).astype(np.float64)
        if name.endswith("running_var"):
            m = images * _positions(stages[name.split(".")[0]])
            values = values * ((m - 1) / m)
        sums[name] += values


def _positions(stage: Stage) -> int:
    """Return the values of one image that a feature's statistics are of."""
    return math.prod(stage.outputs[1:]) if stage.kind == "conv" else 1


def _kept_at(networks: TrainedNetworks, dataset: Dataset) -> tuple[Path, str]:
    """Return the file of kept statistics, and the key that says what they are of.

    The weights are part of the key: a run that was continued from an older checkpoint
    may have come to the same step again.
    """
    digest = hashlib.sha256()
    for name, array in sorted(networks.discriminator.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    key = f"{networks.config.split} {BATCH} {dataset.sha256} {digest.hexdigest()}"
    name = f"frozen-{networks.step:06d}-{dataset.sha256[:12]}.npz"
    return networks.checkpoint.parent / name, key


def _read(
    path: Path, key: str, discriminator: Discriminator
) -> dict[str, np.ndarray] | None:
    """Return kept statistics; None where there are none that fit."""
    buffers = discriminator.buffers()
    with suppress(UnusableFileError), kept_arrays(path, key) as (arrays, _):
        if all(
            arrays[name].shape == array.shape
            and arrays[name].dtype == np.float32
            and np.isfinite(arrays[name]).all()
            for name, array in buffers.items()
        ):
            return {name: arrays[name] for name in buffers}
    return None


def _keep(path: Path, key: str, statistics: dict[str, np.ndarray]) -> None:
    # In a folder that cannot be written they are computed again the next time.
    with suppress(OutputError):
        write_arrays(path, key, statistics)
