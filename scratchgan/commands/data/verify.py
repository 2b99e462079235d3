"""``scratchgan data verify``: whether a dataset is as it was written."""

import click

from scratchgan.commands.data.printing import print_json, print_line
from scratchgan.commands.options import data_dir_option, json_option
from scratchgan.commands.progress import progress_bar


@click.command()
@click.argument("name")
@data_dir_option
@json_option
def verify(name: str, data_dir: str | None, as_json: bool) -> None:
    """Read the whole dataset NAME and check it against its SHA-256."""
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.schema import open_dataset
    from scratchgan.datasets.verify import find_problems
    from scratchgan.errors import DatasetError

    path = find_dataset(name, data_dir)
    with open_dataset(path) as dataset, progress_bar("verifying", "images") as bar:
        problems = find_problems(dataset, bar)
        count, sha256 = len(dataset), dataset.sha256
    if as_json:
        facts = {"path": str(path), "count": count, "sha256": sha256}
        print_json(facts | {"sound": not problems, "problems": problems})
    else:
        for problem in problems:
            print_line(f"{path}: {problem}")
    if problems:
        raise DatasetError(
            f"{path}: {len(problems)} found wrong; prepare it again with --force"
        )
    if not as_json:
        print_line(f"{path}: sound, {count:,} images, sha256 {sha256}")
