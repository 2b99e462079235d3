"""``scratchgan doctor``: what this machine offers, and what is in the way."""

import click

from scratchgan.commands.options import (
    data_dir_option,
    device_option,
    json_option,
    options,
)


@click.command()
@options(device_option, data_dir_option, json_option)
def doctor(device: str, data_dir: str | None, as_json: bool) -> None:
    """Say what was found: Python, libraries, BLAS, memory, disk, GPU.

    With --device gpu, fails with the reason and the remedy where there is no usable
    GPU; gradcheck checks the layers themselves.
    """
    import json

    from scratchgan.backend import resolve_device
    from scratchgan.datasets.catalogue import data_folder
    from scratchgan.doctor import examine

    found = examine(resolve_device(device), data_folder(data_dir))
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {version}" for key, version in value.items())
        elif isinstance(value, list):
            value = "; ".join(value) or "none found: matrix products will be slow"
        elif value is None:
            value = "unknown"
        click.echo(f"{name:<14} {value}")
