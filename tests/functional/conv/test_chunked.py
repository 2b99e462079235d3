import numpy as np

from scratchgan.functional.conv.chunked import Deferred, SharedWeight, is_numpy, whole


def test_deferred_images_are_computed_when_asked_for():
    asked = []

    def add(x, y):
        asked.append(len(x))
        return x + y

    x, y = np.arange(12.0).reshape(6, 2), np.ones((6, 2))
    both = Deferred(add, x, y)
    assert asked == []
    assert (len(both), both.shape, both.ndim, both.dtype) == (6, (6, 2), 2, np.float64)
    np.testing.assert_array_equal(both[2:5], x[2:5] + 1)
    np.testing.assert_array_equal(whole(both), x + 1)
    assert asked == [3, 6]


def test_shared_weight_makes_each_thing_once():
    weight = SharedWeight(np.ones((2, 3, 4, 4)))
    assert (weight.shape, weight.ndim, weight.dtype) == ((2, 3, 4, 4), 4, np.float64)
    made = []

    def double(array):
        made.append(1)
        return 2 * array

    first = weight.once("double", double)
    assert weight.once("double", double) is first
    assert weight.once("another", double) is not first
    assert len(made) == 2
    assert whole(weight) is weight.array


def test_where_arrays_live():
    x = np.ones(3)
    assert is_numpy(x)
    assert is_numpy(Deferred(lambda x: x, x))
    assert not is_numpy(object())
