"""Options that several commands share, so that a flag means the same everywhere."""

import re
from collections.abc import Callable
from typing import Any

import click


class SizeType(click.ParamType):
    """Pixels: ``64`` for a square or ``64x48`` for height x width."""

    name = "S|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (height, width)."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
        if not match or int(match.group(1)) < 1 or match.group(2) == "0":
            self.fail(f"{value!r} is not a size; write 64 or 64x48", param, ctx)
        height = int(match.group(1))
        return height, int(match.group(2) or height)


class SeedRange(click.ParamType):
    """Seeds: ``7``, ``0-35`` or ``1,4,10-12``."""

    name = "SEEDS"

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
                self.fail(f"{value!r}: write seeds as 7, 0-35 or 1,4,10-12", param, ctx)
            first = int(match.group(1))
            last = int(match.group(2) or first)
            if last < first:
                self.fail(f"{part!r} runs backwards", param, ctx)
            seeds.extend(range(first, last + 1))
        return seeds


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
    type=click.Path(file_okay=False),
    envvar="SCRATCHGAN_DATA",
    help="Folder of prepared datasets.  [default: data]",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object."
)
