"""The whole experiment: boxes, regression, samples without maps, numbers, figure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scratchgan.paper.forget.dropped_maps import SplitGenerator, choose_layer
from scratchgan.paper.forget.effect import (
    Drawn,
    Judges,
    doubts,
    measure_effect,
    verdict,
)
from scratchgan.paper.forget.regression import (
    Forgetting,
    choose_positions,
    find_maps,
    likeliest_boxes,
    random_choices,
)
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.storage.pictures import image_grid

COLUMNS = 10
"""Of the figure."""
FEWEST_BOXED = 5
"""If fewer samples than this have a window, the likeliest places are taken instead."""
LARGEST = 0.5
"""Share of an image; what the judge finds beyond that is a mistake of G's or its."""


@dataclass(frozen=True)
class ForgetSettings:
    """How much is done, and how.

    Attributes
    ----------
    count, samples : int
        Samples in which windows are boxed, 150 in the paper, and new ones after them.
    layer : str or None
        See `choose_layer`.
    strength, threshold : float
        See `find_maps`.
    draws : int
        Random choices of as many maps.
    at_random : bool
        Show the first new samples instead of those with a window.
    label : int or None
        Class of all images, for a conditional network.
    """

    count: int = 150
    samples: int = 200
    layer: str | None = None
    strength: float = 1.0
    threshold: float = 0.0
    draws: int = 5
    at_random: bool = False
    label: int | None = None


def forget_windows(
    networks: TrainedNetworks,
    judges: Judges,
    seed: int,
    settings: ForgetSettings,
    boxes: Mapping[int, np.ndarray] | None = None,
) -> tuple[np.ndarray, dict[str, Any], list[str]]:
    """Find the maps that draw windows, drop them, and say what became of it.

    Parameters
    ----------
    networks : TrainedNetworks
    judges : Judges
        Without a window judge, ``boxes`` are needed.
    seed : int
        First of the samples that are boxed; the new ones follow.
    settings : ForgetSettings
    boxes : mapping from int to ndarray of shape (B, 4), optional
        The user's boxes by seed, see `read_box_file`.

    Returns
    -------
    figure : ndarray of shape (H', W', C), uint8
        New samples above, the same without the maps below.
    facts : dict
        The numbers, for JSON.
    lines : list of str
        What they mean.

    Raises
    ------
    ConfigError
        There is no such layer, or the boxes leave nothing to tell apart.
    """
    seeds = range(seed, seed + settings.count)
    new_seeds = range(seeds.stop, seeds.stop + settings.samples)
    stage = choose_layer(networks.config.network, settings.layer)
    split = SplitGenerator(networks, stage.name, settings.label)
    by_sample, notes = _boxes_by_sample(networks, judges, seeds, boxes, settings.label)
    size = networks.config.network.height, networks.config.network.width
    positions = choose_positions(by_sample, stage.outputs[1:], size, seed)
    features = split.features(networks.latent(seeds))
    found = find_maps(features, positions, settings.strength, settings.threshold)
    choices = [np.ones_like(found.dropped), ~found.dropped, found.dropped]
    choices += [~drop for drop in random_choices(found.dropped, settings.draws, seed)]
    before, after, others, *control = split.images(networks.latent(new_seeds), choices)
    effect = measure_effect(Drawn(before, after, others, control), judges)
    shown = _choose_shown(before, judges, settings.at_random)
    figure = image_grid(np.concatenate([before[shown], after[shown]]), len(shown))
    facts = {
        "seed": seed,
        **asdict(settings),
        "layer": stage.name,
        "layer_shape": list(stage.outputs),
        "boxed_by": "judge" if boxes is None else "user",
        "boxes": sum(len(each) for each in by_sample.values()),
        "boxed_samples": len(by_sample),
        **_facts_of(found),
        **effect,
        "figure_seeds": [new_seeds[i] for i in shown],
        **_facts_of_judges(judges),
        "notes": notes + doubts(judges.objects),
    }
    return figure, facts, verdict(facts["maps_dropped"], facts["maps"], effect)


def _facts_of(found: Forgetting) -> dict[str, Any]:
    return {
        "positions_inside": found.positives,
        "positions_outside": found.negatives,
        "regression_accuracy": found.accuracy,
        "maps": len(found.dropped),
        "maps_dropped": int(found.dropped.sum()),
        "dropped": np.flatnonzero(found.dropped).tolist(),
        "weights": found.weight.tolist(),
    }


def _facts_of_judges(judges: Judges) -> dict[str, Any]:
    return {
        "window_judge": None if judges.windows is None else judges.windows.about,
        "object_judge": None
        if judges.objects is None
        else {**judges.objects.about, "held_out": judges.objects.held_out},
    }


def _boxes_by_sample(
    networks: TrainedNetworks,
    judges: Judges,
    seeds: Sequence[int],
    boxes: Mapping[int, np.ndarray] | None,
    label: int | None,
) -> tuple[dict[int, np.ndarray], list[str]]:
    """Return boxes by number of the sample, and notes on them."""
    if boxes is not None:
        return {s - seeds[0]: found for s, found in boxes.items()}, []
    size = networks.config.network.height, networks.config.network.width
    images = networks.images(networks.latent(seeds), label)
    found = {
        i: small
        for i, boxes in enumerate(judges.windows.boxes(images))
        if len(small := boxes[_area(boxes) <= LARGEST * size[0] * size[1]])
    }
    if len(found) >= FEWEST_BOXED:
        return found, []
    note = (
        f"the judge sees windows in {len(found)} of {len(seeds)} samples; the places "
        "that are most like windows are taken instead"
    )
    probabilities = judges.windows.probabilities(images)
    return likeliest_boxes(probabilities, size, COLUMNS), [note]


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _choose_shown(images: np.ndarray, judges: Judges, at_random: bool) -> np.ndarray:
    """Return the numbers of the samples in the figure.

    The first ones; or, told by the judge, the first that have a window, and after them
    those that come nearest to having one.
    """
    count = min(COLUMNS, len(images))
    if at_random or judges.windows is None:
        return np.arange(count)
    has = judges.windows.counts(images) > 0
    likely = judges.windows.probabilities(images).max(axis=(1, 2))
    order = np.lexsort((np.where(has, 0, -likely), ~has))
    return np.sort(order[:count])
