"""``scratchgan data export``: a dataset as PNG files and a table."""

from pathlib import Path

import click

from scratchgan.commands.data.printing import print_json, print_line
from scratchgan.commands.options import RowRanges, data_dir_option, json_option
from scratchgan.commands.progress import progress_bar

# \b keeps click from joining the lines.
_EXAMPLES = """\b
Examples:
  scratchgan data export faces --out faces-png
  scratchgan data export faces --out some --rows 0-99,500
  scratchgan data export faces --out test --split test --count 200
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write, new or empty.",
)
@click.option("--by-class", is_flag=True, help="A folder for each class.")
@click.option(
    "--split",
    metavar="SPLITS",
    help="Only these: train, validation, test, extra, joined by +.",
)
@click.option("--rows", type=RowRanges(), help="Only these, as in 0-99,500.")
@click.option("--count", type=click.IntRange(min=1), help="Only the first so many.")
@click.option("--force", is_flag=True, help="Replace an earlier export in DIR.")
@data_dir_option
@json_option
def export(
    name: str,
    out: Path,
    by_class: bool,
    split: str | None,
    rows: list[tuple[int, int]] | None,
    count: int | None,
    force: bool,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Write the images of the dataset NAME as PNG files.

    DIR/images/000012.png is the image of row 12, and DIR/metadata.csv has a line
    for each: class, split, attributes, the file it was made from. `data prepare`
    reads such a folder.
    """
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.export import choose_rows, export_dataset
    from scratchgan.datasets.format.dataset import open_dataset

    with (
        open_dataset(find_dataset(name, data_dir)) as dataset,
        progress_bar("exporting", "images") as progress,
    ):
        chosen = choose_rows(dataset, split, rows, count)
        report = export_dataset(
            dataset, out, chosen, by_class=by_class, force=force, progress=progress
        )
    if as_json:
        facts = {"folder": str(report.folder), "count": report.count}
        print_json(facts | {"columns": report.columns})
    else:
        print_line(f"{report.folder}: {report.count:,} PNG files and metadata.csv")
        print_line(f"columns: {', '.join(report.columns)}")
