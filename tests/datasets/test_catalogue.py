"""From names to files: the folder, the nearest name, and what is there."""

from pathlib import Path

import numpy as np
import pytest

from scratchgan.datasets.catalogue import (
    BUILT_IN,
    data_folder,
    dataset_path,
    find_dataset,
    list_datasets,
)
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.errors import DatasetError


def make(folder, name):
    texts = {"name": name, "title": name, "source": "test", "licence": "MIT"}
    with DatasetWriter(folder / f"{name}.h5", 8, 8, 1, **texts) as writer:
        writer.append(np.zeros((2, 8, 8, 1), np.uint8))
    return folder / f"{name}.h5"


@pytest.fixture
def folder(tmp_path):
    for name in ("portraits", "cats"):
        make(tmp_path, name)
    return tmp_path


class TestFolder:
    def test_option_then_variable_then_data(self, monkeypatch):
        monkeypatch.delenv("SCRATCHGAN_DATA", raising=False)
        assert data_folder() == Path("data")
        monkeypatch.setenv("SCRATCHGAN_DATA", "/elsewhere")
        assert data_folder() == Path("/elsewhere")
        assert data_folder("here") == Path("here")

    def test_empty_variable_is_none(self, monkeypatch):
        monkeypatch.setenv("SCRATCHGAN_DATA", "")
        assert data_folder() == Path("data")

    def test_home(self):
        assert data_folder("~/sets") == Path.home() / "sets"


class TestFind:
    def test_by_name(self, folder):
        assert find_dataset("cats", folder) == folder / "cats.h5"

    def test_by_path(self, folder, monkeypatch):
        assert find_dataset(folder / "cats.h5") == folder / "cats.h5"
        monkeypatch.chdir(folder)
        assert find_dataset("cats.h5") == Path("cats.h5")
        assert find_dataset("./cats.h5") == Path("cats.h5")

    def test_name_is_not_taken_from_the_current_folder(self, folder, monkeypatch):
        monkeypatch.chdir(folder)
        (folder / "dogs").touch()
        with pytest.raises(DatasetError, match="no dataset 'dogs'"):
            find_dataset("dogs", folder)

    def test_misspelt(self, folder):
        with pytest.raises(DatasetError) as caught:
            find_dataset("portrits", folder)
        text = str(caught.value)
        assert "no dataset 'portrits' (did you mean 'portraits'?)" in text
        assert "which holds cats, portraits" in text
        assert "scratchgan data prepare portrits SOURCE" in text

    def test_built_in_not_prepared(self, folder):
        with pytest.raises(DatasetError) as caught:
            find_dataset("faces", folder)
        assert str(caught.value).endswith("scratchgan data prepare faces")

    def test_missing_path(self, folder):
        with pytest.raises(DatasetError, match=r"dogs\.h5 does not exist"):
            find_dataset(folder / "dogs.h5", folder)

    def test_empty_folder(self, tmp_path):
        with pytest.raises(DatasetError, match="which holds no dataset"):
            find_dataset("cats", tmp_path / "none")

    def test_many(self, tmp_path):
        for i in range(30):
            (tmp_path / f"set{i:02d}.h5").touch()
        with pytest.raises(DatasetError, match="set09 and 20 more"):
            find_dataset("cats", tmp_path)


class TestNames:
    @pytest.mark.parametrize(
        "name", ["cats", "cats-dedup", "a.b", "猫", "9", "a" * 100]
    )
    def test_good(self, name, tmp_path):
        assert dataset_path(name, tmp_path) == tmp_path / f"{name}.h5"

    @pytest.mark.parametrize(
        "name", ["", ".", "..", "a/b", "a\\b", "a b", "-x", "a\nb", "a:b", "a" * 101]
    )
    def test_bad(self, name, tmp_path):
        with pytest.raises(DatasetError, match="dataset name"):
            dataset_path(name, tmp_path)


class TestList:
    def test_sound_and_broken(self, folder):
        (folder / "broken.h5").write_text("no HDF5")
        (folder / ".cats.h5.12345678.partial").touch()
        (folder / "notes.txt").touch()
        broken, cats, portraits = list_datasets(folder)
        assert (broken.name, broken.info) == ("broken", None)
        assert "not an HDF5 file" in broken.error
        assert cats.info["count"] == 2
        assert cats.error is None
        assert portraits.path == folder / "portraits.h5"

    def test_no_folder(self, tmp_path):
        assert list_datasets(tmp_path / "none") == []


def test_built_in_names_are_names(tmp_path):
    for name in BUILT_IN:
        assert dataset_path(name, tmp_path) == tmp_path / f"{name}.h5"
