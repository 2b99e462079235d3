"""What D's filters answer to, beside those of a D that never learnt.

Radford et al. 2016, section 6.2 and figure 5: the images that excite a feature of D's
last convolution most, and guided backpropagation of that feature to their pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scratchgan.backend import to_host
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import scale_images
from scratchgan.errors import ConfigError
from scratchgan.functional.labels import one_hot
from scratchgan.models.architecture import Stage, plan_discriminator
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.filters.guided_backprop import as_tiles, unit_gradients
from scratchgan.paper.filters.receptive_field import receptive_field
from scratchgan.paper.filters.selectivity import (
    attribute_contrast,
    binary_attributes,
    compare,
    lifetime_sparseness,
    without_linear_part,
)
from scratchgan.paper.frozen_statistics import measure_statistics
from scratchgan.paper.run_images import read_images, stream_images
from scratchgan.paper.trained_networks import TrainedNetworks
from scratchgan.progress import Progress
from scratchgan.storage.pictures import GREY

BEST = 5
"""Images shown for a feature."""


@dataclass(frozen=True)
class Responses:
    """What each feature of a stage says of each image.

    Attributes
    ----------
    strongest : ndarray of shape (N, F), float32
        Its largest activation.
    positions : ndarray of shape (N, F), int64
        Pixel of the map where that is, counted in rows.
    mean : ndarray of shape (N, F), float32
        Its mean activation.
    colour : ndarray of shape (N, C), float32
        The images' mean colour in [0, 255].
    """

    strongest: np.ndarray
    positions: np.ndarray
    mean: np.ndarray
    colour: np.ndarray

    def best(self, feature: int) -> np.ndarray:
        """Return the images that excite a feature most, strongest first."""
        return np.argsort(-self.strongest[:, feature], kind="stable")[:BEST]


@dataclass(frozen=True)
class Tiles:
    """What excites some features, a row of up to 5 tiles for each.

    Attributes
    ----------
    gradients : ndarray of shape (features, 5, h, w, C), uint8
        Guided backpropagation, cut to the receptive field.
    patches : ndarray of the same shape, uint8
        The images there.
    facts : list of dict
        For each feature the image rows, unit positions and responses.
    """

    gradients: np.ndarray
    patches: np.ndarray
    facts: list[dict]


@dataclass(frozen=True)
class LayerFilters:
    """What was found of one stage of D.

    Attributes
    ----------
    name : str
        Of the stage.
    control, trained : Tiles
        Of the random and of the trained D.
    selectivity : dict
        See `measure_selectivity`.
    """

    name: str
    control: Tiles
    trained: Tiles
    selectivity: dict


def choose_stages(networks: TrainedNetworks, layer: str | None) -> list[Stage]:
    """Return the hidden stages of D that are asked for.

    Parameters
    ----------
    networks : TrainedNetworks
    layer : str or None
        A name, "all", or None for the last convolution, or where there is none the
        last hidden stage.

    Raises
    ------
    ConfigError
        D has no such stage.
    """
    hidden = plan_discriminator(networks.config.network)[:-1]
    if layer == "all":
        return hidden
    if layer is None:
        convolutions = [stage for stage in hidden if stage.kind == "conv"]
        return (convolutions or hidden)[-1:]
    chosen = [stage for stage in hidden if stage.name == layer]
    if not chosen:
        names = ", ".join(stage.name for stage in hidden)
        raise ConfigError(f"--layer {layer}: D has {names}; all means every one")
    return chosen


def check_features(stages: Sequence[Stage], features: Sequence[int]) -> None:
    """Raise ConfigError if a stage has not all of these features."""
    for stage in stages:
        if max(features) >= stage.outputs[0]:
            raise ConfigError(
                f"--features {max(features)}: {stage.name} has {stage.outputs[0]} "
                "features, counted from 0"
            )


def random_networks(
    networks: TrainedNetworks, dataset: Dataset, rows: np.ndarray, seed: int
) -> TrainedNetworks:
    """Return the networks with a D of fresh weights, its statistics those of images.

    Without them its features would have no common scale to be compared on.
    """
    discriminator = Discriminator(
        networks.config.network, rng=np.random.default_rng(seed)
    ).to(networks.device)
    statistics = measure_statistics(discriminator, dataset, rows, networks.device)
    discriminator.load_state_dict(discriminator.state_dict() | statistics)
    return replace(networks, discriminator=discriminator.eval())


def measure_responses(
    networks: TrainedNetworks,
    dataset: Dataset,
    rows: np.ndarray,
    stages: Sequence[Stage],
    progress: Progress | None = None,
) -> dict[str, Responses]:
    """Return the responses of all features of some stages to images.

    Parameters
    ----------
    networks : TrainedNetworks
        With frozen statistics.
    dataset : Dataset
    rows : ndarray of int64, ascending
    stages : sequence of Stage
    progress : callable, optional
        Called with images done and all images.

    Returns
    -------
    dict of Responses
        By name of the stage.
    """
    parts: dict[str, list] = {stage.name: [] for stage in stages}
    blocks = stream_images(dataset, rows, networks.config.network, progress)
    for _, images, labels in blocks:
        colour = images.mean(axis=(1, 2), dtype=np.float32)
        for name, values in networks.activations(images, labels):
            if name in parts:
                maps = values.reshape(*values.shape[:2], -1)  # (n, F, positions)
                found = maps.max(axis=2), maps.argmax(axis=2), maps.mean(axis=2)
                parts[name].append([*map(to_host, found), colour])
    return {
        name: Responses(*map(np.concatenate, zip(*found, strict=True)))
        for name, found in parts.items()
    }


def make_tiles(
    networks: TrainedNetworks,
    dataset: Dataset,
    rows: np.ndarray,
    stage: Stage,
    features: Sequence[int],
    responses: Responses,
) -> Tiles:
    """Return guided backpropagation of some features from the images they like best."""
    network = networks.config.network
    field = receptive_field(plan_discriminator(network), stage.name)
    columns = stage.outputs[2] if len(stage.outputs) == 3 else 1
    labels = dataset.labels if network.classes else None
    gradients, patches, facts = [], [], []
    for feature in features:
        best = responses.best(feature)
        units = responses.positions[best, feature]
        places = [divmod(int(unit), columns) for unit in units]
        chosen = rows[best]
        images = read_images(dataset, chosen, network)
        gradient = unit_gradients(
            networks.discriminator,
            networks.device.put(scale_images(images, network.output)),
            stage.name,
            np.full(len(best), feature),
            units,
            None
            if labels is None
            else networks.device.put(one_hot(labels[chosen], network.classes)),
        )
        seen = field.crop(to_host(gradient).transpose(0, 2, 3, 1), places, 0)
        gradients.append(as_tiles(seen))
        patches.append(field.crop(images, places, GREY))
        facts.append(
            {
                "feature": int(feature),
                "images": [int(row) for row in chosen],
                "positions": places,
                "responses": [float(r) for r in responses.strongest[best, feature]],
            }
        )
    return Tiles(np.stack(gradients), np.stack(patches), facts)


def known_attributes(dataset: Dataset, rows: np.ndarray) -> tuple[np.ndarray, list]:
    """Return what the dataset says of images, float32 (N, A), and the A names.

    Where it has boxes, "boxes" is 1 for an image with one.
    """
    values, names = dataset.attributes, dataset.attribute_names or []
    columns = [np.zeros((len(rows), 0)) if values is None else values[rows]]
    if dataset.boxes is not None:
        columns.append(dataset.boxes[rows].any(axis=(1, 2))[:, None])
        names = [*names, "boxes"]
    return np.concatenate(columns, axis=1).astype(np.float32), names


def measure_selectivity(
    trained: Responses,
    control: Responses,
    attributes: np.ndarray,
    names: list[str],
) -> dict:
    """Return how selective the features of a stage are, against random ones.

    Parameters
    ----------
    trained, control : Responses
        Of a trained and of a random D to the same images.
    attributes : ndarray of shape (N, A)
        See `known_attributes`.
    names : list of str
        Of the A.

    Returns
    -------
    dict
        "sparseness" of the strongest responses and, with attributes, how well the mean
        response alone tells the attribute that it tells best: "attributes" without
        what follows from the image's mean colour, "attributes_with_colour" with it.
        Each has medians over features, and the share of pairs in which the trained
        feature has more; for attributes also the feature that tells each best.
    """
    report: dict = {
        "sparseness": compare(
            lifetime_sparseness(trained.strongest),
            lifetime_sparseness(control.strongest),
        )
    }
    present, present_names = binary_attributes(attributes, names)
    if not present_names:
        return report
    pairs = {
        "attributes": [
            without_linear_part(one.mean, one.colour) for one in (trained, control)
        ],
        "attributes_with_colour": [trained.mean, control.mean],
    }
    for key, responses in pairs.items():
        contrasts = [attribute_contrast(r, present) for r in responses]  # (F, A) each
        report[key] = compare(*(contrast.max(axis=1) for contrast in contrasts))
        report[key]["by_attribute"] = {
            name: {
                "feature": int(contrasts[0][:, a].argmax()),
                "trained": float(contrasts[0][:, a].max()),
                "random": float(contrasts[1][:, a].max()),
            }
            for a, name in enumerate(present_names)
        }
    return report


def compare_filters(
    control: TrainedNetworks,
    trained: TrainedNetworks,
    dataset: Dataset,
    rows: np.ndarray,
    stages: Sequence[Stage],
    features: Sequence[int],
    progress: Progress | None = None,
) -> list[LayerFilters]:
    """Return what a random and a trained D make of the same images, stage by stage.

    Parameters
    ----------
    control, trained : TrainedNetworks
        Both with frozen statistics; see `random_networks`.
    dataset : Dataset
    rows : ndarray of int64, ascending
    stages : sequence of Stage
    features : sequence of int
        Those to make tiles of.
    progress : callable, optional
        Called with images done and all images, those of both D counted.
    """

    def images_from(before: int) -> Progress | None:
        return progress and (lambda done, _: progress(before + done, 2 * len(rows)))

    of_control = measure_responses(control, dataset, rows, stages, images_from(0))
    of_trained = measure_responses(
        trained, dataset, rows, stages, images_from(len(rows))
    )
    attributes, names = known_attributes(dataset, rows)
    layers = []
    for stage in stages:
        pair = of_control[stage.name], of_trained[stage.name]
        tiles = [
            make_tiles(networks, dataset, rows, stage, features, responses)
            for networks, responses in zip((control, trained), pair, strict=True)
        ]
        selectivity = measure_selectivity(pair[1], pair[0], attributes, names)
        layers.append(LayerFilters(stage.name, *tiles, selectivity))
    return layers
