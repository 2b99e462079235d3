"""``scratchgan generate``: images from a trained run."""

from pathlib import Path

import click

from scratchgan.commands.options import (
    MAX_SEEDS,
    SeedRange,
    device_option,
    json_option,
    options,
)

IMAGES = 64
CLASS_IMAGES = 200
"""About so many of a conditional network, as many of each class."""

# fmt: off
OPTIONS = (
    click.argument("run"),
    click.option("--seeds", type=SeedRange(), help="Seeds such as 0-35 or 1,4,10-12; seed k always gives the same picture."),
    click.option("--count", type=click.IntRange(1, MAX_SEEDS), help="Number of images, from consecutive seeds.  [default: 64; about 200 of a conditional network]"),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="First seed, with --count."),
    click.option("--separate", is_flag=True, help="Write seed00000.png and so on instead of one grid.png."),
    click.option("--columns", type=click.IntRange(min=1), help="Of the grid.  [default: nearly square; all classes once in a conditional network]"),
    click.option("--label", type=click.IntRange(min=0), help="Class of all images; a conditional network otherwise has one class a row, in order."),
    click.option("--batch-stats", is_flag=True, help="Normalise with the statistics of these images together, as the authors did: a picture then depends on its neighbours."),
    click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder in which names and numbers of runs are looked up."),
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"), show_default=True, help="Folder for the pictures."),
    device_option,
    json_option,
)
# fmt: on


@click.command()
@options(*OPTIONS)
def generate(
    run: str,
    seeds: list[int] | None,
    count: int | None,
    seed: int,
    separate: bool,
    columns: int | None,
    label: int | None,
    batch_stats: bool,
    runs: Path,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Make images from a trained RUN: a run folder, its number, or a checkpoint."""
    import json

    from scratchgan.backend import resolve_device
    from scratchgan.storage.files import make_folder
    from scratchgan.storage.pictures import image_grid, save_png
    from scratchgan.training.preview import generate_images, labels_for_grid
    from scratchgan.training.run.folder import find_checkpoint
    from scratchgan.training.run.open_run import check_label
    from scratchgan.training.run.state import load_generator

    if seeds is not None and count is not None:
        raise click.UsageError("give --seeds or --count, not both")
    if batch_stats and (count == 1 or len(seeds or range(2)) < 2):
        raise click.UsageError("--batch-stats needs at least 2 images")
    checkpoint = find_checkpoint(run, runs)
    place = resolve_device(device)
    generator, config = load_generator(checkpoint, place)
    classes = config.network.classes
    if label is not None:
        check_label(config.network, label)
    in_rows = classes if label is None else 0  # of a class each
    seeds, columns = _sheet(seeds, seed, count, columns, in_rows)
    labels = labels_for_grid(config.network, len(seeds), columns)
    if label is not None:
        labels = [label] * len(seeds)
    images = generate_images(
        generator, seeds, place, labels=labels, batch_statistics=batch_stats
    )
    make_folder(out)
    if separate:
        files = [out / f"seed{number:05d}.png" for number in seeds]
        for file, image in zip(files, images, strict=True):
            save_png(image, file)
    else:
        files = [out / "grid.png"]
        save_png(image_grid(images, columns), files[0])
    if as_json:
        record = {
            "checkpoint": str(checkpoint),
            "seeds": seeds,
            "labels": labels,
            "files": [str(file) for file in files],
        }
        click.echo(json.dumps(record))
    else:
        for file in files:
            click.echo(file)


def _sheet(
    seeds: list[int] | None,
    first: int,
    count: int | None,
    columns: int | None,
    classes: int,
) -> tuple[list[int], int]:
    """Return the seeds and the columns of the grid, with a row of each class, if any.

    The authors' sheet of digits has 10 classes in rows of 20.
    """
    import math

    if seeds is None:
        row = columns or max(1, CLASS_IMAGES // max(1, classes))
        count = count or (classes * row if classes else IMAGES)
        seeds = list(range(first, first + count))
    nearly_square = math.ceil(math.sqrt(len(seeds)))
    row = math.ceil(len(seeds) / classes) if classes else nearly_square
    return seeds, min(columns or row, len(seeds))
