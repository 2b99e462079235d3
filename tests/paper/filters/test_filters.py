"""Filters: the strongest responses, their tiles, the random control, the stages."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import write_dataset

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.loader import scale_images
from scratchgan.errors import ConfigError
from scratchgan.paper.filters.filters import (
    check_features,
    choose_stages,
    known_attributes,
    make_tiles,
    measure_responses,
    measure_selectivity,
    random_networks,
)
from scratchgan.paper.filters.guided_backprop import unit_gradients
from scratchgan.paper.frozen_statistics import freeze, measure_statistics
from scratchgan.paper.run_images import read_images

ROWS = np.arange(0, 40, 2)


@pytest.fixture
def dataset(tmp_path):
    with open_dataset(write_dataset(tmp_path / "images.h5", count=40)) as data:
        yield data


@pytest.fixture
def frozen(networks, dataset):
    return freeze(networks, dataset)


def test_responses_are_those_of_all_activations(frozen, dataset):
    stages = choose_stages(frozen, "all")
    assert [stage.name for stage in stages] == ["down1", "down2"]
    found = measure_responses(frozen, dataset, ROWS, stages)
    images = read_images(dataset, ROWS, frozen.config.network)
    for name, values in frozen.activations(images):
        maps = values.reshape(len(ROWS), values.shape[1], -1)
        np.testing.assert_allclose(found[name].strongest, maps.max(2), rtol=1e-5)
        np.testing.assert_allclose(found[name].mean, maps.mean(2), atol=1e-5)
        at = np.take_along_axis(maps, found[name].positions[..., None], 2)[..., 0]
        np.testing.assert_allclose(at, maps.max(2), rtol=1e-5)
        best = found[name].best(2)
        assert len(set(best)) == 5
        np.testing.assert_array_equal(
            found[name].strongest[best, 2], np.sort(found[name].strongest[:, 2])[:-6:-1]
        )


def test_a_tile_is_the_units_gradient_where_it_looks(frozen, dataset):
    (stage,) = choose_stages(frozen, None)
    assert stage.name == "down2"
    responses = measure_responses(frozen, dataset, ROWS, [stage])["down2"]
    tiles = make_tiles(frozen, dataset, ROWS, stage, [3, 0], responses)
    assert tiles.gradients.shape == tiles.patches.shape == (2, 5, 10, 10, 3)
    first = tiles.facts[0]
    assert first["feature"] == 3
    best = responses.best(3)
    assert first["images"] == ROWS[best].tolist()
    row, column = first["positions"][1]
    images = read_images(dataset, ROWS[best], frozen.config.network)
    gradient = unit_gradients(
        frozen.discriminator,
        scale_images(images, "tanh"),
        "down2",
        np.full(5, 3),
        responses.positions[best, 3],
    )[1].transpose(1, 2, 0)
    assert abs(gradient).max() > 0
    for y in range(10):
        for x in range(10):
            at = 4 * row - 3 + y, 4 * column - 3 + x
            inside = 0 <= at[0] < 8 and 0 <= at[1] < 8
            patch = images[1][at] if inside else [128] * 3
            np.testing.assert_array_equal(tiles.patches[0, 1, y, x], patch)
            value = gradient[at] / abs(gradient).max() if inside else np.zeros(3)
            tile = tiles.gradients[0, 1, y, x]
            np.testing.assert_allclose(tile, 128 + 127 * value, atol=0.51)


def test_the_control_is_fresh_and_normalised_on_the_images(frozen, dataset):
    control = random_networks(frozen, dataset, ROWS, seed=4)
    again = random_networks(frozen, dataset, ROWS, seed=4)
    other = random_networks(frozen, dataset, ROWS, seed=5)
    weights = [
        n.discriminator.parameters()["down2.conv.weight"].data
        for n in (frozen, control, again, other)
    ]
    np.testing.assert_array_equal(weights[1], weights[2])
    assert not np.array_equal(weights[1], weights[0])
    assert not np.array_equal(weights[1], weights[3])
    measured = measure_statistics(control.discriminator, dataset, ROWS, frozen.device)
    for name, array in control.discriminator.buffers().items():
        np.testing.assert_allclose(array, measured[name], rtol=1e-5)


def test_selectivity_prefers_features_that_tell(frozen, dataset, rng):
    (stage,) = choose_stages(frozen, None)
    control = measure_responses(frozen, dataset, np.arange(40), [stage])["down2"]
    attributes = (np.arange(40) % 2)[:, None].astype("float32")
    telling = control.mean + 10 * attributes * np.sign(rng.normal(size=8))
    trained = replace(control, mean=telling)
    report = measure_selectivity(trained, control, attributes, ["odd"])
    for key in ("attributes", "attributes_with_colour"):
        assert report[key]["trained"] > 0.95
        assert report[key]["share"] == 1
        assert report[key]["by_attribute"]["odd"]["random"] < 0.7
    assert report["sparseness"]["share"] == 0.5  # the same responses
    assert "attributes" not in measure_selectivity(
        trained, control, attributes[:, :0], []
    )


def test_what_a_dataset_says_of_its_images(dataset):
    class Labelled:
        attributes = np.arange(80, dtype="float32").reshape(40, 2)
        attribute_names = ("a", "b")
        boxes = np.zeros((40, 2, 4), np.int32)

    Labelled.boxes[6, 0] = 1, 2, 3, 4
    values, names = known_attributes(Labelled, ROWS)
    assert names == ["a", "b", "boxes"]
    np.testing.assert_array_equal(values[:, :2], Labelled.attributes[ROWS])
    np.testing.assert_array_equal(values[:, 2], ROWS == 6)
    values, names = known_attributes(dataset, ROWS)  # nothing is known
    assert values.shape == (20, 0)
    assert names == []


def test_what_goes_with_the_colour_is_set_apart(frozen, dataset, rng):
    """A feature that is the colour, and some noise, knows nothing else."""
    (stage,) = choose_stages(frozen, None)
    control = measure_responses(frozen, dataset, np.arange(40), [stage])["down2"]
    images = read_images(dataset, np.arange(40), frozen.config.network)
    np.testing.assert_allclose(control.colour, images.mean(axis=(1, 2)), rtol=1e-5)
    noise = rng.normal(0, 0.01, (40, 8))
    trained = replace(control, mean=control.colour[:, :1] + noise)
    attributes = (np.arange(40) >= 20)[:, None].astype("float32")  # the first channel
    report = measure_selectivity(trained, control, attributes, ["late"])
    assert report["attributes_with_colour"]["trained"] == 1
    assert report["attributes"]["trained"] < 0.4


def test_what_is_not_there(networks):
    with pytest.raises(ConfigError, match="--layer down9: D has down1, down2; all"):
        choose_stages(networks, "down9")
    with pytest.raises(ConfigError, match="--layer head"):
        choose_stages(networks, "head")
    check_features(choose_stages(networks, "down1"), range(4))
    with pytest.raises(ConfigError, match="--features 7: down1 has 4 features"):
        check_features(choose_stages(networks, "all"), [0, 7])
