"""Scores of several kinds of features become one table, beside the paper's rows."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scratchgan.paper.features.features import RawPixels
from scratchgan.paper.features.protocols import Score
from scratchgan.paper.published_results import DCGAN, MNIST, SVHN, Published
from scratchgan.paper.result_table import (
    ResultTable,
    Row,
    published_rows,
    source_note,
)

Scores = dict[str, dict[str, Score]]
"""By name of the features, then by protocol."""

TRAINED, RANDOM = "D's features", "random-weight D"
"""Names of the features of a run's D, and of one that never learnt."""
OURS = {TRAINED: DCGAN}
"""Our features and the paper's model that they are."""


def feature_table(
    scores: Scores,
    protocols: Sequence[str],
    paper: tuple[Published, ...],
    made_with: dict[str, str],
    matches: dict[str, str],
) -> ResultTable:
    """Return the table of what a classifier read off the features.

    Parameters
    ----------
    scores : Scores
    protocols : sequence of str
        The columns.
    paper : tuple of Published
        The paper's table for this dataset. Those of SVHN are errors, others accuracies,
        and ours are written in the same way.
    made_with : dict of str
        See `ResultTable`.
    matches : dict of str
        By name of our features, the paper's model that they are set beside.
    """
    in_errors = paper is SVHN
    paper = () if paper is MNIST else paper  # its table is of generated samples
    by_model = {row.model: row for row in paper}
    rows = []
    for name, found in scores.items():
        here = {
            protocol: _as_error(score) if in_errors else str(score)
            for protocol, score in found.items()
        }
        published = by_model.get(matches.get(name, ""))
        note = ", ".join(f"{s.symbol} = {s.setting:.3g}" for s in found.values())
        if published:
            note += f"; paper: {source_note(published)}"
        rows.append(Row(name, here, published.figures if published else {}, note))
    others = published_rows(paper, without=[matches[n] for n in scores if n in matches])
    measure = "Error" if in_errors else "Accuracy"
    title = f"{measure} on test images"
    return ResultTable(title, protocols, rows + others, made_with)


def feature_scores(scores: Scores) -> dict[str, Any]:
    """Return all scores as plain values for JSON."""
    return {
        name: {protocol: asdict(score) for protocol, score in found.items()}
        for name, found in scores.items()
    }


def run_scores(scores: Scores, protocol: str) -> dict[str, Any]:
    """Return the scores of a run as plain values: those of one protocol, then all."""

    def accuracy(name: str) -> float | None:
        return scores[name][protocol].accuracy if name in scores else None

    return {
        "protocol": protocol,
        "accuracy": accuracy(TRAINED),
        "random_weights": accuracy(RANDOM),
        "raw_pixels": accuracy(RawPixels.name),
        "scores": feature_scores(scores),
    }


def _as_error(score: Score) -> str:
    text = f"{100 * (1 - score.accuracy):.2f} %"
    return text if score.interval is None else f"{text} ± {100 * score.interval:.2f}"
