"""``scratchgan data prepare``: files of images, or drawn ones, become a dataset."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from scratchgan.commands.data.printing import (
    print_json,
    print_line,
    print_skipped,
    shape,
    words,
)
from scratchgan.commands.options import SizeType, data_dir_option, json_option
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.prepare import PrepareReport

# Repeated from scratchgan.datasets, which loads NumPy and h5py; a test compares them.
FITS = ("crop", "pad", "stretch")
DEFAULT_COUNT = 20_000

# \b keeps click from joining the lines.
_PREPARE_EXAMPLES = """\b
Examples:
  scratchgan data prepare faces
  scratchgan data prepare cats ~/Pictures/cats --size 64
  scratchgan data prepare portraits portraits.zip --size 64x48 --fit pad
"""


@click.command(epilog=_PREPARE_EXAMPLES)
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
        print_json(asdict(report) | {"path": str(report.path)})
    else:
        _print_report(report)


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
    print_line(f"{report.path}: {shape(facts)}, in {report.seconds:.1f} s")
    if report.class_names:
        print_line(f"labels by folder: {words(report.class_names)}")
    if report.modes:
        print_line(f"source files: {words(report.modes)}")
    if report.channels == 3 and report.modes and set(report.modes) <= _GREY_MODES:
        print_line("all images are grey: --channels 1 makes a third of the size")
    print_skipped(report.skipped)


# Pillow's names of files without colour.
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}
