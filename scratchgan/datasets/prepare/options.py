"""What `prepare` is asked to do, and what it reports."""

from dataclasses import dataclass, field
from pathlib import Path

from scratchgan.datasets.decode_image import FITS, Crop
from scratchgan.datasets.prepare.face_crops import FaceFinder

MAX_SIDE = 4096


@dataclass(frozen=True)
class PrepareOptions:
    """What is read, and how images are brought to one shape.

    Attributes
    ----------
    height, width : int or None
        Pixels, 1 to `MAX_SIDE`; both None for the images' own size.
    fit : str
        "crop", "pad" or "stretch", see `decode_image`.
    channels : int or None
        1 for grey, 3 for RGB, None for what suits the source.
    crop : Crop or None
        What to cut out of every image before.
    faces : FaceFinder or None
        Cut out every face that it finds; each becomes an image.
    kind : str or None
        The source's layout, see `open_source`; None for what its files tell.
    validation : int or None
        Training images that become validation images, drawn with seed 42; None for
        the paper's number where the set is one of the paper's, else none.
    test : int
        Training images that become test images, drawn with seed 42 before those.
    strict : bool
        Fail at the first file that cannot be read instead of skipping it.
    force : bool
        Replace an existing file of that name.
    workers : int or None
        Threads that decode; all cores by default.
    """

    height: int | None = None
    width: int | None = None
    fit: str = "crop"
    channels: int | None = None
    crop: Crop | None = None
    faces: FaceFinder | None = None
    kind: str | None = None
    validation: int | None = None
    test: int = 0
    strict: bool = False
    force: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        if (self.height is None) != (self.width is None):
            raise ValueError(f"height {self.height}, width {self.width}: give both")
        for side in (self.height, self.width):
            if side is not None and not 1 <= side <= MAX_SIDE:
                raise ValueError(f"size {side}: expected 1 to {MAX_SIDE} pixels")
        if self.fit not in FITS:
            raise ValueError(f"fit {self.fit!r}: expected one of {', '.join(FITS)}")
        if self.channels not in (1, 3, None):
            raise ValueError(f"channels {self.channels}: expected 1 or 3")
        if self.faces is not None and self.height != self.width:
            raise ValueError(f"size {self.height}x{self.width}: faces are cut square")

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width), or None for the images' own."""
        return None if self.height is None else (self.height, self.width)

    def command(self, name: str, source_name: str, channels: int) -> str:
        """Return the command that makes the file again."""
        words = ["data prepare", name, source_name]
        if self.size is not None:
            words.append("--size {}x{}".format(*self.size))
            if self.faces is None:
                words.append(f"--fit {self.fit}")
        if self.crop is not None:
            words.append(f"--crop {self.crop}")
        if self.faces is not None:
            words += ["--faces", f"--min-face {self.faces.minimum}"]
            words.append(f"--margin {self.faces.margin}")
        words.append(f"--channels {channels}")
        if self.kind is not None:
            words.append(f"--kind {self.kind}")
        if self.validation is not None:
            words.append(f"--validation {self.validation}")
        if self.test:
            words.append(f"--test {self.test}")
        return " ".join(words)


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation wrote.

    Attributes
    ----------
    path : Path
        The file.
    count, height, width, channels : int
        Its images.
    sha256 : str
        Of the pixels.
    seconds : float
        Time it took.
    kind : str or None
        The layout that the source was read as.
    continued : int
        Files that an earlier, interrupted preparation had done.
    skipped : list of (str, str)
        Files that gave no image, each with the reason.
    modes : dict of str to int
        How many images had which Pillow mode.
    class_names, attribute_names : list of str or None
        Of labels and attributes.
    splits : dict of str to int, or None
        How many images are in which split.
    faces_per_file : dict of int to int, or None
        In how many files so many faces were found, where faces were looked for.
    """

    path: Path
    count: int
    height: int
    width: int
    channels: int
    sha256: str
    seconds: float
    kind: str | None = None
    continued: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)
    class_names: list[str] | None = None
    attribute_names: list[str] | None = None
    splits: dict[str, int] | None = None
    faces_per_file: dict[int, int] | None = None
