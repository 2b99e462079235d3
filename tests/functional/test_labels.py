"""Labels as one-hot rows."""

import numpy as np
import pytest

from scratchgan.functional.labels import one_hot


def test_each_row_has_one_1_in_the_column_of_its_label():
    rows = one_hot(np.array([1, 0, 3, 3]), 4)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(
        rows, [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    )


def test_unsigned_bytes_as_stored_in_datasets_work():
    np.testing.assert_array_equal(one_hot(np.array([2], np.uint8), 3), [[0, 0, 1]])


def test_no_labels_give_no_rows():
    assert one_hot(np.zeros(0, np.int64), 5).shape == (0, 5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "labels run from 0 to 3, expected 0 to 2"),
        ([-1, 2], "labels run from -1 to 2, expected 0 to 2"),
    ],
)
def test_labels_outside_the_classes_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        one_hot(labels, 3)


def test_rows_are_not_shared():
    rows = one_hot([1, 1], 2)
    rows[0, 0] = 5
    assert rows[1, 0] == 0
