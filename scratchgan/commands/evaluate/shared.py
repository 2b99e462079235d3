"""What all ``evaluate`` commands have in common: options, and how results come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.options import data_dir_option, device_option, json_option
from scratchgan.commands.progress import note, progress_bar

if TYPE_CHECKING:
    from scratchgan.backend import Device
    from scratchgan.datasets.format.dataset import Dataset
    from scratchgan.paper.features.features import Features
    from scratchgan.paper.features.protocols import Method, Protocol, Score
    from scratchgan.paper.labelled_split import LabelledSplit
    from scratchgan.paper.result_table import ResultTable

# Repeated from scratchgan.paper.features.protocols, which loads NumPy; a test compares them.
PROTOCOL_NAMES = ("full", "400-per-class", "1000-labels")

# fmt: off
OUTPUT_OPTIONS = (
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"), show_default=True, help="Folder for the table and its numbers."),
    data_dir_option,
    device_option,
    json_option,
)
RUNS_OPTION = click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder in which names and numbers of runs are looked up.")
SEED_OPTION = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws everything that is drawn at random.")
PROTOCOL_OPTIONS = (
    click.option("--attribute", metavar="NAME", help="Take this 0/1 attribute as the class, instead of the labels."),
    click.option("--protocol", type=click.Choice(PROTOCOL_NAMES), multiple=True, help="Labels to learn from; may be given several times: all training images, the paper's 400 of each class, the paper's 1,000 in all.  [default: full]"),
    click.option("--labels", type=click.IntRange(min=2), help="Also learn from this number of labels, the same number of each class."),
    click.option("--draws", type=click.IntRange(min=1), help="How often labels are drawn, for what is reported; at most 10 times to choose C.  [default: 100, as the authors]"),
    click.option("--solver", type=click.Choice(["scratch", "liblinear"]), default="scratch", show_default=True, help="What finds the SVM; liblinear, for comparison, needs scratchgan[svm]."),
)
# fmt: on


def chosen_protocols(
    data: Dataset,
    seed: int,
    attribute: str | None,
    names: tuple[str, ...],
    labels: int | None,
    draws: int | None,
) -> tuple[LabelledSplit, list[Protocol], list[str]]:
    """Return the split, the protocols that can be followed, and why others cannot.

    Without ``--protocol``, ``--labels`` alone stands for one protocol; else it is one
    more. What is skipped is noted on stderr.

    Raises
    ------
    ConfigError
        No protocol is left.
    """
    import dataclasses

    from scratchgan.errors import ConfigError
    from scratchgan.paper.features.protocols import PROTOCOLS, Protocol, missing_images
    from scratchgan.paper.labelled_split import split_labelled

    split = split_labelled(data, seed=seed, attribute=attribute)
    if split.note:
        note(f"note: {split.note}")
    if labels is not None:
        names += (f"{labels}-labels",)
    wanted = [
        PROTOCOLS.get(name) or Protocol(name, total=labels)  # 1000-labels is published
        for name in dict.fromkeys(names or ["full"])
    ]
    if draws is not None:
        changes = {"draws": draws, "draws_to_choose": min(10, draws)}
        wanted = [dataclasses.replace(protocol, **changes) for protocol in wanted]
    left, skipped = [], []
    for protocol in wanted:
        reason = missing_images(protocol, split)
        if reason:
            skipped.append(reason)
            note(f"skipped: {reason}")
        else:
            left.append(protocol)
    if not left:
        raise ConfigError(f"nothing to measure on {data.path}: {'; '.join(skipped)}")
    return split, left, skipped


def score_all(
    measured: dict[str, tuple[Features, Method]],
    split: LabelledSplit,
    protocols: list[Protocol],
    seed: int,
) -> dict[str, dict[str, Score]]:
    """Return the scores of all features by all protocols, with a bar for each."""
    from scratchgan.paper.features.protocols import score_features

    scores: dict[str, dict[str, Score]] = {name: {} for name in measured}
    for name, (features, method) in measured.items():
        for protocol in protocols:
            with progress_bar(f"{name}, {protocol.name}", "fits") as progress:
                scores[name][protocol.name] = score_features(
                    features,
                    split,
                    protocol,
                    method,
                    seed=seed,
                    progress=progress,
                )
    return scores


def linear_svm(solver: str, device: Device) -> Method:
    """Return the linear SVM, found on the device, or by scikit-learn."""
    from scratchgan.paper.features.liblinear import fit_liblinear
    from scratchgan.paper.features.linear_svm import fit_linear_svm
    from scratchgan.paper.features.protocols import Method

    if solver == "liblinear":
        return Method(fit_liblinear)
    return Method(
        lambda x, labels, classes, c: fit_linear_svm(
            device.put(x), labels, classes, c
        ).on_host()
    )


def write_table(
    out: Path,
    name: str,
    table: ResultTable,
    facts: dict[str, Any],
    as_json: bool,
) -> None:
    """Write NAME.md and NAME.json, and print the table, or the numbers.

    Parameters
    ----------
    out : Path
        The folder; made if it is missing.
    name : str
    table : ResultTable
    facts : dict
        The numbers behind it, as plain values for JSON.
    as_json : bool
        Print one JSON object instead of the table.
    """
    from scratchgan.storage.files import complete_file, make_folder

    make_folder(out)
    record = {**facts, "table": table.record()}
    contents = {
        out / f"{name}.md": table.markdown(),
        out / f"{name}.json": json.dumps(record, indent=2) + "\n",
    }
    for path, text in contents.items():
        with complete_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(table.markdown())
    for path in contents:
        click.echo(path)
