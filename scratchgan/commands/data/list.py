"""``scratchgan data list``: what is prepared, and what could be."""

from typing import Any

import click

from scratchgan.commands.data.printing import print_json, print_line, shape
from scratchgan.commands.options import data_dir_option, json_option


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
        datasets = [entry.info or _broken(entry.name, entry.error) for entry in entries]
        folder = str(data_folder(data_dir))
        print_json({"data_dir": folder, "datasets": datasets, "built_in": missing})
        return
    for entry in entries:
        if entry.info is None:
            print_line(f"{entry.name:<20} BROKEN: {entry.error}")
        else:
            print_line(f"{entry.name:<20} {shape(entry.info)}  {entry.info['title']}")
    for name, text in missing.items():
        print_line(f"{name:<20} not prepared: {text}; scratchgan data prepare {name}")


def _broken(name: str, error: str | None) -> dict[str, Any]:
    return {"name": name, "error": error}
