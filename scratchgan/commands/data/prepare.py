"""``scratchgan data prepare``: files of images, or drawn ones, become a dataset."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.data.printing import (
    faces_in_files,
    print_json,
    print_line,
    print_skipped,
    shape,
    words,
)
from scratchgan.commands.options import (
    CropType,
    SizeType,
    data_dir_option,
    json_option,
    options,
)
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    from scratchgan.datasets.prepare.preparation import PrepareReport

# Repeated from scratchgan.datasets, which loads NumPy and h5py; a test compares them.
FITS = ("crop", "pad", "stretch")
KINDS = (
    "celeba", "lsun", "cifar10", "svhn", "mnist", "npz", "metadata", "imagenet", "images",
)  # fmt: skip
DEFAULT_COUNT = 20_000
LEAST_MIN_FACE = 24
MIN_FACE = 48
MARGIN = 0.25

# \b keeps click from joining the lines.
_PREPARE_EXAMPLES = """\b
Examples:
  scratchgan data prepare faces
  scratchgan data prepare cats ~/Pictures/cats --size 64
  scratchgan data prepare portraits portraits.zip --size 64x48 --fit pad
  scratchgan data prepare celeba ~/Downloads/celeba --size 64
  scratchgan data prepare cifar10 cifar-10-python.tar.gz
  scratchgan data prepare people ~/Pictures --faces --size 64
"""

# fmt: off
OPTIONS = (
    click.argument("name"),
    click.argument("source", required=False),
    click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels.  [default: the images' own; drawn: 64, digits 28]"),
    click.option("--fit", type=click.Choice(FITS), default="crop", show_default=True, help="Cut, border or distort images of another aspect."),
    click.option("--crop", type=CropType(), metavar="S|HxW[+TOP+LEFT]", help="Cut this out of every image first; without a place, from its middle."),
    click.option("--faces", is_flag=True, help="Cut out every face; each becomes an image.  [needs scratchgan[faces]]"),
    click.option("--min-face", type=click.IntRange(min=LEAST_MIN_FACE), default=MIN_FACE, show_default=True, metavar="PIXELS", help="With --faces: leave out smaller ones, from brows to chin."),
    click.option("--margin", type=click.FloatRange(0, 1), default=MARGIN, show_default=True, metavar="FRACTION", help="With --faces: add this part of a face on each side."),
    click.option("--channels", type=click.Choice(["1", "3"]), help="1: grey, 3: RGB.  [default: 1 for MNIST and other grey arrays, else 3]"),
    click.option("--kind", type=click.Choice(KINDS), help="The layout of SOURCE.  [default: what its files tell]"),
    click.option("--validation", type=click.IntRange(min=0), help="Training images to hold out for validation.  [default: the paper's 10,000 of MNIST, CIFAR-10 and SVHN, else none]"),
    click.option("--test", type=click.IntRange(min=0), default=0, help="Training images to hold out for testing.  [default: none beside the source's own]"),
    click.option("--strict", is_flag=True, help="Fail at a file that cannot be read."),
    click.option("--force", is_flag=True, help="Replace an existing NAME.h5."),
    click.option("--count", type=click.IntRange(min=1), default=DEFAULT_COUNT, show_default=True, help="Images to draw, for a built-in set."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which images to draw, for a built-in set."),
    data_dir_option,
    json_option,
)
# fmt: on


@click.command(epilog=_PREPARE_EXAMPLES)
@options(*OPTIONS)
@click.pass_context
def prepare(
    ctx: click.Context,
    name: str,
    source: str | None,
    size: tuple[int, int] | None,
    count: int,
    seed: int,
    data_dir: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Make NAME.h5 from SOURCE: images in a folder, zip or tar, or a published set.

    CelebA, LSUN, ImageNet, CIFAR-10, SVHN, MNIST, Fashion-MNIST, NumPy's .npz and
    folders with metadata.csv are recognised by their files, with labels, attributes
    and splits; images in two or more folders get the folders' names as labels. SOURCE
    is the file, or the folder it was downloaded into. Files that cannot be read are
    skipped and listed. After Ctrl-C the same command goes on where it was.

    Without SOURCE, draw the built-in set NAME: faces, bedrooms or digits.
    """
    if source is None:
        for_sources = settings.keys() - {"force"}
        _refuse_options(ctx, for_sources, "needs a SOURCE")
        report = _draw(name, size, count, seed, settings["force"], data_dir)
    else:
        _refuse_options(ctx, ("count", "seed"), "is for built-in sets, without SOURCE")
        if settings["faces"]:
            _refuse_options(ctx, ("fit", "crop"), "has no effect with --faces")
        else:
            _refuse_options(ctx, ("min_face", "margin"), "needs --faces")
        report = _prepare(name, source, size, data_dir, **settings)
    if as_json:
        print_json(asdict(report) | {"path": str(report.path)})
    else:
        _print_report(report)


def _prepare(
    name: str,
    source: str,
    size: tuple[int, int] | None,
    data_dir: str | None,
    crop: tuple[int, int, int | None, int | None] | None,
    faces: bool,
    min_face: int,
    margin: float,
    channels: str | None,
    **settings: Any,
) -> "PrepareReport":
    """Prepare images from files."""
    from scratchgan.datasets.decode_image import Crop
    from scratchgan.datasets.prepare.face_crops import FaceFinder
    from scratchgan.datasets.prepare.preparation import PrepareOptions
    from scratchgan.datasets.prepare.preparation import prepare as prepare_images

    height, width = size or (None, None)
    if faces and height != width:
        raise click.UsageError(f"--size {height}x{width}: faces are cut out square")
    options = PrepareOptions(
        height,
        width,
        channels=int(channels) if channels else None,
        crop=Crop(*crop) if crop else None,
        faces=FaceFinder(min_face, margin) if faces else None,
        **settings,
    )
    with progress_bar("preparing", "files") as progress:
        return prepare_images(name, source, data_dir, options, progress)


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
    from scratchgan.synthetic.prepare import prepare_synthetic

    if name not in BUILT_IN:
        raise click.UsageError(
            f"SOURCE is missing: {name!r} is not built in ({', '.join(BUILT_IN)}). "
            f"Give a folder or zip: scratchgan data prepare {name} SOURCE"
        )
    height, width = size or (None, None)
    if height != width:
        raise click.UsageError(f"--size {height}x{width}: built-in sets are square")
    with progress_bar("drawing", "images") as progress:
        return prepare_synthetic(
            name, data_dir, count, height, seed, progress, force=force
        )


def _refuse_options(ctx: click.Context, names: Iterable[str], reason: str) -> None:
    """Raise UsageError for options that were given and would have no effect."""
    for name in names:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} {reason}")


def _print_report(report: "PrepareReport") -> None:
    facts = {"labels": report.class_names is not None, **asdict(report)}
    if report.continued:
        print_line(f"{report.continued:,} files were done before an interruption")
    print_line(f"{report.path}: {shape(facts)}, in {report.seconds:.1f} s")
    if report.kind not in (None, "images"):
        print_line(f"read as {report.kind}")
    if report.faces_per_file:
        print_line(f"faces: {faces_in_files(report.faces_per_file)}")
    if report.class_names:
        print_line(f"classes: {words(report.class_names)}")
    if report.attribute_names:
        print_line(f"attributes: {words(report.attribute_names)}")
    if report.splits:
        print_line(f"splits: {words(report.splits)}")
    if report.modes:
        print_line(f"source files: {words(report.modes)}")
    if report.channels == 3 and report.modes and set(report.modes) <= _GREY_MODES:
        print_line("all images are grey: --channels 1 makes a third of the size")
    print_skipped(report.skipped)


# Pillow's names of files without colour.
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}
