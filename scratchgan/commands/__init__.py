"""The command line: ``scratchgan`` or ``python cli.py``.

Each module of this package holds one command or group: click declarations, one
call into the library, and the printing of its result.
"""

import errno
import sys
from typing import Any

import click

from scratchgan import __version__
from scratchgan.commands.bench import bench
from scratchgan.commands.data import data
from scratchgan.commands.doctor import doctor
from scratchgan.commands.evaluate import evaluate
from scratchgan.commands.generate import generate
from scratchgan.commands.gradcheck import gradcheck
from scratchgan.commands.inspect import inspect
from scratchgan.commands.interrupts import interrupted_by_signals
from scratchgan.commands.options import EXIT_INTERRUPTED
from scratchgan.commands.train import train
from scratchgan.errors import ScratchGANError
from scratchgan.gpu.errors import gpu_error_in_words


class PlainErrorGroup(click.Group):
    """A group that turns errors a user can mend into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; see the class for what becomes of errors."""
        try:
            with interrupted_by_signals():
                return super().invoke(ctx)
        except ScratchGANError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except MemoryError as error:
            reason = f" ({error})" if str(error) else ""
            raise click.ClickException(
                f"not enough memory{reason}; smaller batches or images, or fewer of them, need less"
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output is gone
                raise
            # Files the library does not expect trouble with still get one line.
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt as interrupt:
            click.echo(": ".join(["interrupted", *map(str, interrupt.args)]), err=True)
            sys.exit(EXIT_INTERRUPTED)
        except Exception as error:
            words = gpu_error_in_words(error)
            if words is None:
                raise
            raise click.ClickException(words) from error


@click.group(
    cls=PlainErrorGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="scratchgan")
def main() -> None:
    """Train, look into and check DCGANs written by hand on NumPy and CuPy."""


for command in (train, data, generate, inspect, evaluate, gradcheck, bench, doctor):
    main.add_command(command)
