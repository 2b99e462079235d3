"""The ``evaluate`` commands: the paper's tables, with their baselines."""

import click

from scratchgan.commands.evaluate.baselines import baselines
from scratchgan.commands.evaluate.features import features
from scratchgan.commands.evaluate.nearest import nearest
from scratchgan.commands.evaluate.supervised import supervised


@click.group()
def evaluate() -> None:
    """Measure what a run's features and samples are worth: the paper's tables.

    Each prints a table with the paper's figures beside those measured, and writes it
    as Markdown and JSON.
    """


for command in (features, baselines, supervised, nearest):
    evaluate.add_command(command)
