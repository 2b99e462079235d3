"""``scratchgan inspect neighbours``: whether generated images are copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scratchgan.commands.inspect.shared import (
    RUN_OPTIONS,
    freeze_statistics,
    open_run,
    open_run_images,
    write_results,
)
from scratchgan.commands.options import data_dir_option, options
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from scratchgan.datasets.format.dataset import Dataset
    from scratchgan.paper.neighbours.nearest import NearestVectors
    from scratchgan.paper.neighbours.neighbours import Neighbours
    from scratchgan.paper.trained_networks import TrainedNetworks

TILE_PIXELS = 64
UNITS = {"pixels": "{:.1f}", "features": "{:.3f}"}
"""How distances of either kind are printed."""

_EXAMPLES = """\b
Examples:
  scratchgan inspect neighbours runs/00001-faces-quick32
  scratchgan inspect neighbours 1 --count 256 --rows 20
"""

# fmt: off
OPTIONS = (
    *RUN_OPTIONS,
    click.option("--count", type=click.IntRange(min=1), default=64, show_default=True, help="Generated images, from consecutive seeds."),
    click.option("--rows", type=click.IntRange(min=1), default=10, show_default=True, help="Of these in the figure, those nearest to a training image first."),
    click.option("--label", type=click.IntRange(min=0), help="Class of all images, for a conditional network.  [default: 0]"),
    data_dir_option,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def neighbours(
    run: str,
    seed: int,
    out: Path,
    runs: Path,
    device: str,
    as_json: bool,
    count: int,
    rows: int,
    label: int | None,
    data_dir: str | None,
) -> None:
    """Find the training images nearest to generated ones: a test of memorisation.

    Distances are taken in pixels and in D's features. Beside them are those of real
    images that were not trained on: a generator that draws from memory is nearer to
    the training images than these are.
    """
    from scratchgan.paper.neighbours.neighbours import (
        choose_held_out,
        compare_distances,
        find_neighbours,
    )
    from scratchgan.paper.trained_networks import check_label

    networks = open_run(run, runs, device)
    check_label(networks, label)
    with open_run_images(networks, data_dir) as dataset:
        held_out = choose_held_out(dataset, networks.config.split)
        networks = freeze_statistics(networks, dataset)
        labels = [label or 0] * count if networks.config.network.classes else None
        generated = networks.images(networks.latent(range(seed, seed + count)), labels)
        with progress_bar("training images", "images") as progress:
            found = find_neighbours(
                networks, dataset, generated, held_out, labels, progress
            )
        comparison = {
            name: compare_distances(
                pair.generated.distances[:, 0], pair.held_out.distances[:, 0]
            )
            for name, pair in found.items()
        }
        facts = {
            "seed": seed,
            "label": label,
            "dataset": str(dataset.path),
            "training_images": len(dataset.rows_of_split(networks.config.split)),
            "held_out_images": len(held_out.rows),
            "held_out_from_training": held_out.from_training,
            "memorised": any(facts["memorised"] for facts in comparison.values()),
            **comparison,
            "images": images_found(found, seed),
        }
        figure = draw(networks, dataset, generated, found, seed, rows)
    lines = describe(comparison, held_out.from_training)
    write_results(networks, out, "neighbours", figure, facts, as_json, lines)


def images_found(found: dict[str, Neighbours], seed: int) -> list[dict]:
    """Return the neighbours of each generated image as plain values."""
    count = len(found["pixels"].generated.rows)
    return [
        {"seed": seed + image}
        | {name: _plain(pair.generated, image) for name, pair in found.items()}
        for image in range(count)
    ]


def _plain(nearest: NearestVectors, image: int) -> dict:
    there = nearest.rows[image] >= 0  # fewer than asked for in a tiny dataset
    return {
        "rows": nearest.rows[image][there].tolist(),
        "distances": nearest.distances[image][there].tolist(),
    }


def draw(
    networks: TrainedNetworks,
    dataset: Dataset,
    generated: np.ndarray,
    found: dict[str, Neighbours],
    seed: int,
    rows: int,
) -> np.ndarray:
    """Return the figure: a generated image, its neighbours in pixels and in features.

    A row for each of the images that are nearest to a training image in pixels.
    """
    import numpy as np

    from scratchgan.paper.run_images import read_images
    from scratchgan.storage.pictures import (
        GREY,
        captioned_grid,
        enlarge,
        stack_pictures,
    )

    order = np.argsort(found["pixels"].generated.distances[:, 0], kind="stable")[:rows]
    factor = max(1, round(TILE_PIXELS / generated.shape[2]))
    names = [f"seed {seed + image}" for image in order]
    blocks = [captioned_grid(enlarge(generated[order], factor), names, 1)]
    for name, pair in found.items():
        at = pair.generated.rows[order].ravel()
        images = np.full((len(at), *generated.shape[1:]), GREY, np.uint8)
        images[at >= 0] = read_images(dataset, at[at >= 0], networks.config.network)
        distances = pair.generated.distances[order].ravel()
        captions = [UNITS[name].format(d) if np.isfinite(d) else "" for d in distances]
        columns = pair.generated.k
        blocks.append(captioned_grid(enlarge(images, factor), captions, columns))
    return stack_pictures(blocks, axis=1)


def describe(comparison: dict[str, dict], from_training: bool) -> list[str]:
    """Say in words how near generated images are to the training images."""
    others = "other training images" if from_training else "held-out images"
    lines = []
    for name, facts in comparison.items():
        form = UNITS[name]
        ratio = "-" if facts["ratio"] is None else f"{facts['ratio']:.2f}"
        lines.append(
            f"{name}: nearest training image at {form.format(facts['generated'])} for "
            f"generated images, {form.format(facts['held_out'])} for {others}, ratio "
            f"{ratio}; {facts['share']:.0%} of generated images are nearer than 95% of "
            f"the {others}"
        )
    found = [name for name, facts in comparison.items() if facts["memorised"]]
    if found:
        lines.append(
            f"memorised, by {' and '.join(found)}: generated images are much nearer to "
            f"the training images than {others} are"
        )
    else:
        lines.append(
            "not memorised: generated images are not much nearer to the training "
            f"images than {others} are"
        )
    return lines
