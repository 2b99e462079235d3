"""The ``data`` commands: make, list, describe and check prepared datasets."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.data_download import download
from scratchgan.commands.options import SizeType, data_dir_option, json_option
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.prepare import PrepareReport

SKIPPED_SHOWN = 20
# Repeated from scratchgan.datasets, which loads NumPy and h5py; a test compares them.
FITS = ("crop", "pad", "stretch")
DEFAULT_COUNT = 20_000


@click.group()
def data() -> None:
    """Make, list, describe and check prepared datasets.

    A dataset is one HDF5 file, NAME.h5, in the data folder.
    """


data.add_command(download)


@data.command("list")
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
        _print_json({"data_dir": folder, "datasets": datasets, "built_in": missing})
        return
    for entry in entries:
        if entry.info is None:
            _print(f"{entry.name:<20} BROKEN: {entry.error}")
        else:
            _print(f"{entry.name:<20} {_shape(entry.info)}  {entry.info['title']}")
    for name, text in missing.items():
        _print(f"{name:<20} not prepared: {text}; scratchgan data prepare {name}")


# \b keeps click from joining the lines.
_PREPARE_EXAMPLES = """\b
Examples:
  scratchgan data prepare faces
  scratchgan data prepare cats ~/Pictures/cats --size 64
  scratchgan data prepare portraits portraits.zip --size 64x48 --fit pad
"""


@data.command(epilog=_PREPARE_EXAMPLES)
@click.argument("name")
@click.argument("source", required=False)
@click.option(
    "--size",
    type=SizeType(),
    metavar="S|HxW",
    help="Pixels.  [default: the images' own; drawn: 64]",
)
@click.option(
    "--fit",
    type=click.Choice(FITS),
    default="crop",
    show_default=True,
    help="Cut, border or distort images of another aspect.",
)
@click.option(
    "--channels",
    type=click.Choice(["1", "3"]),
    default="3",
    show_default=True,
    help="1: grey, 3: RGB.",
)
@click.option("--strict", is_flag=True, help="Fail at a file that cannot be read.")
@click.option("--force", is_flag=True, help="Replace an existing NAME.h5.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=DEFAULT_COUNT,
    show_default=True,
    help="Images to draw, for a built-in set.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which images to draw, for a built-in set.",
)
@data_dir_option
@json_option
@click.pass_context
def prepare(
    ctx: click.Context,
    name: str,
    source: str | None,
    size: tuple[int, int] | None,
    fit: str,
    channels: str,
    strict: bool,
    force: bool,
    count: int,
    seed: int,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Make NAME.h5 from SOURCE, a folder or zip of images.

    Without SOURCE, draw the built-in set NAME (faces). Images in two or more
    folders get the folders' names as labels. Files that cannot be read are
    skipped and listed.
    """
    if source is None:
        _refuse_options(ctx, ("fit", "channels", "strict"), "needs a SOURCE")
        report = _draw(name, size, count, seed, force, data_dir)
    else:
        _refuse_options(ctx, ("count", "seed"), "is for built-in sets, without SOURCE")
        from scratchgan.datasets.prepare import PrepareOptions
        from scratchgan.datasets.prepare import prepare as prepare_images

        height, width = size or (None, None)
        options = PrepareOptions(
            height, width, fit, int(channels), strict=strict, force=force
        )
        with progress_bar("preparing", "files") as progress:
            report = prepare_images(name, source, data_dir, options, progress)
    if as_json:
        _print_json(asdict(report) | {"path": str(report.path)})
    else:
        _print_report(report)


@data.command()
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
        _print_json(facts | {"skipped_files": skipped})
        return
    for key, value in facts.items():
        if value not in (None, ""):
            _print(f"{key:<16} {_words(value)}")
    _print_skipped(skipped)


@data.command()
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
        _print_json(facts | {"sound": not problems, "problems": problems})
    else:
        for problem in problems:
            _print(f"{path}: {problem}")
    if problems:
        raise DatasetError(
            f"{path}: {len(problems)} found wrong; prepare it again with --force"
        )
    if not as_json:
        _print(f"{path}: sound, {count:,} images, sha256 {sha256}")


def _draw(
    name: str,
    size: tuple[int, int] | None,
    count: int,
    seed: int,
    force: bool,
    data_dir: str | None,
) -> "PrepareReport":
    """Draw a built-in set."""
    from scratchgan.datasets.catalogue import BUILT_IN
    from scratchgan.datasets.synthetic import DEFAULT_SIZE, prepare_synthetic

    if name not in BUILT_IN:
        raise click.UsageError(
            f"SOURCE is missing: {name!r} is not built in ({', '.join(BUILT_IN)}). "
            f"Give a folder or zip: scratchgan data prepare {name} SOURCE"
        )
    height, width = size or (DEFAULT_SIZE, DEFAULT_SIZE)
    if height != width:
        raise click.UsageError(f"--size {height}x{width}: built-in sets are square")
    with progress_bar("drawing", "images") as progress:
        return prepare_synthetic(
            name, data_dir, count, height, seed, progress, force=force
        )


def _refuse_options(ctx: click.Context, names: tuple[str, ...], reason: str) -> None:
    """Raise UsageError for options that were given and would have no effect."""
    for name in names:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} {reason}")


def _print_report(report: "PrepareReport") -> None:
    facts = {"labels": report.class_names is not None, **asdict(report)}
    _print(f"{report.path}: {_shape(facts)}, in {report.seconds:.1f} s")
    if report.class_names:
        _print(f"labels by folder: {_words(report.class_names)}")
    if report.modes:
        _print(f"source files: {_words(report.modes)}")
    if report.channels == 3 and report.modes and set(report.modes) <= _GREY_MODES:
        _print("all images are grey: --channels 1 makes a third of the size")
    _print_skipped(report.skipped)


# Pillow's names of files without colour.
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}


def _print_skipped(skipped: list[tuple[str, str]]) -> None:
    if not skipped:
        return
    _print(f"skipped {len(skipped):,} files that could not be read:")
    for name, reason in skipped[:SKIPPED_SHOWN]:
        _print(f"  {name}: {reason}")
    if len(skipped) > SKIPPED_SHOWN:
        _print(
            f"  and {len(skipped) - SKIPPED_SHOWN:,} more, in /skipped_files of the "
            "dataset and with: scratchgan data info NAME --json"
        )


def _shape(facts: dict[str, Any]) -> str:
    """Return "1,572 images 64x64 RGB" and so on."""
    colour = "RGB" if facts["channels"] == 3 else "grey"
    parts = [f"{facts['count']:,} images {facts['height']}x{facts['width']} {colour}"]
    if facts["labels"]:
        parts.append("labelled")
    return ", ".join(parts)


def _broken(name: str, error: str | None) -> dict[str, Any]:
    return {"name": name, "error": error}


def _words(value: Any) -> str:
    """Return a value of a description as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())
    if isinstance(value, list):
        rest = f" and {len(value) - 20:,} more" if len(value) > 20 else ""
        return ", ".join(map(str, value[:20])) + rest
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print(line: str) -> None:
    """Print one line, whatever characters a file's name brings into it.

    Control characters could steer the terminal, and a terminal of another encoding
    could not show every letter: both are printed as escapes.
    """
    visible = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in line
    )
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(visible.encode(encoding, "backslashreplace").decode(encoding))


def _print_json(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(facts, indent=2))
