"""``scratchgan inspect turn``: the paper's figure 8."""

from __future__ import annotations

from pathlib import Path

import click

from scratchgan.commands.inspect.shared import (
    JUDGE_OPTIONS,
    LABEL_OPTION,
    RUN_OPTIONS,
    drawing,
    open_judge,
    open_run,
    write_results,
)
from scratchgan.commands.options import SeedRange, options
from scratchgan.commands.progress import progress_bar

_EXAMPLES = """\b
Examples:
  scratchgan inspect turn runs/00001-faces-quick32
  scratchgan inspect turn 1 --left 3,14,15,92 --right 6,53,58,97
  scratchgan inspect turn 1 --attribute smile --scale 1.5
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    click.option("--left", type=SeedRange(), help="Samples that look left.  [default: the four furthest by the judge]"),
    click.option("--right", type=SeedRange(), help="Samples that look right."),
    click.option("--attribute", default="turn", show_default=True, help="What the vector changes: from low (left) to high (right)."),
    click.option("--scale", type=click.FloatRange(0, 10, min_open=True), default=1.0, show_default=True, help="Length of a row, as a share of the vector."),
    click.option("--rows", type=click.IntRange(1, 50), default=5, show_default=True, help="Random samples in the figure."),
    click.option("--candidates", type=click.IntRange(16, 100_000), default=512, show_default=True, help="Consecutive seeds that both ends are chosen from."),
    click.option("--samples", type=click.IntRange(2, 100_000), default=100, show_default=True, help="Random samples that are measured."),
    *JUDGE_OPTIONS,
    LABEL_OPTION,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def turn(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    left: list[int] | None,
    right: list[int] | None,
    attribute: str,
    scale: float,
    rows: int,
    candidates: int,
    samples: int,
    judge: str | None,
    data_dir: str | None,
    label: int | None,
) -> None:
    """Turn heads: add the way from left to right to random samples.

    The turn vector is the mean z of four samples that look right less that of four
    that look left. A judge, a small network trained on a labelled dataset, measures
    the turn in degrees along it, and along random directions of the same length.
    """
    import numpy as np

    from scratchgan.paper import turn as experiment
    from scratchgan.paper.judges.conditions import find_attribute

    networks = open_run(run, runs, device)
    draw = drawing(networks, label)
    made_judge = open_judge(networks, judge, data_dir)
    attribute = find_attribute(attribute, made_judge)
    ends = experiment.find_ends(
        networks, made_judge, attribute, draw, (left, right), seed, candidates
    )
    vector = experiment.make_vector(networks, *ends)
    # Beyond the candidates, so that none of them is among the samples.
    seeds = range(seed + candidates, seed + candidates + max(samples, rows))
    z = networks.latent(seeds)
    with progress_bar("measuring", "directions") as progress:
        report = experiment.measure_turn(
            z[:samples],
            vector.vector,
            scale,
            lambda images: made_judge.probabilities(images)[attribute],
            draw,
            seed,
            progress,
        )
    end_faces = draw(np.stack([vector.left, vector.right]))
    shown = experiment.draw_rows(z[:rows], vector.vector, scale, draw)
    figure = experiment.draw_figure(shown, end_faces)
    facts = {
        "seed": seed,
        "label": label,
        **experiment.turn_facts(
            vector,
            attribute,
            {"candidates": candidates, "samples": samples, "scale": scale},
            end_faces,
            made_judge,
            report,
        ),
    }
    lines = experiment.verdict(report, attribute)
    write_results(networks, out, "turn", figure, facts, as_json, lines)
