"""``scratchgan evaluate nearest``: samples of a conditional G as a training set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scratchgan.commands.evaluate.shared import (
    OUTPUT_OPTIONS,
    RUNS_OPTION,
    SEED_OPTION,
    write_table,
)
from scratchgan.commands.options import options
from scratchgan.commands.progress import note, progress_bar

if TYPE_CHECKING:
    from scratchgan.backend import Device
    from scratchgan.paper.nearest.nearest import ConditionalRun, NearestImages
    from scratchgan.paper.nearest.search import NearestErrors, Queries, References

_EXAMPLES = """\b
Examples:
  scratchgan evaluate nearest 1
  scratchgan evaluate nearest 1 2 --samples 10000 --samples 50000
"""

# fmt: off
OPTIONS = (
    click.argument("run", nargs=-1, required=True),
    click.option("--dataset", metavar="NAME|PATH", help="Labelled images: the test split is asked for, the training split compared with.  [default: the first run's own]"),
    click.option("--samples", type=click.IntRange(min=1), multiple=True, default=(50_000,), show_default=True, help="Number of generated images; several are checkpoints of one pass."),
    click.option("--no-real", is_flag=True, help="Leave out the row of real training images."),
    SEED_OPTION,
    RUNS_OPTION,
    *OUTPUT_OPTIONS,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def nearest(
    run: tuple[str, ...],
    dataset: str | None,
    samples: tuple[int, ...],
    no_real: bool,
    seed: int,
    runs: Path,
    out: Path,
    data_dir: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Classify real test images by their nearest generated ones: table 3, figure 9.

    RUN is one or more conditional runs. Their labelled samples take the place of a
    training set; the error of one nearest neighbour says how good a one. Beside it is
    the error with real training images. Ctrl-C keeps what is done; the same command,
    or one with more --samples, goes on from there.
    """
    from scratchgan.backend import resolve_device
    from scratchgan.errors import ConfigError
    from scratchgan.paper.nearest.nearest import (
        check_alike,
        figure,
        open_conditional_run,
        open_images,
    )
    from scratchgan.paper.nearest.results import nearest_facts, nearest_table
    from scratchgan.storage.files import make_folder
    from scratchgan.storage.pictures import save_png

    place = resolve_device(device)
    opened = [open_conditional_run(name, runs, place) for name in run]
    check_alike(opened)
    classes = opened[0].config.network.classes
    if min(samples) < classes:
        raise ConfigError(
            f"--samples {min(samples)}: expected at least one for each of the "
            f"{classes} classes"
        )
    images = open_images(opened, dataset, data_dir, seed)
    with images.dataset, place.stream():
        for line in images.notes:
            note(f"note: {line}")
        make_folder(out)
        save_png(figure(opened, images, place), out / "nearest.png")
        measured = _measure(opened, images, sorted(set(samples)), no_real, out, place)
    facts = nearest_facts(opened, images, measured, seed)
    facts |= {"device": str(place), "figure": str(out / "nearest.png")}
    table = nearest_table(opened, images, measured, seed)
    write_table(out, "nearest", table, facts, as_json)


def _measure(
    runs: list[ConditionalRun],
    images: NearestImages,
    sizes: list[int],
    no_real: bool,
    out: Path,
    device: Device,
) -> list[NearestErrors | None]:
    """Return what came out for real training images, and then for each run."""
    from scratchgan.paper.nearest.references import RealImages, Samples
    from scratchgan.paper.nearest.search import Queries
    from scratchgan.paper.run_images import read_images

    network = runs[0].config.network
    rows, count = images.queries, len(images.training)
    queries = Queries(
        read_images(images.dataset, rows, network),
        images.labels[rows],
        network.classes,
        device,
    )
    measured: list[NearestErrors | None] = [None]
    if not no_real:
        real = RealImages(
            images.dataset, images.training, images.labels, network, device
        )
        measured[0] = _search("real images", queries, real, [count], out)
        # As many samples as there are training images: the fair comparison.
        sizes = sorted({*sizes, count}) if count < sizes[-1] else sizes
    for run in runs:
        samples = Samples(run.generator, device)
        measured.append(_search(run.name, queries, samples, sizes, out))
    return measured


def _search(
    what: str, queries: Queries, references: References, sizes: list[int], out: Path
) -> NearestErrors:
    """Search with a bar on stderr; the state lies beside the results."""
    from scratchgan.paper.nearest.search import nearest_errors, search_key

    file = out / f"nearest-{search_key(queries, references)[:12]}.npz"
    with progress_bar(what, "images", scaled=True) as progress:
        return nearest_errors(
            queries, references, sizes, file, progress=progress, note=note
        )
