"""``scratchgan data download``: published datasets, or how to come by them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.data.printing import print_json, print_line
from scratchgan.commands.options import data_dir_option, json_option
from scratchgan.commands.progress import note, progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.download.published import PublishedSet

# \b keeps click from joining the lines.
_EXAMPLES = """\b
Examples:
  scratchgan data download
  scratchgan data download cifar10
  scratchgan data download svhn --skip extra_32x32.mat
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", required=False)
@click.option(
    "--list", "list_only", is_flag=True, help="List all sets; so does no NAME."
)
@click.option(
    "--out",
    metavar="DIR",
    help="Folder for the files.  [default: downloads/NAME in the data folder]",
)
@click.option(
    "--skip",
    metavar="FILE",
    multiple=True,
    help="Leave this file out; may be given again.",
)
@data_dir_option
@json_option
def download(
    name: str | None,
    list_only: bool,
    out: str | None,
    skip: tuple[str, ...],
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Fetch the published dataset NAME, checked by its SHA-256.

    A broken or interrupted download goes on where it stopped. For a set that may
    not be fetched by a program, say where it is and what to do; the exit code is
    then 1 until its files are there.
    """
    from scratchgan.datasets.download.download import download_folder
    from scratchgan.datasets.download.published import find_published

    if name is None or list_only:
        _print_list(as_json)
        return
    published = find_published(name)
    folder = Path(out).expanduser() if out else download_folder(name, data_dir)
    prepare = published.prepare_line(folder, data_dir)
    if published.downloadable:
        _fetch(published, folder, skip, prepare, as_json)
    else:
        _explain(published, folder, prepare, as_json)


def _fetch(
    published: "PublishedSet",
    folder: Path,
    skip: tuple[str, ...],
    prepare: str,
    as_json: bool,
) -> None:
    from scratchgan.datasets.download.download import download as download_files
    from scratchgan.storage.hdf5_output import megabytes

    if not as_json:
        note(f"{published.title}; terms: {published.terms}")
    with progress_bar("downloading", "B", scaled=True) as progress:
        report = download_files(published, folder, skip, progress, note)
    if as_json:
        files = [asdict(file) | {"path": str(file.path)} for file in report.files]
        facts = {"folder": str(folder), "files": files, "prepare": prepare}
        state = {"downloadable": True, "complete": not skip}
        print_json(asdict(report) | facts | state)
        return
    for file in report.files:
        source = file.url or "was there already"
        print_line(f"{file.path}: {megabytes(file.size)}, sha256 right; {source}")
    print_line(f"prepare it with: {prepare}")


def _explain(
    published: "PublishedSet", folder: Path, prepare: str, as_json: bool
) -> None:
    """Say how to get a set by hand; fail until its files are there."""
    from scratchgan.datasets.download.download import missing_files
    from scratchgan.errors import DownloadError
    from scratchgan.storage.hdf5_output import megabytes

    missing = missing_files(published, folder)
    if as_json:
        facts = _facts(published) | {"folder": str(folder), "how": published.how}
        print_json(
            facts | {"complete": not missing, "missing": missing, "prepare": prepare}
        )
    else:
        print_line(published.title)
        print_line(f"terms:   {published.terms}")
        print_line(f"from:    {published.home}")
        print_line(f"how:     {published.how}")
        print_line(f"into:    {folder}")
        for file in published.files:
            state = "missing" if file.name in missing else "is there"
            print_line(f"  {file.name:<26} {megabytes(file.size):>10}  {state}")
            print_line(f"  {'':<26} sha256 {file.sha256}")
        print_line(f"prepare it with: {prepare}")
    if missing:
        raise DownloadError(
            f"{published.name} has to be fetched by hand; missing in {folder}: "
            f"{', '.join(missing)}"
        )


def _print_list(as_json: bool) -> None:
    from scratchgan.datasets.download.published import PUBLISHED

    if as_json:
        print_json({"sets": [_facts(published) for published in PUBLISHED.values()]})
        return
    print_line(f"{'name':<14} {'images':>9} {'size':>9}  {'download':<8} terms")
    for published in PUBLISHED.values():
        way = "yes" if published.downloadable else "by hand"
        print_line(
            f"{published.name:<14} {published.images:>9,} "
            f"{published.size / 1e9:>6.2f} GB  {way:<8} {published.terms}"
        )


def _facts(published: "PublishedSet") -> dict[str, Any]:
    facts = {
        key: getattr(published, key)
        for key in ("name", "title", "home", "images", "terms", "size", "downloadable")
    }
    return facts | {"files": [asdict(file) for file in published.files]}
