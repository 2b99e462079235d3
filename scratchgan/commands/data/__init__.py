"""The ``data`` commands: fetch, make, list, describe, check and clean datasets."""

import click

from scratchgan.commands.data.dedup import dedup
from scratchgan.commands.data.download import download
from scratchgan.commands.data.export import export
from scratchgan.commands.data.info import info
from scratchgan.commands.data.list import list_command
from scratchgan.commands.data.prepare import prepare
from scratchgan.commands.data.verify import verify


@click.group()
def data() -> None:
    """Download, make, list, describe, check and de-duplicate datasets.

    A dataset is one HDF5 file, NAME.h5, in the data folder.
    """


for command in (list_command, download, prepare, info, verify, dedup, export):
    data.add_command(command)
