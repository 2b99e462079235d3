"""Box files: both forms, and every mistake in one plain line."""

import json

import numpy as np
import pytest

from scratchgan.errors import ConfigError
from scratchgan.paper.forget.box_file import FIELDS, read_box_file

HEADER = ",".join(FIELDS) + "\n"


def read(tmp_path, text, name="boxes.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_box_file(path, range(10, 20), height=8, width=12)


def test_csv_with_columns_in_any_order_and_more_of_them(tmp_path):
    boxes = read(
        tmp_path,
        "note,top,left,seed,bottom,right\n"
        "big,0,0,10,8,12\n,1, 2 ,12,3,4\n,2,5,12,4,6\n",
    )
    assert {seed: found.tolist() for seed, found in boxes.items()} == {
        10: [[0, 0, 12, 8]],
        12: [[2, 1, 4, 3], [5, 2, 6, 4]],
    }


def test_a_spreadsheet_begins_with_a_mark(tmp_path):
    assert list(read(tmp_path, "\ufeff" + HEADER + "10,0,0,1,1\n")) == [10]


def test_json(tmp_path):
    rows = [dict(zip(FIELDS, (11, 1, 2, 3, 4), strict=True))]
    (found,) = read(tmp_path, json.dumps(rows), "boxes.JSON").values()
    np.testing.assert_array_equal(found, [[1, 2, 3, 4]])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("9,0,0,1,1", "line 2: no sample has the seed 9; they go from 10 to 19"),
        ("10,-1,0,1,1", "outside the image of 12x8"),
        ("10,0,0,13,1", "outside the image"),
        ("10,0,0,1,9", "bottom <= 8"),
        ("10,5,0,5,1", "empty"),
        ("10,0,4,5,4", "empty"),
        ("10,0,0,1", "bottom is None, expected a whole number"),
        ("10,0,0,x,1", "right is 'x'"),
        ("10,0,0,1.5,1", "right is '1.5'"),
        ("10,0,0,1e3,1", "whole number"),
        ("", "holds no boxes"),
    ],
)
def test_one_plain_line(tmp_path, line, words):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, HEADER + line + "\n")
    assert words in str(error.value)
    assert "boxes.csv" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("boxes.csv", "10,0,0,1,1\n", "does not name seed"),
        ("boxes.csv", "", "does not name"),
        ("boxes.json", "{}", "not a list"),
        ("boxes.json", "[1]", "not a list of objects"),
        ("boxes.json", "[", "boxes.json: "),
        ("boxes.json", '[{"seed": true}]', "box 1: seed is True"),
        ("boxes.json", "[]", "holds no boxes"),
    ],
)
def test_another_format(tmp_path, name, text, words):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text, name)
    assert words in str(error.value)
    assert "CSV" in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_box_file(tmp_path / "none.csv", range(3), 8, 8)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match="bytes"):
        read_box_file(tmp_path / "bytes.csv", range(3), 8, 8)
