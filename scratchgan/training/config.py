"""All settings of a training run in one frozen dataclass; standard library only."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any

from scratchgan.errors import ConfigError
from scratchgan.models.architecture import NetworkConfig

UPDATE_ORDERS = ("pytorch", "tensorflow", "alternating")
LOSSES = {"bce": 1, "softmax": 2, "least-squares": 1, "hinge": 1}
"""Name: logits that D has for it; see `scratchgan.functional.gan_losses`."""


@dataclass(frozen=True)
class TrainConfig:
    """What is trained on what, and how; a preset is an instance with its defaults.

    Attributes
    ----------
    preset : str
        Name of the preset this started from.
    description : str
        What the preset reproduces.
    network : NetworkConfig
        Both networks.
    dataset : str
        Name or path.
    dataset_sha256 : str
        Of the pixels the run was started on; empty before.
    split : str
        Splits to train on, joined by ``+``.
    update_order : {"pytorch", "tensorflow", "alternating"}
        D then G on the same z; D then G on a fresh z; G on one batch then D on the
        next (the authors').
    loss : str
        What D and G minimise, one of `LOSSES`.
    batch_size : int
        Images in a batch.
    epochs : float or None
        Passes over the data; None when ``steps`` decides.
    steps : int or None
        Steps in all, a step being one D and one G update.
    max_minutes : float or None
        Stop, saved, after that time.
    lr, beta1, beta2, adam_eps, l2 : float
        Adam's settings, the same for both networks.
    decay_start, decay_epochs : int or None, int
        Epochs at constant lr, then epochs of linear fall to 0; None for constant.
    seed : int
        Of weights, z and the order of images.
    device : str
        As requested, ``auto``, ``cpu`` or ``gpu:N``.
    tf32 : bool
        Let a GPU round the factors of its products to 10 bits.
    cuda_graph : bool
        On a GPU, record the step once as a CUDA graph and repeat it in one launch.
        Runs that were started when this was off by default keep it off.
    gpu_memory : str or None
        Limit of GPU memory, such as ``75%`` or ``6GiB``.
    grid_rows, grid_columns : int
        Of the sample pictures; tile i is the image of seed i.
    log_every, sample_every, checkpoint_every : int
        In steps.
    keep_last : int
        Newest checkpoints to keep.
    keep_every : int
        Besides, those whose step is a multiple of this; 0 for none.
    """

    preset: str
    description: str
    network: NetworkConfig = field(default_factory=NetworkConfig)
    dataset: str = "faces"
    dataset_sha256: str = ""
    split: str = "train"
    update_order: str = "pytorch"
    loss: str = "bce"
    batch_size: int = 128
    epochs: float | None = 25
    steps: int | None = None
    max_minutes: float | None = None
    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    adam_eps: float = 1e-8
    l2: float = 0.0
    decay_start: int | None = None
    decay_epochs: int = 0
    seed: int = 0
    device: str = "auto"
    tf32: bool = False
    cuda_graph: bool = True
    gpu_memory: str | None = None
    grid_rows: int = 8
    grid_columns: int = 8
    log_every: int = 10
    sample_every: int = 500
    checkpoint_every: int = 500
    keep_last: int = 3
    keep_every: int = 0

    def __post_init__(self) -> None:
        if self.update_order not in UPDATE_ORDERS:
            raise ConfigError(
                f"update order {self.update_order!r} is not known; "
                f"use one of {', '.join(UPDATE_ORDERS)}"
            )
        if self.loss not in LOSSES:
            raise ConfigError(
                f"loss {self.loss!r} is not known; use one of {', '.join(LOSSES)}"
            )
        if self.network.logits != LOSSES[self.loss]:
            raise ConfigError(
                f"loss {self.loss!r} wants logits = {LOSSES[self.loss]}, the network "
                f"has {self.network.logits}"
            )
        if self.batch_size < 2:
            raise ConfigError(
                f"batch size {self.batch_size} is too small: batch normalisation "
                "needs at least 2 images"
            )
        if self.decay_start is not None and self.decay_epochs < 1:
            raise ConfigError(
                "decay_epochs must be at least 1 where decay_start is set"
            )

    @property
    def batches_a_step(self) -> int:
        """Batches that one step reads: the alternating order has one an update."""
        return 2 if self.update_order == "alternating" else 1

    def total_steps(self, images: int) -> int:
        """Return the number of steps in all for a training set of so many images."""
        if self.steps is not None:
            return self.steps
        batches = batches_an_epoch(images, self.batch_size)
        return max(1, round((self.epochs or 0) * batches / self.batches_a_step))


def batches_an_epoch(images: int, batch_size: int) -> int:
    """Return the number of batches in one pass; the last may be smaller.

    A last batch of a single image is left out: batch normalisation needs two.
    """
    full, rest = divmod(images, batch_size)
    return full + (rest > 1)


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as plain JSON values."""
    return dataclasses.asdict(config)


def config_from_dict(values: dict[str, Any]) -> TrainConfig:
    """Return the settings that `config_to_dict` wrote.

    Raises
    ------
    ConfigError
        If a setting is unknown or missing: written by another version.
    """
    network = _from_dict(NetworkConfig, values.get("network", {}))
    # Before there was a choice, the number of logits decided.
    loss = "softmax" if network.logits == 2 else "bce"
    return _from_dict(TrainConfig, {"loss": loss, **values, "network": network})


def _from_dict(kind: type, values: dict[str, Any]) -> Any:
    names = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise ConfigError(
            f"settings not known to this version: {', '.join(unknown)}; "
            "use the version of scratchgan that wrote them"
        )
    hints = typing.get_type_hints(kind)
    tuples = {n for n in values if typing.get_origin(hints[n]) is tuple}
    try:
        return kind(**{n: tuple(v) if n in tuples else v for n, v in values.items()})
    except TypeError as error:
        raise ConfigError(f"settings are not complete: {error}") from error
