"""The ``data`` commands: download, make, list, describe and check datasets."""

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
    """Download, make, list, describe and check datasets.

    A dataset is one HDF5 file, NAME.h5, in the data folder.
    """


data.add_command(list_command)
data.add_command(download)
data.add_command(prepare)
data.add_command(info)
data.add_command(verify)
data.add_command(dedup)
data.add_command(export)
