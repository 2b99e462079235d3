"""The ``inspect`` commands: what a trained run has learnt, as figures and numbers."""

import click

from scratchgan.commands.inspect.arithmetic import arithmetic
from scratchgan.commands.inspect.filters import filters
from scratchgan.commands.inspect.forget import forget
from scratchgan.commands.inspect.neighbours import neighbours
from scratchgan.commands.inspect.turn import turn
from scratchgan.commands.inspect.walk import walk


@click.group()
def inspect() -> None:
    """Look inside a trained run: the experiments of the paper's section 6.

    Each writes the paper's figure as PNG and the numbers behind it as JSON.
    """


for command in (walk, arithmetic, turn, forget, filters, neighbours):
    inspect.add_command(command)
