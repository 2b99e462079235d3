import dataclasses

import numpy as np
import pytest
from tiny import NETWORK, train_tiny

from scratchgan.backend import CPU
from scratchgan.models.dcgan import Generator
from scratchgan.training.preview import generate_images, labels_for_grid


@pytest.fixture
def generator(tmp_path, dataset_file):
    state, _, _ = train_tiny(tmp_path, dataset_file, steps=8)
    generator = state.gan.generator
    # Pictures of a network this young are nearly grey: give them contrast.
    generator.parameters()["up2.conv.weight"].data *= 30
    return generator


def test_a_seed_gives_one_picture_whatever_its_neighbours(generator):
    alone = generate_images(generator, [5], CPU)
    among = generate_images(generator, range(70), CPU)
    assert len(among) == 70
    # The order of summation in a matrix product may differ by the batch: at most a
    # rounding of one grey level.
    assert abs(alone[0].astype(int) - among[5].astype(int)).max() <= 1
    assert not np.array_equal(among[4], among[5])


def test_batch_statistics_make_a_picture_depend_on_its_neighbours(generator):
    one = generate_images(generator, range(0, 8), CPU, batch_statistics=True)
    other = generate_images(generator, [0, *range(20, 27)], CPU, batch_statistics=True)
    assert abs(one[0].astype(int) - other[0].astype(int)).max() > 10


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_generating_changes_nothing_in_the_generator(generator, batch_statistics):
    before = generator.state_dict()
    generate_images(generator, range(4), CPU, batch_statistics=batch_statistics)
    after = generator.state_dict()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)
    assert generator.training


def test_conditional_generator_draws_the_class_asked_for():
    network = dataclasses.replace(NETWORK, classes=3)
    generator = Generator(network, rng=np.random.default_rng(0))
    for parameter in generator.parameters().values():
        parameter.data *= 20  # an untrained network hardly reacts to labels
    zero, one = (generate_images(generator, [7], CPU, labels=[k]) for k in (0, 1))
    assert not np.array_equal(zero, one)


def test_grid_has_one_class_a_row():
    network = dataclasses.replace(NETWORK, classes=3)
    assert labels_for_grid(network, 8, 2) == [0, 0, 1, 1, 2, 2, 0, 0]
    assert labels_for_grid(NETWORK, 8, 2) is None
