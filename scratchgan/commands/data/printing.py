"""How the ``data`` commands print: one line at a time, safe on every terminal."""

import json
import sys
from typing import Any

import click

SKIPPED_SHOWN = 20


def print_skipped(skipped: list[tuple[str, str]]) -> None:
    """Print the files that gave no image, as far as they fit a screen."""
    if not skipped:
        return
    print_line(f"skipped {len(skipped):,} files that gave no image:")
    for name, reason in skipped[:SKIPPED_SHOWN]:
        print_line(f"  {name}: {reason}")
    if len(skipped) > SKIPPED_SHOWN:
        print_line(
            f"  and {len(skipped) - SKIPPED_SHOWN:,} more, in /skipped_files of the "
            "dataset and with: scratchgan data info NAME --json"
        )


def shape(facts: dict[str, Any]) -> str:
    """Return "1,572 images 64x64 RGB" and so on."""
    colour = "RGB" if facts["channels"] == 3 else "grey"
    parts = [f"{facts['count']:,} images {facts['height']}x{facts['width']} {colour}"]
    if facts["labels"]:
        parts.append("labelled")
    return ", ".join(parts)


def faces_in_files(faces_per_file: dict[Any, int]) -> str:
    """Return "0 in 5, 1 in 153, 2 in 7 files"."""
    parts = [f"{number} in {count:,}" for number, count in faces_per_file.items()]
    return ", ".join(parts) + " files"


def words(value: Any) -> str:
    """Return a value of a description as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())
    if isinstance(value, list):
        rest = f" and {len(value) - 20:,} more" if len(value) > 20 else ""
        return ", ".join(map(str, value[:20])) + rest
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def visible(text: str) -> str:
    """Return text for the terminal, whatever a file's name brings into it.

    Control characters could steer the terminal, and a terminal of another encoding
    could not show every letter: both become escapes.
    """
    plain = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )
    encoding = sys.stdout.encoding or "utf-8"
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def print_line(line: str) -> None:
    """Print one line, with what cannot be shown as escapes, see `visible`."""
    click.echo(visible(line))


def print_table(rows: list[list[str]], align: str) -> None:
    """Print rows of cells in columns.

    Parameters
    ----------
    rows : list of list of str
        A cell for each column.
    align : str
        A character for each column: ``<`` for texts, ``>`` for numbers.
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, align, widths, strict=True)
        line = "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells)
        click.echo(line.rstrip())


def print_json(facts: dict[str, Any]) -> None:
    """Print the one JSON object of ``--json``."""
    click.echo(json.dumps(facts, indent=2))
