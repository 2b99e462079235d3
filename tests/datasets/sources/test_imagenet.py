"""ImageNet-1k: a tar of tars, or class folders."""

import numpy as np
import pytest

from tests.datasets.sources.making import (
    decoded,
    jpeg,
    make_tar,
    make_zip,
    prepared,
    refusal,
    tar_bytes,
    write_files,
)

SYNSETS = ["n01440764", "n01443537", "n15075141"]
TRAIN = {
    f"{synset}/{synset}_{number}.JPEG": jpeg(7 * label + number, height=40, width=50)
    for label, synset in enumerate(SYNSETS)
    for number in (10, 18, 2)
}


def train_tar(path):
    """Write a tar with a tar for each class, as published."""
    classes = {}
    for name, data in TRAIN.items():
        synset, base = name.split("/")
        classes.setdefault(f"{synset}.tar", {})[base] = data
    inner = {name: tar_bytes(files) for name, files in classes.items()}
    path.parent.mkdir(exist_ok=True)
    return make_tar(path, inner)


def check(result, prefix=""):
    names = sorted(TRAIN)
    assert result.kind == "imagenet"
    assert result.source_files == [prefix + name for name in names]
    np.testing.assert_array_equal(result.images, [decoded(TRAIN[n]) for n in names])
    assert result.class_names == SYNSETS
    assert result.labels == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert result.split is None
    assert "ImageNet" in result.info["licence"]


def test_tar_of_tars(tmp_path):
    check(prepared(train_tar(tmp_path / "ILSVRC2012_img_train.tar"), tmp_path))


def test_folder_with_the_tar(tmp_path):
    train_tar(tmp_path / "x" / "ILSVRC2012_img_train.tar")
    make_tar(tmp_path / "x" / "ILSVRC2012_img_val.tar", {"a.JPEG": jpeg(0)})
    make_tar(tmp_path / "x" / "ILSVRC2012_devkit_t12.tar.gz", {"a.txt": b""}, "w:gz")
    check(prepared(tmp_path / "x", tmp_path))


def test_class_folders(tmp_path):
    files = TRAIN | {"n01440764/notes.txt": b"", "other/list.csv": b""}
    check(prepared(write_files(tmp_path / "x", files), tmp_path))


@pytest.mark.parametrize("pack", [write_files, make_zip, make_tar])
def test_train_and_val(tmp_path, pack):
    files = {f"a/train/{name}": data for name, data in TRAIN.items()}
    files |= {
        f"a/val/{s}/ILSVRC2012_val_{i}.JPEG": jpeg(i) for i, s in enumerate(SYNSETS)
    }
    result = prepared(pack(tmp_path / "x", files), tmp_path, height=16, width=16)
    assert result.kind == "imagenet"
    assert result.class_names == SYNSETS
    assert result.labels == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 2]
    assert result.split == [0] * 9 + [1] * 3


def test_short_side_to_32_centre_crop(tmp_path):
    """As in the paper, section 4.3."""
    path = train_tar(tmp_path / "ILSVRC2012_img_train.tar")
    assert prepared(path, tmp_path, height=32, width=32).images.shape[1:] == (32, 32, 3)


def test_validation_folder_without_classes(tmp_path):
    """Tiny ImageNet's val/images/ is no class; labels would be wrong, so none."""
    files = {f"tiny/train/{name}": data for name, data in TRAIN.items()}
    files["tiny/val/images/val_0.JPEG"] = jpeg(0, height=40, width=50)
    result = prepared(write_files(tmp_path / "x", files), tmp_path)
    assert (result.kind, result.labels, result.class_names) == ("images", None, None)
    assert result.split == [0] * 9 + [1]


def test_inner_tar_cut_short(tmp_path):
    path = train_tar(tmp_path / "ILSVRC2012_img_train.tar")
    data = path.read_bytes()
    for stop in range(1, len(data) - 10240, len(data) // 15):
        path.write_bytes(data[:stop])
        refusal(path)


def test_tar_that_is_none(tmp_path):
    folder = write_files(tmp_path / "x", {"ILSVRC2012_img_train.tar": b"x" * 1000})
    assert "ILSVRC2012_img_train.tar is no archive: it is damaged" in refusal(folder)


def test_kind_without_classes(tmp_path):
    folder = write_files(tmp_path / "x", {"a.jpg": jpeg(0)})
    text = refusal(folder, "imagenet")
    assert "no files of --kind imagenet" in text
    assert "imagenet: ILSVRC2012_img_train.tar, or folders n01440764" in text
