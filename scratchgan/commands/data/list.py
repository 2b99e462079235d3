"""``scratchgan data list``: what is prepared, and what could be."""

from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.data.printing import print_json, print_line, print_table
from scratchgan.commands.options import data_dir_option, json_option

if TYPE_CHECKING:
    from scratchgan.datasets.catalogue import DatasetEntry

SOURCE_SHOWN = 40


@click.command("list")
@data_dir_option
@json_option
def list_command(data_dir: str | None, as_json: bool) -> None:
    """List the prepared datasets, and the built-in ones still to be drawn."""
    from scratchgan.datasets.catalogue import BUILT_IN, data_folder, list_datasets

    entries = list_datasets(data_dir)
    prepared = {entry.name for entry in entries}
    missing = {name: text for name, text in BUILT_IN.items() if name not in prepared}
    if as_json:
        datasets = [_facts(entry) for entry in entries]
        folder = str(data_folder(data_dir))
        print_json({"data_dir": folder, "datasets": datasets, "built_in": missing})
        return
    sound = [_row(entry) for entry in entries if entry.info is not None]
    if sound:
        header = ["name", "images", "size", "with", "MB", "synthetic", "source"]
        print_table([header, *sound], align="<><<><<")
    for entry in entries:
        if entry.info is None:
            print_line(f"{entry.name}: BROKEN: {entry.error}")
    for name, text in missing.items():
        print_line(f"{name}: not prepared: {text}; scratchgan data prepare {name}")


def _facts(entry: "DatasetEntry") -> dict[str, Any]:
    """Return what ``--json`` says of a dataset: under the name of its file."""
    if entry.info is None:
        return {"name": entry.name, "path": str(entry.path), "error": entry.error}
    return entry.info | {"name": entry.name, "error": None}


def _row(entry: "DatasetEntry") -> list[str]:
    facts = entry.info
    colour = "RGB" if facts["channels"] == 3 else "grey"
    source = facts["source"]
    if len(source) > SOURCE_SHOWN:
        source = f"{source[: SOURCE_SHOWN - 3].rstrip()}..."
    return [
        entry.name,
        f"{facts['count']:,}",
        f"{facts['height']}x{facts['width']} {colour}",
        ", ".join(_columns(facts)) or "-",
        f"{facts['file_bytes'] / 1e6:,.1f}",
        "yes" if facts["synthetic"] else "no",
        source,
    ]


def _columns(facts: dict[str, Any]) -> list[str]:
    """Say in brief what there is beside the images."""
    columns = []
    if facts["labels"]:
        names = facts["class_names"]
        columns.append(f"{len(names):,} classes" if names else "labels")
    if facts["attribute_names"]:
        columns.append(f"{len(facts['attribute_names']):,} attributes")
    if facts["boxes"]:
        columns.append("boxes")
    if facts["split"]:
        columns.append("split")
    return columns
