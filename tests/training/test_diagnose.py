import numpy as np
import pytest
from tiny import CONFIG

from scratchgan.backend import CPU
from scratchgan.training.diagnose import first_non_finite
from scratchgan.training.run.state import new_state
from scratchgan.training.step import Batch


@pytest.fixture
def gan():
    return new_state(CONFIG, CPU).gan


@pytest.fixture
def batch():
    return Batch(np.zeros((4, 3, 8, 8), np.float32))


@pytest.fixture
def z(rng):
    return rng.standard_normal((4, 4)).astype(np.float32)


def test_names_a_bad_image(gan, batch, z):
    batch.images[1, 0, 2, 3] = np.nan
    assert first_non_finite(gan, batch, z) == "the images themselves"


def test_names_a_bad_parameter(gan, batch, z):
    gan.discriminator.parameters()["down2.norm.beta"].data[1] = np.inf
    assert first_non_finite(gan, batch, z) == "parameter down2.norm.beta of D"


def test_names_the_layer_where_numbers_overflow(gan, batch, z):
    # Finite weights whose products leave the range of float32.
    gan.generator.parameters()["up1.conv.weight"].data[...] = 3e38
    found = first_non_finite(gan, batch, z)
    assert found == "the output of layer up1.conv of G"


def test_names_the_discriminators_layer(gan, batch, z):
    batch.images[...] = 1
    gan.discriminator.parameters()["down1.conv.weight"].data[...] = 3e38
    found = first_non_finite(gan, batch, z)
    assert found == "the output of layer down1.conv of D on real images"


def test_says_so_when_nothing_is_wrong(gan, batch, z):
    assert first_non_finite(gan, batch, z).startswith("no layer")
