"""One image file's bytes become uint8 pixels of the asked size and channels.

Whatever the file holds (palette, transparency, 16 bits, CMYK, a rotation flag), the
result is what a viewer shows: upright, on white, in [0, 255]. Colour profiles are
ignored. A file that is not a whole image raises `UnreadableImage`.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

# Formats whose decoders are in Pillow itself and read pixels only. Not EPS, which
# would run Ghostscript on a foreign file. An MPO (phone) file is opened as JPEG.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm"
    " .mpo".split()
)

# A small file can claim to hold a huge image, to fill the memory of who opens it.
# 100 megapixels are 300 MB as RGB; the size is read before anything is decoded.
MAX_PIXELS = 100_000_000
# Tracking pixels and icons among photographs: nothing could be learnt from them.
MIN_SIDE = 8

FITS = ("crop", "pad", "stretch")
RESIZE_FILTER = "lanczos"
BACKGROUND = "white"

# EXIF orientation -> what makes it upright (values 5 to 8 swap height and width).
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, and Lanczos goes on from there.
# With at least 3 times the wanted size left, the result differs from that of a full
# decoding by 0.5 of 255 (rms over 300 portraits; 2 times: 1.3), and a photograph of
# 2048x2048 takes 13 ms instead of 50.
_DRAFT_MARGIN = 3

# All decoders are registered now, in one thread, and not by the first workers at once.
Image.init()


class UnreadableImage(Exception):  # noqa: N818  the caller skips it, it is no error
    """A file that gives no image; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Crop:
    """A rectangle cut out of an image before it is resized.

    Attributes
    ----------
    height, width : int
        In pixels of the image.
    top, left : int or None
        Where it begins; None for the middle of the image.
    """

    height: int
    width: int
    top: int | None = None
    left: int | None = None

    def __str__(self) -> str:
        at = "" if self.top is None else f"+{self.top}+{self.left}"
        return f"{self.height}x{self.width}{at}"


@dataclass(frozen=True)
class Picture:
    """One decoded image.

    Attributes
    ----------
    pixels : array of shape (H, W, C), uint8
        Values in [0, 255].
    mode : str
        Pillow's name of how the file held it: "RGB", "L", "P", "CMYK", "I;16", ...
    """

    pixels: np.ndarray
    mode: str


def decode_image(
    data: bytes | np.ndarray,
    channels: int,
    size: tuple[int, int] | None = None,
    fit: str = "crop",
    crop: Crop | None = None,
) -> Picture:
    """Decode one image file, or take its pixels, and bring it to the wanted shape.

    Parameters
    ----------
    data : bytes or uint8 ndarray of shape (H, W) or (H, W, C)
        The whole file, or pixels with 1 or 3 channels.
    channels : int
        1 for grey (ITU-R 601 luma), 3 for RGB.
    size : tuple of (height, width), optional
        Pixels of the result; None keeps the image's own size.
    fit : str, default="crop"
        How another aspect ratio is met: "crop" cuts the longer side around the
        centre, "pad" adds white borders, "stretch" distorts. The filter is Lanczos,
        with its support scaled (antialiased) when reducing.
    crop : Crop, optional
        What to cut out of the upright image first.

    Returns
    -------
    Picture
        The pixels, and the mode the file had.

    Raises
    ------
    UnreadableImage
        The file is truncated, damaged, not an image, smaller than `MIN_SIDE` or
        larger than `MAX_PIXELS`, or of a pixel type with no known range; or the crop
        reaches beyond it.
    """
    try:
        # What is cut out must not have been decoded at a reduced size.
        image, mode = _open(data, size if crop is None else None)
        return _shaped(image, mode, channels, size, fit, crop)
    except UnreadableImage:
        raise
    # Damaged files make Pillow's decoders raise nearly anything: OSError, SyntaxError,
    # ValueError, struct.error, zlib.error, IndexError, MemoryError.
    except Exception as error:
        raise _unreadable(error) from error


def upright_rgb(data: bytes | np.ndarray) -> tuple[Image.Image, str]:
    """Return an image as a viewer shows it, in its own size, and the mode it had.

    Parameters
    ----------
    data : bytes or uint8 ndarray of shape (H, W) or (H, W, C)
        The whole file, or pixels with 1 or 3 channels.

    Raises
    ------
    UnreadableImage
        As `decode_image`.
    """
    try:
        image, mode = _open(data, None)
        return image.convert("RGB"), mode
    except UnreadableImage:
        raise
    except Exception as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> UnreadableImage:
    """Return the reason in a few words."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return UnreadableImage(_too_large())
    text = " ".join(str(error).split()) or type(error).__name__
    return UnreadableImage("not an image" if "cannot identify" in text else text[:200])


def _without_grey_axis(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def _open(
    data: bytes | np.ndarray, size: tuple[int, int] | None
) -> tuple[Image.Image, str]:
    """Return the upright, opaque 8-bit image in a file, and the mode it had there.

    With a size, a JPEG may come smaller than it is, but ample for that size. Pixels
    are an image already.
    """
    if isinstance(data, np.ndarray):
        image = Image.fromarray(np.ascontiguousarray(_without_grey_axis(data)))
        return image, image.mode
    if not data:
        raise UnreadableImage("empty file")
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImage(f"{image.width}x{image.height} is {_too_large()}")
    if min(image.size) < MIN_SIDE:
        raise UnreadableImage(
            f"{image.width}x{image.height} pixels, less than {MIN_SIDE} on a side"
        )
    mode = image.mode
    if image.format in ("JPEG", "MPO") and size is not None:
        _draft(image, size)
    image.load()
    return _flatten(_upright(image)), mode


def _shaped(
    image: Image.Image,
    mode: str,
    channels: int,
    size: tuple[int, int] | None,
    fit: str,
    crop: Crop | None,
) -> Picture:
    """Bring an upright image to the wanted crop, channels and size."""
    if crop is not None:
        image = _cut(image, crop)
    image = image.convert("L" if channels == 1 else "RGB")
    if size is not None:
        image = _fit(image, size, fit)
    pixels = np.array(image, dtype=np.uint8)
    return Picture(pixels.reshape(image.height, image.width, channels), mode)


def _cut(image: Image.Image, crop: Crop) -> Image.Image:
    top, left = crop.top, crop.left
    if top is None or left is None:
        top = (image.height - crop.height) // 2
        left = (image.width - crop.width) // 2
    bottom, right = top + crop.height, left + crop.width
    if top < 0 or left < 0 or bottom > image.height or right > image.width:
        raise UnreadableImage(
            f"{image.height}x{image.width} pixels (height x width) do not contain the "
            f"crop {crop}"
        )
    return image.crop((left, top, right, bottom))


def _too_large() -> str:
    return f"more than {MAX_PIXELS // 1_000_000} million pixels"


def _draft(image: Image.Image, size: tuple[int, int]) -> None:
    """Have a JPEG decoded at a reduced size, where that is still ample."""
    # Whether it lies on its side is not known yet: ample in both directions.
    needed = _DRAFT_MARGIN * max(size)
    image.draft(image.mode, (needed, needed))


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; read after loading, as TIFF applies its own then."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:
        # Unreadable EXIF says nothing about the pixels, which are whole.
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _flatten(image: Image.Image) -> Image.Image:
    """Return an opaque 8-bit image: wide pixels scaled, transparency put on white."""
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels have no known range")
    if image.mode.startswith("I"):
        return _scale_16_bits(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, BACKGROUND)
        return Image.alpha_composite(background, image).convert("RGB")
    # Palette indices are no brightness; the rest convert() knows.
    return image.convert("RGB") if image.mode == "P" else image


def _scale_16_bits(image: Image.Image) -> Image.Image:
    """Scale [0, 65535] to [0, 255], rounded; Pillow's own conversion would clip."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableImage("32-bit pixels have no known range")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _fit(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    height, width = size
    if image.size == (width, height):
        return image
    if fit == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    if fit == "stretch":
        return image.resize((width, height), Image.Resampling.LANCZOS)
    if fit == "pad":
        scale = min(width / image.width, height / image.height)
        inner = (
            max(1, round(image.width * scale)),
            max(1, round(image.height * scale)),
        )
        padded = Image.new(image.mode, (width, height), BACKGROUND)
        offset = ((width - inner[0]) // 2, (height - inner[1]) // 2)
        padded.paste(image.resize(inner, Image.Resampling.LANCZOS), offset)
        return padded
    raise ValueError(f"fit is {fit!r}, expected one of {', '.join(FITS)}")
