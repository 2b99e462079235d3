"""Write ``docs/cli.md`` from the help texts: ``python docs/make_cli.py``."""

from importlib.metadata import version
from pathlib import Path

import click
from click.testing import CliRunner

from scratchgan.commands import main

CLI_PAGE = Path(__file__).with_name("cli.md")
WIDTH = 88


def render() -> str:
    """Return the page: every command's help text as the terminal shows it."""
    parts = [
        "# Commands",
        "",
        f"<!-- Written by docs/make_cli.py with click {version('click')}. -->",
        "",
        "The help texts of all commands. `python cli.py` in a checkout and",
        "`scratchgan` after installation are the same program.",
    ]
    for path in _paths(main, ()):
        command = " ".join(("scratchgan", *path))
        result = CliRunner().invoke(
            main, [*path, "--help"], prog_name="scratchgan", terminal_width=WIDTH
        )
        parts += ["", f"## `{command}`", "", "```text", result.output.rstrip(), "```"]
    return "\n".join(parts) + "\n"


def _paths(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    paths = [path]
    for name, child in getattr(command, "commands", {}).items():
        paths += _paths(child, (*path, name))
    return paths


if __name__ == "__main__":
    CLI_PAGE.write_text(render(), encoding="utf-8")
