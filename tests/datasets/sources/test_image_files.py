"""Image files in folders: classes and splits."""

import pytest

from scratchgan.datasets.sources import open_source
from scratchgan.datasets.sources.image_files import class_folders
from tests.datasets.sources.making import make_zip, png, write_files

PNG = png(0)


def write(folder, *names):
    return write_files(folder, dict.fromkeys(names, PNG))


def zip_of(path, *names, **options):
    return make_zip(path, dict.fromkeys(names, PNG), **options)


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
        path = zip_of(tmp_path / "a.zip", "pets/dog/1.png", "pets/cat/1.png")
        with open_source(path) as source:
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
        ],
    )
    def test_no_classes(self, names):
        assert class_folders(names) == (None, [None] * len(names))
