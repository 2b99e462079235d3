"""What all ``evaluate`` commands have in common: options, and how results come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.options import data_dir_option, device_option, json_option

if TYPE_CHECKING:
    from scratchgan.evaluation.result_table import ResultTable

# fmt: off
OUTPUT_OPTIONS = (
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"), show_default=True, help="Folder for the table and its numbers."),
    data_dir_option,
    device_option,
    json_option,
)
RUNS_OPTION = click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder in which names and numbers of runs are looked up.")
SEED_OPTION = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws everything that is drawn by lot.")
# fmt: on


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
    from scratchgan.files import complete_file, make_folder

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
