"""Where a trained judge is kept: beside its dataset, under a name with a hash.

The hash is of all that the judge depends on: pixels, what was to be learnt, split and
settings. A judge trained on a GPU differs in its last digits, so it is another one.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from scratchgan.backend import Device
from scratchgan.datasets.format.checksums import pixels_sha256
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.errors import OutputError
from scratchgan.nn.layer import Layer
from scratchgan.paper.judges.training import JudgeSettings
from scratchgan.paper.judges.window_training import WindowJudgeSettings
from scratchgan.paper.run_images import ImageSize
from scratchgan.progress import Note
from scratchgan.storage.files import make_folder
from scratchgan.storage.kept_arrays import (
    Kept,
    UnusableFileError,
    kept_arrays,
    write_arrays,
)

FOLDER = "judges"
NETWORK = "network/"
"""Before the names of a network's arrays."""


class Place(NamedTuple):
    """A file for one judge, and the key of what it depends on."""

    path: Path
    key: str


class KeptJudge(Protocol):
    """A judge as far as it is kept."""

    network: Layer

    def to_keep(self) -> Kept:
        """Return its arrays, without the network's, and plain values."""


Judge = TypeVar("Judge", bound=KeptJudge)


def judge_place(
    dataset: Dataset,
    targets: str,
    settings: JudgeSettings | WindowJudgeSettings,
    size: ImageSize,
    device: Device,
    *,
    kind: str = "",
) -> Place:
    """Return where the judge of a dataset is kept.

    Parameters
    ----------
    dataset : Dataset
    targets : str
        A hash of what is learnt of its images.
    settings : JudgeSettings or WindowJudgeSettings
    size : ImageSize
        Of the images to be judged.
    device : Device
    kind : str, optional
        A word of the file's name, for judges other than those of attributes.
    """
    split = dataset.split
    parts = [
        dataset.sha256 or pixels_sha256(dataset.images),
        targets,
        "" if split is None else hashlib.sha256(split.tobytes()).hexdigest(),
        json.dumps(dataclasses.asdict(settings), sort_keys=True),
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    device_kind = "" if device.kind == "cpu" else f"-{device.kind}"
    name = f"{key[:12]}-{size.height}x{size.width}{device_kind}.npz"
    stem = "-".join(filter(None, [dataset.path.stem, kind]))
    return Place(dataset.path.parent / FOLDER / f"{stem}-{name}", key)


def load_or_train(
    place: Place,
    restore: Callable[[dict[str, np.ndarray], dict[str, Any]], Judge],
    train: Callable[[], Judge],
    note: Note | None = None,
    *,
    name: str = "judge",
) -> Judge:
    """Return the judge that is kept; without a usable one, train one and keep it.

    Parameters
    ----------
    place : Place
    restore : callable
        Makes the judge of what was kept; see `network_state`.
    train : callable
    note : callable, optional
        Given a line if the new judge cannot be kept.
    name : str, optional
        What that line calls it.
    """
    with suppress(UnusableFileError), kept_arrays(*place) as (arrays, about):
        return restore(arrays, about)
    judge = train()
    arrays, about = judge.to_keep()
    weights = {f"{NETWORK}{k}": v for k, v in judge.network.state_dict().items()}
    try:
        make_folder(place.path.parent)
        write_arrays(*place, {**weights, **arrays}, about)
    except OutputError as error:
        if note is not None:
            note(f"note: the {name} is not kept: {error}")
    return judge


def network_state(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the network's arrays among those that were kept."""
    return {
        name.removeprefix(NETWORK): array
        for name, array in arrays.items()
        if name.startswith(NETWORK)
    }
