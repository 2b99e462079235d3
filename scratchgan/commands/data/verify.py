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
    """Read the whole dataset NAME and check it against its SHA-256.

    Pixels, every other column and the description have a checksum each. Files of
    older versions have one of the pixels only, and that is said.
    """
    from dataclasses import asdict

    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.datasets.format.verify import verify_file
    from scratchgan.errors import DatasetError

    path = find_dataset(name, data_dir)
    with progress_bar("verifying", "images") as progress:
        found = verify_file(path, progress)
    if as_json:
        print_json({"path": str(path), "sound": not found.problems} | asdict(found))
    else:
        for problem in found.problems:
            print_line(f"{path}: {problem}")
    if found.problems:
        raise DatasetError(
            f"{path}: {len(found.problems)} found wrong; prepare it again with --force"
        )
    if not as_json:
        print_line(f"{path}: sound, {found.count:,} images, sha256 {found.sha256}")
        if not found.columns_checked:
            print_line(
                "only the pixels have a checksum, as an older version wrote this file"
            )
