"""``scratchgan inspect filters``: the paper's figure 5."""

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
from scratchgan.commands.options import SeedRange, data_dir_option, options
from scratchgan.commands.progress import progress_bar

_EXAMPLES = """\b
Examples:
  scratchgan inspect filters runs/00001-faces-quick32
  scratchgan inspect filters 1 --layer all --images
  scratchgan inspect filters 1 --layer down2 --features 0-11
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    click.option("--layer", metavar="NAME|all", help="Stage of D, such as down2, or all of them.  [default: the last convolution]"),
    click.option("--features", type=SeedRange("features"), default="0-5", show_default=True, help="Features shown, counted from 0."),
    click.option("--count", type=click.IntRange(min=20), default=2000, show_default=True, help="Images looked at."),
    click.option("--split", default="train", show_default=True, help="Of the dataset, such as test or train+extra."),
    click.option("--images", is_flag=True, help="Show the patches of the images too."),
    data_dir_option,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def filters(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    layer: str | None,
    features: list[int],
    count: int,
    split: str,
    images: bool,
    data_dir: str | None,
) -> None:
    """Show what D's filters answer to, beside those of a D that never learnt.

    For each feature the five images that excite it most, by guided backpropagation:
    on the left in a D of random weights (from --seed), on the right in the trained one.
    """
    from scratchgan.paper.filters.filters import (
        check_features,
        choose_stages,
        compare_filters,
        random_networks,
    )
    from scratchgan.paper.filters.results import (
        describe_layer,
        draw_layer,
        layer_facts,
    )
    from scratchgan.paper.run_images import spread_rows
    from scratchgan.storage.pictures import stack_pictures

    networks = open_run(run, runs, device)
    stages = choose_stages(networks, layer)
    check_features(stages, features)
    with open_run_images(networks, data_dir) as dataset:
        rows = spread_rows(dataset.rows_of_split(split), count)
        control = random_networks(networks, dataset, rows, seed)
        trained = freeze_statistics(networks, dataset)
        with progress_bar("responses", "images") as progress:
            layers = compare_filters(
                control, trained, dataset, rows, stages, features, progress
            )
    facts = {
        "seed": seed,
        "dataset": str(dataset.path),
        "split": split,
        "images": len(rows),
        "layers": {found.name: layer_facts(found) for found in layers},
    }
    figure = stack_pictures([draw_layer(found, images) for found in layers])
    lines = [line for found in layers for line in describe_layer(found)]
    write_results(networks, out, "filters", figure, facts, as_json, lines)
