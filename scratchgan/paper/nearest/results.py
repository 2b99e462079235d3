"""What the nearest neighbours came to: numbers for JSON, and the paper's table 3."""

from typing import Any

from scratchgan.paper.nearest.nearest import ConditionalRun, NearestImages
from scratchgan.paper.nearest.search import NearestErrors
from scratchgan.paper.published_results import MNIST
from scratchgan.paper.result_table import (
    ResultTable,
    Row,
    published_rows,
    source_note,
)

PAPER_ROWS = {"mnist28c": "DCGAN", "mlp28": "GAN"}
"""The paper's row that a preset is set beside."""


def nearest_facts(
    runs: list[ConditionalRun],
    images: NearestImages,
    measured: list[NearestErrors | None],
    seed: int,
) -> dict[str, Any]:
    """Return the numbers as plain values for JSON.

    Parameters
    ----------
    runs : list of ConditionalRun
    images : NearestImages
    measured : list of NearestErrors or None
        Of real training images, None where they were left out, and of each run.
    seed : int
        Drew the split where the dataset has none.
    """
    real, *results = measured
    largest = max(results[0].errors)
    return {
        "dataset": str(images.dataset.path),
        "queries": len(images.queries),
        "classes": images.class_names,
        "training_images": len(images.training),
        "samples": largest,
        "error": results[0].errors[largest],
        "results": [
            {
                "run": run.name,
                "checkpoint": str(run.checkpoint),
                "preset": run.config.preset,
                "step": run.step,
                "minutes_trained": run.minutes,
                **_plain(result),
            }
            for run, result in zip(runs, results, strict=True)
        ],
        "real": None if real is None else _plain(real),
        "seed": seed,
        "notes": images.notes,
    }


def _plain(result: NearestErrors) -> dict[str, Any]:
    by_size = {
        "errors": result.errors,
        "errors_per_class": result.per_class,
        "mean_distances": result.distances,
    }
    return {
        name: {str(size): value for size, value in values.items()}
        for name, values in by_size.items()
    } | {
        "seconds_search": result.seconds_search,
        "seconds_generation": result.seconds_references,
    }


def nearest_table(
    runs: list[ConditionalRun],
    images: NearestImages,
    measured: list[NearestErrors | None],
    seed: int,
) -> ResultTable:
    """Return the paper's table 3 with these runs in it; see `nearest_facts`."""
    published = {row.model: row for row in MNIST}
    names = ["Real data", *(PAPER_ROWS.get(run.config.preset, "") for run in runs)]
    titles = [
        "real training images",
        *(
            f"{name or run.config.preset}: {run.name}"
            for run, name in zip(runs, names[1:], strict=True)
        ),
    ]
    rows, sizes, used = [], set(), []
    for name, title, result in zip(names, titles, measured, strict=True):
        if result is None:
            continue
        here = {
            str(size): f"{error * 100:.2f} %" for size, error in result.errors.items()
        }
        paper = published.get(name)
        note = "" if paper is None else f"paper: {source_note(paper)}"
        rows.append(Row(title, here, paper.figures if paper else {}, note))
        sizes |= result.errors.keys()
        used.append(name)
    sizes |= {int(size) for row in MNIST for size in row.figures}
    made_with = {
        "data": f"{images.dataset.title}; {len(images.queries):,} test images asked "
        f"for, {len(images.training):,} real training images; seed {seed}",
        "what": "error of one nearest neighbour, Euclidean on pixels in [0, 1], by "
        "number of references; the paper's figures are of MNIST",
        "samples": "sample i has the z of seed i and class i mod "
        f"{runs[0].config.network.classes}; batch normalisation by running averages",
        **{run.name: _training(run) for run in runs},
        "chosen on test images": "nothing",
    }
    made_with |= {f"note {n}": line for n, line in enumerate(images.notes, 1)}
    return ResultTable(
        "Nearest neighbours among generated images (Radford et al. 2016, table 3)",
        [str(size) for size in sorted(sizes)],
        [*rows, *published_rows(MNIST, without=used)],
        made_with,
    )


def _training(run: ConditionalRun) -> str:
    minutes = "" if run.minutes is None else f", {run.minutes:,.0f} minutes"
    return (
        f"{run.config.preset}, {run.step:,} steps of batch {run.config.batch_size}"
        f"{minutes}, seed {run.config.seed}"
    )
