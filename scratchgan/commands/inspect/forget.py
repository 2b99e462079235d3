"""``scratchgan inspect forget``: the paper's figure 6."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.inspect.shared import (
    JUDGE_OPTIONS,
    LABEL_OPTION,
    RUN_OPTIONS,
    open_judge,
    open_run,
    write_results,
)
from scratchgan.commands.options import options
from scratchgan.commands.progress import note, progress_bar

if TYPE_CHECKING:
    from scratchgan.paper.forget.effect import Judges
    from scratchgan.paper.trained_networks import TrainedNetworks

SHEET_COLUMNS = 6

_EXAMPLES = """\b
Examples:
  scratchgan inspect forget runs/00001-bedrooms-quick32
  scratchgan inspect forget 1 --sheet
  scratchgan inspect forget 1 --boxes windows.csv
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    *JUDGE_OPTIONS,
    LABEL_OPTION,
    click.option("--count", type=click.IntRange(2, 100_000), default=150, show_default=True, help="Samples in which windows are boxed, from the first seed on."),
    click.option("--samples", type=click.IntRange(1, 100_000), default=200, show_default=True, help="New samples after them, in which windows are counted."),
    click.option("--boxes", type=click.Path(dir_okay=False, path_type=Path), help="CSV or JSON file of your own boxes (seed, left, top, right, bottom), instead of the window judge's."),
    click.option("--sheet", is_flag=True, help="Write a sheet of the samples with seeds and rulers to draw boxes from, and nothing else."),
    click.option("--layer", metavar="NAME", help="G's layer to drop maps of.  [default: the second highest]"),
    click.option("--strength", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="Of the regression's L2 penalty."),
    click.option("--threshold", type=float, default=0.0, show_default=True, help="Maps with a weight above this are dropped."),
    click.option("--draws", type=click.IntRange(0, 100), default=5, show_default=True, help="Choices of as many random maps, as a control."),
    click.option("--random", "at_random", is_flag=True, help="Show the first new samples, not those that have a window."),
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def forget(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    data_dir: str | None,
    judge: str | None,
    boxes: Path | None,
    sheet: bool,
    **settings: Any,
) -> None:
    """Let G forget windows: find the feature maps that draw them, and drop these.

    A logistic regression tells positions on windows from others by the maps of G's
    second highest layer; every map with a positive weight is set to 0. Upper row of the
    figure: new samples; lower row: the same without these maps.
    """
    from scratchgan.paper.forget.box_file import read_box_file
    from scratchgan.paper.forget.dropped_maps import choose_layer
    from scratchgan.paper.forget.experiment import ForgetSettings, forget_windows
    from scratchgan.paper.forget.regression import choose_positions
    from scratchgan.paper.trained_networks import check_label

    networks = open_run(run, runs, device)
    check_label(networks, settings["label"])
    if sheet:
        _write_sheet(networks, out, seed, settings, as_json)
        return
    # What cannot be is refused before judges are trained.
    network = networks.config.network
    stage = choose_layer(network, settings["layer"])
    drawn = None
    if boxes is not None:
        seeds = range(seed, seed + settings["count"])
        size = network.height, network.width
        drawn = read_box_file(boxes, seeds, *size)
        choose_positions(drawn, stage.outputs[1:], size, seed)
    judges = _judges(networks, judge, data_dir, required=drawn is None)
    figure, facts, lines = forget_windows(
        networks, judges, seed, ForgetSettings(**settings), drawn
    )
    for line in facts["notes"]:
        note(f"note: {line}")
    write_results(networks, out, "forget", figure, facts, as_json, lines)


def _write_sheet(
    networks: TrainedNetworks,
    out: Path,
    seed: int,
    settings: dict[str, Any],
    as_json: bool,
) -> None:
    import json

    from scratchgan.paper.forget.box_sheet import box_sheet
    from scratchgan.storage.files import make_folder
    from scratchgan.storage.pictures import save_png

    seeds = range(seed, seed + settings["count"])
    images = networks.images(networks.latent(seeds), settings["label"])
    path = make_folder(out) / "forget-sheet.png"
    save_png(box_sheet(images, seeds, SHEET_COLUMNS), path)
    click.echo(json.dumps({"sheet": str(path)}) if as_json else str(path))


def _judges(
    networks: TrainedNetworks, dataset: str | None, data_dir: str | None, required: bool
) -> Judges:
    """Return the judges; without boxes of the user's they are required."""
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.errors import DatasetError
    from scratchgan.paper.forget.effect import Judges
    from scratchgan.paper.judges.window_judge import load_window_judge

    network, windows = networks.config.network, None
    try:
        path = find_dataset(dataset or networks.config.dataset, data_dir)
        with progress_bar("training the window judge", "batches") as progress:
            windows = load_window_judge(
                path,
                network.height,
                network.width,
                network.channels,
                networks.device,
                progress=progress,
                note=note,
            )
        note(windows.summary())
    except DatasetError as error:
        if required or dataset:
            raise
        note(f"note: nothing is counted: {error}")
        return Judges()
    try:
        return Judges(windows, open_judge(networks, dataset, data_dir))
    except DatasetError as error:
        note(f"note: other objects are not counted: {error}")
        return Judges(windows)
