"""Images of any rows: the very ones, and never more of the file than a few blocks."""

from dataclasses import replace

import numpy as np
import pytest
from array_dataset import dataset_of

from scratchgan.errors import DatasetError
from scratchgan.models.architecture import NetworkConfig
from scratchgan.paper.features.features import RawPixels
from scratchgan.paper.labelled_split import split_labelled
from scratchgan.paper.run_images import (
    BLOCK,
    open_fitting_dataset,
    read_images,
    stream_images,
)

COUNT = 6 * BLOCK


class Watched:
    """Images of a dataset that notes how many are read at a time."""

    def __init__(self, images):
        self.images = images
        self.shape = images.shape
        self.read = []

    def __getitem__(self, rows):
        found = self.images[rows]
        self.read.append(len(found))
        return found


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, 4, 4, 1), dtype=np.uint8)
    labels = np.arange(COUNT) % 2
    with dataset_of(tmp_path / "toy.h5", images, labels=labels) as opened:
        opened.images = Watched(opened.images)
        yield opened


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(COUNT),
        np.arange(0, COUNT, 5),
        np.array([7, 3, COUNT - 1, 3]),
        np.array([BLOCK - 1, BLOCK, 3 * BLOCK]),
        np.array([], np.int64),
    ],
)
def test_rows_in_their_order(dataset, rows):
    images = dataset.images.images[:]
    np.testing.assert_array_equal(read_images(dataset, rows, dataset), images[rows])
    assert max(dataset.images.read, default=0) <= BLOCK


def test_streams_and_reductions_agree(dataset):
    half = NetworkConfig(height=2, width=2, channels=1, widths=(4,), strides=(2,))
    rows = np.arange(1, COUNT, 3)
    blocks = [images for _, images, _ in stream_images(dataset, rows, half)]
    whole = read_images(dataset, rows, half)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    means = dataset.images.images[:][rows].reshape(-1, 2, 2, 2, 2).mean(axis=(2, 4))
    assert abs(whole[..., 0] - means).max() <= 0.5


def test_a_part_of_a_drawn_split_does_not_read_the_whole_file(dataset):
    split = split_labelled(dataset)
    RawPixels(dataset, split).part("train")
    assert max(dataset.images.read) <= BLOCK


def test_images_of_other_channels_are_refused_with_a_way_out(dataset):
    """The same words for a run's own data and for data that --dataset names."""
    path = str(dataset.path)
    grey = NetworkConfig(height=4, width=4, channels=1, widths=(4,), strides=(2,))
    colour = replace(grey, channels=3)
    with pytest.raises(DatasetError, match="prepare it with --channels 3"):
        open_fitting_dataset(path, colour)
    with open_fitting_dataset(path, grey) as opened:
        assert len(opened) == COUNT
