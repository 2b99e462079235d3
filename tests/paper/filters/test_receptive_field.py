"""Receptive fields: the paper's, and every one against the pixels that matter."""

import dataclasses

import numpy as np
import pytest

from scratchgan.models.architecture import NetworkConfig, plan_discriminator
from scratchgan.models.dcgan import Discriminator
from scratchgan.paper.filters.receptive_field import ReceptiveField, receptive_field
from scratchgan.training.presets import PRESETS


def fields(network):
    stages = plan_discriminator(network)
    return [receptive_field(stages, stage.name) for stage in stages]


def test_the_papers_network():
    """Rows 16p - 30 to 16p + 30 for the last convolution."""
    *convolutions, head = fields(PRESETS["paper64"].network)
    assert [field.size[0] for field in convolutions] == [5, 13, 29, 61]
    assert convolutions[-1] == ReceptiveField((61, 61), (16, 16), (-30, -30))
    assert head == ReceptiveField((64, 64), (0, 0), (0, 0))


def test_kernels_of_4():
    *convolutions, _ = fields(PRESETS["dcgan64"].network)
    assert [field.size[0] for field in convolutions] == [4, 10, 22, 46]


def test_strides_of_1_between():
    *convolutions, _ = fields(PRESETS["imagenet32"].network)
    assert [field.size[0] for field in convolutions] == [3, 5, 9, 13, 21, 29]
    assert [field.stride[0] for field in convolutions] == [1, 2, 2, 4, 4, 8]


@pytest.mark.parametrize("extra", ["before", "after"])
@pytest.mark.parametrize(("kernel_size", "stride"), [(4, 2), (5, 2), (3, 1), (5, 3)])
def test_exactly_these_pixels_matter(kernel_size, stride, extra):
    """Where a pixel changes a unit, by D itself, on an image that is not square."""
    network = NetworkConfig(
        height=2 * stride**2,
        width=3 * stride**2,
        kernel_size=kernel_size,
        extra_padding=extra,
        widths=(3, 4),
        strides=(stride, stride),
    )
    discriminator = Discriminator(
        network, rng=np.random.default_rng(0), dtype="float64"
    ).eval()
    for layer in discriminator.layers.values():
        if conv := layer.children().get("conv"):
            conv.weight.data[...] = abs(conv.weight.data)  # nothing cancels
    first, second, *_ = discriminator.layers.values()
    field = receptive_field(plan_discriminator(network), "down2")
    image = np.ones((1, 3, network.height, network.width))
    base = second(first(image))
    changed = {}
    for row in range(network.height):
        for column in range(network.width):
            other = image.copy()
            other[0, :, row, column] += 1
            differs = (abs(second(first(other)) - base) > 1e-12).any(axis=(0, 1))
            for unit in zip(*np.nonzero(differs), strict=True):
                changed.setdefault(unit, []).append((row, column))
    numbers = np.moveaxis(np.indices((network.height, network.width)), 0, -1)[None]
    for unit, pixels in changed.items():
        crop = field.crop(numbers, [unit], -1)[0].reshape(-1, 2)
        assert sorted(map(tuple, crop[crop[:, 0] >= 0])) == sorted(pixels)
    assert len(changed) == base.shape[2] * base.shape[3]


def test_outside_of_the_image():
    field = ReceptiveField((3, 3), (2, 2), (-1, -1))
    image = np.arange(16).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(
        field.crop(image, [(0, 1)], -9)[0, :, :, 0],
        [[-9, -9, -9], [1, 2, 3], [5, 6, 7]],
    )


def test_no_such_stage():
    with pytest.raises(KeyError, match="down7"):
        receptive_field(plan_discriminator(NetworkConfig()), "down7")


def test_a_dense_stage_sees_everything():
    network = dataclasses.replace(PRESETS["mnist28c"].network, channels=1, classes=10)
    assert fields(network)[2] == ReceptiveField((28, 28), (0, 0), (0, 0))
