"""``scratchgan gradcheck``: numeric against analytic gradients, as a table."""

import click

from scratchgan.commands.options import device_option, json_option, options
from scratchgan.training.presets import PRESETS

# fmt: off
OPTIONS = (
    click.option("--preset", type=click.Choice([*PRESETS, "all"]), default="quick32", show_default=True, help="Networks to check whole, with fewer maps."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights, inputs and upstream gradients."),
    device_option,
    json_option,
)
# fmt: on


@click.command()
@options(*OPTIONS)
def gradcheck(preset: str, seed: int, device: str, as_json: bool) -> None:
    """Check every layer and both whole networks: numeric against analytic gradients."""
    import dataclasses
    import itertools
    import json

    from scratchgan.backend import resolve_device
    from scratchgan.errors import ScratchGANError
    from scratchgan.gradcheck import check_layers, check_networks
    from scratchgan.testing import TOLERANCE

    place = resolve_device(device)
    presets = list(PRESETS) if preset == "all" else [preset]
    networks = (
        dataclasses.replace(row, layer=f"{name} {row.layer}")
        for name in presets
        for row in check_networks(name, place, seed)
    )
    rows = []
    for row in itertools.chain(check_layers(place, seed), networks):
        rows.append(row)
        if not as_json:
            verdict = "pass" if row.passed else f"FAIL {row.reason}"
            click.echo(
                f"{row.layer:<58} {row.parameter:<24} {row.error:8.1e}  {verdict}"
            )
    failed = sum(not row.passed for row in rows)
    if as_json:
        table = [dataclasses.asdict(row) for row in rows]
        click.echo(json.dumps({"rows": table, "failed": failed, "device": str(place)}))
    else:
        click.echo(
            f"{len(rows) - failed} of {len(rows)} gradients agree within {TOLERANCE:.0e} "
            f"on {place}"
        )
    if failed:
        raise ScratchGANError(f"{failed} of {len(rows)} gradient checks failed")
