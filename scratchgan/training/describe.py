"""What a run will be, in lines for the user: data, networks, length, device."""

from scratchgan.backend import Device, gpu_status, has_nvidia_driver
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import check_size
from scratchgan.models.architecture import plan_discriminator, plan_generator
from scratchgan.training.config import TrainConfig, batches_an_epoch
from scratchgan.training.forecast.estimate import Forecast, forecast


def describe_run(config: TrainConfig, dataset: Dataset, device: Device) -> list[str]:
    """Return lines on a run before its start; makes a few steps to measure the time.

    Parameters
    ----------
    config : TrainConfig
        Fitted to the dataset.
    dataset : Dataset
        Open.
    device : Device
        Where it will be trained.
    """
    images = len(dataset.rows_of_split(config.split))
    return [
        *describe_data(config, dataset),
        *describe_plan(config, images, forecast(config, device, images)),
        describe_device(config, device),
    ]


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


def describe_device(config: TrainConfig, device: Device) -> str:
    """Return a line on where it computes, and why if the choice was ours."""
    request = config.device
    if device.kind == "cpu":
        why = f" ({_why_not_a_gpu()})" if request == "auto" else ""
        return f"device: cpu{why}{_without_effect(config)}"
    details = device.details()
    name = f"{details['name']}, {details['memory_bytes'] / 2**30:.1f} GiB"
    why = "; auto takes a GPU that passes its self-test" if request == "auto" else ""
    return f"device: {device} ({name}{why})"


def _why_not_a_gpu() -> str:
    """Return the reason and, where it could help, the remedy.

    Without a driver there is most likely no NVIDIA GPU, and nothing to install.
    """
    return gpu_status().message if has_nvidia_driver() else "no NVIDIA driver"


def _without_effect(config: TrainConfig) -> str:
    """Return which settings are for a GPU only, in words."""
    for_gpu = {
        "--tf32": config.tf32,
        "--gpu-memory": config.gpu_memory,
    }
    given = [name for name, value in for_gpu.items() if value]
    return f"; without effect there: {', '.join(given)}" if given else ""


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
    if seconds < 100 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"
