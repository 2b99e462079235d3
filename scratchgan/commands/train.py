"""``scratchgan train``: settings, one call into the library, where the results are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.options import (
    EXIT_INTERRUPTED,
    SizeType,
    data_dir_option,
    options,
)
from scratchgan.commands.progress import progress_bar
from scratchgan.errors import OptionError
from scratchgan.training.config import LOSSES, UPDATE_ORDERS
from scratchgan.training.presets import DEFAULT_PRESET, PRESETS
from scratchgan.training.settings import CONV_IMPLS, choose_settings

if TYPE_CHECKING:
    from scratchgan.training.loop import TrainResult

RESUME_NEWEST = ""
"""What ``--resume`` without a run means."""

POSITIVE = click.IntRange(min=1)
POSITIVE_FLOAT = click.FloatRange(min=0, min_open=True)

_PRESET_HELP = "; ".join(f"{name}: {p.description}" for name, p in PRESETS.items())


# fmt: off
OPTIONS = (
    # What and where.
    click.option("--dataset", metavar="NAME|PATH", help="Prepared dataset; the built-in faces, bedrooms and digits are drawn on first use.  [default: the preset's]"),
    click.option("--device", metavar="auto|cpu|gpu|gpu:N", help="Where to compute; auto takes a GPU that works and the CPU otherwise.  [default: auto]"),
    click.option("--tf32/--no-tf32", default=None, help="Let a GPU round the factors of its products to 10 bits: much faster from Ampere on."),
    click.option("--cuda-graph/--no-cuda-graph", default=None, help="On a GPU, record the step once and repeat it in one launch.  [default: on a GPU]"),
    click.option("--gpu-memory", metavar="SIZE|PERCENT", help="Take no more of a GPU's memory than 6GiB or 75%, say."),
    click.option("--preset", type=click.Choice(list(PRESETS)), help=f"{_PRESET_HELP}.  [default: {DEFAULT_PRESET}]"),
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder that holds the run folders."),
    data_dir_option,
    click.option("--split", help="Part of the data to train on, such as train+extra.  [default: train]"),
    click.option("--resume", is_flag=False, flag_value=RESUME_NEWEST, metavar="[RUN]", help="Continue a run: its folder, its number, one checkpoint file, or the newest run."),
    click.option("--dry-run", is_flag=True, help="Print settings, layers and forecast; do nothing."),
    # How long.
    click.option("--epochs", type=POSITIVE_FLOAT, help="Passes over the data."),
    click.option("--steps", type=POSITIVE, help="Steps in all, instead of epochs; a step is one update of D and one of G."),
    click.option("--max-minutes", type=POSITIVE_FLOAT, help="Save and stop after this time."),
    click.option("--batch-size", type=click.IntRange(min=2), help="Images in a batch."),
    click.option("--seed", type=click.IntRange(min=0), help="Of weights, z and the order of images.  [default: 0]"),
    # Network.
    click.option("--size", type=SizeType(), metavar="S|HxW", help="Size of the images, instead of the preset's."),
    click.option("--base-channels", type=POSITIVE, help="Maps of the layer next to the image; the others keep their proportion."),
    click.option("--latent-dim", type=POSITIVE, help="Length of z."),
    click.option("--latent", type=click.Choice(["normal", "uniform"]), help="z from N(0, 1) or U(-1, 1)."),
    click.option("--kernel-size", type=POSITIVE, help="Of the strided convolutions, in pixels."),
    click.option("--conditional/--no-conditional", default=None, help="Give both networks the labels."),
    click.option("--conv-impl", type=click.Choice(CONV_IMPLS), help="Implementation of convolution."),
    # Optimiser.
    click.option("--lr", type=POSITIVE_FLOAT, help="Adam's learning rate."),
    click.option("--beta1", type=click.FloatRange(0, 1, max_open=True), help="Decay of Adam's first moment."),
    click.option("--beta2", type=click.FloatRange(0, 1, max_open=True), help="Decay of Adam's second moment."),
    click.option("--adam-eps", type=POSITIVE_FLOAT, help="Adam's epsilon, outside the square root."),
    click.option("--decay-start", type=click.IntRange(min=0), help="Epochs at constant learning rate, before it falls to 0."),
    click.option("--decay-epochs", type=POSITIVE, help="Epochs in which it falls, linearly."),
    click.option("--l2", type=click.FloatRange(min=0), help="L2 penalty on all parameters."),
    click.option("--update-order", type=click.Choice(UPDATE_ORDERS), help="How the updates of D and G take turns."),
    click.option("--loss", type=click.Choice(list(LOSSES)), help="What D and G minimise; softmax gives D two outputs, the others one."),
    # What is written.
    click.option("--log-every", type=POSITIVE, help="Steps between log records."),
    click.option("--sample-every", type=POSITIVE, help="Steps between sample grids."),
    click.option("--checkpoint-every", type=POSITIVE, help="Steps between checkpoints."),
    click.option("--keep-last", type=POSITIVE, help="Newest checkpoints to keep."),
    click.option("--keep-every", type=click.IntRange(min=0), help="Also keep checkpoints at multiples of this step; 0 for none."),
)
# fmt: on


@click.command()
@options(*OPTIONS)
def train(
    out: Path,
    data_dir: str | None,
    resume: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Train a DCGAN on a dataset; everything goes into a numbered run folder.

    Ctrl-C saves and stops; --resume goes on exactly where the run was.
    """
    from scratchgan.training.resume import resume_run
    from scratchgan.training.start import describe_new_run, start_run

    given = {name: value for name, value in given.items() if value is not None}
    if resume is not None and dry_run:
        raise click.UsageError("--dry-run describes a new run; --resume has a run")
    try:
        if resume is not None:
            result = resume_run(
                resume or None,
                given,
                out,
                data_dir,
                report=_report,
                show_progress=True,
            )
        else:
            preset = PRESETS[given.pop("preset", DEFAULT_PRESET)]
            config = choose_settings(preset, given)
            if dry_run:
                click.echo("\n".join(describe_new_run(config, data_dir)))
                return
            result = start_run(config, out, data_dir, report=_report, bar=progress_bar)
    except OptionError as error:
        raise click.UsageError(str(error)) from error
    if result is not None:
        _say_where_the_results_are(result)


def _report(line: str) -> None:
    click.echo(line, err=True)


def _say_where_the_results_are(result: TrainResult) -> None:
    """Print the last files, and how to go on; exit 130 if a signal ended the run."""
    run = result.checkpoint.parent.parent
    if result.interrupted:
        _report(
            f"interrupted at step {result.step:,}; saved; go on with: "
            f"scratchgan train --resume {run}"
        )
        sys.exit(EXIT_INTERRUPTED)
    if result.step < result.total:
        _report(
            f"time limit at step {result.step:,} of {result.total:,}; saved; go on "
            f"with: scratchgan train --resume {run}"
        )
    click.echo(f"samples: {result.samples}")
    click.echo(f"checkpoint: {result.checkpoint}")
    _report(f"more images: scratchgan generate {run} --seeds 0-35")
