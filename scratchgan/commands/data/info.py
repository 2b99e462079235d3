"""``scratchgan data info``: what is in a dataset."""

import click

from scratchgan.commands.data.printing import (
    faces_in_files,
    print_json,
    print_line,
    print_skipped,
    words,
)
from scratchgan.commands.options import data_dir_option, json_option


@click.command()
@click.argument("name")
@data_dir_option
@json_option
def info(name: str, data_dir: str | None, as_json: bool) -> None:
    """Say what is in the dataset NAME (a name, or the path of a file)."""
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.schema import open_dataset

    with open_dataset(find_dataset(name, data_dir)) as dataset:
        facts = dataset.info()
        skipped = dataset.skipped_files
    if as_json:
        print_json(facts | {"skipped_files": skipped})
        return
    if facts["faces_per_file"]:
        facts["faces_per_file"] = faces_in_files(facts["faces_per_file"])
    for key, value in facts.items():
        if value not in (None, ""):
            print_line(f"{key:<16} {words(value)}")
    print_skipped(skipped)
