"""Classes by the nearest images: how votes are counted, and what comes of them."""

import numpy as np

from scratchgan.paper.baselines.neighbours import knn_classify, vote


def test_most_neighbours_then_the_nearer_ones_then_the_smaller_class_win():
    distances = np.array([[1, 2, 3, 4]])
    for labels, winner in (
        ([3, 1, 1, 2], 1),  # twice
        ([2, 1, 1, 2], 1),  # 1 + 4 = 2 + 3: the smaller
        ([2, 2, 1, 1], 2),  # 1 + 2 < 3 + 4
        ([1, 1, 2, 2], 1),
        ([3, 2, 1, 0], 3),
    ):
        assert vote(np.array([labels]), distances).tolist() == [winner], labels
    equal = np.array([[7, 7]])
    assert vote(np.array([[5, 2]]), equal).tolist() == [2]


def test_classes_of_images_that_are_near_their_own(rng):
    centres = rng.integers(60, 190, (4, 6, 6, 3))
    labels = np.repeat([0, 1, 2, 3], 30)
    noise = rng.integers(-40, 40, (120, 6, 6, 3))
    images = (centres[labels] + noise).astype(np.uint8)
    found = knn_classify(images[::2], labels[::2], images[1::2], 5)
    np.testing.assert_array_equal(found, labels[1::2])
    shuffled = rng.permutation(labels[::2])
    assert (
        knn_classify(images[::2], shuffled, images[1::2], 1) == labels[1::2]
    ).mean() < 0.6
