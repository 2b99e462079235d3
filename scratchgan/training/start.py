"""Where a new run is started, or only described."""

import json
from dataclasses import replace
from pathlib import Path

from scratchgan.backend import Device, resolve_device
from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.datasets.loader import check_rows, check_size
from scratchgan.errors import DatasetError
from scratchgan.gpu.memory import limit_memory, read_memory_limit
from scratchgan.kernels.products import allow_tf32
from scratchgan.synthetic.first_use import Bar, Report, find_or_draw, is_to_be_drawn
from scratchgan.training.config import TrainConfig, config_to_dict
from scratchgan.training.describe import describe_run, layer_table
from scratchgan.training.forecast.device_memory import explained
from scratchgan.training.forecast.estimate import forecast
from scratchgan.training.loop import TrainResult, train
from scratchgan.training.run.folder import create_run
from scratchgan.training.run.state import new_state


def start_run(
    config: TrainConfig,
    runs: Path,
    data_dir: str | Path | None = None,
    *,
    report: Report | None = None,
    bar: Bar | None = None,
) -> TrainResult:
    """Train a new run in the next numbered folder.

    Nothing is written before data, device and settings have been found to fit.

    Parameters
    ----------
    config : TrainConfig
        Its settings; channels, classes and the data's sha256 come from the dataset.
    runs : Path
        Folder that holds the run folders.
    data_dir : str or Path, optional
        See `data_folder`.
    report : callable, optional
        Called with each line for the user: data, networks, plan, device, folder.
        Without it, no time is measured either.
    bar : callable, optional
        Makes the progress bar of a set that is drawn, see `find_or_draw`; with it
        the training shows one as well.

    Raises
    ------
    ScratchGANError
        Of the kind that says what does not fit; see also `loop.train`.
    """
    device = resolve_device(config.device)
    prepare_device(config, device)
    path = find_or_draw(config.dataset, data_dir, report=report, bar=bar)
    with open_dataset(path) as dataset:
        config = fit_to_dataset(config, dataset)
        with explained(config, device):
            for line in describe_run(config, dataset, device) if report else ():
                report(line)
            state = new_state(from_any_folder(config, path), device)
        run = create_run(runs, path.stem, config.preset)
        if report:
            report(f"run: {run.path}")
        return train(state, dataset, run, device, show_progress=bar is not None)


def describe_new_run(
    config: TrainConfig, data_dir: str | Path | None = None
) -> list[str]:
    """Return lines on settings, layers and forecast of a run that is not started.

    Parameters
    ----------
    config : TrainConfig
        Its settings.
    data_dir : str or Path, optional
        See `data_folder`.
    """
    device = resolve_device(config.device)
    prepare_device(config, device)
    if is_to_be_drawn(config.dataset, data_dir):
        outlook = forecast(config, device)
        lines = [
            f"forecast: {outlook.step_seconds:.3g} s a step and "
            f"{outlook.memory_bytes / 2**30:.1f} GiB of memory; the data is not "
            "prepared yet, so the number of steps is open"
        ]
    else:
        path = find_or_draw(config.dataset, data_dir)
        with open_dataset(path) as dataset:
            config = fit_to_dataset(config, dataset)
            with explained(config, device):
                lines = describe_run(config, dataset, device)
    settings = json.dumps(config_to_dict(config), indent=2)
    return [settings, *layer_table(config), *lines]


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


def from_any_folder(config: TrainConfig, path: Path) -> TrainConfig:
    """Return the settings with a dataset given by path as an absolute one.

    A name is looked for in the data folder of the day; a relative path would mean
    another file when the run is continued from another folder.
    """
    if config.dataset == path.stem:
        return config
    return replace(config, dataset=str(path.absolute()))


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
