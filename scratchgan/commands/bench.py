"""``scratchgan bench``: how fast training is on this machine."""

import click

from scratchgan.commands.options import device_option, json_option, options
from scratchgan.training.presets import DEFAULT_PRESET, PRESETS

# fmt: off
STEP_OPTIONS = (
    click.option("--preset", type=click.Choice(list(PRESETS)), default=DEFAULT_PRESET, show_default=True, help="Networks and update order."),
    click.option("--batch-size", type=click.IntRange(min=2), help="Images in a batch.  [default: the preset's]"),
    click.option("--threads", type=click.IntRange(min=1), help="Threads to compute with.  [default: all cores]"),
    click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True, help="Steps to time, after two that warm up."),
    click.option("--conv-impl", type=click.Choice(["fast", "matmul", "reference"]), help="Implementation of convolution.  [default: the preset's]"),
    device_option,
    json_option,
)
# fmt: on


@click.group()
def bench() -> None:
    """Measure how fast training is."""


@bench.command()
@options(*STEP_OPTIONS)
def step(
    preset: str,
    batch_size: int | None,
    threads: int | None,
    steps: int,
    conv_impl: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Time whole training steps on random images."""
    import dataclasses
    import json

    from scratchgan.backend import resolve_device
    from scratchgan.bench import measure_steps
    from scratchgan.functional.parallel import (
        one_blas_thread,
        set_thread_count,
        thread_count,
    )

    config = PRESETS[preset]
    if batch_size:
        config = dataclasses.replace(config, batch_size=batch_size)
    if conv_impl:
        network = dataclasses.replace(config.network, conv_impl=conv_impl)
        config = dataclasses.replace(config, network=network)
    place = resolve_device(device)
    set_thread_count(threads or thread_count())
    with one_blas_thread():
        times = measure_steps(config, place, steps)
    record = {
        "preset": preset,
        "batch_size": config.batch_size,
        "threads": thread_count(),
        "conv_impl": config.network.conv_impl,
        "device": str(place),
        "steps": steps,
        **dataclasses.asdict(times),
    }
    if as_json:
        click.echo(json.dumps(record))
        return
    memory = times.peak_memory_bytes
    click.echo(
        f"{preset}, batch {config.batch_size}, {record['conv_impl']} convolution on "
        f"{place} with {record['threads']} threads: median {times.median_seconds:.4g} "
        f"s a step ({times.minimum_seconds:.4g} to {times.maximum_seconds:.4g} in "
        f"{steps} steps), {times.images_per_second:.4g} images a second"
    )
    shares = (f"{name} {share:.0%}" for name, share in times.phases.items())
    click.echo(f"phases: {', '.join(shares)}")
    click.echo(
        f"work: {times.gflop:.4g} GFLOP as defined, a matrix product runs at "
        f"{times.product_gflops:.4g} GFLOP/s, so {times.fraction_of_product:.0%} of it"
    )
    click.echo(
        "peak memory: " + ("unknown" if memory is None else f"{memory / 2**20:.0f} MiB")
    )
