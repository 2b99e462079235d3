"""The convolution layers: sizes, parameters, what ctx keeps, refusals.

Their mathematics is tested in ``tests/functional/conv/test_primitives.py``, their
gradients in ``test_layer.py`` and against PyTorch in ``test_oracle.py``.
"""

import numpy as np
import pytest

from scratchgan.nn import Conv2d, ConvTranspose2d, init

BOTH = pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
AUTHORS, TENSORFLOW = ((2, 1), (2, 1)), ((1, 2), (1, 2))


@pytest.mark.parametrize(
    ("layer", "size", "expected"),
    [
        (Conv2d(1, 1, 4, stride=2, padding=1), (64, 32), (32, 16)),
        (Conv2d(1, 1, 5, stride=2, padding=AUTHORS), (64, 32), (32, 16)),
        (Conv2d(1, 1, 5, stride=2, padding=2), (7, 64), (4, 32)),
        (Conv2d(1, 1, 4), (4, 4), (1, 1)),
        (Conv2d(1, 1, (3, 2), stride=(2, 3), padding=(0, 1)), (7, 6), (3, 3)),
        (ConvTranspose2d(1, 1, 4, stride=2, padding=1), (32, 16), (64, 32)),
        (ConvTranspose2d(1, 1, 5, stride=2, padding=AUTHORS), (7, 16), (14, 32)),
        (ConvTranspose2d(1, 1, 5, stride=2, padding=TENSORFLOW), (7, 16), (14, 32)),
        (
            ConvTranspose2d(1, 1, 5, stride=2, padding=2, output_padding=1),
            (7, 16),
            (14, 32),
        ),
        (ConvTranspose2d(1, 1, 4), (1, 1), (4, 4)),
    ],
)
def test_output_size(layer, size, expected):
    assert layer(np.zeros((2, 1, *size), "float32")).shape == (2, 1, *expected)


def test_transposed_convolution_pads_the_paper_way_or_pytorchs_alike(rng):
    """(2, 1) cut off is padding 2 with output padding 1: the bottom row comes back."""
    weight = init.constant(0.0)
    ours = ConvTranspose2d(2, 3, 5, stride=2, padding=AUTHORS, dtype="float64")
    theirs = ConvTranspose2d(
        2, 3, 5, stride=2, padding=2, output_padding=1, weight_init=weight,
        dtype="float64",
    )  # fmt: skip
    x = rng.normal(size=(2, 2, 4, 3))
    assert not theirs(x).any()
    theirs.load_state_dict(ours.state_dict())
    np.testing.assert_allclose(ours(x), theirs(x), rtol=0, atol=1e-14)


def test_kernel_is_not_flipped():
    layer = Conv2d(1, 1, 2, dtype="float64")
    layer.weight.data[...] = [[1.0, 2.0], [3.0, 4.0]]
    x = np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])
    assert layer(x).item() == 1 + 20 + 300 + 4000


def test_transposed_kernel_is_laid_down_as_it_is():
    layer = ConvTranspose2d(1, 1, 2, dtype="float64")
    layer.weight.data[...] = [[1.0, 2.0], [3.0, 4.0]]
    np.testing.assert_array_equal(layer(np.full((1, 1, 1, 1), 5.0))[0, 0],
                                  [[5.0, 10.0], [15.0, 20.0]])  # fmt: skip


def test_weight_layouts_and_bias():
    assert Conv2d(3, 8, (4, 5)).weight.data.shape == (8, 3, 4, 5)
    assert ConvTranspose2d(3, 8, (4, 5)).weight.data.shape == (3, 8, 4, 5)
    assert Conv2d(3, 8, 4).bias is None
    for kind in (Conv2d, ConvTranspose2d):
        layer = kind(3, 8, 4, bias=True)
        np.testing.assert_array_equal(layer.bias.data, np.zeros(8, "float32"))
        assert list(layer.parameters()) == ["weight", "bias"]


@BOTH
def test_weights_are_drawn_from_n_0_002_by_the_generator_given(kind):
    def build(seed):
        return kind(40, 50, 5, rng=np.random.default_rng(seed)).weight.data

    weight = build(1)
    assert weight.dtype == np.float32
    assert weight.std() == pytest.approx(0.02, rel=0.02)  # 50,000 draws
    assert abs(weight.mean()) < 5e-4
    np.testing.assert_array_equal(weight, build(1))
    assert not np.array_equal(weight, build(2))


@BOTH
def test_fans_of_the_initialiser_count_the_kernel(kind):
    seen = []

    def spy(rng, shape, fan_in, fan_out):
        seen.append((shape, fan_in, fan_out))
        return np.zeros(shape)

    kind(3, 8, (4, 5), weight_init=spy)
    shape = (8, 3, 4, 5) if kind is Conv2d else (3, 8, 4, 5)
    assert seen == [(shape, 60, 160)]


@BOTH
def test_context_is_the_input_itself(kind, rng):
    layer = kind(2, 3, 3, dtype="float64")
    x = rng.normal(size=(2, 2, 5, 5))
    assert layer.forward(x)[1] is x


@BOTH
@pytest.mark.usefixtures("fast_everywhere")
@pytest.mark.parametrize("impl", ["fast", "matmul"])
def test_all_implementations_give_the_same_layer(kind, impl, rng):
    settings = {"stride": 2, "padding": 1, "bias": True, "dtype": "float64"}
    one, two = (kind(2, 3, 4, impl=i, **settings) for i in (impl, "reference"))
    two.load_state_dict(one.state_dict())
    x = rng.normal(size=(2, 2, 6, 8))
    np.testing.assert_allclose(one(x), two(x), rtol=0, atol=1e-13)


@BOTH
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": (1, 2, 3)}, r"kernel_size is \(1, 2, 3\)"),
        ({"kernel_size": 2.0}, r"kernel_size is 2\.0"),
        ({"kernel_size": 3, "stride": "2"}, "stride is '2'"),
        ({"kernel_size": 3, "padding": -1}, "padding is -1"),
        ({"kernel_size": (3, 0)}, r"kernel_size is \(3, 0\) and stride \(1, 1\)"),
        ({"kernel_size": 3, "stride": 0}, r"stride \(0, 0\), expected at least 1"),
        ({"kernel_size": 3, "stride": (1, -1)}, r"stride \(1, -1\), expected"),
        ({"kernel_size": 3, "impl": "cudnn"}, "impl is 'cudnn', expected one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(2, 3, **settings)


@pytest.mark.parametrize("extra", [2, (0, 3), -1])
def test_output_padding_must_be_smaller_than_the_stride(extra):
    with pytest.raises(ValueError, match=r"output_padding is .*stride \(2, 2\)"):
        ConvTranspose2d(2, 3, 4, stride=2, output_padding=extra)


def test_image_smaller_than_the_kernel_is_refused():
    with pytest.raises(ValueError, match=r"3x3 .* kernel of 5x5"):
        Conv2d(1, 1, 5).forward(np.zeros((1, 1, 3, 3), "float32"))


def test_bias_gradient_is_the_sum_over_images_and_pixels(rng):
    layer = Conv2d(2, 3, 3, bias=True, dtype="float64")
    y, ctx = layer.forward(rng.normal(size=(2, 2, 5, 6)))
    dy = rng.normal(size=y.shape)
    layer.backward(dy, ctx)
    for channel in range(3):
        assert layer.bias.grad[channel] == pytest.approx(dy[:, channel].sum())
