"""``scratchgan inspect neighbours``: whether generated images are copies."""

from __future__ import annotations

from pathlib import Path

import click

from scratchgan.commands.inspect.shared import (
    RUN_OPTIONS,
    freeze_statistics,
    open_run,
    open_run_images,
    write_results,
)
from scratchgan.commands.options import data_dir_option, options
from scratchgan.commands.progress import progress_bar

_EXAMPLES = """\b
Examples:
  scratchgan inspect neighbours runs/00001-faces-quick32
  scratchgan inspect neighbours 1 --count 256 --rows 20
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    click.option("--count", type=click.IntRange(min=1), default=64, show_default=True, help="Generated images, from consecutive seeds."),
    click.option("--rows", type=click.IntRange(min=1), default=10, show_default=True, help="Of these in the figure, those nearest to a training image first."),
    click.option("--label", type=click.IntRange(min=0), help="Class of all images, for a conditional network.  [default: 0]"),
    data_dir_option,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def neighbours(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    count: int,
    rows: int,
    label: int | None,
    data_dir: str | None,
) -> None:
    """Find the training images nearest to generated ones: a test of memorisation.

    Distances are taken in pixels and in D's features. Beside them are those of real
    images that were not trained on: a generator that draws from memory is nearer to
    the training images than these are.
    """
    from scratchgan.paper.neighbours.neighbours import (
        choose_held_out,
        find_neighbours,
    )
    from scratchgan.paper.neighbours.results import (
        describe,
        draw_neighbours,
        neighbour_facts,
    )
    from scratchgan.paper.trained_networks import check_label

    networks = open_run(run, runs, device)
    check_label(networks, label)
    with open_run_images(networks, data_dir) as dataset:
        held_out = choose_held_out(dataset, networks.config.split)
        networks = freeze_statistics(networks, dataset)
        labels = [label or 0] * count if networks.config.network.classes else None
        generated = networks.images(networks.latent(range(seed, seed + count)), labels)
        with progress_bar("training images", "images") as progress:
            found = find_neighbours(
                networks, dataset, generated, held_out, labels, progress
            )
        facts = {
            "seed": seed,
            "label": label,
            "dataset": str(dataset.path),
            "training_images": len(dataset.rows_of_split(networks.config.split)),
            **neighbour_facts(found, held_out, seed),
        }
        figure = draw_neighbours(networks, dataset, generated, found, seed, rows)
    lines = describe(facts)
    write_results(networks, out, "neighbours", figure, facts, as_json, lines)
