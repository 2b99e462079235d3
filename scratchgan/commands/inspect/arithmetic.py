"""``scratchgan inspect arithmetic``: the paper's figure 7."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from scratchgan.commands.options import options
from scratchgan.commands.progress import note

if TYPE_CHECKING:
    from scratchgan.paper.judges.judge import Judge
    from scratchgan.paper.trained_networks import TrainedNetworks

# Repeated from scratchgan.paper.arithmetic.arithmetic, which loads NumPy; a test compares.
CONCEPTS = ("smile", "glasses")

_EXAMPLES = """\b
Examples:
  scratchgan inspect arithmetic runs/00001-faces-quick32
  scratchgan inspect arithmetic 1 --concept glasses
  scratchgan inspect arithmetic 1 --sheet
  scratchgan inspect arithmetic 1 --a 4,17,30 --b 2,9,11 --c 5,6,40
  scratchgan inspect arithmetic 1 --a "hair>0.6" --b "hair<0.3" --c "hair<0.3,sex=1"

--a, --b and --c take three seeds, or conditions on attributes: NAME=0 or NAME=1, and
NAME<VALUE or NAME>VALUE for measured ones.
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    click.option("--concept", type=click.Choice(CONCEPTS), default="smile", show_default=True, help="smile: smiling woman - neutral woman + neutral man; glasses: man with glasses - man + woman."),
    click.option("--a", metavar="SEEDS|CONDITIONS", help="What is added to, in place of the concept's A."),
    click.option("--b", metavar="SEEDS|CONDITIONS", help="What is taken away."),
    click.option("--c", metavar="SEEDS|CONDITIONS", help="What it is added to."),
    click.option("--target", metavar="CONDITIONS", help="What the result should show.  [default: C with what A has and B has not]"),
    click.option("--candidates", type=click.IntRange(16, 100_000), default=512, show_default=True, help="Consecutive seeds that exemplars are chosen from."),
    click.option("--triples", type=click.IntRange(10, 100_000), default=200, show_default=True, help="Random choices of exemplars that are judged."),
    click.option("--sheet", is_flag=True, help="Write a sheet of candidates too, with seeds and judged values, to choose by eye."),
    *JUDGE_OPTIONS,
    LABEL_OPTION,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def arithmetic(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    concept: str,
    a: str | None,
    b: str | None,
    c: str | None,
    target: str | None,
    candidates: int,
    triples: int,
    sheet: bool,
    judge: str | None,
    data_dir: str | None,
    label: int | None,
) -> None:
    """Add and subtract what samples show: A - B + C, with the mean z of each.

    Three exemplars of each are named by their seeds or chosen by a judge, a small
    network trained on a labelled dataset. The judge also says how often the result
    shows what it should, beside the same arithmetic with pixels and beside chance.
    """
    from scratchgan.paper.arithmetic import arithmetic as experiment
    from scratchgan.paper.arithmetic.figures import draw_figure

    networks = open_run(run, runs, device)
    draw = drawing(networks, label)
    texts = tuple(
        preset if given is None else given
        for given, preset in zip((a, b, c), experiment.CONCEPTS[concept], strict=True)
    )
    by_seeds = all(experiment.parse_seeds(text) for text in texts)
    made_judge = _judge(networks, judge, data_dir, by_seeds and not (target or sheet))
    samples = experiment.draw_candidates(networks, made_judge, seed, candidates, draw)
    terms = [
        experiment.make_term(text, networks, made_judge, samples, draw)
        for text in texts
    ]
    wanted = experiment.find_target(target, terms, made_judge)
    result = experiment.make_result(terms, seed, draw)
    facts: dict[str, Any] = {
        "seed": seed,
        "label": label,
        "candidates": candidates,
        **experiment.describe(terms, wanted, result, made_judge),
    }
    lines = experiment.describe_result(facts.get("result", {}))
    if wanted and all(term.conditions for term in terms):
        facts["score"] = experiment.score(
            terms, wanted, samples, made_judge, draw, triples=triples, seed=seed
        )
        lines = experiment.verdict(facts["score"], wanted)
    if sheet:
        facts["sheet"] = _write_sheet(out, terms, samples, made_judge)
        lines.append(facts["sheet"])
    figure = draw_figure(terms, result, experiment.make_control(terms, draw))
    write_results(networks, out, "arithmetic", figure, facts, as_json, lines)


def _judge(
    networks: TrainedNetworks, name: str | None, data_dir: str | None, optional: bool
) -> Judge | None:
    """Return the judge; None if it is optional and there is no dataset for it."""
    from scratchgan.errors import DatasetError

    try:
        return open_judge(networks, name, data_dir)
    except DatasetError as error:
        if not optional or name:
            raise
        note(f"note: nothing is judged: {error}")
        return None


def _write_sheet(out: Path, terms: list, samples: Any, judge: Judge) -> str:
    from scratchgan.paper.arithmetic.figures import draw_sheet
    from scratchgan.storage.files import make_folder
    from scratchgan.storage.pictures import save_png

    path = make_folder(out) / "arithmetic-sheet.png"
    save_png(draw_sheet(terms, samples, judge), path)
    return str(path)
