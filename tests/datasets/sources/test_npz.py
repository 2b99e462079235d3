"""NumPy's .npz: what is read from it, and what is refused."""

import io
import zipfile

import numpy as np
import pytest

from scratchgan.datasets.sources import npz as npz_module
from tests.datasets.sources.making import make_zip, pixels, prepared, refusal

COLOUR = np.stack([pixels(i) for i in range(12)])
GREY = np.stack([pixels(i, channels=1) for i in range(12)])
LABELS = np.arange(12) % 3


def save(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


class TestRead:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_colour(self, tmp_path, save):
        save(tmp_path / "a.npz", images=COLOUR, labels=LABELS)
        result = prepared(tmp_path / "a.npz", tmp_path)
        np.testing.assert_array_equal(result.images, COLOUR)
        assert result.labels == LABELS.tolist()
        assert (result.class_names, result.split) == (None, None)
        assert result.kind == "npz"
        assert result.source_files[:2] == ["000000", "000001"]

    @pytest.mark.parametrize("images", [GREY, GREY[..., None]])
    def test_grey(self, tmp_path, images):
        result = prepared(save(tmp_path, images=images), tmp_path)
        np.testing.assert_array_equal(result.images, GREY[..., None])
        assert result.labels is None

    def test_images_can_be_held_out_for_testing(self, tmp_path):
        path = save(tmp_path, images=COLOUR, labels=LABELS)
        result = prepared(path, tmp_path, test=4, validation=3)
        assert np.bincount(result.split).tolist() == [5, 3, 4]
        np.testing.assert_array_equal(result.images, COLOUR)

    @pytest.mark.parametrize("name", ["classes", "class_names"])
    def test_class_names(self, tmp_path, name):
        names = ["cat", "żółw 🐢", "dog"]
        arrays = {"images": COLOUR, "labels": LABELS, name: np.array(names)}
        assert prepared(save(tmp_path, **arrays), tmp_path).class_names == names

    def test_class_names_without_labels(self, tmp_path):
        path = save(tmp_path, images=COLOUR, classes=np.array(["a"]))
        assert prepared(path, tmp_path).class_names is None

    def test_class_names_of_another_byte_order(self, tmp_path):
        names = np.array(["cat", "żółw", "dog"]).astype(">U9")
        path = save(tmp_path, images=COLOUR, labels=LABELS, classes=names)
        assert prepared(path, tmp_path).class_names == ["cat", "żółw", "dog"]

    def test_split(self, tmp_path):
        split = np.arange(12, dtype=np.uint8) % 4
        result = prepared(save(tmp_path, images=COLOUR, split=split), tmp_path)
        assert result.split == split.tolist()

    @pytest.mark.parametrize("dtype", ["u1", "<i4", ">i8", ">u2", "u8"])
    @pytest.mark.parametrize("shape", [(12,), (12, 1)])
    def test_labels_of_any_integer_type(self, tmp_path, dtype, shape):
        labels = LABELS.astype(dtype).reshape(shape)
        result = prepared(save(tmp_path, images=COLOUR, labels=labels), tmp_path)
        assert result.labels == LABELS.tolist()

    def test_many_blocks(self, tmp_path, monkeypatch):
        monkeypatch.setattr(npz_module, "_BLOCK_BYTES", 2000)
        result = prepared(save(tmp_path, images=COLOUR, labels=LABELS), tmp_path)
        np.testing.assert_array_equal(result.images, COLOUR)
        assert result.labels == LABELS.tolist()

    def test_other_arrays_are_left_alone(self, tmp_path):
        other = np.array([{}], dtype=object)
        path = save(tmp_path, images=COLOUR, other=other, jpeg_index=LABELS)
        assert len(prepared(path, tmp_path).images) == 12

    def test_resized(self, tmp_path):
        path = save(tmp_path, images=COLOUR)
        result = prepared(path, tmp_path, height=8, width=8, channels=1)
        assert result.images.shape == (12, 8, 8, 1)

    def test_slices_and_strides(self, tmp_path):
        images = COLOUR.transpose(0, 2, 1, 3)[::2, ::-1]
        result = prepared(save(tmp_path, images=images), tmp_path)
        np.testing.assert_array_equal(result.images, images)

    def test_alone_in_a_folder(self, tmp_path):
        (tmp_path / "folder").mkdir()
        save(tmp_path / "folder", images=COLOUR)
        assert len(prepared(tmp_path / "folder", tmp_path).images) == 12


def header(shape, descr="|u1", fortran=False, version=(1, 0)):
    """Return the header of an .npy, whatever it claims."""
    buffer = io.BytesIO()
    fields = {"descr": descr, "fortran_order": fortran, "shape": shape}
    write = {
        (1, 0): np.lib.format.write_array_header_1_0,
        (2, 0): np.lib.format.write_array_header_2_0,
    }[version]
    write(buffer, fields)
    return buffer.getvalue()


class TestRefused:
    @pytest.mark.parametrize(
        ("arrays", "reason"),
        [
            ({"images": COLOUR.astype(np.float32)}, "'images' is float32"),
            ({"images": COLOUR.astype(object)}, "'images' is object"),
            ({"images": COLOUR.astype(np.int8)}, "'images' is int8"),
            ({"images": COLOUR[0]}, "'images' is (16, 16, 3), expected at least one"),
            ({"images": COLOUR[0, 0]}, "'images' is uint8 (16, 3)"),
            ({"images": COLOUR[..., :2]}, "'images' is uint8 (12, 16, 16, 2)"),
            ({"images": COLOUR.transpose(0, 3, 1, 2).copy()}, "(12, 3, 16, 16)"),
            ({"images": np.asfortranarray(COLOUR)}, "in Fortran order; expected"),
            ({"images": COLOUR[:0]}, "expected at least one image"),
            ({"images": COLOUR[:, :0]}, "expected at least one image"),
            ({"images": COLOUR, "labels": LABELS[:5]}, "'labels' is int64 (5,)"),
            ({"images": COLOUR, "labels": LABELS / 2}, "'labels' is float64"),
            ({"images": COLOUR, "labels": LABELS - 1}, "labels are -1 to 1"),
            (
                {"images": COLOUR, "labels": np.full(12, 2**64 - 1, np.uint64)},
                "labels are -1 to -1",
            ),
            ({"images": COLOUR, "labels": np.eye(12, dtype=int)}, "(12, 12)"),
            ({"images": COLOUR, "labels": LABELS.astype(object)}, "is object (12,)"),
            ({"images": COLOUR, "split": LABELS * 3}, "'split' has values beside"),
            (
                {"images": COLOUR, "labels": LABELS, "classes": np.array(["a", "b"])},
                "labels are 0 to 2, expected 0 to 1",
            ),
            (
                {"images": COLOUR, "labels": LABELS, "classes": np.array([1, 2, 3])},
                "'classes' is int64 (3,), expected text",
            ),
            (
                {"images": COLOUR, "classes": np.array(["a"], dtype=object)},
                "'classes' is object",
            ),
            ({"images": COLOUR, "classes": np.array([], "U1")}, "'classes' is"),
            ({"x": COLOUR}, "found 1 .npy"),
        ],
    )
    def test_arrays(self, tmp_path, arrays, reason):
        assert reason in refusal(save(tmp_path, **arrays))

    @pytest.mark.parametrize(
        "shape",
        [
            (10**12, 32, 32, 3),
            (12, 10**9, 10**9, 3),
            (2**62, 2**62, 2**62, 3),
            (-12, 16, 16, 3),
            (12, -16, -16, 3),
        ],
    )
    def test_header_that_claims_more(self, tmp_path, shape):
        files = {"images.npy": header(shape) + bytes(1000)}
        text = refusal(make_zip(tmp_path / "a.npz", files))
        assert "is cut short" in text or "expected at least one image" in text

    @pytest.mark.parametrize("name", ["labels", "split", "classes"])
    def test_columns_that_claim_more(self, tmp_path, name):
        buffer = io.BytesIO()
        np.save(buffer, COLOUR)
        kind = "<U1000" if name == "classes" else "<i8"
        files = {
            "images.npy": buffer.getvalue(),
            f"{name}.npy": header((12 if name != "classes" else 10**9,), kind),
        }
        text = refusal(make_zip(tmp_path / "a.npz", files))
        assert "is cut short" in text or "expected text (K,)" in text

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x93NUMPY",
            b"\x93NUMPY\x07\x00\x00\x00",
            b"\x93NUMPY\x01\x00\xff\xff{",
            b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
            b"\x93NUMPY\x01\x00\x10\x27" + b"[" * 10000,
            b"\x93NUMPY\x01\x00\x10\x00" + b"'" * 16,
            b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('false')",
            b"no array",
        ],
    )
    def test_no_array(self, tmp_path, content):
        path = make_zip(tmp_path / "a.npz", {"images.npy": content})
        assert f"images in {path} is no NumPy array" in refusal(path)

    def test_pickle_is_not_opened(self, tmp_path):
        """Its type already says that it holds objects."""

        class Canary:
            def __reduce__(self):
                return (open, (str(tmp_path / "canary"), "w"))

        objects = np.array([Canary()], dtype=object)
        np.savez(tmp_path / "a.npz", images=objects, labels=objects)
        assert "'images' is object (1,)" in refusal(tmp_path / "a.npz")
        assert not (tmp_path / "canary").exists()

    def test_text_of_numbers_that_are_no_characters(self, tmp_path):
        buffer = io.BytesIO()
        np.save(buffer, COLOUR)
        names = header((1,), "<U1") + b"\xff\xff\xff\x7f"
        files = {"images.npy": buffer.getvalue(), "classes.npy": names}
        path = make_zip(tmp_path / "a.npz", files)
        assert "'classes' is no text" in refusal(path)

    def test_cut_anywhere(self, tmp_path):
        data = save(tmp_path, images=COLOUR, labels=LABELS).read_bytes()
        for stop in range(0, len(data), 131):
            (tmp_path / "a.npz").write_bytes(data[:stop])
            refusal(tmp_path / "a.npz")

    def test_flipped_bits(self, tmp_path):
        """Every one is noticed: zip has checksums."""
        path = tmp_path / "a.npz"
        np.savez_compressed(path, images=GREY[:2], labels=LABELS[:2])
        data = path.read_bytes()
        whole = prepared(path, tmp_path).sha256
        rng = np.random.default_rng(0)
        for _ in range(100):
            copy = bytearray(data)
            copy[rng.integers(len(copy))] ^= 1 << rng.integers(8)
            path.write_bytes(copy)
            try:
                result = prepared(path, tmp_path)
            except npz_module.DatasetError as error:
                text = str(error)
                assert len(text.splitlines()) == 1
            else:
                assert result.sha256 == whole

    def test_member_of_another_method(self, tmp_path):
        path = make_zip(
            tmp_path / "a.npz", {"images.npy": header((1, 80, 80))}, zipfile.ZIP_LZMA
        )
        assert "is cut short" in refusal(path)
