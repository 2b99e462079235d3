"""From a request to a run: settings fitted to the data, and described to the user."""

from dataclasses import replace

from scratchgan.backend import Device, gpu_status
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import check_rows, check_size
from scratchgan.errors import DatasetError
from scratchgan.gpu.memory import limit_memory, read_memory_limit
from scratchgan.kernels.products import allow_tf32
from scratchgan.models.architecture import plan_discriminator, plan_generator
from scratchgan.training.config import TrainConfig, batches_an_epoch
from scratchgan.training.forecast.estimate import Forecast


def fit_to_dataset(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """Return the settings with the data's channels and number of classes.

    Raises
    ------
    DatasetError
        If the images are too few or do not fit the network's size, or a conditional
        network has no labels to learn from.
    """
    rows = dataset.rows_of_split(config.split)
    check_rows(dataset, rows, config.batch_size)
    check_size(dataset, config.network.height, config.network.width)
    classes = config.network.classes
    if classes:
        if dataset.labels is None:
            raise DatasetError(
                f"{dataset.path} has no labels and the network is conditional; add "
                "--no-conditional, or prepare the images from one folder a class"
            )
        classes = int(dataset.labels.max()) + 1
    network = replace(config.network, channels=dataset.channels, classes=classes)
    return replace(config, network=network, dataset_sha256=dataset.sha256)


def check_same_data(config: TrainConfig, dataset: Dataset) -> None:
    """Raise DatasetError if a run would be continued on other images than it had."""
    if config.dataset_sha256 != dataset.sha256:
        raise DatasetError(
            f"{dataset.path} does not hold the images this run was started on (its "
            "sha256 differs); put that file back with --data-dir, or start a new run"
        )


def describe_data(config: TrainConfig, dataset: Dataset) -> list[str]:
    """Return lines on what is trained on, for the user."""
    images = len(dataset.rows_of_split(config.split))
    size = f"{dataset.height}x{dataset.width}x{dataset.channels}"
    lines = [f"data: {dataset.title}: {images:,} images of {size} ({dataset.path})"]
    if check_size(dataset, config.network.height, config.network.width):
        lines.append(
            f"data: averaged down to {config.network.height}x{config.network.width}"
        )
    return lines


def prepare_device(config: TrainConfig, device: Device) -> None:
    """Set what the settings say about a GPU.

    Raises
    ------
    DeviceError
        If the limit of memory cannot be read.
    """
    if config.gpu_memory:
        read_memory_limit(config.gpu_memory)
    if device.kind == "gpu":
        allow_tf32(config.tf32)
        if config.gpu_memory:
            limit_memory(device, config.gpu_memory)


def _without_effect(config: TrainConfig) -> str:
    """Return which settings are for a GPU only, in words."""
    for_gpu = {
        "--tf32": config.tf32,
        "--cuda-graph": config.cuda_graph,
        "--gpu-memory": config.gpu_memory,
    }
    given = [name for name, value in for_gpu.items() if value]
    return f"; without effect there: {', '.join(given)}" if given else ""


def describe_device(config: TrainConfig, device: Device) -> str:
    """Return a line on where it computes, and why if the choice was ours."""
    request = config.device
    if device.kind == "cpu":
        why = f" ({gpu_status().message})" if request == "auto" else ""
        return f"device: cpu{why}{_without_effect(config)}"
    details = device.details()
    name = f"{details['name']}, {details['memory_bytes'] / 2**30:.1f} GiB"
    why = "; auto takes a GPU that passes its self-test" if request == "auto" else ""
    return f"device: {device} ({name}{why})"


def describe_plan(config: TrainConfig, images: int, forecast: Forecast) -> list[str]:
    """Return lines on parameters, length, memory and time, for the user."""
    steps = config.total_steps(images)
    a_pass = batches_an_epoch(images, config.batch_size) / config.batches_a_step
    return [
        f"networks: G {forecast.parameters_g:,} and D {forecast.parameters_d:,} "
        f"parameters, {config.network.height}x{config.network.width}",
        f"plan: {steps:,} steps = {steps / a_pass:.3g} epochs, batch "
        f"{config.batch_size}; about {duration(steps * forecast.step_seconds)} at "
        f"{forecast.step_seconds:.3g} s a step and "
        f"{forecast.memory_bytes / 2**30:.1f} GiB of memory",
    ]


def layer_table(config: TrainConfig) -> list[str]:
    """Return both networks as lines: stage, output, parameters, multiplications."""
    lines = []
    for name, plan in (
        ("generator", plan_generator(config.network)),
        ("discriminator", plan_discriminator(config.network)),
    ):
        lines.append(
            f"{name:<14} {'output':>12} {'parameters':>12} {'million mult-adds':>18}"
        )
        for stage in plan:
            output = "x".join(map(str, stage.outputs))
            lines.append(
                f"  {stage.name:<12} {output:>12} {stage.parameters:>12,} "
                f"{stage.multiplications / 1e6:>18.1f}"
            )
        parameters = sum(stage.parameters for stage in plan)
        work = sum(stage.multiplications for stage in plan) / 1e6
        lines.append(f"  {'total':<12} {'':>12} {parameters:>12,} {work:>18.1f}")
    return lines


def duration(seconds: float) -> str:
    """Return a time in words of one unit.

    Examples
    --------
    >>> duration(42), duration(400), duration(90_000)
    ('42 s', '7 min', '25 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return (
        f"{seconds / 3600:.0f} h"
        if seconds < 100 * 3600
        else (f"{seconds / 86400:.0f} days")
    )
