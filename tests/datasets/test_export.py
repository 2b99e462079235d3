"""Datasets as PNG files: what is written, read back, refused and cleaned up."""

import csv
import json

import h5py
import numpy as np
import pytest
import toy
from PIL import Image

from scratchgan.datasets import export
from scratchgan.datasets.export import choose_rows, export_dataset
from scratchgan.datasets.format.dataset import SPLITS, open_dataset
from scratchgan.datasets.format.writer import DatasetWriter
from scratchgan.datasets.prepare.preparation import PrepareOptions, prepare
from scratchgan.errors import DatasetError, OutputError


@pytest.fixture
def data(tmp_path):
    toy.write_toy(tmp_path / "toy.h5", count=12)
    with open_dataset(tmp_path / "toy.h5") as dataset:
        yield dataset


def table(folder):
    with open(folder / "metadata.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def pixels(path):
    with Image.open(path) as image:
        values = np.asarray(image)
    return values if values.ndim == 3 else values[..., None]


class TestContent:
    def test_everything_is_there(self, data, tmp_path):
        report = export_dataset(data, tmp_path / "out")
        assert report.count == 12
        lines = table(tmp_path / "out")
        assert list(lines[0]) == report.columns
        assert report.columns == [
            *("file_name", "label", "split", "smile", "turn", "boxes", "source_file")
        ]
        for row, line in enumerate(lines):
            assert line["file_name"] == f"images/{row:06}.png"
            found = pixels(tmp_path / "out" / line["file_name"])
            np.testing.assert_array_equal(found, data.images[row])
            assert line["label"] == ["cat", "dog"][data.labels[row]]
            assert SPLITS[line["split"]] == data.split[row]
            attributes = np.float32([line["smile"], line["turn"]])
            np.testing.assert_array_equal(attributes, data.attributes[row])
            assert json.loads(line["boxes"]) == data.boxes[row].tolist()
            assert line["source_file"] == data.source_files[row]
        assert files(tmp_path / "out") == sorted(
            ["images", "metadata.csv", *(line["file_name"] for line in lines)]
        )

    @pytest.mark.parametrize("by_class", [False, True])
    def test_prepare_makes_the_same_again(self, data, tmp_path, by_class):
        export_dataset(data, tmp_path / "out", by_class=by_class)
        prepare("back", tmp_path / "out", tmp_path)
        with open_dataset(tmp_path / "back.h5") as back:
            # Files come in the order of their names: class by class, or as they were.
            order = np.argsort(data.labels, kind="stable") if by_class else range(12)
            np.testing.assert_array_equal(back.images[:], data.images[:][order])
            for name in "labels", "split", "attributes":
                expected = getattr(data, name)[order]
                np.testing.assert_array_equal(getattr(back, name), expected)
            assert back.class_names == data.class_names
            assert back.attribute_names == data.attribute_names

    @pytest.mark.parametrize("count", [1, 3])
    def test_grey_without_columns(self, tmp_path, count):
        images = toy.toy_pixels(count, channels=1)
        toy.write_plain(tmp_path / "a.h5", images)
        with open_dataset(tmp_path / "a.h5") as dataset:
            report = export_dataset(dataset, tmp_path / "out")
            sha256 = dataset.sha256
        assert report.columns == ["file_name"]
        with Image.open(tmp_path / "out/images/000000.png") as image:
            assert image.mode == "L"
        options = PrepareOptions(channels=1)
        assert prepare("back", tmp_path / "out", tmp_path, options).sha256 == sha256

    def test_labels_without_names_are_numbers(self, tmp_path):
        toy.write_toy(tmp_path / "a.h5", class_names=None)
        with open_dataset(tmp_path / "a.h5") as dataset:
            export_dataset(dataset, tmp_path / "out", by_class=True)
        lines = table(tmp_path / "out")
        assert [line["label"] for line in lines] == ["0", "1"] * 6
        assert lines[1]["file_name"] == "images/class00001/000001.png"

    def test_attributes_with_names_of_other_columns(self, tmp_path):
        names = ["label", "smile", "smile", "label_attribute"]
        with DatasetWriter(
            tmp_path / "a.h5", 8, 12, 3, **toy.TEXTS, attribute_names=names
        ) as out:
            out.append(toy.toy_pixels(1), attributes=np.array([[0.1, 2, 3, 1e-7]]))
        with open_dataset(tmp_path / "a.h5") as dataset:
            export_dataset(dataset, tmp_path / "out")
        assert table(tmp_path / "out") == [
            {
                "file_name": "images/000000.png",
                "label_attribute": "0.1",
                "smile": "2",
                "smile_attribute": "3",
                "label_attribute_attribute": "0.0000001",
            }
        ]

    def test_numbers_keep_every_bit(self, rng):
        values = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
        values = values[np.isfinite(values)]
        back = np.float32([float(export._number(value)) for value in values])
        np.testing.assert_array_equal(back.view(np.uint32), values.view(np.uint32))

    def test_many_files_get_folders(self, data, tmp_path, monkeypatch):
        monkeypatch.setattr(export, "FILES_PER_FOLDER", 5)
        export_dataset(data, tmp_path / "out")
        names = [line["file_name"] for line in table(tmp_path / "out")]
        assert names[4:6] == ["images/000000/000004.png", "images/000001/000005.png"]
        assert names == sorted(names)
        assert prepare("back", tmp_path / "out", tmp_path).sha256 == data.sha256

    def test_only_large_classes_get_more_folders(self, tmp_path, monkeypatch):
        monkeypatch.setattr(export, "FILES_PER_FOLDER", 10)
        labels = [0] * 11 + [1] * 10
        with DatasetWriter(
            tmp_path / "a.h5", 8, 12, 3, **toy.TEXTS, class_names=["cat", "dog"]
        ) as out:
            out.append(toy.toy_pixels(21), labels=labels)
        with open_dataset(tmp_path / "a.h5") as dataset:
            export_dataset(dataset, tmp_path / "out", by_class=True)
        names = [line["file_name"] for line in table(tmp_path / "out")]
        assert names[10] == "images/cat/00001/000010.png"
        assert names[20] == "images/dog/000020.png"

    def test_rows(self, data, tmp_path):
        seen = []
        export_dataset(
            data,
            tmp_path / "out",
            np.array([2, 3, 11]),
            progress=lambda *done: seen.append(done),
        )
        lines = table(tmp_path / "out")
        assert [line["file_name"][-6:] for line in lines] == [
            *("02.png", "03.png", "11.png")
        ]
        np.testing.assert_array_equal(
            pixels(tmp_path / "out/images/000011.png"), data.images[11]
        )
        assert seen[-1] == (3, 3)


class TestForeignText:
    """Class names may be anything; they never lead out of the folder."""

    @pytest.mark.parametrize(
        "name",
        [
            *("..", ".", "/etc", "a/b", "a\\b", "c:", "CON", "nul.txt", "", "a.", " a"),
            *("a\nb", "~x", "-rf", "class00000", "x" * 101),
        ],
    )
    def test_unsafe_class_names(self, tmp_path, name):
        toy.write_toy(tmp_path / "a.h5", class_names=["cat", name])
        with open_dataset(tmp_path / "a.h5") as dataset:
            export_dataset(dataset, tmp_path / "out", by_class=True)
        lines = table(tmp_path / "out")
        assert lines[1]["file_name"] == "images/class00001/000001.png"
        assert lines[1]["label"] == name
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "out"]

    @pytest.mark.parametrize(
        "name", ["dog", "Australian terrier", "żółw", "a-1.b", "1"]
    )
    def test_safe_class_names(self, tmp_path, name):
        toy.write_toy(tmp_path / "a.h5", class_names=["cat", name])
        with open_dataset(tmp_path / "a.h5") as dataset:
            export_dataset(dataset, tmp_path / "out", by_class=True)
        assert (tmp_path / "out" / "images" / name / "000001.png").is_file()

    def test_classes_that_differ_in_case_only(self):
        folders = export._class_folders(["cat", "Cat", "dog"])
        assert folders == {0: "cat", 1: "class00001", 2: "dog"}

    def test_a_class_called_like_a_numbered_one(self):
        folders = export._class_folders(["class00001", "../x", "class00001"])
        assert folders == {i: f"class0000{i}" for i in range(3)}


class TestChoice:
    def test_all(self, data):
        np.testing.assert_array_equal(choose_rows(data), range(12))

    def test_ranges_overlap_and_come_in_any_order(self, data):
        rows = choose_rows(data, ranges=[(7, 9), (0, 1), (8, 11)])
        np.testing.assert_array_equal(rows, [0, 1, 7, 8, 9, 10, 11])

    def test_split_and_ranges_and_count(self, data):
        rows = choose_rows(data, "train+test", [(1, 9)], 3)
        np.testing.assert_array_equal(rows, [2, 4, 6])

    def test_beyond_the_end(self, data):
        with pytest.raises(DatasetError, match="rows 0 to 11, and row 12 was"):
            choose_rows(data, ranges=[(3, 12)])

    def test_nothing_left(self, data, tmp_path):
        with pytest.raises(DatasetError, match="no image was chosen"):
            export_dataset(data, tmp_path / "out", np.zeros(0, np.int64))
        assert not (tmp_path / "out").exists()


class TestWholeOrNotAtAll:
    def test_empty_folder_is_filled(self, data, tmp_path):
        (tmp_path / "out").mkdir()
        export_dataset(data, tmp_path / "out")
        assert len(table(tmp_path / "out")) == 12

    def test_current_folder(self, data, tmp_path, monkeypatch):
        (tmp_path / "out").mkdir()
        monkeypatch.chdir(tmp_path / "out")
        export_dataset(data, ".")
        assert len(table(tmp_path / "out")) == 12

    def test_folder_with_other_files(self, data, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.doc").touch()
        for force in (False, True):
            with pytest.raises(OutputError, match=r"not empty \(it holds 'thesis.doc'"):
                export_dataset(data, tmp_path / "out", force=force)
        assert files(tmp_path / "out") == ["thesis.doc"]

    def test_file_in_the_way(self, data, tmp_path):
        (tmp_path / "out").touch()
        with pytest.raises(OutputError, match="is a file"):
            export_dataset(data, tmp_path / "out")

    def test_earlier_export(self, data, tmp_path):
        export_dataset(data, tmp_path / "out")
        with pytest.raises(OutputError, match="--force"):
            export_dataset(data, tmp_path / "out")
        export_dataset(data, tmp_path / "out", np.array([4]), force=True)
        assert files(tmp_path / "out") == [
            *("images", "images/000004.png", "metadata.csv")
        ]

    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt, OSError(28, "full"), ValueError]
    )
    @pytest.mark.parametrize("earlier", [None, "empty", "export"])
    def test_stopped_in_the_middle(self, data, tmp_path, error, earlier, monkeypatch):
        out = tmp_path / "out"
        if earlier == "empty":
            out.mkdir()
        if earlier == "export":
            export_dataset(data, out, np.array([0]))
        before = files(tmp_path)

        def stop(done, total):
            raise error

        with pytest.raises(OutputError if isinstance(error, OSError) else error):
            export_dataset(data, out, force=True, progress=stop)
        assert files(tmp_path) == before

    def test_worker_fails(self, data, tmp_path, monkeypatch):
        def fail(self, path, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", fail)
        with pytest.raises(OutputError, match="the disk is full"):
            export_dataset(data, tmp_path / "out")
        assert files(tmp_path) == ["toy.h5"]

    def test_unreadable_pixels(self, tmp_path):
        toy.write_plain(tmp_path / "a.h5", toy.toy_pixels(20))
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            del file["images"]
            packed = file.create_dataset(
                "images", (20, 8, 12, 3), "u1", chunks=(20, 8, 12, 3), compression=1
            )
            packed.id.write_direct_chunk((0, 0, 0, 0), b"not deflated at all")
        with open_dataset(tmp_path / "a.h5") as dataset:
            with pytest.raises(DatasetError, match="is damaged"):
                export_dataset(dataset, tmp_path / "out")
        assert files(tmp_path) == ["a.h5"]

    def test_unknown_split(self, data, tmp_path):
        data.close()
        with h5py.File(data.path, "r+") as file:
            file["split"][3] = 9
        with open_dataset(data.path) as dataset:
            with pytest.raises(DatasetError, match=r"split 9.*data verify"):
                export_dataset(dataset, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_by_class_without_labels(self, tmp_path):
        toy.write_plain(tmp_path / "a.h5", toy.toy_pixels(2))
        with open_dataset(tmp_path / "a.h5") as dataset:
            with pytest.raises(DatasetError, match="has no labels to sort by"):
                export_dataset(dataset, tmp_path / "out", by_class=True)
