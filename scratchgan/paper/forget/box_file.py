"""Boxes that a user drew around things in generated images, in a file."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scratchgan.errors import ConfigError

FIELDS = ("seed", "left", "top", "right", "bottom")


def read_box_file(
    path: Path, seeds: Sequence[int], height: int, width: int
) -> dict[int, np.ndarray]:
    """Read boxes from a CSV file with a line of names, or a JSON list of objects.

    Each box has the fields `FIELDS`, whole numbers: pixels of the generated image,
    right and bottom exclusive.

    Parameters
    ----------
    path : Path
        It is JSON if its name ends in ``.json``.
    seeds : sequence of int
        Of the samples that may have boxes.
    height, width : int
        Of the images, in pixels.

    Returns
    -------
    dict of ndarray of shape (B, 4), int64
        Left, top, right, bottom of the boxes in the image of each seed.

    Raises
    ------
    ConfigError
        The file cannot be read or holds no box; a box is incomplete, empty or outside
        the image, or its seed is not among the samples.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _from_json(text) if path.suffix.lower() == ".json" else _from_csv(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{path}: {error}; {_expected()}") from error
    boxes: dict[int, list] = {}
    for where, row in rows:
        seed, *box = _numbers(f"{path}, {where}", row)
        _check_box(f"{path}, {where}", seed, box, seeds, (height, width))
        boxes.setdefault(seed, []).append(box)
    if not boxes:
        raise ConfigError(f"{path} holds no boxes; {_expected()}")
    return {seed: np.array(found, np.int64) for seed, found in boxes.items()}


def _expected() -> str:
    return (
        "expected a CSV file whose first line is "
        f"{','.join(FIELDS)}, or a JSON list of objects with these names"
    )


def _from_csv(text: str) -> list[tuple[str, dict]]:
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in FIELDS if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"the first line does not name {', '.join(missing)}")
    return [(f"line {reader.line_num}", row) for row in reader]


def _from_json(text: str) -> list[tuple[str, dict]]:
    rows = json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is not a list of objects")
    return [(f"box {number}", row) for number, row in enumerate(rows, 1)]


def _numbers(where: str, row: dict) -> list[int]:
    values = []
    for name in FIELDS:
        value = row.get(name)
        text = "" if value is None or isinstance(value, bool) else str(value).strip()
        if not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise ConfigError(
                f"{where}: {name} is {value!r}, expected a whole number; {_expected()}"
            )
        values.append(int(text))
    return values


def _check_box(
    where: str,
    seed: int,
    box: Sequence[int],
    seeds: Sequence[int],
    size: tuple[int, int],
) -> None:
    left, top, right, bottom = box
    height, width = size
    if seed not in seeds:
        raise ConfigError(
            f"{where}: no sample has the seed {seed}; they go from {min(seeds)} to "
            f"{max(seeds)} (--seed, --count)"
        )
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ConfigError(
            f"{where}: the box {left},{top},{right},{bottom} is empty or outside the "
            f"image of {width}x{height} pixels; expected 0 <= left < right <= {width} "
            f"and 0 <= top < bottom <= {height}"
        )
