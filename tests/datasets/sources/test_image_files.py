"""Image files in folders: classes, splits, and folders that mean neither."""

import numpy as np
import pytest

from scratchgan.datasets.sources import open_source
from scratchgan.datasets.sources.image_files import class_folders, split_folders
from tests.datasets.sources.making import (
    jpeg,
    make_tar,
    make_zip,
    pixels,
    png,
    prepared,
    write_files,
)

PNG = png(0)


def write(folder, *names):
    return write_files(folder, dict.fromkeys(names, PNG))


class TestClasses:
    def test_folders_become_labels(self, tmp_path):
        write(tmp_path, "dog/1.png", "cat/1.png", "cat/more/2.png")
        with open_source(tmp_path) as source:
            assert source.class_names == ["cat", "dog"]
            assert [(i.name, i.label) for i in source] == [
                ("cat/1.png", 0),
                ("cat/more/2.png", 0),
                ("dog/1.png", 1),
            ]

    def test_zip_with_a_folder_around(self, tmp_path):
        files = dict.fromkeys(["pets/dog/1.png", "pets/cat/1.png"], PNG)
        with open_source(make_zip(tmp_path / "a.zip", files)) as source:
            assert source.class_names == ["cat", "dog"]
            assert [image.label for image in source] == [0, 1]

    @pytest.mark.parametrize(
        "names",
        [
            ["1.png", "2.png"],
            ["all/1.png", "all/2.png"],
            ["cat/1.png", "dog/1.png", "3.png"],
            ["all/1.png", "all/cat/1.png", "all/dog/1.png"],
            ["one.png"],
            [],
        ],
    )
    def test_no_classes(self, names):
        assert class_folders(names) == (None, [None] * len(names))

    def test_labels_follow_a_file_that_is_skipped(self, tmp_path):
        folder = write(tmp_path / "x", "a/1.png", "b/1.png", "b/3.png", "c/1.png")
        (folder / "b" / "2.png").write_bytes(b"no image")
        result = prepared(folder, tmp_path)
        assert result.labels == [0, 1, 1, 2]
        assert result.skipped == [("b/2.png", "not an image")]


class TestSplits:
    @pytest.mark.parametrize("pack", [write_files, make_zip, make_tar])
    def test_folders_become_splits(self, tmp_path, pack):
        names = ["x/test/cat/1.png", "x/train/cat/2.png", "x/train/dog/3.png"]
        names += ["x/val/dog/4.png"]
        files = {name: png(i) for i, name in enumerate(names)}
        result = prepared(pack(tmp_path / "x", files), tmp_path)
        assert result.split == [2, 0, 0, 1]
        assert result.class_names == ["cat", "dog"]
        assert result.labels == [0, 0, 1, 1]
        np.testing.assert_array_equal(result.images, [pixels(i) for i in range(4)])

    def test_without_classes(self, tmp_path):
        result = prepared(write(tmp_path / "x", "Train/1.png", "Valid/2.png"), tmp_path)
        assert result.split == [0, 1]
        assert result.labels is None

    @pytest.mark.parametrize(
        "names",
        [
            ["train/1.png", "2.png"],
            ["train/1.png", "other/2.png"],
            ["test/1.png", "val/2.png"],
            ["test/1.png", "test/2.png"],
            ["1.png"],
            [],
        ],
    )
    def test_no_splits(self, names):
        assert split_folders(names) == ([0] * len(names), names)

    def test_only_training(self, tmp_path):
        result = prepared(
            write(tmp_path / "x", "train/a/1.png", "train/b/2.png"), tmp_path
        )
        assert (result.split, result.labels) == (None, [0, 1])

    def test_folders_of_the_test_that_are_no_classes(self, tmp_path):
        names = ["train/cat/1.png", "train/dog/1.png", "test/images/1.png"]
        result = prepared(write(tmp_path / "x", *names), tmp_path)
        assert (result.labels, result.class_names) == (None, None)
        assert result.split == [2, 0, 0]

    def test_classes_without_test_images(self, tmp_path):
        names = ["train/cat/1.png", "train/dog/1.png", "test/dog/1.png"]
        result = prepared(write(tmp_path / "x", *names), tmp_path)
        assert (result.labels, result.split) == ([1, 0, 1], [2, 0, 0])


@pytest.mark.parametrize("name", ["lfw.tgz", "lfw-deepfunneled.tgz"])
def test_lfw(tmp_path, name):
    """A folder for each person, most with a single photograph."""
    top = name.removesuffix(".tgz")
    files = {
        f"{top}/Aaron_Eckhart/Aaron_Eckhart_0001.jpg": jpeg(0),
        f"{top}/Aaron_Guiel/Aaron_Guiel_0001.jpg": jpeg(1),
        f"{top}/Aaron_Guiel/Aaron_Guiel_0002.jpg": jpeg(2),
    }
    (tmp_path / "lfw_home").mkdir()
    path = make_tar(tmp_path / "lfw_home" / name, files, "w:gz")
    for source in (path, path.parent):
        result = prepared(source, tmp_path)
        assert result.class_names == ["Aaron_Eckhart", "Aaron_Guiel"]
        assert result.labels == [0, 1, 1]
        assert result.source_files == list(files)
