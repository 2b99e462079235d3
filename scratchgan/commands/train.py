"""``scratchgan train``: settings, one call into the library, where the results are."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from scratchgan.commands.options import (
    EXIT_INTERRUPTED,
    SizeType,
    data_dir_option,
    options,
)
from scratchgan.commands.progress import progress_bar
from scratchgan.errors import ConfigError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.training.config import (
    LOSSES,
    UPDATE_ORDERS,
    TrainConfig,
    config_to_dict,
)
from scratchgan.training.presets import DEFAULT_PRESET, PRESETS

RESUME_NEWEST = ""
"""What ``--resume`` without a run means."""

POSITIVE = click.IntRange(min=1)
POSITIVE_FLOAT = click.FloatRange(min=0, min_open=True)

_PRESET_HELP = "; ".join(f"{name}: {p.description}" for name, p in PRESETS.items())

NETWORK_SETTINGS = ("latent_dim", "latent", "kernel_size", "conv_impl")
CHANGEABLE_ON_RESUME = (
    *("steps", "epochs", "max_minutes", "device", "dataset"),
    *("tf32", "cuda_graph", "gpu_memory"),
    *("log_every", "sample_every", "checkpoint_every", "keep_last", "keep_every"),
)


# fmt: off
OPTIONS = (
    # What and where.
    click.option("--dataset", metavar="NAME|PATH", help="Prepared dataset; the built-in faces, bedrooms and digits are drawn on first use.  [default: the preset's]"),
    click.option("--device", metavar="auto|cpu|gpu|gpu:N", help="Where to compute; auto takes a GPU that works and the CPU otherwise.  [default: auto]"),
    click.option("--tf32/--no-tf32", default=None, help="Let a GPU round the factors of its products to 10 bits: much faster from Ampere on."),
    click.option("--cuda-graph/--no-cuda-graph", default=None, help="On a GPU, record the step once and repeat it in one launch."),
    click.option("--gpu-memory", metavar="SIZE|PERCENT", help="Take no more of a GPU's memory than 6GiB or 75%, say."),
    click.option("--preset", type=click.Choice(list(PRESETS)), help=f"{_PRESET_HELP}.  [default: {DEFAULT_PRESET}]"),
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder that holds the run folders."),
    data_dir_option,
    click.option("--split", help="Part of the data to train on, such as train+extra.  [default: train]"),
    click.option("--resume", is_flag=False, flag_value=RESUME_NEWEST, metavar="[RUN]", help="Continue a run: its folder, its number, one checkpoint file, or the newest run."),
    click.option("--dry-run", is_flag=True, help="Print settings, layers and forecast; do nothing."),
    # How long.
    click.option("--epochs", type=POSITIVE_FLOAT, help="Passes over the data."),
    click.option("--steps", type=POSITIVE, help="Steps in all, instead of epochs; a step is one update of D and one of G."),
    click.option("--max-minutes", type=POSITIVE_FLOAT, help="Save and stop after this time."),
    click.option("--batch-size", type=click.IntRange(min=2), help="Images in a batch."),
    click.option("--seed", type=click.IntRange(min=0), help="Of weights, z and the order of images.  [default: 0]"),
    # Network.
    click.option("--size", type=SizeType(), metavar="S|HxW", help="Size of the images, instead of the preset's."),
    click.option("--base-channels", type=POSITIVE, help="Maps of the layer next to the image; the others keep their proportion."),
    click.option("--latent-dim", type=POSITIVE, help="Length of z."),
    click.option("--latent", type=click.Choice(["normal", "uniform"]), help="z from N(0, 1) or U(-1, 1)."),
    click.option("--kernel-size", type=POSITIVE, help="Of the strided convolutions, in pixels."),
    click.option("--conditional/--no-conditional", default=None, help="Give both networks the labels."),
    click.option("--conv-impl", type=click.Choice(["fast", "matmul", "strips", "reference"]), help="Implementation of convolution."),
    # Optimiser.
    click.option("--lr", type=POSITIVE_FLOAT, help="Adam's learning rate."),
    click.option("--beta1", type=click.FloatRange(0, 1, max_open=True), help="Decay of Adam's first moment."),
    click.option("--beta2", type=click.FloatRange(0, 1, max_open=True), help="Decay of Adam's second moment."),
    click.option("--adam-eps", type=POSITIVE_FLOAT, help="Adam's epsilon, outside the square root."),
    click.option("--decay-start", type=click.IntRange(min=0), help="Epochs at constant learning rate, before it falls to 0."),
    click.option("--decay-epochs", type=POSITIVE, help="Epochs in which it falls, linearly."),
    click.option("--l2", type=click.FloatRange(min=0), help="L2 penalty on all parameters."),
    click.option("--update-order", type=click.Choice(UPDATE_ORDERS), help="How the updates of D and G take turns."),
    click.option("--loss", type=click.Choice(list(LOSSES)), help="What D and G minimise; softmax gives D two outputs, the others one."),
    # What is written.
    click.option("--log-every", type=POSITIVE, help="Steps between log records."),
    click.option("--sample-every", type=POSITIVE, help="Steps between sample grids."),
    click.option("--checkpoint-every", type=POSITIVE, help="Steps between checkpoints."),
    click.option("--keep-last", type=POSITIVE, help="Newest checkpoints to keep."),
    click.option("--keep-every", type=click.IntRange(min=0), help="Also keep checkpoints at multiples of this step; 0 for none."),
)
# fmt: on


@click.command()
@options(*OPTIONS)
def train(
    out: Path,
    data_dir: str | None,
    resume: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Train a DCGAN on a dataset; everything goes into a numbered run folder.

    Ctrl-C saves and stops; --resume goes on exactly where the run was.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if resume is None:
        preset = PRESETS[given.pop("preset", DEFAULT_PRESET)]
        _start(_configure(preset, given), out, data_dir, dry_run)
    elif dry_run:
        raise click.UsageError("--dry-run describes a new run; --resume has a run")
    else:
        _resume(resume, out, data_dir, given)


def _configure(preset: TrainConfig, given: dict[str, Any]) -> TrainConfig:
    """Return the preset with what the user gave in its place."""
    network = _configure_network(preset.network, given)
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    changes = {name: value for name, value in given.items() if name in fields}
    if "steps" in given and "epochs" in given:
        raise click.UsageError("give --steps or --epochs, not both")
    if "epochs" in given:
        changes["steps"] = None
    elif "steps" in given:
        changes["epochs"] = None
    return dataclasses.replace(preset, network=network, **changes)


def _configure_network(network: NetworkConfig, given: dict[str, Any]) -> NetworkConfig:
    changes = {name: given[name] for name in NETWORK_SETTINGS if name in given}
    if "size" in given:
        changes["height"], changes["width"] = given["size"]
    if "base_channels" in given:
        if not network.widths:
            raise ConfigError("--base-channels: this preset has no convolutions")
        first = network.widths[0]
        changes["widths"] = tuple(
            max(1, round(width * given["base_channels"] / first))
            for width in network.widths
        )
    if "loss" in given:
        changes["logits"] = LOSSES[given["loss"]]
    if "conditional" in given:
        # The number of classes comes from the data; 10 stands for it until then.
        changes["classes"] = (network.classes or 10) if given["conditional"] else 0
    return dataclasses.replace(network, **changes)


def _start(config: TrainConfig, out: Path, data_dir: str | None, dry_run: bool) -> None:
    from scratchgan.backend import resolve_device
    from scratchgan.datasets.format.dataset import open_dataset
    from scratchgan.training import launch
    from scratchgan.training.forecast.device_memory import explained
    from scratchgan.training.forecast.estimate import forecast
    from scratchgan.training.run.folder import create_run
    from scratchgan.training.run.state import new_state

    device = resolve_device(config.device)
    launch.prepare_device(config, device)
    path = _find_or_draw(config.dataset, data_dir, may_draw=not dry_run)
    if path is None:
        _print_dry_run(config, [], forecast(config, device).step_seconds)
        return
    with open_dataset(path) as dataset:
        config = launch.fit_to_dataset(config, dataset)
        images = len(dataset.rows_of_split(config.split))
        with explained(config, device):
            outlook = forecast(config, device, images)
        lines = [
            *launch.describe_data(config, dataset),
            *launch.describe_plan(config, images, outlook),
            launch.describe_device(config, device),
        ]
        if dry_run:
            _print_dry_run(config, lines, None)
            return
        for line in lines:
            click.echo(line, err=True)
        with explained(config, device):
            state = new_state(_from_any_folder(config, path), device)
        run = create_run(out, path.stem, config.preset)
        click.echo(f"run: {run.path}", err=True)
        _run(state, dataset, run, device)


def _resume(
    resume: str, out: Path, data_dir: str | None, given: dict[str, Any]
) -> None:
    from scratchgan.backend import resolve_device
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.format.dataset import open_dataset
    from scratchgan.training.launch import check_same_data, prepare_device
    from scratchgan.training.run.folder import find_checkpoint, run_of_checkpoint
    from scratchgan.training.run.state import load_state, read_config

    fixed = sorted(set(given) - set(CHANGEABLE_ON_RESUME))
    if fixed:
        flags = ", ".join("--" + name.replace("_", "-") for name in fixed)
        raise click.UsageError(
            f"{flags} cannot change when a run is resumed; start a new run instead"
        )
    checkpoint = find_checkpoint(resume or None, out)
    run = run_of_checkpoint(checkpoint)
    device = resolve_device(given.get("device") or read_config(checkpoint).device)
    config = _configure(read_config(checkpoint), {"max_minutes": None, **given})
    prepare_device(config, device)
    state = load_state(checkpoint, device)
    state.config = config
    path = find_dataset(state.config.dataset, data_dir)
    state.config = _from_any_folder(state.config, path)
    with open_dataset(path) as dataset:
        check_same_data(state.config, dataset)
        total = state.config.total_steps(len(dataset.rows_of_split(state.config.split)))
        click.echo(
            f"run: {run.path}, from step {state.step:,} to {total:,} on {device}",
            err=True,
        )
        if state.step >= total:
            click.echo(
                f"the run is complete; --steps {2 * state.step} would go on", err=True
            )
            return
        _run(state, dataset, run, device)


def _from_any_folder(config: TrainConfig, path: Path) -> TrainConfig:
    """Return the settings with a dataset given by path as an absolute one.

    A name is looked for in the data folder of the day; a relative path would mean
    another file when the run is continued from another folder.
    """
    if config.dataset == path.stem:
        return config
    return dataclasses.replace(config, dataset=str(path.absolute()))


def _run(state: Any, dataset: Any, run: Any, device: Any) -> None:
    """Train, then say where the results are; exit 130 if a signal ended it."""
    from scratchgan.training.loop import train as train_loop

    result = train_loop(state, dataset, run, device)
    if result.interrupted:
        click.echo(
            f"interrupted at step {result.step:,}; saved; go on with: "
            f"scratchgan train --resume {run.path}",
            err=True,
        )
        sys.exit(EXIT_INTERRUPTED)
    if result.step < result.total:
        click.echo(
            f"time limit at step {result.step:,} of {result.total:,}; saved; go on "
            f"with: scratchgan train --resume {run.path}",
            err=True,
        )
    click.echo(f"samples: {result.samples}")
    click.echo(f"checkpoint: {result.checkpoint}")
    click.echo(f"more images: scratchgan generate {run.path} --seeds 0-35", err=True)


def _find_or_draw(dataset: str, data_dir: str | None, *, may_draw: bool) -> Path | None:
    """Return the dataset's file, drawing a built-in one that is missing."""
    from scratchgan.datasets.catalogue import BUILT_IN, dataset_path, find_dataset

    missing = dataset in BUILT_IN and not dataset_path(dataset, data_dir).is_file()
    if not missing:
        return find_dataset(dataset, data_dir)
    if not may_draw:
        return None
    from scratchgan.synthetic.prepare import prepare_synthetic

    click.echo(
        f"data: {dataset} is not prepared yet; drawing the synthetic set now. Real "
        f"ones instead: scratchgan data prepare {dataset} FOLDER",
        err=True,
    )
    with progress_bar("drawing", "images") as progress:
        return prepare_synthetic(dataset, data_dir, progress=progress).path


def _print_dry_run(
    config: TrainConfig, lines: list[str], step_seconds: float | None
) -> None:
    from scratchgan.training.forecast.estimate import memory_estimate
    from scratchgan.training.launch import layer_table

    click.echo(json.dumps(config_to_dict(config), indent=2))
    for line in layer_table(config):
        click.echo(line)
    for line in lines:
        click.echo(line)
    if step_seconds is not None:
        click.echo(
            f"forecast: {step_seconds:.3g} s a step and "
            f"{memory_estimate(config) / 2**30:.1f} GiB of memory; the data is not "
            "prepared yet, so the number of steps is open"
        )
