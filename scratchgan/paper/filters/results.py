"""What was found of D's filters: numbers for JSON, the figure, and words."""

from typing import Any

import numpy as np

from scratchgan.paper.filters.filters import LayerFilters
from scratchgan.storage.pictures import stack_pictures, tiles_in_rows

TILE_PIXELS = 64


def layer_facts(found: LayerFilters) -> dict[str, Any]:
    """Return what was found of a layer as plain values for JSON."""
    return {
        "selectivity": found.selectivity,
        "random": found.control.facts,
        "trained": found.trained.facts,
    }


def draw_layer(found: LayerFilters, with_images: bool) -> np.ndarray:
    """Return a layer's figure: a row a feature, random on the left, trained right.

    Tiles are enlarged by a whole number to about 64 pixels.
    """

    def line(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        factor = max(1, round(TILE_PIXELS / left.shape[2]))
        halves = (tiles_in_rows(side, factor) for side in (left, right))
        return stack_pictures(list(halves), axis=1)

    lines = [line(found.control.gradients, found.trained.gradients)]
    if with_images:
        lines.append(line(found.control.patches, found.trained.patches))
    return stack_pictures(lines)


def describe_layer(found: LayerFilters) -> list[str]:
    """Say in words how selective trained filters are, against random ones."""
    words = {
        "attributes": "attribute told best, mean colour aside, |2 AUC - 1|",
        "attributes_with_colour": "attribute told best, |2 AUC - 1|",
        "sparseness": "sparseness of the strongest response over images",
    }
    return [
        f"{found.name}, {text}: median {facts['trained']:.3f} trained, "
        f"{facts['random']:.3f} random; a trained filter has more than a random one "
        f"in {facts['share']:.0%} of pairs"
        for name, text in words.items()
        if (facts := found.selectivity.get(name))
    ]
