"""``scratchgan data info``: what is in a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.data.printing import (
    faces_in_files,
    print_json,
    print_line,
    print_skipped,
    print_table,
    words,
)
from scratchgan.commands.options import data_dir_option, json_option
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.format.dataset import Dataset

CLASSES_SHOWN = 50

# \b keeps click from joining the lines.
_EXAMPLES = """\b
Examples:
  scratchgan data info faces
  scratchgan data info faces --quick
  scratchgan data info faces --quick --sheet faces.png --count 100
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name")
@click.option("--quick", is_flag=True, help="Do not read all pixels.")
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Write a picture of images chosen at random.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Images on the sheet.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which images are on the sheet.",
)
@data_dir_option
@json_option
def info(
    name: str,
    quick: bool,
    sheet: Path | None,
    count: int,
    seed: int,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Say what is in the dataset NAME (a name, or the path of a file).

    All pixels are read once, for their range, mean and standard deviation, and to
    find images that occur twice or have a single colour.
    """
    from dataclasses import asdict

    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.format.dataset import open_dataset
    from scratchgan.datasets.statistics import (
        attribute_summary,
        class_counts,
        pixel_statistics,
    )

    with open_dataset(find_dataset(name, data_dir)) as dataset:
        if sheet is not None:
            _write_sheet(dataset, sheet, count, seed)
        facts = dataset.info()
        skipped = dataset.skipped_files
        classes = class_counts(dataset)
        attributes = attribute_summary(dataset)
        pixels = None
        if not quick:
            with progress_bar("reading", "images") as progress:
                pixels = asdict(pixel_statistics(dataset, progress))
    if as_json:
        facts |= {"skipped_files": skipped, "classes": classes}
        facts |= {"attributes": attributes, "pixels": pixels}
        print_json(facts | {"sheet": None if sheet is None else str(sheet)})
        return
    if facts["faces_per_file"]:
        facts["faces_per_file"] = faces_in_files(facts["faces_per_file"])
    for key, value in facts.items():
        if value not in (None, ""):
            print_line(f"{key:<17} {words(value)}")
    if pixels is not None:
        _print_pixels(pixels)
    if classes is not None:
        _print_classes(classes)
    if attributes is not None:
        _print_attributes(attributes)
    print_skipped(skipped)
    if sheet is not None:
        print_line(f"contact sheet: {sheet}")


def _write_sheet(dataset: "Dataset", path: Path, count: int, seed: int) -> None:
    from scratchgan.datasets.contact_sheet import contact_sheet
    from scratchgan.storage.files import make_folder
    from scratchgan.storage.pictures import save_png

    make_folder(path.parent)
    save_png(contact_sheet(dataset, count, seed), path)


def _print_pixels(pixels: dict[str, Any]) -> None:
    channels = "R G B" if len(pixels["mean"]) == 3 else "grey"
    lines = {
        "values": f"{pixels['minimum']} to {pixels['maximum']}",
        "mean": f"{_numbers(pixels['mean'])} ({channels})",
        "std": f"{_numbers(pixels['std'])} ({channels})",
        "black, white": f"{pixels['black']:.2%}, {pixels['white']:.2%} of all pixels",
        "single colour": f"{pixels['constant_images']:,} images",
        "duplicates": f"{pixels['duplicates']:,} images have the pixels of one before",
    }
    if pixels["duplicates"]:
        lines["duplicates"] += f"; {pixels['duplicate_groups']:,} images occur again"
        lines["most frequent"] = f"{pixels['largest_group']:,} times: {_rows(pixels)}"
    for key, value in lines.items():
        print_line(f"{key:<17} {value}")


def _numbers(values: list[float]) -> str:
    return " ".join(f"{value:.1f}" for value in values)


def _rows(pixels: dict[str, Any]) -> str:
    """Name the rows, or better the source files, of the most frequent image."""
    what = pixels["largest_files"] or [f"row {row}" for row in pixels["largest_rows"]]
    more = pixels["largest_group"] - len(what)
    return ", ".join(what) + (f" and {more:,} more" if more else "")


def _print_classes(classes: list[dict[str, Any]]) -> None:
    splits = list(classes[0]["split"] or ())
    rows = [["class", "", "images", *splits]]
    for facts in classes[:CLASSES_SHOWN]:
        counts = [facts["count"], *(facts["split"] or {}).values()]
        texts = [f"{count:,}" for count in counts]
        rows.append([str(facts["label"]), facts["name"] or "", *texts])
    print_line("")
    print_table(rows, align="<<" + ">" * (1 + len(splits)))
    if len(classes) > CLASSES_SHOWN:
        print_line(f"and {len(classes) - CLASSES_SHOWN:,} more classes, with --json")


def _print_attributes(attributes: list[dict[str, Any]]) -> None:
    rows = [["attribute", "ones", "min", "mean", "max"]]
    for facts in attributes:
        if "ones" in facts:
            rows.append([facts["name"], f"{facts['ones']:.1%}", "", "", ""])
        else:
            measured = [facts[key] for key in ("min", "mean", "max")]
            texts = ["none" if value is None else f"{value:.4g}" for value in measured]
            rows.append([facts["name"], "", *texts])
    print_line("")
    print_table(rows, align="<>>>>")
