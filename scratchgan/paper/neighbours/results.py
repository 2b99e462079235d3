"""What the nearest training images say: numbers for JSON, the figure, and words."""

from typing import Any

import numpy as np

from scratchgan.datasets.format.dataset import Dataset
from scratchgan.functional.nearest.streamed import NearestVectors
from scratchgan.paper.neighbours.neighbours import (
    HeldOut,
    Neighbours,
    compare_distances,
)
from scratchgan.paper.run_images import read_images
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.storage.pictures import (
    GREY,
    captioned_grid,
    enlarge,
    stack_pictures,
)

TILE_PIXELS = 64
UNITS = {"pixels": "{:.1f}", "features": "{:.3f}"}
"""How distances of either kind are printed."""


def neighbour_facts(
    found: dict[str, Neighbours], held_out: HeldOut, seed: int
) -> dict[str, Any]:
    """Return what was found as plain values for JSON.

    Parameters
    ----------
    found : dict of Neighbours
        See `find_neighbours`.
    held_out : HeldOut
        The real images that generated ones are compared with.
    seed : int
        Of the first generated image.

    Returns
    -------
    dict
        ``pixels`` and ``features``, see `compare_distances`; ``memorised``, if either
        says so; and ``images``, the neighbours of each.
    """
    comparison = {
        name: compare_distances(
            pair.generated.distances[:, 0], pair.held_out.distances[:, 0]
        )
        for name, pair in found.items()
    }
    return {
        "held_out_images": len(held_out.rows),
        "held_out_from_training": held_out.from_training,
        "memorised": any(facts["memorised"] for facts in comparison.values()),
        **comparison,
        "images": _images_found(found, seed),
    }


def _images_found(found: dict[str, Neighbours], seed: int) -> list[dict]:
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


def draw_neighbours(
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


def describe(facts: dict[str, Any]) -> list[str]:
    """Say in words how near generated images are; see `neighbour_facts`."""
    from_training = facts["held_out_from_training"]
    others = "other training images" if from_training else "held-out images"
    comparison = {name: facts[name] for name in UNITS}
    lines = []
    for name, found in comparison.items():
        form = UNITS[name]
        ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
        lines.append(
            f"{name}: nearest training image at {form.format(found['generated'])} for "
            f"generated images, {form.format(found['held_out'])} for {others}, ratio "
            f"{ratio}; {found['share']:.0%} of generated images are nearer than 95% of "
            f"the {others}"
        )
    copied = [name for name, found in comparison.items() if found["memorised"]]
    if copied:
        lines.append(
            f"memorised, by {' and '.join(copied)}: generated images are much nearer "
            f"to the training images than {others} are"
        )
    else:
        lines.append(
            "not memorised: generated images are not much nearer to the training "
            f"images than {others} are"
        )
    return lines
