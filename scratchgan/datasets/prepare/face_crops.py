"""Faces cut from photographs, one square image for each, as the paper's Faces set.

The paper took people's photographs from the web, ran a face detector, kept faces of
sufficiently high resolution and cut out one image a face (section 4.2).
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from scratchgan.datasets.decode_image import Picture, UnreadableImage, upright_rgb
from scratchgan.datasets.prepare import face_search

MINIMUM = 48
"""Pixels on a side of a face, so that with its margin it gives 64x64 or more."""
MARGIN = 0.25
"""What is added around a face on each side, in sides of the face."""

# Photographs are searched at this many pixels on their longer side: a face that is a
# fortieth of it is found, and 12 megapixels take about two seconds.
SEARCHED_SIDE = 1024

# Smaller faces than wanted are looked for down to this share, so that it can be said
# that a photograph has one, and that one of just the wanted size is seen whole.
_SMALLER = 0.67

# Hair needs more room than the chin: the frame's middle is above the face's.
_RAISED = 0.06
# Of a frame's side: how far it may be shifted to stay in the picture.
_SHIFT = 0.1

# A face needs votes, and more of them the more places there were to find chance
# agreement in: four for each doubling of the picture's area by the face's.
_VOTES_BY_DOUBLING = 4.0

# A second face has its middle outside of the first one's head, this many sizes of the
# face from its middle, and shares no more than this of the smaller one's area.
_HEAD = 0.75
_SHARED = 0.3

NO_FACE = "no face"
"""What the reason begins with where a whole picture gives no crop."""


@dataclass(frozen=True)
class Face:
    """A face in a photograph, from the brows to the chin.

    Attributes
    ----------
    left, top, size : int
        The square in pixels of the photograph.
    votes : int
        How many of about 2,500 windows near this place looked like a face; from
        a handful to several hundred.
    """

    left: int
    top: int
    size: int
    votes: int


@dataclass(frozen=True)
class FaceFinder:
    """Finds faces and cuts them out; may be shared by threads, and pickled.

    Parameters
    ----------
    minimum : int, default=48
        The least size of a face in pixels, `WINDOW` or more. In a photograph of more
        than `SEARCHED_SIDE` pixels on a side the least that is found grows with it.
    margin : float, default=0.25
        What is added to a face on each side, in sizes of the face, 0 to 1.

    Raises
    ------
    ValueError
        A setting is out of its range.
    """

    minimum: int = MINIMUM
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if self.minimum < face_search.WINDOW:
            raise ValueError(
                f"minimum {self.minimum}: expected {face_search.WINDOW} pixels or more"
            )
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin {self.margin}: expected 0 to 1")

    def __str__(self) -> str:
        return f"at least {self.minimum} pixels, margin {self.margin}"

    def find(self, image: Image.Image) -> list[Face]:
        """Return the faces of at least `minimum` pixels, from left to right.

        Parameters
        ----------
        image : PIL.Image.Image
            Upright, mode "RGB" or "L".

        Raises
        ------
        DatasetError
            scikit-image is not installed.
        """
        return [face for face in self.detect(image) if face.size >= self.minimum]

    def detect(self, image: Image.Image) -> list[Face]:
        """Return all faces that are seen, also such that are too small."""
        grey = image.convert("L")
        longest = max(grey.size)
        if longest > SEARCHED_SIDE:
            grey.thumbnail((SEARCHED_SIDE, SEARCHED_SIDE), Image.Resampling.BILINEAR)
        scale = longest / max(grey.size)
        area = grey.width * grey.height
        seen = []
        for place in face_search.search(grey, _SMALLER * self.minimum / scale):
            (left, top, size), votes = face_search.vote(grey, place)
            if votes > _VOTES_BY_DOUBLING * math.log2(area / size**2):
                box = (round(scale * value) for value in (left, top, size))
                seen.append(Face(*box, votes))
        return sorted(_apart(seen), key=lambda face: (face.left, face.top, face.size))

    def frame(self, face: Face, width: int, height: int) -> tuple[float, float, float]:
        """Return the square to be cut out: left, top and side in pixels.

        It is the face with its margin. Where that leaves the picture, the frame is
        shifted by at most a tenth of its side, and made smaller as far as still
        needed: all its pixels are the picture's own.
        """
        x = face.left + face.size / 2
        y = face.top + (0.5 - _RAISED) * face.size
        x, y = min(max(x, 0), width), min(max(y, 0), height)
        room = min(x, y, width - x, height - y) / (0.5 - _SHIFT)
        wanted = (1 + 2 * self.margin) * face.size
        side = max(1.0, min(wanted, room, width, height))
        left = min(max(x - side / 2, 0), width - side)
        top = min(max(y - side / 2, 0), height - side)
        return left, top, side

    def crop(
        self, image: Image.Image, face: Face, size: int | None = None
    ) -> Image.Image:
        """Return the frame of a face as a square image.

        Parameters
        ----------
        image : PIL.Image.Image
            The one that the face was found in.
        face : Face
        size : int, optional
            Pixels on a side of the result; the filter is Lanczos, antialiased. None
            keeps the picture's own pixels.
        """
        left, top, side = self.frame(face, *image.size)
        if size is None:
            whole = math.floor(side)
            left, top = math.floor(left), math.floor(top)
            return image.crop((left, top, left + whole, top + whole))
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.LANCZOS, box)


@dataclass(frozen=True)
class FaceCrops:
    """Decode a file into one picture a face, from left to right.

    Parameters
    ----------
    channels : int
        1 for grey, 3 for RGB.
    size : int or None
        Pixels on a side of each picture; None keeps the photograph's own.
    finder : FaceFinder

    Raises
    ------
    DatasetError
        scikit-image is not installed.
    """

    channels: int
    size: int | None
    finder: FaceFinder

    def __post_init__(self) -> None:
        face_search.cascade()  # what is missing is said before any work

    def __call__(self, content: bytes | np.ndarray) -> list[Picture]:
        """Return the pictures.

        Raises
        ------
        UnreadableImage
            As `decode_image`; or, beginning with `NO_FACE`, the photograph has no
            face of the least size.
        """
        image, mode = upright_rgb(content)
        seen = self.finder.detect(image)
        large = [face for face in seen if face.size >= self.finder.minimum]
        if not large:
            raise UnreadableImage(_why_none(seen, self.finder.minimum))
        return [Picture(self._pixels(image, face), mode) for face in large]

    def _pixels(self, image: Image.Image, face: Face) -> np.ndarray:
        crop = self.finder.crop(image, face, self.size)
        crop = crop.convert("L" if self.channels == 1 else "RGB")
        return np.array(crop).reshape(crop.height, crop.width, self.channels)


def _why_none(seen: list[Face], minimum: int) -> str:
    if not seen:
        return f"{NO_FACE} found"
    largest = max(face.size for face in seen)
    return f"{NO_FACE} of {minimum} pixels: the largest has {largest}"


def _apart(faces: list[Face]) -> list[Face]:
    """Leave out what is part of the head of a face with more votes."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (-face.votes, face.left, face.top)):
        if not any(_is_part(face, other) for other in kept):
            kept.append(face)
    return kept


def _is_part(face: Face, other: Face) -> bool:
    """Return whether a face is one with the other, or a part of that one's head."""
    common, distance = 1.0, 0.0
    for a, b in ((face.left, other.left), (face.top, other.top)):
        common *= max(0, min(a + face.size, b + other.size) - max(a, b))
        distance = max(distance, abs(a + face.size / 2 - b - other.size / 2))
    shared = common / min(face.size, other.size) ** 2
    return shared > _SHARED or distance < _HEAD * other.size
