"""``scratchgan evaluate baselines``: what can be reached without a GAN."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scratchgan.commands.evaluate.shared import (
    OUTPUT_OPTIONS,
    PROTOCOL_OPTIONS,
    SEED_OPTION,
    chosen_protocols,
    linear_svm,
    score_all,
    write_table,
)
from scratchgan.commands.options import options
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.format.dataset import Dataset
    from scratchgan.paper.features.protocols import Protocol
    from scratchgan.paper.labelled_split import LabelledSplit

METHODS = ("kmeans", "knn", "pixels")

_EXAMPLES = """\b
Examples:
  scratchgan evaluate baselines --dataset cifar10 --centroids 4800
  scratchgan evaluate baselines --dataset svhn --protocol 1000-labels
  scratchgan evaluate baselines --dataset digits --method knn --labels 500 --draws 5
"""

# fmt: off
OPTIONS = (
    click.option("--dataset", metavar="NAME|PATH", required=True, help="Labelled dataset."),
    *PROTOCOL_OPTIONS,
    click.option("--method", type=click.Choice(METHODS), multiple=True, help="Which to measure; may be given several times.  [default: all]"),
    click.option("--centroids", type=click.IntRange(2, 10_000), default=400, show_default=True, help="Of K-means; the paper's table has 4,800."),
    SEED_OPTION,
    *OUTPUT_OPTIONS,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def baselines(
    dataset: str,
    attribute: str | None,
    protocol: tuple[str, ...],
    labels: int | None,
    draws: int | None,
    solver: str,
    method: tuple[str, ...],
    centroids: int,
    seed: int,
    out: Path,
    data_dir: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Classify labelled images without a GAN: what a run's features have to beat.

    K-means features with a linear SVM (Coates et al. 2011), K nearest neighbours on
    pixels, and a linear SVM on pixels, by the same protocols as evaluate features. The
    other rows of the paper's tables are printed beside them, as they were published.
    """
    from scratchgan.backend import resolve_device
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.format.dataset import open_dataset
    from scratchgan.paper.features.table import feature_scores, feature_table
    from scratchgan.paper.labelled_split import describe_split
    from scratchgan.paper.published_results import papers_table
    from scratchgan.storage.files import check_writable

    began = time.perf_counter()
    svm = linear_svm(solver, resolve_device(device))
    with open_dataset(find_dataset(dataset, data_dir)) as data:
        split, protocols, skipped = chosen_protocols(
            data, seed, attribute, protocol, labels, draws
        )
        check_writable(out)
        scores: dict = {}
        rows = {}
        for name in dict.fromkeys(method or METHODS):
            features, way, row = _prepare(name, data, split, protocols, centroids, seed)
            title = features.name
            scores |= score_all({title: (features, way or svm)}, split, protocols, seed)
            rows[title] = row
        made_with = {
            "data": describe_split(data, split),
            "classifier": f"linear L2-SVM ({solver}), and neighbours where it says so",
            "seed": str(seed),
            "time": f"{(time.perf_counter() - began) / 60:.1f} minutes",
        }
        paper = papers_table(data.info()["kind"], split.class_names)
    table = feature_table(scores, [p.name for p in protocols], paper, made_with, rows)
    facts = {
        "dataset": str(data.path),
        "protocol": protocols[0].name,
        "scores": feature_scores(scores),
        "skipped": skipped,
        "seed": seed,
    }
    write_table(out, "baselines", table, facts, as_json)


def _prepare(
    method: str,
    data: Dataset,
    split: LabelledSplit,
    protocols: list[Protocol],
    centroids: int,
    seed: int,
) -> tuple:
    """Return features, the way to classify them (None: SVM) and the paper's row."""
    from scratchgan.paper.baselines.kmeans_of_split import KMeansBaseline
    from scratchgan.paper.baselines.neighbours import Images, neighbours_method
    from scratchgan.paper.features.features import RawPixels

    if method == "pixels":
        return RawPixels(data, split), None, ""
    if method == "knn":
        classes = len(split.class_names)
        learnt = [p.labels_per_class(classes) for p in protocols]
        fewest = min(len(split.train) if n is None else n * classes for n in learnt)
        return Images(data, split), neighbours_method(fewest), "KNN"
    with (
        progress_bar("K-means", "iterations") as learning,
        progress_bar("K-means features", "images") as transforming,
    ):
        made = KMeansBaseline(data, split, centroids, seed, learning, transforming)
    return made, None, "1-layer K-means"
