"""Decoding: what any file holds becomes the pixels a viewer shows."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets.decode_image import (
    MIN_SIDE,
    UnreadableImage,
    decode_image,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def quarters():
    """Four colours, 16 wide and 24 high: any turn or flip is noticed."""
    pixels = np.zeros((24, 16, 3), np.uint8)
    pixels[:12, :8], pixels[:12, 8:] = RED, GREEN
    pixels[12:, :8], pixels[12:, 8:] = BLUE, WHITE
    return pixels


def noise(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_with_header(width, height):
    """Craft a PNG of a few bytes that claims a size."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


class TestModes:
    def test_rgb_is_exact(self):
        pixels = noise(20, 30)
        picture = decode_image(encoded(Image.fromarray(pixels)), 3)
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.mode == "RGB"

    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
    def test_lossless_formats(self, file_format):
        options = {"lossless": True} if file_format == "WEBP" else {}
        data = encoded(Image.fromarray(noise(20, 30)), file_format, **options)
        np.testing.assert_array_equal(decode_image(data, 3).pixels, noise(20, 30))

    @pytest.mark.parametrize("file_format", ["JPEG", "GIF"])
    def test_lossy_formats(self, file_format):
        smooth = np.broadcast_to(np.arange(0, 200, 5, dtype=np.uint8)[:, None], (40, 9))
        data = encoded(Image.fromarray(np.ascontiguousarray(smooth)), file_format)
        pixels = decode_image(data, 1).pixels[..., 0].astype(int)
        assert abs(pixels - smooth).max() <= 4

    def test_grey_to_rgb_and_back(self):
        grey = noise(20, 30)[..., 0]
        data = encoded(Image.fromarray(grey))
        np.testing.assert_array_equal(decode_image(data, 1).pixels[..., 0], grey)
        for channel in range(3):
            found = decode_image(data, 3).pixels[..., channel]
            np.testing.assert_array_equal(found, grey)

    def test_rgb_to_grey_is_luma(self):
        data = encoded(Image.new("RGB", (10, 10), (200, 100, 50)))
        pixels = decode_image(data, 1).pixels
        assert pixels.shape == (10, 10, 1)
        assert abs(int(pixels[0, 0, 0]) - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) < 1

    def test_one_bit(self):
        image = Image.new("1", (16, 16), 1)
        image.putpixel((3, 3), 0)
        pixels = decode_image(encoded(image), 3).pixels
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[3, 3].tolist() == [0, 0, 0]

    def test_16_bits_are_scaled_not_clipped(self):
        values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
        pixels = decode_image(encoded(Image.fromarray(values)), 1).pixels[..., 0]
        expected = np.round(values / 65535 * 255)
        assert abs(pixels - expected).max() <= 1
        assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)

    def test_16_bits_in_pgm_and_tiff(self):
        values = np.full((10, 10), 32768, np.uint16)
        pgm = b"P5 10 10 65535\n" + values.astype(">u2").tobytes()
        for data in (pgm, encoded(Image.fromarray(values), "TIFF")):
            assert decode_image(data, 3).pixels[0, 0].tolist() == [128, 128, 128]

    @pytest.mark.parametrize("dtype", [np.int32, np.float32])
    def test_pixels_of_unknown_range(self, dtype):
        image = Image.fromarray(np.full((10, 10), 100_000, dtype))
        with pytest.raises(UnreadableImage, match="no known range"):
            decode_image(encoded(image, "TIFF"), 3)

    def test_palette(self):
        image = Image.fromarray(quarters()).quantize(16)
        picture = decode_image(encoded(image), 3)
        np.testing.assert_array_equal(picture.pixels, quarters())
        assert picture.mode == "P"
        assert decode_image(encoded(image), 1).pixels[0, 0, 0] == 76  # luma of red

    def test_palette_with_transparency_is_put_on_white(self):
        image = Image.new("P", (16, 16), 0)
        image.putpalette([0, 0, 0, 255, 0, 0])
        image.putpixel((5, 5), 1)
        for file_format in ("PNG", "GIF"):
            data = encoded(image, file_format, transparency=0)
            pixels = decode_image(data, 3).pixels
            assert pixels[0, 0].tolist() == [255, 255, 255]
            assert pixels[5, 5].tolist() == [255, 0, 0]

    def test_alpha_is_put_on_white(self):
        image = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
        image.paste((255, 0, 0, 255), (0, 0, 8, 8))
        image.paste((0, 0, 0, 128), (8, 0, 16, 8))
        pixels = decode_image(encoded(image), 3).pixels
        assert pixels[0, 0].tolist() == [255, 0, 0]
        assert pixels[12, 12].tolist() == [255, 255, 255]
        assert abs(int(pixels[0, 12, 0]) - 127) <= 1

    def test_grey_with_alpha(self):
        image = Image.new("LA", (16, 16), (0, 0))
        assert decode_image(encoded(image), 1).pixels.min() == 255

    def test_transparent_colour_without_alpha_channel(self):
        for mode, colour in (("RGB", (9, 9, 9)), ("L", 9)):
            data = encoded(Image.new(mode, (16, 16), colour), transparency=colour)
            assert decode_image(data, 3).pixels.min() == 255

    def test_cmyk(self):
        image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
        for file_format in ("JPEG", "TIFF"):
            picture = decode_image(encoded(image, file_format), 3)
            assert picture.mode == "CMYK"
            error = abs(picture.pixels[0, 0].astype(int) - RED).max()
            assert error <= 3, file_format

    def test_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
        data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        assert decode_image(data, 3).pixels[0, 0].tolist() == [255, 0, 0]


class TestOrientation:
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_orientation_is_made_upright(self, file_format, orientation):
        """Store what each flag says a camera stored; the viewer sees `quarters`."""
        upright = quarters()
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.swapaxes(0, 1),
            6: np.rot90(upright),
            7: upright.swapaxes(0, 1)[::-1, ::-1],
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"lossless": True} if file_format == "WEBP" else {}
        image = Image.fromarray(np.ascontiguousarray(stored))
        data = encoded(image, file_format, exif=exif, **options)
        np.testing.assert_array_equal(decode_image(data, 3).pixels, upright)

    def test_jpeg_on_its_side_and_reduced(self):
        large = Image.fromarray(quarters()).resize(
            (800, 1200), Image.Resampling.NEAREST
        )
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = large.transpose(Image.Transpose.ROTATE_90)
        data = encoded(stored, "JPEG", exif=exif, quality=95)
        pixels = decode_image(data, 3, (24, 16)).pixels
        assert abs(pixels[3, 3].astype(int) - RED).max() <= 6
        assert abs(pixels[3, 12].astype(int) - GREEN).max() <= 6
        assert abs(pixels[20, 3].astype(int) - BLUE).max() <= 6

    def test_damaged_exif_does_no_harm(self):
        image = Image.fromarray(noise(20, 20))
        data = encoded(image, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        np.testing.assert_array_equal(decode_image(data, 3).pixels, noise(20, 20))


class TestFit:
    def halves(self):
        """40 wide, 20 high: red, blue in the middle half, green."""
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, :10], pixels[:, 10:30], pixels[:, 30:] = RED, BLUE, GREEN
        return encoded(Image.fromarray(pixels))

    def test_crop_keeps_the_centre(self):
        pixels = decode_image(self.halves(), 3, (20, 20), "crop").pixels
        assert (pixels == BLUE).all()

    def test_pad_keeps_everything(self):
        pixels = decode_image(self.halves(), 3, (40, 40), "pad").pixels
        assert (pixels[:10] == 255).all()
        assert (pixels[30:] == 255).all()
        assert pixels[20, 0].tolist() == [255, 0, 0]
        assert pixels[20, 39].tolist() == [0, 255, 0]

    def test_pad_of_grey_is_white(self):
        assert decode_image(self.halves(), 1, (40, 40), "pad").pixels[0, 0, 0] == 255

    def test_stretch_distorts(self):
        pixels = decode_image(self.halves(), 3, (20, 20), "stretch").pixels
        assert pixels[10, 1].tolist() == [255, 0, 0]
        assert pixels[10, 18].tolist() == [0, 255, 0]

    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    @pytest.mark.parametrize("size", [(8, 8), (33, 17), (17, 90), (1, 1)])
    @pytest.mark.parametrize("shape", [(20, 30), (300, 8), (8, 300)])
    def test_shapes(self, fit, size, shape):
        data = encoded(Image.fromarray(noise(*shape)))
        for channels in (1, 3):
            pixels = decode_image(data, channels, size, fit).pixels
            assert pixels.shape == (*size, channels)
            assert pixels.dtype == np.uint8

    def test_same_size_is_exact(self):
        data = encoded(Image.fromarray(noise(20, 30)))
        for fit in ("crop", "pad", "stretch"):
            pixels = decode_image(data, 3, (20, 30), fit).pixels
            np.testing.assert_array_equal(pixels, noise(20, 30))

    def test_reducing_is_antialiased(self):
        """A fine checkerboard becomes an even grey, not a pattern of its own."""
        board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
        pixels = decode_image(encoded(Image.fromarray(board)), 1, (60, 60)).pixels
        assert abs(pixels.astype(int) - 127).max() <= 3

    def test_jpeg_decoded_small_is_as_good(self):
        """Decoding at a fraction of the size changes less than JPEG itself does."""
        smooth = Image.fromarray(noise(32, 32)).resize((1024, 1024))
        data = encoded(smooth, "JPEG", quality=95)
        fast = decode_image(data, 3, (32, 32)).pixels.astype(float)
        whole = Image.open(io.BytesIO(data))
        whole = np.asarray(whole.resize((32, 32), Image.Resampling.LANCZOS), float)
        assert np.sqrt(((fast - whole) ** 2).mean()) < 1

    def test_unknown_fit(self):
        with pytest.raises(UnreadableImage, match="expected one of crop, pad, stretch"):
            decode_image(self.halves(), 3, (8, 8), "squeeze")


class TestRefusals:
    def reason(self, data, **options):
        with pytest.raises(UnreadableImage) as caught:
            decode_image(data, 3, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
    @pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
    def test_truncated(self, file_format, kept):
        data = encoded(Image.fromarray(noise(64, 64)), file_format)
        assert self.reason(data[: int(len(data) * kept)])

    def test_empty(self):
        assert self.reason(b"") == "empty file"

    def test_text(self):
        assert self.reason(b"this is no image" * 50) == "not an image"

    def test_postscript_is_never_run(self):
        program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n"
        assert self.reason(program) == "not an image"

    def test_too_small(self):
        assert "1x1" in self.reason(encoded(Image.new("RGB", (1, 1))))
        data = encoded(Image.new("RGB", (300, MIN_SIDE - 1)))
        assert f"less than {MIN_SIDE}" in self.reason(data)
        decode_image(encoded(Image.new("RGB", (MIN_SIDE, MIN_SIDE))), 3)

    @pytest.mark.parametrize("side", [10_001, 30_000, 2**31 - 1])
    def test_decompression_bomb_is_refused_by_its_header(self, side):
        assert "million pixels" in self.reason(png_with_header(side, side))

    def test_bomb_is_refused_before_decoding(self, monkeypatch):
        def decode(self):
            raise AssertionError("decoded")

        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
        assert "million pixels" in self.reason(png_with_header(10_001, 10_000))

    def test_damage_anywhere_raises_nothing_else(self):
        """Bytes changed at random: an image or UnreadableImage, never another error."""
        rng = np.random.default_rng(0)
        for file_format in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM"):
            data = np.frombuffer(
                encoded(Image.fromarray(noise(32, 32)), file_format), np.uint8
            )
            for _ in range(40):
                damaged = data.copy()
                places = rng.integers(0, min(len(data), 400), 4)
                damaged[places] = rng.integers(0, 256, 4)
                try:
                    pixels = decode_image(damaged.tobytes(), 3, (16, 16)).pixels
                except UnreadableImage:
                    continue
                assert pixels.shape == (16, 16, 3)
