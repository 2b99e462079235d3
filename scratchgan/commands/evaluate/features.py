"""``scratchgan evaluate features``: the paper's tables 1 and 2."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scratchgan.commands.evaluate.shared import (
    OUTPUT_OPTIONS,
    PROTOCOL_OPTIONS,
    RUNS_OPTION,
    SEED_OPTION,
    chosen_protocols,
    linear_svm,
    score_all,
    write_table,
)
from scratchgan.commands.inspect.shared import open_run
from scratchgan.commands.options import options
from scratchgan.commands.progress import note, progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.format.dataset import Dataset
    from scratchgan.paper.features.discriminator_features import DiscriminatorFeatures
    from scratchgan.paper.features.features import Features
    from scratchgan.paper.labelled_split import LabelledSplit
    from scratchgan.paper.trained_networks import TrainedNetworks

_EXAMPLES = """\b
Examples:
  scratchgan evaluate features runs/00003-imagenet-imagenet32 --dataset cifar10
  scratchgan evaluate features 4 --dataset svhn --protocol 1000-labels
  scratchgan evaluate features 5 --labels 2000 --draws 5 --curve
  scratchgan evaluate features 1 --dataset faces --attribute glasses
"""

# fmt: off
OPTIONS = (
    click.argument("run"),
    click.option("--dataset", metavar="NAME|PATH", help="Labelled dataset.  [default: the run's own]"),
    *PROTOCOL_OPTIONS,
    click.option("--controls/--no-controls", default=True, show_default=True, help="Also measure a random-weight D and raw pixels."),
    click.option("--curve", is_flag=True, help="Also measure every other checkpoint that the run has kept."),
    SEED_OPTION,
    RUNS_OPTION,
    *OUTPUT_OPTIONS,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def features(
    run: str,
    dataset: str | None,
    attribute: str | None,
    protocol: tuple[str, ...],
    labels: int | None,
    draws: int | None,
    solver: str,
    controls: bool,
    curve: bool,
    seed: int,
    runs: Path,
    out: Path,
    data_dir: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Classify labelled images by what a run's discriminator makes of them.

    The activations of all its convolution layers, pooled to 4x4, go to a linear SVM.
    The features are kept beside the run and used again. Settings are chosen on
    validation images; test images only test.
    """
    from scratchgan.paper.features.pooled_features import feature_length
    from scratchgan.paper.features.table import OURS, feature_table, run_scores
    from scratchgan.paper.labelled_split import describe_split
    from scratchgan.paper.published_results import papers_table
    from scratchgan.paper.run_facts import describe_run
    from scratchgan.paper.run_images import open_fitting_dataset
    from scratchgan.storage.files import check_writable

    began = time.perf_counter()
    networks = open_run(run, runs, device)
    network = networks.config.network
    length = feature_length(network)
    others = _other_checkpoints(networks) if curve else []
    name = dataset or networks.config.dataset
    with open_fitting_dataset(name, network, data_dir) as data:
        split, protocols, skipped = chosen_protocols(
            data, seed, attribute, protocol, labels, draws
        )
        check_writable(out)
        remark = _seen_in_training(networks, data, split)
        measured = _features(networks, others, data, split, controls, seed)
        svm = linear_svm(solver, networks.device)
        methods = {name: (made, svm) for name, made in measured.items()}
        scores = score_all(methods, split, protocols, seed)
        made_with = {
            "data": describe_split(data, split),
            "discriminator": "; ".join(filter(None, [describe_run(networks), remark])),
            "classifier": f"linear L2-SVM, one class against the rest ({solver})",
            "seed": str(seed),
            "time": f"{(time.perf_counter() - began) / 60:.1f} minutes",
        }
        paper = papers_table(data.info()["kind"], split.class_names)
    table = feature_table(scores, [p.name for p in protocols], paper, made_with, OURS)
    facts = {
        "checkpoint": str(networks.checkpoint),
        "step": networks.step,
        "feature_length": length,
        **run_scores(scores, protocols[0].name),
        "skipped": skipped,
        "seed": seed,
    }
    write_table(out, "features", table, facts, as_json)


def _seen_in_training(
    networks: TrainedNetworks, data: Dataset, split: LabelledSplit
) -> str:
    """Return a remark, noted on stderr too, if D has seen test images; else ""."""
    from scratchgan.paper.run_facts import images_seen

    seen = images_seen(networks.config, data, split.test)
    if not seen:
        return ""
    remark = (
        f"D has seen {seen:,} of the {len(split.test):,} test images in training, "
        "without labels; data prepare --test N holds some out"
    )
    note(f"note: {remark}")
    return remark


def _features(
    networks: TrainedNetworks,
    others: list[TrainedNetworks],
    data: Dataset,
    split: LabelledSplit,
    controls: bool,
    seed: int,
) -> dict[str, Features]:
    """Return all features that are measured, by name."""
    from scratchgan.paper.features.features import RawPixels
    from scratchgan.paper.features.table import RANDOM, TRAINED

    measured: dict[str, Features] = {TRAINED: _of_run(networks, data, split)}
    if controls:
        measured[RANDOM] = _of_random(networks, data, split, seed)
        measured[RawPixels.name] = RawPixels(data, split, networks.config.network)
    for other in others:
        made = _of_run(other, data, split)
        measured[f"{TRAINED}, step {other.step:,}"] = made
    return measured


def _of_run(
    networks: TrainedNetworks, data: Dataset, split: LabelledSplit
) -> DiscriminatorFeatures:
    from scratchgan.paper.features.discriminator_features import trained_features

    with progress_bar(f"features, step {networks.step:,}", "images") as progress:
        return _noted(trained_features(networks, data, split, progress))


def _of_random(
    networks: TrainedNetworks, data: Dataset, split: LabelledSplit, seed: int
) -> DiscriminatorFeatures:
    from scratchgan.paper.features.discriminator_features import random_features

    with progress_bar("features, random weights", "images") as progress:
        return _noted(random_features(networks, data, split, seed, progress))


def _noted(made: DiscriminatorFeatures) -> DiscriminatorFeatures:
    if made.reused:
        note(f"{made.name}: from {made.path}")
    return made


def _other_checkpoints(networks: TrainedNetworks) -> list[TrainedNetworks]:
    """Return the run's other checkpoints, ascending.

    Raises
    ------
    CheckpointError
        The checkpoint lies in no run's folder, so that there are no others.
    """
    from scratchgan.errors import CheckpointError
    from scratchgan.paper.trained_networks import load_networks
    from scratchgan.training.run.folder import run_of_checkpoint

    try:
        folder = run_of_checkpoint(networks.checkpoint)
    except CheckpointError as error:
        raise CheckpointError(
            f"{networks.checkpoint} does not lie in a run folder and has no other "
            "checkpoints beside it; leave --curve away, or give the run"
        ) from error
    return [
        load_networks(str(folder.checkpoint_file(step)), Path(), networks.device)
        for step in folder.checkpoint_steps()
        if step != networks.step
    ]
