"""CelebA: zip or folder, lists as .txt or .csv, and lists that do not fit."""

import numpy as np
import pytest

from scratchgan.datasets.decode_image import Crop
from tests.datasets.sources.making import (
    decoded,
    failure,
    jpeg,
    make_tar,
    make_zip,
    prepared,
    refusal,
    write_files,
)

NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips "
    "Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby "
    "Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male "
    "Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
    "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair "
    "Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie "
    "Young"
).split()
COUNT = 7
FILES = [f"{i + 1:06d}.jpg" for i in range(COUNT)]
IMAGES = {name: jpeg(i, height=218, width=178) for i, name in enumerate(FILES)}
ATTRIBUTES = np.random.default_rng(0).choice([-1, 1], (COUNT, 40))
PARTITION = [0, 0, 1, 2, 0, 1, 2]
PEOPLE = [2880, 1, 10177, 5, 5, 2880, 17]


def attributes_txt():
    """Return the list as published: count, names with a blank after the last, rows."""
    lines = [str(COUNT), " ".join(NAMES) + " "]
    for name, row in zip(FILES, ATTRIBUTES, strict=True):
        lines.append(name + " " + " ".join(f"{value:2d}" for value in row))
    return "\r\n".join(lines) + "\r\n"


def lines_of(values):
    return "".join(f"{n} {v}\n" for n, v in zip(FILES, values, strict=True))


TEXTS = {
    "list_attr_celeba.txt": attributes_txt().encode(),
    "list_eval_partition.txt": lines_of(PARTITION).encode(),
    "identity_CelebA.txt": lines_of(PEOPLE).encode(),
}


def csv(head, rows):
    lines = [",".join(["image_id", *head])]
    for name, row in zip(FILES, rows, strict=True):
        lines.append(",".join([name, *map(str, row)]))
    return ("\n".join(lines) + "\n").encode()


def check(result, attributes=True, split=True, people=True):
    images = np.stack([decoded(data) for data in IMAGES.values()])
    np.testing.assert_array_equal(result.images, images)
    assert result.kind == "celeba"
    assert result.attribute_names == (NAMES if attributes else None)
    if attributes:
        np.testing.assert_array_equal(result.attributes, ATTRIBUTES == 1)
    assert result.split == (PARTITION if split else None)
    assert result.labels == ([person - 1 for person in PEOPLE] if people else None)
    assert result.skipped == []
    assert "non-commercial" in result.info["licence"]


class TestLayouts:
    def archive(self, folder):
        files = {f"img_align_celeba/{name}": data for name, data in IMAGES.items()}
        folder.mkdir(parents=True, exist_ok=True)
        return make_zip(folder / "img_align_celeba.zip", files, 0)

    def test_as_published(self, tmp_path):
        self.archive(tmp_path / "x")
        result = prepared(write_files(tmp_path / "x", TEXTS), tmp_path)
        check(result)
        assert result.source_files[0] == "img_align_celeba/000001.jpg"

    def test_lists_in_folders_of_their_own(self, tmp_path):
        """As in the published Anno/, Eval/ and Img/."""
        self.archive(tmp_path / "x" / "Img")
        names = ("Anno", "Eval", "Anno")
        files = {
            f"{folder}/{name}": data
            for folder, (name, data) in zip(names, TEXTS.items(), strict=True)
        }
        check(prepared(write_files(tmp_path / "x", files), tmp_path))

    def test_folder_as_of_torchvision(self, tmp_path):
        """The zip stays beside what was unpacked from it; each image counts once."""
        self.archive(tmp_path / "x" / "celeba")
        files = {f"img_align_celeba/{name}": data for name, data in IMAGES.items()}
        files |= TEXTS | {"list_bbox_celeba.txt": b"7\nimage_id x_1 y_1\n"}
        write_files(tmp_path / "x" / "celeba", files)
        check(prepared(tmp_path / "x", tmp_path))

    @pytest.mark.parametrize("pack", [write_files, make_zip, make_tar])
    def test_kaggle(self, tmp_path, pack):
        files = {
            f"img_align_celeba/img_align_celeba/{name}": data
            for name, data in IMAGES.items()
        }
        files["list_attr_celeba.csv"] = csv(NAMES, ATTRIBUTES)
        files["list_eval_partition.csv"] = csv(["partition"], zip(PARTITION))
        files["list_bbox_celeba.csv"] = csv(["x_1"], zip(PARTITION))
        check(prepared(pack(tmp_path / "x", files), tmp_path), people=False)

    def test_without_lists(self, tmp_path):
        path = self.archive(tmp_path / "x")
        for source in (tmp_path / "x", path):
            result = prepared(source, tmp_path)
            check(result, attributes=False, split=False, people=False)

    def test_folder_of_images_alone(self, tmp_path):
        path = write_files(tmp_path / "img_align_celeba", IMAGES)
        result = prepared(path, tmp_path)
        check(result, attributes=False, split=False, people=False)

    @pytest.mark.parametrize("missing", TEXTS)
    def test_each_list_is_optional(self, tmp_path, missing):
        self.archive(tmp_path / "x")
        files = {name: data for name, data in TEXTS.items() if name != missing}
        write_files(tmp_path / "x", files)
        result = prepared(tmp_path / "x", tmp_path)
        check(
            result,
            attributes="attr" not in missing,
            split="eval" not in missing,
            people="identity" not in missing,
        )

    def test_part_of_the_images(self, tmp_path):
        """Lists may know more images than there are."""
        few = {name: IMAGES[name] for name in FILES[2:5]}
        result = prepared(write_files(tmp_path / "x", few | TEXTS), tmp_path)
        assert result.split == PARTITION[2:5]
        np.testing.assert_array_equal(result.attributes, ATTRIBUTES[2:5] == 1)

    def test_torch_crop(self, tmp_path):
        """138x138 at x = 30, y = 40, as soumith/dcgan.torch cuts."""
        self.archive(tmp_path / "x")
        crop = Crop(138, 138, top=40, left=30)
        result = prepared(tmp_path / "x", tmp_path, crop=crop)
        images = [decoded(data)[40:178, 30:168] for data in IMAGES.values()]
        np.testing.assert_array_equal(result.images, images)
        assert "--crop 138x138+40+30" in result.info["command"]

    def test_damaged_image_is_skipped_with_its_row(self, tmp_path):
        files = IMAGES | TEXTS | {"000003.jpg": IMAGES["000003.jpg"][:500]}
        result = prepared(write_files(tmp_path / "x", files), tmp_path)
        assert [name for name, _ in result.skipped] == ["000003.jpg"]
        assert result.split == [*PARTITION[:2], *PARTITION[3:]]
        kept = np.delete(ATTRIBUTES, 2, axis=0)
        np.testing.assert_array_equal(result.attributes, kept == 1)


def with_list(tmp_path, name, change):
    """Return a folder in which a list is changed."""
    text = change(TEXTS[name].decode())
    files = IMAGES | TEXTS | {name: text.encode("utf-8", "surrogateescape")}
    return write_files(tmp_path / "x", files)


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda t: t.replace("7", "9", 1), "says 9 images and lists 7: it is cut"),
            (lambda t: t[: t.index("000005")], "says 7 images and lists 4"),
            (lambda t: t[:-100], "the line of 000007.jpg has"),
            (lambda t: t.replace(" 1\r\n", " 2\r\n", 1), "a value is '2', expected -1"),
            (lambda t: t.replace(" 1 ", " x ", 1), "a value is 'x', expected -1 or 1"),
            (lambda t: t.replace(" 1 ", " ", 1), "has 39 values, expected 40"),
            (lambda t: t.replace(" 1 ", " 1 1 ", 1), "has 41 values, expected 40"),
            (lambda t: t.replace("Young", "Young Old"), "has 40 values, expected 41"),
            (lambda t: t.replace("000004.jpg", "00000"), "is the line of no image"),
            (lambda t: t.replace("000004.jpg", "000003.jpg"), "lists 6"),
            (lambda t: t + "junk\n", "'junk' is the line of no image"),
            (lambda t: "\udcff" + t, "can't decode byte 0xff"),
            (lambda t: "", "has no line in list_attr_celeba"),
            (lambda t: "<html>quota exceeded</html>", "has no line in list_attr"),
        ],
    )
    def test_attributes(self, tmp_path, change, reason):
        folder = with_list(tmp_path, "list_attr_celeba.txt", change)
        text = refusal(folder)
        assert reason in text
        assert "list_attr_celeba" in text

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda t: t.replace("000003.jpg 1\n", ""), "000003.jpg has no line in"),
            (lambda t: t.replace(" 1", " 3", 1), "000003.jpg: the part is '3'"),
            (lambda t: t.replace(" 1", " 1 1", 1), "has 2 values, expected 1"),
            (lambda t: t.replace(" 1", "", 1), "has 0 values, expected 1"),
            (lambda t: t[:-4], "'000007.jp' is the line of no image"),
        ],
    )
    def test_partition(self, tmp_path, change, reason):
        folder = with_list(tmp_path, "list_eval_partition.txt", change)
        assert reason in refusal(folder)

    @pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "9" * 30, "١٢x"])
    def test_people(self, tmp_path, value):
        folder = with_list(
            tmp_path, "identity_CelebA.txt", lambda t: t.replace("2880", value, 1)
        )
        text = refusal(folder)
        assert f"000001.jpg: the person is {value!r}, expected a number" in text

    def test_page_instead_of_the_zip(self, tmp_path):
        """What Google Drive sends when too many have asked."""
        page = b"<!DOCTYPE html><html>Quota exceeded</html>"
        folder = write_files(tmp_path / "x", TEXTS | {"img_align_celeba.zip": page})
        assert "img_align_celeba.zip is no archive: it is a web page" in refusal(folder)
        text = refusal(folder / "img_align_celeba.zip")
        assert "it is a web page, so the download went wrong" in text

    def test_zip_cut_short(self, tmp_path):
        data = make_zip(tmp_path / "a", IMAGES).read_bytes()
        for stop in (0, 3, 100, len(data) // 2, len(data) - 1):
            files = TEXTS | {"img_align_celeba.zip": data[:stop]}
            folder = write_files(tmp_path / "x", files)
            assert "img_align_celeba.zip is" in refusal(folder)

    def test_zip_without_images(self, tmp_path):
        (tmp_path / "x").mkdir()
        make_zip(tmp_path / "x" / "img_align_celeba.zip", {"a.txt": b""})
        assert "holds no images" in refusal(tmp_path / "x")

    def test_zip_in_a_zip(self, tmp_path):
        inner = make_zip(tmp_path / "a", IMAGES).read_bytes()
        path = make_zip(tmp_path / "x.zip", {"img_align_celeba.zip": inner})
        assert "img_align_celeba.zip lies inside" in refusal(path)

    def test_lists_without_images(self, tmp_path):
        folder = write_files(tmp_path / "x", TEXTS)
        assert "found 3 .txt" in refusal(folder)
        assert "found 3 .txt" in refusal(folder, "celeba")

    def test_no_image_can_be_read(self, tmp_path):
        folder = write_files(tmp_path / "x", TEXTS | dict.fromkeys(FILES, b"x"))
        assert "none of the 7 image files" in failure(folder, tmp_path)
