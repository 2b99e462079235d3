"""Where a trained judge is kept: beside its dataset, under a name with a hash.

The hash is of all that the judge depends on: pixels, what was to be learnt, split and
settings. A judge trained on a GPU differs in its last digits, so it is another one.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

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
FILES = {"judge": "", "window judge": "-windows"}
"""What follows the dataset's name in the names of their files."""


class KeptJudge(Protocol):
    """A judge as far as it is kept."""

    network: Layer

    def to_keep(self) -> Kept:
        """Return its arrays, without the network's, and plain values."""


Judge = TypeVar("Judge", bound=KeptJudge)


def load_or_train(
    dataset: Dataset,
    targets: str,
    settings: JudgeSettings | WindowJudgeSettings,
    size: ImageSize,
    device: Device,
    restore: Callable[[dict[str, np.ndarray], dict[str, Any]], Judge],
    train: Callable[[], Judge],
    note: Note | None = None,
    *,
    name: str = "judge",
) -> Judge:
    """Return the judge that is kept; without a usable one, train one and keep it.

    Parameters
    ----------
    dataset : Dataset
    targets : str
        A hash of what is learnt of its images.
    settings : JudgeSettings or WindowJudgeSettings
    size : ImageSize
        Of the images to be judged.
    device : Device
    restore : callable
        Makes the judge of what was kept; see `network_state`.
    train : callable
    note : callable, optional
        Given a line if the new judge cannot be kept.
    name : str, optional
        One of `FILES`, as that line calls it.
    """
    split = dataset.split
    parts = [
        dataset.sha256 or pixels_sha256(dataset.images),
        targets,
        "" if split is None else hashlib.sha256(split.tobytes()).hexdigest(),
        json.dumps(dataclasses.asdict(settings), sort_keys=True),
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    kind = "" if device.kind == "cpu" else f"-{device.kind}"
    file = f"{FILES[name]}-{key[:12]}-{size.height}x{size.width}{kind}.npz"
    path = dataset.path.parent / FOLDER / f"{dataset.path.stem}{file}"
    with suppress(UnusableFileError), kept_arrays(path, key) as (arrays, about):
        return restore(arrays, about)
    judge = train()
    arrays, about = judge.to_keep()
    weights = {f"{NETWORK}{k}": v for k, v in judge.network.state_dict().items()}
    try:
        make_folder(path.parent)
        write_arrays(path, key, {**weights, **arrays}, about)
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
