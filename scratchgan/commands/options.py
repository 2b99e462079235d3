"""Options that several commands share, so that a flag means the same everywhere."""

import re
from collections.abc import Callable
from typing import Any

import click

# Repeated from scratchgan.datasets, which loads NumPy; a test compares them.
MAX_SIDE = 4096
MAX_SEEDS = 100_000
EXIT_INTERRUPTED = 130


class SizeType(click.ParamType):
    """Pixels: ``64`` for a square or ``48x64`` for height x width."""

    name = "S|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (height, width); fail with a line of usage otherwise."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", value.strip().lower())
        if match is None:
            self.fail(f"{value!r}: give 64, or height x width as in 48x64", param, ctx)
        height = int(match[1])
        width = int(match[2] or height)
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
            self.fail(f"{value!r}: each side is 1 to {MAX_SIDE} pixels", param, ctx)
        return height, width


class CropType(click.ParamType):
    """A rectangle of pixels: ``108``, ``138x138``, or ``138x138+40+30`` with its place."""

    name = "S|HxW[+TOP+LEFT]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int | None, int | None]:
        """Return (height, width, top, left), the last two None for the middle."""
        if isinstance(value, tuple):
            return value
        size, plus, place = value.strip().partition("+")
        match = re.fullmatch(r"(\d{1,5})\+(\d{1,5})", place)
        if plus and match is None:
            self.fail(f"{value!r}: give 108, or 138x138+40+30 (+TOP+LEFT)", param, ctx)
        height, width = SizeType().convert(size, param, ctx)
        top, left = (int(match[1]), int(match[2])) if match else (None, None)
        return height, width, top, left


class SeedRange(click.ParamType):
    """Seeds, or other numbers from 0: ``7``, ``0-35`` or ``1,4,10-12``."""

    def __init__(self, what: str = "seeds") -> None:
        self.what = what
        self.name = what.upper()

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Return the seeds in the order given."""
        if isinstance(value, list):
            return value
        seeds: list[int] = []
        for part in value.split(","):
            match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
            if not match:
                self.fail(
                    f"{value!r}: write {self.what} as 7, 0-35 or 1,4,10-12", param, ctx
                )
            first = int(match.group(1))
            last = int(match.group(2) or first)
            if last < first:
                self.fail(f"{part!r} runs backwards", param, ctx)
            if len(seeds) + last - first >= MAX_SEEDS:
                self.fail(
                    f"{value!r}: at most {MAX_SEEDS:,} {self.what} at once", param, ctx
                )
            seeds.extend(range(first, last + 1))
        return seeds


class RowRanges(click.ParamType):
    """Rows of a dataset, from 0: ``7``, ``0-99`` or ``0-99,500``, of any number."""

    name = "ROWS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[tuple[int, int]]:
        """Return (first, last) for each range, both included."""
        if isinstance(value, list):
            return value
        ranges = []
        for part in value.split(","):
            match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part)
            if not match:
                self.fail(f"{value!r}: write rows as 7, 0-99 or 0-99,500", param, ctx)
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                self.fail(f"{part!r} runs backwards", param, ctx)
            ranges.append((first, last))
        return ranges


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for a table of click options, first listed first."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|gpu|gpu:N",
    help="Where to compute; auto takes a GPU that works and the CPU otherwise.",
)
data_dir_option = click.option(
    "--data-dir",
    metavar="DIR",
    help="Folder of the prepared files.  [default: $SCRATCHGAN_DATA, or data]",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object."
)
