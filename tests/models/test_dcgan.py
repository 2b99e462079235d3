"""The built networks: they are what the plan says, and start as they should."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from scratchgan.functional.labels import one_hot
from scratchgan.models.architecture import (
    NetworkConfig,
    plan_discriminator,
    plan_generator,
)
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.models.latent import draw_latent
from scratchgan.nn import (
    BatchNorm1d,
    BatchNorm2d,
    ConvTranspose2d,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
)
from scratchgan.training.presets import PRESETS

every_preset = pytest.mark.parametrize("preset", PRESETS)
SMALL = NetworkConfig(widths=(4, 6, 8, 8), latent_dim=5)


@functools.cache
def build(preset):
    """Return G and D of full size; tests must not change them."""
    rng = np.random.default_rng(1)
    config = PRESETS[preset].network
    return Generator(config, rng=rng), Discriminator(config, rng=rng)


def labels_for(config, count):
    if not config.classes:
        return None
    return one_hot(np.arange(count) % config.classes, config.classes)


@every_preset
def test_parameters_are_as_many_as_planned_stage_by_stage(preset):
    config = PRESETS[preset].network
    networks = zip(
        build(preset), (plan_generator(config), plan_discriminator(config)), strict=True
    )
    for network, plan in networks:
        sizes = dict.fromkeys((stage.name for stage in plan), 0)
        for name, parameter in network.parameters().items():
            sizes[name.split(".")[0]] += parameter.data.size
        assert sizes == {stage.name: stage.parameters for stage in plan}


@every_preset
def test_forward_pass_has_the_planned_shapes(preset, rng):
    config = PRESETS[preset].network
    generator, discriminator = build(preset)
    z, labels = draw_latent(config, 2, rng), labels_for(config, 2)
    x = z
    for stage in plan_generator(config):
        layer = generator.layers[stage.name]
        x, _ = layer.forward(x, labels)
        assert x.shape == (2, *stage.outputs)
    images = generator(z, labels)
    assert images.shape == (2, *config.image_shape)
    assert images.dtype == np.float32
    low = 0 if config.output == "sigmoid" else -1
    assert low <= images.min() < images.max() <= 1
    logits = discriminator(images, labels)
    assert logits.shape == (2, config.logits)
    assert logits.dtype == np.float32


@every_preset
def test_initial_weights(preset):
    """N(0, 0.02²), gains N(1, 0.02²), shifts and biases 0; Glorot's for tf28."""
    glorot = preset == "tf28"
    for network in build(preset):
        for name, parameter in network.parameters().items():
            values = parameter.data
            if name.endswith(("beta", "bias")):
                assert not values.any(), name
            elif name.endswith("gamma"):
                expected = 0.0 if glorot else 0.02
                assert values.mean() == pytest.approx(1, abs=0.01), name
                assert values.std() == pytest.approx(expected, rel=0.35), name
            elif not glorot:
                error = 4 / (2 * values.size) ** 0.5  # four standard errors
                assert values.std() == pytest.approx(0.02, rel=error), name
                assert abs(values.mean()) < 4 * 0.02 / values.size**0.5, name
            else:
                out, into = values.shape[:2]
                area = values[0, 0].size if values.ndim == 4 else 1
                bound = (6 / ((into + out) * area)) ** 0.5
                assert bound * 0.99 < abs(values).max() <= bound, name


@every_preset
def test_batch_norm_is_per_unit_after_matrices_and_never_at_the_ends(preset):
    config = PRESETS[preset].network
    for network in build(preset):
        for name, stage in network.layers.items():
            if not isinstance(stage, Sequential):
                continue
            layers = stage.layers
            norm = layers.get("norm")
            if "linear" in layers and norm is not None:
                assert isinstance(norm, BatchNorm1d)
                assert norm.features == layers["linear"].out_features
            elif norm is not None:
                assert isinstance(norm, BatchNorm2d)
                assert norm.features == layers["conv"].out_channels
            if norm is not None:
                assert norm.eps == config.norm_eps
                assert norm.momentum == config.norm_momentum
                assert (norm.gamma is not None) == config.norm_affine
                order = list(layers)
                assert order.index("norm") < order.index("act"), name
    generator, discriminator = build(preset)
    stages = [s for s in generator.layers.values() if isinstance(s, Sequential)]
    assert "norm" not in stages[-1].layers
    first = next(iter(discriminator.layers.values()))
    assert ("norm" in first.layers) == (preset == "tf28")
    assert "norm" not in discriminator.layers["head"].layers


@every_preset
def test_activations_of_the_built_layers(preset):
    generator, discriminator = build(preset)
    hidden = [s.layers["act"] for s in list(generator.layers.values())[:-1]]
    assert all(isinstance(act, ReLU) for act in hidden)
    acts = [
        stage.layers["act"]
        for stage in discriminator.layers.values()
        if isinstance(stage, Sequential) and "act" in stage.layers
    ]
    assert acts
    assert all(isinstance(a, LeakyReLU) and a.negative_slope == 0.2 for a in acts)


def test_logits_start_with_deviation_1_85(rng):
    """0.02·sqrt(16384·0.52) for normalised maps behind a rectifier of slope 0.2."""
    _, discriminator = build("paper64")
    x = rng.uniform(-1, 1, (6, 3, 64, 64)).astype(np.float32)
    for name, stage in discriminator.layers.items():
        if name != "head":
            x, _ = stage.forward(x)
    features = x.reshape(6, 16_384)
    # One head is one draw; four hundred of the same kind show the deviation.
    heads = Linear(16_384, 400, rng=rng)
    deviation = float((heads(features) ** 2).mean() ** 0.5)
    assert deviation == pytest.approx(1.85, rel=0.04)
    own = discriminator.layers["head"].layers["linear"].weight.data
    assert own.shape == (1, 16_384)
    assert own.std() == pytest.approx(heads.weight.data.std(), rel=0.03)


def test_images_start_with_the_known_deviations_before_tanh(rng):
    """0.48, 0.39 and 0.32 where 9, 6 and 4 taps of the 5x5 kernel reach.

    Maps before have a mean square of 1/2 over the whole image, more inside than at the
    borders, where taps are missing; the average over the image is a few percent less.
    """
    generator, _ = build("paper64")
    config = PRESETS["paper64"].network
    x = draw_latent(config, 4, rng)
    for name, stage in generator.layers.items():
        if name != "up4":
            x, _ = stage.forward(x)
    last = generator.layers["up4"].layers["conv"]
    # As many more output channels of the same kind as show the deviation.
    wide = ConvTranspose2d(
        last.in_channels,
        200,
        last.kernel_size,
        stride=last.stride,
        padding=last.padding,
        rng=rng,
    )
    y = wide(x) ** 2

    def deviation(row, column):
        return float(y[:, :, row::2, column::2].mean() ** 0.5)

    assert deviation(0, 0) == pytest.approx(0.48, rel=0.06)
    assert deviation(0, 1) == pytest.approx(0.39, rel=0.06)
    assert deviation(1, 0) == pytest.approx(0.39, rel=0.06)
    assert deviation(1, 1) == pytest.approx(0.32, rel=0.06)


@pytest.mark.parametrize("size", [(64, 48), (32, 96), (128, 128), (16, 16)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ends", ["conv", "linear"])
@pytest.mark.parametrize("kernel_size", [4, 5])
def test_any_size_that_fits_runs(size, channels, ends, kernel_size, rng):
    config = replace(
        SMALL,
        height=size[0],
        width=size[1],
        channels=channels,
        ends=ends,
        kernel_size=kernel_size,
    )
    images = Generator(config, rng=rng)(draw_latent(config, 2, rng))
    assert images.shape == (2, channels, *size)
    assert Discriminator(config, rng=rng)(images).shape == (2, 1)


@pytest.mark.parametrize("ends", ["conv", "linear"])
@pytest.mark.parametrize("classes", [0, 3])
def test_hidden_dense_layers_and_labels_with_both_ends(ends, classes, rng):
    config = replace(
        SMALL,
        ends=ends,
        classes=classes,
        generator_hidden=(7, 9),
        discriminator_hidden=(6,),
        norm_affine=False,
    )
    z, labels = draw_latent(config, 2, rng), labels_for(config, 2)
    images = Generator(config, rng=rng)(z, labels)
    assert images.shape == (2, 3, 64, 64)
    assert Discriminator(config, rng=rng)(images, labels).shape == (2, 1)


def test_labels_are_seen_by_every_stage_of_the_conditional_network():
    for network in build("mnist28c"):
        assert all("labels" in stage.layers for stage in network.layers.values())
    assert not any(
        "labels" in stage.layers for stage in build("svhn32")[0].layers.values()
    )


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_same_seed_same_weights(kind):
    def weights(seed):
        return kind(SMALL, rng=np.random.default_rng(seed)).state_dict()

    one, two, other = weights(1), weights(1), weights(2)
    for key, array in one.items():
        np.testing.assert_array_equal(array, two[key])
    assert not np.array_equal(one[next(iter(one))], other[next(iter(one))])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_that_of_all_parameters_gradients_and_buffers(dtype, rng):
    config = replace(SMALL, bias=True)
    for kind in (Generator, Discriminator):
        network = kind(config, rng=rng, dtype=dtype)
        arrays = [*network.buffers().values()]
        for parameter in network.parameters().values():
            arrays += [parameter.data, parameter.grad]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@pytest.mark.usefixtures("fast_everywhere")
def test_all_implementations_make_the_same_images(rng):
    z = rng.standard_normal((2, 5))
    images = [
        Generator(
            replace(SMALL, conv_impl=impl),
            rng=np.random.default_rng(1),
            dtype="float64",
        )(z)
        for impl in ("reference", "matmul", "fast")
    ]
    np.testing.assert_allclose(images[0], images[1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(images[0], images[2], rtol=0, atol=1e-12)


def test_parameter_names_are_stable():
    """They are the keys of checkpoints."""
    config = replace(SMALL, widths=(4, 6), strides=(2, 2), bias=True)
    assert list(Generator(config).parameters()) == [
        "project.conv.weight",
        "project.conv.bias",
        "project.norm.gamma",
        "project.norm.beta",
        "up1.conv.weight",
        "up1.conv.bias",
        "up1.norm.gamma",
        "up1.norm.beta",
        "up2.conv.weight",
        "up2.conv.bias",
    ]
    config = replace(config, ends="linear", bias=False, discriminator_hidden=(3,))
    assert list(Discriminator(config).parameters()) == [
        "down1.conv.weight",
        "down2.conv.weight",
        "down2.norm.gamma",
        "down2.norm.beta",
        "hidden1.linear.weight",
        "hidden1.norm.gamma",
        "hidden1.norm.beta",
        "head.linear.weight",
    ]


@pytest.mark.usefixtures("fast_everywhere")
def test_g_frees_transformed_weights_until_it_goes_backward_and_d_keeps_them(rng):
    """D makes three passes in between; its own backward follows at once."""
    config = NetworkConfig(height=16, width=16, widths=(8, 16), strides=(2, 2))
    generator, discriminator = Generator(config), Discriminator(config)
    z = rng.normal(size=(2, config.latent_dim)).astype("float32")
    images, of_g = generator.forward(z)
    _, of_d = discriminator.forward(images)
    assert not any(stage.ctx.weight._made for stage in of_g)
    assert all(stage.ctx.weight._made for stage in of_d[:2])
    of_d.shrink()
    assert not any(stage.ctx.weight._made for stage in of_d[:2])
