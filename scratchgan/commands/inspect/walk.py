"""``scratchgan inspect walk``: the paper's figure 4."""

from pathlib import Path
from typing import Any

import click

from scratchgan.commands.inspect.shared import (
    LABEL_OPTION,
    RUN_OPTIONS,
    freeze_if_possible,
    open_run,
    write_results,
)
from scratchgan.commands.options import data_dir_option, options

# Repeated from scratchgan.paper.walk, which loads NumPy; a test compares them.
PATHS = ("auto", "linear", "great-circle")

_EXAMPLES = """\b
Examples:
  scratchgan inspect walk runs/00001-faces-quick32
  scratchgan inspect walk 1 --seed 40 --rows 5 --animate gif
  scratchgan inspect walk 1 --coordinate 7
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    click.option("--rows", type=click.IntRange(1, 100), default=10, show_default=True, help="Rows of the figure."),
    click.option("--tiles", type=click.IntRange(3, 100), default=10, show_default=True, help="Images in a row."),
    click.option("--path", type=click.Choice(PATHS), default="auto", show_default=True, help="The way from z to z; auto is a great circle for a Gaussian z and a line else."),
    click.option("--coordinate", type=click.IntRange(min=0), help="Sweep this component of z instead, a row for each seed."),
    LABEL_OPTION,
    data_dir_option,
    click.option("--animate", type=click.Choice(["gif", "webp"]), help="Write the walk as an animation too."),
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def walk(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    label: int | None,
    data_dir: str | None,
    animate: str | None,
    **settings: Any,
) -> None:
    """Walk from random z to random z, and measure how even the steps are.

    Rows are chained: the last image of each is the first of the next. Sharp
    transitions would be a sign of images learnt by heart.
    """
    from scratchgan.paper.trained_networks import check_label
    from scratchgan.paper.walk import (
        frames,
        make_walk,
        measure_smoothness,
        verdict,
    )
    from scratchgan.storage.pictures import save_animation, tiles_in_rows

    networks = open_run(run, runs, device)
    check_label(networks, label)
    made = make_walk(networks, seed, label=label, **settings)
    networks = freeze_if_possible(networks, data_dir)
    smoothness = measure_smoothness(networks, made, seed, label)
    figure = tiles_in_rows(made.images)
    facts = {"seed": seed, "label": label, **settings, "smoothness": smoothness}
    if animate:
        out.mkdir(parents=True, exist_ok=True)
        save_animation(frames(networks, made, 6, label), out / f"walk.{animate}")
        facts["animation"] = str(out / f"walk.{animate}")
    write_results(networks, out, "walk", figure, facts, as_json, [verdict(smoothness)])
