"""Training the autoencoder: it learns, its inputs, the seed, and what cannot be."""

import dataclasses

import numpy as np
import pytest

from scratchgan.backend import CPU
from scratchgan.errors import NonFiniteError
from scratchgan.paper.dedup import training
from scratchgan.paper.dedup.training import (
    AutoencoderSettings,
    normalised,
    train_coder,
)
from tests.paper.dedup.sets import landscapes

SHORT = AutoencoderSettings(steps=5, batch_size=32)


def train(images, settings=SHORT, device=CPU):
    return train_coder(images, settings, device, lambda done, total: None)


def test_it_learns_to_remove_the_noise():
    """Better than the mean image, which is what an untrained network says."""
    images = landscapes(64)
    coder = train(images, dataclasses.replace(SHORT, steps=120, noise=2))
    clean = coder.inputs(images)
    assert coder.loss < 0.7 * clean.var()
    noisy = clean + np.random.default_rng(3).normal(0, 2, clean.shape).astype("f")
    error = ((coder.network.eval()(noisy) - clean) ** 2).mean()
    assert error < 0.6 * clean.var()


def test_normalised_by_definition(rng):
    images = rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    for image, vector in zip(images, normalised(images), strict=True):
        expected = (image - image.mean()) / image.std()
        np.testing.assert_allclose(vector, expected.ravel(), atol=1e-5)
    assert normalised(images).dtype == np.float32


def test_brightness_and_contrast_do_not_count_and_flat_images_stay_flat():
    images = landscapes(6) // 3
    np.testing.assert_allclose(
        normalised(2 * images + 60), normalised(images), atol=1e-5
    )
    flat = np.full((1, 32, 32, 3), 200, np.uint8)
    assert not normalised(flat).any()
    flat[0, 0, 0] += 1
    assert abs(normalised(flat)).max() < 0.21


def test_inputs_are_centred_by_the_mean(monkeypatch):
    images = landscapes(20)
    monkeypatch.setattr(training, "_ROWS", 7)
    inputs = train(images).inputs(images)
    assert inputs.shape == (20, 3072)
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
    vectors = normalised(images)
    np.testing.assert_allclose(inputs, vectors - vectors.mean(axis=0), atol=1e-6)


def test_the_seed_decides_everything():
    images = landscapes(40)
    one, same = train(images), train(images)
    other = train(images, dataclasses.replace(SHORT, seed=1))
    for name, array in one.network.state_dict().items():
        np.testing.assert_array_equal(array, same.network.state_dict()[name])
    assert one.loss == same.loss != other.loss


def test_gpu_and_cpu_agree(backend):
    """Sums in another order, so float32 differs in its last digits after few steps."""
    images = landscapes(16)
    settings = dataclasses.replace(SHORT, steps=3)
    expected = train(images, settings)
    coder = train(images, settings, backend.device)
    assert coder.loss == pytest.approx(expected.loss, rel=1e-4)
    same = coder.active(images) == expected.active(images)
    assert same.mean() > 0.999


def test_codes_do_not_depend_on_the_images_beside_them():
    images = landscapes(300)
    coder = train(images)
    alone = np.concatenate([coder.active(images[i : i + 1]) for i in (0, 3, 299)])
    np.testing.assert_array_equal(coder.active(images)[[0, 3, 299]], alone)


def test_one_image_is_enough():
    coder = train(landscapes(1))
    assert coder.active(landscapes(1)).shape == (1, 128)


def test_progress_counts_steps():
    calls = []
    train_coder(landscapes(2), SHORT, CPU, lambda *call: calls.append(call))
    assert calls == [(step, 5) for step in range(1, 6)]


def test_a_loss_that_is_no_number_is_an_error():
    settings = dataclasses.replace(SHORT, lr=1e20)
    with (
        pytest.raises(NonFiniteError, match="learning rate below 1e\\+20"),
        np.errstate(all="ignore"),
    ):
        train(landscapes(8), settings)


def test_options_of_the_command_that_makes_it_again():
    assert AutoencoderSettings().command_options() == " --seed 0"
    changed = AutoencoderSettings(steps=7, images=8, seed=9)
    assert changed.command_options() == " --steps 7 --images 8 --seed 9"
