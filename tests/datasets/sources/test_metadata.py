"""Images with metadata.csv or metadata.jsonl beside them."""

import json

import numpy as np
import pytest

from tests.datasets.sources.making import (
    make_tar,
    make_zip,
    pixels,
    png,
    prepared,
    refusal,
    write_files,
)

IMAGES = {f"{i}.png": png(i) for i in range(4)}
ROWS = [
    {"file_name": f"{i}.png", "label": label, "smile": i % 2, "age": 20.5 + i}
    for i, label in enumerate(["cat", "dog", "cat", "ant"])
]


def as_csv(rows):
    names = list(rows[0])
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    return "".join(",".join(map(str, line)) + "\n" for line in lines).encode()


def as_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


TABLES = {"metadata.csv": as_csv, "metadata.jsonl": as_jsonl}


def write(tmp_path, rows=ROWS, name="metadata.csv", images=IMAGES):
    """Return a folder of images with a table, of rows or of bytes."""
    data = rows if isinstance(rows, bytes) else TABLES[name](rows)
    return write_files(tmp_path / "x", images | {name: data})


def changed(**changes):
    """Return the rows with other values in the first one."""
    return [ROWS[0] | changes, *ROWS[1:]]


@pytest.mark.parametrize("name", TABLES)
class TestBothTables:
    def test_labels_and_attributes(self, tmp_path, name):
        result = prepared(write(tmp_path, name=name), tmp_path)
        assert result.kind == "metadata"
        np.testing.assert_array_equal(result.images, [pixels(i) for i in range(4)])
        assert result.class_names == ["ant", "cat", "dog"]
        assert result.labels == [1, 2, 1, 0]
        assert result.attribute_names == ["smile", "age"]
        np.testing.assert_array_equal(
            result.attributes, [[0, 20.5], [1, 21.5], [0, 22.5], [1, 23.5]]
        )
        assert result.split is None

    def test_rows_in_any_order(self, tmp_path, name):
        result = prepared(write(tmp_path, ROWS[::-1], name), tmp_path)
        assert result.source_files == sorted(IMAGES)
        assert result.labels == [1, 2, 1, 0]

    @pytest.mark.parametrize("labels", [[3, 0, 1, 3], ["3", "0", "1", "3"]])
    def test_numbers_as_labels(self, tmp_path, name, labels):
        rows = [row | {"label": n} for row, n in zip(ROWS, labels, strict=True)]
        result = prepared(write(tmp_path, rows, name), tmp_path)
        assert (result.class_names, result.labels) == (None, [3, 0, 1, 3])

    def test_split_column(self, tmp_path, name):
        words = ["train", "validation", "TEST", "val"]
        rows = [row | {"split": w} for row, w in zip(ROWS, words, strict=True)]
        assert prepared(write(tmp_path, rows, name), tmp_path).split == [0, 1, 2, 1]

    def test_folders_of_splits_with_a_table_in_each(self, tmp_path, name):
        """As Hugging Face's imagefolder has it."""
        files = {}
        for folder in ("test", "train", "validation"):
            files |= {f"{folder}/{image}": data for image, data in IMAGES.items()}
            files[f"{folder}/{name}"] = TABLES[name](ROWS)
        for pack in (write_files, make_zip, make_tar):
            result = prepared(pack(tmp_path / pack.__name__, files), tmp_path)
            assert result.split == [2] * 4 + [0] * 4 + [1] * 4
            assert result.labels == [1, 2, 1, 0] * 3
            assert result.class_names == ["ant", "cat", "dog"]

    def test_images_in_folders_below_the_table(self, tmp_path, name):
        images = {f"a/{image}": data for image, data in IMAGES.items()}
        for prefix in ("a/", "./a/", "a\\"):
            rows = [row | {"file_name": prefix + row["file_name"]} for row in ROWS]
            result = prepared(write(tmp_path, rows, name, images), tmp_path)
            assert result.labels == [1, 2, 1, 0]

    def test_columns_that_are_left_out(self, tmp_path, name):
        """What is no number in some row, what is not finite, and source_file."""
        rows = [row | {"source_file": i, "colour": "red"} for i, row in enumerate(ROWS)]
        rows = [row | {"half": i if i else ""} for i, row in enumerate(rows)]
        rows = [row | {"wild": "nan" if i else 1} for i, row in enumerate(rows)]
        result = prepared(write(tmp_path, rows, name), tmp_path)
        assert result.attribute_names == ["smile", "age"]

    def test_without_labels(self, tmp_path, name):
        rows = [{"file_name": row["file_name"]} for row in ROWS]
        result = prepared(write(tmp_path, rows, name), tmp_path)
        assert (result.labels, result.attribute_names) == (None, None)

    def test_byte_order_mark(self, tmp_path, name):
        data = b"\xef\xbb\xbf" + TABLES[name](ROWS)
        assert prepared(write(tmp_path, data, name), tmp_path).labels == [1, 2, 1, 0]

    def test_line_ends_of_windows(self, tmp_path, name):
        data = TABLES[name](ROWS).replace(b"\n", b"\r\n")
        assert prepared(write(tmp_path, data, name), tmp_path).labels == [1, 2, 1, 0]

    def test_image_without_a_row(self, tmp_path, name):
        text = refusal(write(tmp_path, ROWS[:-1], name))
        assert "3.png has no row in the table" in text
        assert "or choose --kind images" in text

    def test_kind_images_does_without(self, tmp_path, name):
        result = prepared(write(tmp_path, ROWS[:-1], name), tmp_path, kind="images")
        assert result.labels is None
        assert len(result.images) == 4

    @pytest.mark.parametrize(
        "file_name",
        ["9.png", "../0.png", "../../etc/passwd", "/0.png", "a/../0.png", "0.PNG"],
    )
    def test_row_without_an_image(self, tmp_path, name, file_name):
        rows = [*ROWS, ROWS[0] | {"file_name": file_name}]
        text = refusal(write(tmp_path, rows, name))
        assert f"names {file_name}, and there is no such image" in text

    def test_same_image_twice(self, tmp_path, name):
        rows = [*ROWS, ROWS[0] | {"file_name": "./0.png"}]
        assert "row 5 names 0.png again" in refusal(write(tmp_path, rows, name))

    @pytest.mark.parametrize("split", ["holdout", "", "0"])
    def test_strange_split(self, tmp_path, name, split):
        rows = [row | {"split": "train"} for row in ROWS[:-1]]
        rows.append(ROWS[-1] | {"split": split})
        text = refusal(write(tmp_path, rows, name))
        assert f"3.png has the split {split!r}" in text

    def test_label_missing_in_a_row(self, tmp_path, name):
        text = refusal(write(tmp_path, changed(label=""), name))
        assert "0.png has no label in the table" in text

    def test_no_column_file_name(self, tmp_path, name):
        rows = [{"image": row["file_name"]} for row in ROWS]
        assert "row 1 has no file_name" in refusal(write(tmp_path, rows, name))

    def test_empty_table(self, tmp_path, name):
        assert "0.png has no row" in refusal(write(tmp_path, b"", name))

    def test_no_text(self, tmp_path, name):
        text = refusal(write(tmp_path, b"\xff\xfe\x00file_name", name))
        assert "can't decode byte" in text


@pytest.mark.parametrize("label", [-1, 1.5, 10**30, 1e300, True, [1], {"a": 1}])
def test_labels_that_are_no_class_numbers_are_names(tmp_path, label):
    rows = [*changed(label=label)[:1], *({**row, "label": 0} for row in ROWS[1:])]
    result = prepared(write(tmp_path, rows, "metadata.jsonl"), tmp_path)
    if label is True:
        assert result.labels == [1, 0, 0, 0]
    else:
        assert result.class_names == sorted(["0", str(label)])


@pytest.mark.parametrize("number", [10**400, float("inf"), float("nan")])
def test_numbers_beyond_all_bounds_are_no_attributes(tmp_path, number):
    path = write(tmp_path, changed(age=number), "metadata.jsonl")
    assert prepared(path, tmp_path).attribute_names == ["smile"]


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\u2029b"])
def test_line_ends_of_unicode_inside_a_text(tmp_path, text):
    """JSON may hold them as they are, and captions do."""
    rows = [row | {"caption": text} for row in ROWS]
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    result = prepared(write(tmp_path, data, "metadata.jsonl"), tmp_path)
    assert result.labels == [1, 2, 1, 0]


def test_commas_quotes_and_lines_in_a_csv(tmp_path):
    images = {'a, "b".png': png(0), "c.png": png(1)}
    data = b'file_name,label,note\n"a, ""b"".png","x, y","two\nlines"\nc.png,z,\n'
    result = prepared(write(tmp_path, data, images=images), tmp_path)
    assert result.source_files == ['a, "b".png', "c.png"]
    assert result.class_names == ["x, y", "z"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"file_name": "0.png"',
        b"[1]\n",
        b"7\n",
        b"null\n",
        b'{"file_name": 0}\n',
        b"[" * 100_000,
        b'{"file_name": "0.png", "n": ' + b"9" * 10_000 + b"}",
    ],
)
def test_bad_json(tmp_path, data):
    text = refusal(write(tmp_path, data, "metadata.jsonl"))
    assert "cannot be read" in text or "row 1 has no file_name" in text


@pytest.mark.parametrize(
    "data",
    [
        b'file_name,label\n"0.png,cat\n',
        b"file_name,label\n0.png,cat" + b"x" * 200_000 + b"\n",
        b'file_name,label\n"0.png"x,cat\n',
    ],
)
def test_bad_csv(tmp_path, data):
    assert "metadata.csv in" in refusal(write(tmp_path, data))


def test_more_and_fewer_values_than_columns(tmp_path):
    data = b"file_name,label\n0.png,cat,1,2\n1.png\n2.png,cat\n3.png,cat\n"
    assert "1.png has no label" in refusal(write(tmp_path, data))
