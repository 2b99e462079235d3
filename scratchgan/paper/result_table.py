"""A table of results: what was measured here beside what was published, as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scratchgan.paper.published_results import Published

NOT_RUN = "not run here"
NO_FIGURE = "–"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    method : str
    here : dict of str
        What was measured in this run, by column, with the unit; empty if nothing was.
    paper : dict of str
        What was published, by column.
    note : str
        What a reader must know of it, such as its source.
    """

    method: str
    here: dict[str, str] = field(default_factory=dict)
    paper: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class ResultTable:
    """Measured and published figures, with how the measured ones came about.

    Attributes
    ----------
    title : str
    columns : sequence of str
        Names of the protocols; each becomes two columns, here and paper.
    rows : sequence of Row
    made_with : dict of str
        What was run: data, images, steps, seeds, minutes.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    made_with: dict[str, str]

    def markdown(self) -> str:
        """Return the table and the list of what was run, as Markdown.

        Examples
        --------
        >>> rows = [Row("raw pixels", {"full": "9 %"}), Row("SWWAE", {}, {"full": "?"})]
        >>> print(ResultTable("Accuracy", ["full"], rows, {"data": "toy"}).markdown())
        ### Accuracy
        <BLANKLINE>
        | method | full: here | paper | note |
        | --- | --- | --- | --- |
        | raw pixels | 9 % | – |  |
        | SWWAE | not run here | ? |  |
        <BLANKLINE>
        - data: toy
        <BLANKLINE>
        """
        names = [
            cell for column in self.columns for cell in (f"{column}: here", "paper")
        ]
        lines = [["method", *names, "note"], ["---"] * (2 + len(names))]
        for row in self.rows:
            cells = [row.method]
            for column in self.columns:
                absent = NO_FIGURE if row.here else NOT_RUN
                cells += [
                    row.here.get(column, absent),
                    row.paper.get(column, NO_FIGURE),
                ]
            lines.append([*cells, row.note])
        table = ["| " + " | ".join(map(_cell, cells)) + " |" for cells in lines]
        facts = [f"- {name}: {value}" for name, value in self.made_with.items()]
        return "\n".join([f"### {self.title}", "", *table, "", *facts, ""])

    def record(self) -> dict[str, Any]:
        """Return the same as plain values for JSON."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [vars(row) for row in self.rows],
            "made_with": self.made_with,
        }


def published_rows(
    table: Iterable[Published], without: Sequence[str] = ()
) -> list[Row]:
    """Return the rows of a published table, none of them measured here.

    Parameters
    ----------
    table : iterable of Published
    without : sequence of str
        Models that have a row of their own already.
    """
    return [
        Row(row.model, {}, row.figures, source_note(row))
        for row in table
        if row.model not in without
    ]


def source_note(row: Published) -> str:
    """Return where published figures come from; [?] where that is not certain."""
    return row.source + ("" if row.verified else " [?]")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
