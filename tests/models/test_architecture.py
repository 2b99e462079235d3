"""The plans of both networks: tables of the eight presets, sizes, refusals.

The numbers are those of the paper, its authors' code and the other implementations,
worked out by hand, not printed by the code.
"""

import hashlib
import itertools
from dataclasses import replace

import pytest

from scratchgan.errors import ConfigError
from scratchgan.models import architecture
from scratchgan.models.architecture import (
    NetworkConfig,
    plan_discriminator,
    plan_generator,
)
from scratchgan.nn import activations
from scratchgan.training.presets import PRESETS

# (name, outputs, weights, other parameters: gains and shifts, biases), per stage
TABLES = {
    "paper64": (
        [
            ("project", (1024, 4, 4), 1_638_400, 32_768),
            ("up1", (512, 8, 8), 13_107_200, 1_024),
            ("up2", (256, 16, 16), 3_276_800, 512),
            ("up3", (128, 32, 32), 819_200, 256),
            ("up4", (3, 64, 64), 9_600, 0),
        ],
        [
            ("down1", (128, 32, 32), 9_600, 0),
            ("down2", (256, 16, 16), 819_200, 512),
            ("down3", (512, 8, 8), 3_276_800, 1_024),
            ("down4", (1024, 4, 4), 13_107_200, 2_048),
            ("head", (1,), 16_384, 0),
        ],
    ),
    "imagenet32": (
        [
            ("project", (512, 4, 4), 2_097_152, 16_384),
            ("up1", (512, 8, 8), 2_359_296, 1_024),
            ("up2", (256, 8, 8), 1_179_648, 512),
            ("up3", (256, 16, 16), 589_824, 512),
            ("up4", (128, 16, 16), 294_912, 256),
            ("up5", (128, 32, 32), 147_456, 256),
            ("up6", (3, 32, 32), 3_456, 0),
        ],
        [
            ("down1", (128, 32, 32), 3_456, 0),
            ("down2", (128, 16, 16), 147_456, 256),
            ("down3", (256, 16, 16), 294_912, 512),
            ("down4", (256, 8, 8), 589_824, 512),
            ("down5", (512, 8, 8), 1_179_648, 1_024),
            ("down6", (512, 4, 4), 2_359_296, 1_024),
            ("head", (1,), 8_192, 0),
        ],
    ),
    "svhn32": (
        [
            ("project", (256, 4, 4), 409_600, 8_192),
            ("up1", (128, 8, 8), 819_200, 256),
            ("up2", (64, 16, 16), 204_800, 128),
            ("up3", (3, 32, 32), 4_800, 0),
        ],
        [
            ("down1", (64, 16, 16), 4_800, 0),
            ("down2", (128, 8, 8), 204_800, 256),
            ("down3", (256, 4, 4), 819_200, 512),
            ("head", (1,), 4_096, 0),
        ],
    ),
    "mnist28c": (
        [
            ("hidden1", (1024,), 112_640, 0),
            ("project", (128, 7, 7), 6_485_248, 0),
            ("up1", (64, 14, 14), 220_800, 0),
            ("up2", (1, 28, 28), 1_850, 0),
        ],
        [
            ("down1", (64, 14, 14), 17_600, 0),
            ("down2", (128, 7, 7), 236_800, 0),
            ("hidden1", (1024,), 6_432_768, 0),
            ("head", (1,), 1_034, 0),
        ],
    ),
    "tf28": (
        [
            ("project", (128, 7, 7), 627_200, 6_272 + 12_544),
            ("up1", (64, 14, 14), 204_800, 64 + 128),
            ("up2", (1, 28, 28), 1_600, 1),
        ],
        [
            ("down1", (64, 14, 14), 1_600, 64 + 128),
            ("down2", (128, 7, 7), 204_800, 128 + 256),
            ("hidden1", (1024,), 6_422_528, 1_024 + 2_048),
            ("head", (2,), 2_048, 2),
        ],
    ),
    "dcgan64": (
        [
            ("project", (512, 4, 4), 819_200, 1_024),
            ("up1", (256, 8, 8), 2_097_152, 512),
            ("up2", (128, 16, 16), 524_288, 256),
            ("up3", (64, 32, 32), 131_072, 128),
            ("up4", (3, 64, 64), 3_072, 0),
        ],
        [
            ("down1", (64, 32, 32), 3_072, 0),
            ("down2", (128, 16, 16), 131_072, 256),
            ("down3", (256, 8, 8), 524_288, 512),
            ("down4", (512, 4, 4), 2_097_152, 1_024),
            ("head", (1, 1, 1), 8_192, 0),
        ],
    ),
    "mlp28": (
        [
            ("hidden1", (1024,), 102_400, 2_048),
            ("hidden2", (1024,), 1_048_576, 2_048),
            ("project", (1, 28, 28), 802_816, 0),
        ],
        [
            ("hidden1", (1024,), 802_816, 0),
            ("hidden2", (1024,), 1_048_576, 2_048),
            ("head", (1,), 1_024, 0),
        ],
    ),
    "quick32": (
        [
            ("project", (128, 4, 4), 204_800, 256),
            ("up1", (64, 8, 8), 131_072, 128),
            ("up2", (32, 16, 16), 32_768, 64),
            ("up3", (3, 32, 32), 1_536, 0),
        ],
        [
            ("down1", (32, 16, 16), 1_536, 0),
            ("down2", (64, 8, 8), 32_768, 128),
            ("down3", (128, 4, 4), 131_072, 256),
            ("head", (1, 1, 1), 2_048, 0),
        ],
    ),
}
TOTALS = {
    "paper64": (18_885_760, 17_232_768),
    "imagenet32": (6_690_688, 4_586_112),
    "svhn32": (1_446_976, 1_033_664),
    "mnist28c": (6_820_538, 6_688_202),
    "tf28": (852_609, 6_634_626),
    "dcgan64": (3_576_704, 2_765_568),
    "mlp28": (1_957_888, 1_854_464),
    "quick32": (370_624, 167_808),
}
every_preset = pytest.mark.parametrize("preset", TABLES)


def plans(preset):
    config = PRESETS[preset].network
    return plan_generator(config), plan_discriminator(config)


def test_every_preset_has_its_table():
    assert PRESETS.keys() == TABLES.keys() == TOTALS.keys()
    assert len(PRESETS) == 8


@every_preset
def test_layer_table(preset):
    for plan, table in zip(plans(preset), TABLES[preset], strict=True):
        rows = [
            (stage.name, stage.outputs, stage.weights, stage.parameters - stage.weights)
            for stage in plan
        ]
        assert rows == table


@every_preset
def test_parameter_totals(preset):
    totals = tuple(sum(stage.parameters for stage in plan) for plan in plans(preset))
    assert totals == TOTALS[preset]


def test_half_width_5x5_totals():
    config = replace(PRESETS["paper64"].network, widths=(64, 128, 256, 512))
    assert sum(s.parameters for s in plan_generator(config)) == 5_142_080
    assert sum(s.parameters for s in plan_discriminator(config)) == 4_315_584


def test_multiplications_of_the_papers_network_stage_by_stage():
    generator, discriminator = (
        [stage.multiplications for stage in plan] for plan in plans("paper64")
    )
    assert generator == [1_638_400, *[209_715_200] * 3, 9_830_400]
    assert discriminator == [9_830_400, *[209_715_200] * 3, 16_384]
    assert sum(generator) == pytest.approx(640.6e6, abs=5e4)
    assert sum(discriminator) == pytest.approx(639.0e6, abs=5e4)


def test_multiplications_of_the_imagenet_network():
    generator, discriminator = (
        sum(stage.multiplications for stage in plan) for plan in plans("imagenet32")
    )
    assert generator == pytest.approx(269.9e6, abs=5e4)
    assert discriminator == pytest.approx(267.8e6, abs=5e4)


def test_top_maps_of_the_imagenet_network_pool_to_the_papers_28672_features():
    maps = [s.outputs[0] for s in plans("imagenet32")[1] if s.kind == "conv"]
    assert maps == [128, 128, 256, 256, 512, 512]
    assert 4 * 4 * sum(maps) == 28_672


@every_preset
def test_batch_norm_everywhere_but_at_the_ends(preset):
    generator, discriminator = plans(preset)
    assert [stage.norm for stage in generator] == [True] * (len(generator) - 1) + [
        False
    ]
    first_too = preset == "tf28"  # against the paper's rule, as its source has it
    hidden = len(discriminator) - 2
    assert [s.norm for s in discriminator] == [first_too, *[True] * hidden, False]


@every_preset
def test_activations(preset):
    generator, discriminator = plans(preset)
    output = "sigmoid" if preset in ("mnist28c", "mlp28") else "tanh"
    assert [s.activation for s in generator] == ["relu"] * (len(generator) - 1) + [
        output
    ]
    assert [s.activation for s in discriminator] == ["leaky_relu"] * (
        len(discriminator) - 1
    ) + [""]
    assert PRESETS[preset].network.negative_slope == 0.2


@every_preset
def test_stages_fit_together(preset):
    config = PRESETS[preset].network
    generator, discriminator = plans(preset)
    assert generator[-1].outputs == discriminator[0].inputs == config.image_shape
    for plan in (generator, discriminator):
        for before, after in itertools.pairwise(plan):
            joined = (*before.outputs, 1, 1)
            assert after.inputs in (before.outputs, joined)


@pytest.mark.parametrize(
    ("preset", "side"),
    [
        ("paper64", (2, 1)),
        ("svhn32", (2, 1)),
        ("mnist28c", (2, 1)),
        ("tf28", (1, 2)),
        ("dcgan64", (1, 1)),
        ("quick32", (1, 1)),
    ],
)
def test_padding_of_strided_stages(preset, side):
    strided = [s for plan in plans(preset) for s in plan if s.stride == (2, 2)]
    assert len(strided) == 2 * len(PRESETS[preset].network.widths)
    assert {stage.padding for stage in strided} == {(side, side)}


def test_imagenet_network_alternates_strides_of_3x3_kernels():
    for plan, strides in zip(
        plans("imagenet32"), ([2, 1, 2, 1, 2, 1], [1, 2, 1, 2, 1, 2]), strict=True
    ):
        convolutions = [s for s in plan if s.kind != "linear"]
        assert [s.stride[0] for s in convolutions] == strides
        assert {s.kernel_size for s in convolutions} == {(3, 3)}
        for stage in convolutions:
            side = (1, 1) if stage.stride == (1, 1) else (1, 0)
            assert stage.padding == (side, side)


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("dcgan64", {"norm_eps": 1e-5, "norm_momentum": 0.1, "latent": "normal"}),
        ("paper64", {"norm_eps": 1e-8, "latent": "uniform", "kernel_size": 5}),
        ("imagenet32", {"norm_eps": 1e-8, "latent": "uniform", "latent_dim": 256}),
        ("svhn32", {"norm_eps": 1e-8, "latent": "normal", "latent_dim": 100}),
        ("mnist28c", {"norm_eps": 1e-8, "norm_affine": False, "classes": 10}),
        (
            "tf28",
            {
                "norm_eps": 1e-3,
                "norm_momentum": pytest.approx(1 - 0.99),
                "weight_init": "glorot",
                "gamma_std": 0.0,
                "logits": 2,
                "bias": True,
            },
        ),
    ],
)
def test_settings_that_no_table_shows(preset, settings):
    network = PRESETS[preset].network
    assert {name: getattr(network, name) for name in settings} == settings


@pytest.mark.parametrize("preset", ["dcgan64", "paper64"])
@pytest.mark.parametrize(
    ("height", "width", "base"),
    [(64, 48, (4, 3)), (32, 96, (2, 6)), (128, 128, (8, 8)), (16, 16, (1, 1))],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_that_the_strides_divide(preset, height, width, base, channels):
    config = replace(
        PRESETS[preset].network, height=height, width=width, channels=channels
    )
    assert config.base_size == base
    assert plan_generator(config)[0].outputs == (config.widths[-1], *base)
    assert plan_generator(config)[-1].outputs == (channels, height, width)
    assert plan_discriminator(config)[-2].outputs == (config.widths[-1], *base)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"height": 60}, "image height 60 .* by 16; .* fit are 48 and 64$"),
        ({"width": 65}, "image width 65 .* by 16; .* fit are 64 and 80$"),
        ({"height": 17}, "image height 17 .* fit are 16 and 32$"),
        ({"width": 10}, "image width 10 .* fit are 16$"),
        ({"width": 0}, "image width 0 .* fit are 16$"),
        (
            {"strides": (2, 2, 2, 4), "height": 64, "width": 80},
            "image width 80 .* by 32; .* fit are 64 and 96$",
        ),
    ],
)
def test_size_that_does_not_fit_is_refused_with_the_nearest(size, message):
    with pytest.raises(ConfigError, match=message):
        NetworkConfig(**size)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 2}, "images have 2 channels, expected 1 or 3"),
        ({"widths": (8, 16)}, "2 widths and 4 strides"),
        ({"latent_dim": 0}, "latent_dim and all widths must be at least 1"),
        ({"widths": (8, 0, 8, 8)}, "latent_dim and all widths must be at least 1"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        NetworkConfig(**settings)


@pytest.mark.parametrize("plan", [plan_generator, plan_discriminator])
def test_kernel_smaller_than_the_stride_is_refused(plan):
    config = NetworkConfig(kernel_size=1)
    with pytest.raises(ConfigError, match="kernel_size 1 is smaller than stride 2"):
        plan(config)


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("latent", "unifrom"),
        ("ends", "lineer"),
        ("extra_padding", "befor"),
        ("output", "tahn"),
        ("weight_init", "xavier"),
    ],
)
def test_unknown_words_are_refused(field, word):
    with pytest.raises(ConfigError, match=f"{field} is '{word}', expected"):
        NetworkConfig(**{field: word})


def test_network_without_any_hidden_layer_is_refused():
    with pytest.raises(ConfigError, match="needs convolutions"):
        NetworkConfig(widths=(), strides=())


def test_hidden_layers_have_the_activation_that_is_asked_for():
    config = NetworkConfig(generator_activation="tanh", discriminator_activation="relu")
    *hidden, last = plan_generator(config)
    assert {stage.activation for stage in hidden} == {"tanh"}
    assert last.activation == "tanh"  # the output's own
    *hidden, last = plan_discriminator(config)
    assert {stage.activation for stage in hidden} == {"relu"}
    assert last.activation == ""
    with pytest.raises(ConfigError, match="generator_activation is 'relu6', expected"):
        NetworkConfig(generator_activation="relu6")


def test_names_of_activations_are_those_of_the_layers():
    assert architecture.ACTIVATIONS == tuple(activations.ACTIVATIONS)


def test_settings_that_came_later_leave_keys_of_older_files_alone():
    # SHA-256 of the text before those settings existed.
    digest = hashlib.sha256(PRESETS["dcgan64"].network.as_text().encode()).hexdigest()
    assert digest.startswith("9628cd69e5a38459")
    changed = replace(PRESETS["dcgan64"].network, generator_activation="tanh")
    assert "tanh" in changed.as_text()
    assert changed.as_text() != PRESETS["dcgan64"].network.as_text()
