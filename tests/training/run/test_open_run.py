import dataclasses
import json

import numpy as np
import pytest
from tiny import NETWORK, train_tiny, write_dataset

from scratchgan.backend import CPU
from scratchgan.errors import CheckpointError, ConfigError
from scratchgan.training.preview import generate_images
from scratchgan.training.run.open_run import Run


@pytest.fixture
def trained(tmp_path):
    """Return a run of 6 steps, as it was when it ended, and its folder."""
    state, folder, _ = train_tiny(tmp_path / "runs", write_dataset(tmp_path / "a.h5"))
    return state, folder


@pytest.fixture
def run(trained):
    _, folder = trained
    return Run.load(folder.checkpoint_file(6), CPU)


@pytest.fixture
def conditional(tmp_path):
    data = write_dataset(tmp_path / "labelled.h5", labels=True)
    network = dataclasses.replace(NETWORK, classes=3)
    _, folder, _ = train_tiny(tmp_path / "runs", data, network=network)
    return Run.load(folder.checkpoint_file(6), CPU)


def test_networks_are_those_that_were_trained(trained, run):
    state, folder = trained
    for mine, theirs in (
        (run.generator, state.gan.generator),
        (run.discriminator, state.gan.discriminator),
    ):
        assert not mine.training
        expected = theirs.state_dict()
        assert mine.state_dict().keys() == expected.keys()
        for name, array in mine.state_dict().items():
            np.testing.assert_array_equal(array, expected[name])
    assert (run.step, run.config) == (6, state.config)
    assert run.path == folder.path.absolute()


def test_log_ends_with_the_checkpoint(trained, run):
    _, folder = trained
    lines = folder.log_file.read_text().splitlines()
    assert run.log == [json.loads(line) for line in lines]
    assert [record["step"] for record in run.log] == [1, 2, 4, 6]
    earlier = Run.load(folder.checkpoint_file(4), CPU)
    assert [record["step"] for record in earlier.log] == [1, 2, 4]


def test_a_checkpoint_alone_has_images_but_no_folder(run, tmp_path):
    alone = tmp_path / "alone.h5"
    alone.write_bytes(run.checkpoint.read_bytes())
    opened = Run.load(alone, CPU)
    np.testing.assert_array_equal(opened.generate([3]), run.generate([3]))
    with pytest.raises(CheckpointError, match="does not lie in a run folder"):
        opened.log  # noqa: B018


def test_one_seed_is_one_image_in_any_company(run):
    images = run.generate(range(70))
    assert images.dtype == np.uint8
    assert images.shape == (70, 8, 8, 3)
    np.testing.assert_array_equal(run.generate(np.array([69, 2])), images[[69, 2]])
    expected = generate_images(run.generator, [69, 2], CPU)
    np.testing.assert_array_equal(images[[69, 2]], expected)


def test_labels_are_one_for_all_or_one_each(conditional):
    # Trained so little, classes hardly differ: raise the contrast.
    conditional.generator.parameters()["up2.conv.weight"].data *= 30
    seeds = range(3)
    zeros, twos = (conditional.generate(seeds, label) for label in (0, 2))
    assert (zeros != twos).any()
    np.testing.assert_array_equal(conditional.generate(seeds), zeros)
    drawn = conditional.images(conditional.latent(seeds), np.int64(2))
    np.testing.assert_array_equal(drawn, twos)
    mixed = conditional.generate(seeds, [2, 0, 2])
    np.testing.assert_array_equal(mixed, [twos[0], zeros[1], twos[2]])


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (7, r"expected several: \[7\]"),
        ([], "got none, expected whole numbers from 0"),
        ([1, -1], "got -1"),
        ([0.5], r"got 0\.5"),
    ],
)
def test_what_is_no_seed_is_refused(run, seeds, words):
    with pytest.raises(ConfigError, match=words):
        run.generate(seeds)


def test_labels_that_do_not_fit_are_refused(run, conditional):
    with pytest.raises(ConfigError, match=r"label 0: .* trained without labels"):
        run.generate([1], 0)
    for label in (3, -1, "cat"):
        with pytest.raises(ConfigError, match=f"label {label}: this network has 3"):
            conditional.generate([1], [label])
    with pytest.raises(ConfigError, match="2 labels for 3 seeds"):
        conditional.generate([1, 2, 3], [0, 1])


def test_repr_is_one_line(run):
    assert repr(run) == f"<Run '{run.checkpoint}': tiny on faces, step 6, on cpu>"
