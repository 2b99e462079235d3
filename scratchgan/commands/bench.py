"""``scratchgan bench``: how fast training is on this machine."""

from typing import TYPE_CHECKING

import click

from scratchgan.commands.options import (
    SizeType,
    data_dir_option,
    device_option,
    json_option,
    options,
)
from scratchgan.training.presets import DEFAULT_PRESET, PRESETS

if TYPE_CHECKING:
    from scratchgan.backend import Device
    from scratchgan.training.config import TrainConfig

RANDOM_JPEGS = 4000
"""Photographs to prepare: some seconds of work."""
RANDOM_IMAGES = 50_000
RANDOM_SIZE = 64, 64
"""So many of this size are more than the loader keeps in memory."""

# fmt: off
STEP_OPTIONS = (
    click.option("--preset", type=click.Choice(list(PRESETS)), default=DEFAULT_PRESET, show_default=True, help="Networks and update order."),
    click.option("--batch-size", type=click.IntRange(min=2), help="Images in a batch.  [default: the preset's]"),
    click.option("--threads", type=click.IntRange(min=1), help="Threads to compute with.  [default: all cores]"),
    click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True, help="Steps to time, after three that warm up."),
    click.option("--size", type=SizeType(), metavar="S|HxW", help="Size of the images.  [default: the preset's]"),
    click.option("--conv-impl", type=click.Choice(["fast", "matmul", "strips", "reference"]), help="Implementation of convolution.  [default: the preset's]"),
    click.option("--update-order", type=click.Choice(["pytorch", "tensorflow", "alternating"]), help="Order of updates.  [default: the preset's]"),
    click.option("--against", type=click.Choice(["torch"]), help="Time the same network in PyTorch too, taking turns: in both layouts, on a GPU also as a CUDA graph and in bfloat16."),
    click.option("--counts", is_flag=True, help="On a GPU, also count kernels, products, copies and memory of a step."),
    click.option("--cuda-graph/--no-cuda-graph", default=None, help="On a GPU, record the step once and repeat it in one launch.  [default: on a GPU]"),
    click.option("--tf32", is_flag=True, help="Let a GPU round the factors of its products to 10 bits."),
    device_option,
    json_option,
)
LAYERS_OPTIONS = (
    click.option("--preset", type=click.Choice(list(PRESETS)), default=DEFAULT_PRESET, show_default=True, help="Networks."),
    click.option("--batch-size", type=click.IntRange(min=2), help="Images in a batch.  [default: the preset's]"),
    click.option("--threads", type=click.IntRange(min=1), help="Threads to compute with.  [default: all cores]"),
    json_option,
)
DATA_OPTIONS = (
    click.argument("dataset", metavar="[DATASET]", required=False),
    data_dir_option,
    click.option("--batch-size", type=click.IntRange(min=2), default=128, show_default=True, help="Images in a batch."),
    click.option("--images", type=click.IntRange(min=2), help=f"Random images to write, without DATASET.  [default: {RANDOM_IMAGES}]"),
    click.option("--size", type=SizeType(), metavar="S|HxW", help=f"Size of the images.  [default: DATASET's own, or {RANDOM_SIZE[0]}]"),
    click.option("--prepare", "preparation", is_flag=True, help="Time the preparation of JPEG files instead, against decoding and resizing them alone."),
    click.option("--step-seconds", type=float, default=0.1, show_default=True, help="Time of a simulated training step."),
    json_option,
)
NEAREST_OPTIONS = (
    click.option("--queries", type=click.IntRange(min=1), default=10_000, show_default=True, help="Images whose nearest are looked for."),
    click.option("--references", type=click.IntRange(min=1), default=50_000, show_default=True, help="Images among which, rounded up to whole blocks."),
    click.option("--side", type=click.IntRange(1, 512), default=28, show_default=True, help="Height and width of the grey images, in pixels."),
    click.option("--threads", type=click.IntRange(min=1), help="Threads to search with.  [default: all cores]"),
    device_option,
    json_option,
)
# fmt: on


@click.group()
def bench() -> None:
    """Measure how fast this machine trains, reads data and searches."""


@bench.command()
@options(*STEP_OPTIONS)
def step(
    preset: str,
    batch_size: int | None,
    threads: int | None,
    steps: int,
    size: tuple[int, int] | None,
    conv_impl: str | None,
    update_order: str | None,
    against: str | None,
    counts: bool,
    cuda_graph: bool | None,
    tf32: bool,
    device: str,
    as_json: bool,
) -> None:
    """Time whole training steps on random images."""
    import dataclasses
    import json

    from scratchgan.backend import resolve_device
    from scratchgan.bench.step import count_step, measure_steps
    from scratchgan.errors import ConfigError
    from scratchgan.functional.parallel import (
        one_blas_thread,
        set_thread_count,
        thread_count,
    )
    from scratchgan.kernels.products import allow_tf32

    config = _config(preset, batch_size, size, conv_impl, update_order)
    place = resolve_device(device)
    set_thread_count(threads or thread_count())
    if (counts or cuda_graph or tf32) and place.kind == "cpu":
        raise ConfigError(
            "--counts, --cuda-graph and --tf32 are for a GPU: give --device gpu"
        )
    config = dataclasses.replace(config, cuda_graph=cuda_graph is not False)
    allow_tf32(tf32)
    with one_blas_thread(), place.stream():
        times = measure_steps(config, place, steps)
    record = {
        "preset": preset,
        "batch_size": config.batch_size,
        "height": config.network.height,
        "width": config.network.width,
        "update_order": config.update_order,
        "threads": thread_count(),
        "conv_impl": config.network.conv_impl,
        "device": str(place),
        "steps": steps,
        **dataclasses.asdict(times),
    }
    if counts:
        record["counts"] = dataclasses.asdict(count_step(config, place))
    if against:
        record["against"] = _against_torch(
            config, thread_count(), steps, place, tf32=tf32
        )
    click.echo(json.dumps(record) if as_json else _in_words(record))


@bench.command()
@options(*LAYERS_OPTIONS)
def layers(
    preset: str, batch_size: int | None, threads: int | None, as_json: bool
) -> None:
    """Time each convolution of a preset in every implementation, with its error."""
    import dataclasses
    import json

    from scratchgan.bench.layers import measure_layers
    from scratchgan.functional.parallel import set_thread_count, thread_count

    config = _config(preset, batch_size)
    set_thread_count(threads or thread_count())
    records = []
    if not as_json:
        click.echo(
            f"{preset}, batch {config.batch_size}, {thread_count()} threads, float32; "
            "error against float64"
        )
    for row in measure_layers(config):
        records.append(dataclasses.asdict(row))
        if not as_json:
            click.echo(
                f"{row.layer:10} {row.shape:26} {row.primitive:15} {row.impl:10} "
                f"{row.milliseconds:9.2f} ms {row.gflops:7.1f} GFLOP/s  "
                f"{row.error:.1e}"
            )
    if as_json:
        click.echo(json.dumps({"preset": preset, "layers": records}))


@bench.command()
@options(*DATA_OPTIONS)
def data(
    dataset: str | None,
    data_dir: str | None,
    batch_size: int,
    images: int | None,
    size: tuple[int, int] | None,
    preparation: bool,
    step_seconds: float,
    as_json: bool,
) -> None:
    """Time the loading of batches from a prepared DATASET or from random pixels.

    DATASET is a name or a path. Without it a file of random pixels is written to a
    temporary folder and deleted afterwards.
    """
    import dataclasses
    import json

    from scratchgan.bench.data import measure_data, random_dataset
    from scratchgan.datasets.catalogue import find_dataset
    from scratchgan.errors import ConfigError

    if preparation:
        _preparation(dataset, images, size, as_json)
        return
    if dataset is None:
        height, width = size or RANDOM_SIZE
        with random_dataset(images or RANDOM_IMAGES, height, width) as path:
            times = measure_data(path, batch_size, None, step_seconds)
    elif images:
        raise ConfigError("--images is for random pixels, which DATASET replaces")
    else:
        path = find_dataset(dataset, data_dir)
        times = measure_data(path, batch_size, size, step_seconds)
    record = {"dataset": dataset, **dataclasses.asdict(times)}
    click.echo(json.dumps(record) if as_json else _data_in_words(record))


@bench.command()
@options(*NEAREST_OPTIONS)
def nearest(
    queries: int,
    references: int,
    side: int,
    threads: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Time the search of `evaluate nearest` against its bare matrix products."""
    import dataclasses
    import json

    from scratchgan.backend import resolve_device
    from scratchgan.bench.nearest import measure_nearest
    from scratchgan.functional.parallel import set_thread_count, thread_count

    place = resolve_device(device)
    set_thread_count(threads or thread_count())
    with place.stream():
        times = measure_nearest(queries, references, side, place)
    record = {"device": str(place), **dataclasses.asdict(times)}
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(
        f"{times.queries:,} queries, {times.references:,} references of "
        f"{times.values:,} values on {place}, {times.block:,} at a time\n"
        f"search: {times.seconds_search:.3g} s, {times.gflops:.4g} GFLOP/s\n"
        f"matrix products alone: {times.seconds_product:.3g} s\n"
        f"ratio: {times.ratio:.2f}"
    )


def _preparation(
    dataset: str | None, images: int | None, size: tuple[int, int] | None, as_json: bool
) -> None:
    """Time the preparation of random photographs."""
    import dataclasses
    import json

    from scratchgan.bench.preparation import measure_preparation
    from scratchgan.errors import ConfigError

    if dataset is not None:
        raise ConfigError("--prepare makes its own photographs: leave DATASET away")
    height, width = size or RANDOM_SIZE
    if height != width:
        raise ConfigError(f"--size {height}x{width}: --prepare makes square images")
    record = dataclasses.asdict(measure_preparation(images or RANDOM_JPEGS, height))
    click.echo(json.dumps(record) if as_json else _preparation_in_words(record))


def _preparation_in_words(record: dict) -> str:
    return (
        f"{record['images']:,} JPEG files of {record['file_bytes'] / 1e3:.1f} kB, to "
        f"{record['size']}x{record['size']}, on {record['cores']} cores\n"
        f"decoded and resized alone: {record['bare_images_per_second']:,.0f} a second\n"
        f"prepared: {record['images_per_second']:,.0f} a second, "
        f"{record['ratio']:.2f} of that\n"
        f"peak memory: {_megabytes(record['peak_memory_bytes'])}"
    )


def _config(
    preset: str,
    batch_size: int | None,
    size: tuple[int, int] | None = None,
    conv_impl: str | None = None,
    update_order: str | None = None,
) -> "TrainConfig":
    """Return the preset with what was asked for instead."""
    import dataclasses

    config = PRESETS[preset]
    changes = {"batch_size": batch_size, "update_order": update_order}
    changes = {name: value for name, value in changes.items() if value}
    network = {"conv_impl": conv_impl} if conv_impl else {}
    if size:
        network |= {"height": size[0], "width": size[1]}
    changes["network"] = dataclasses.replace(config.network, **network)
    return dataclasses.replace(config, **changes)


def _against_torch(
    config: "TrainConfig", threads: int, steps: int, device: "Device", *, tf32: bool
) -> dict:
    """Return the comparison's times by side, the best of PyTorch's and the ratio."""
    import dataclasses

    from scratchgan.bench.turns import best_of_torch, compare_with_torch, sides_on
    from scratchgan.training.recorded_step import is_to_be_recorded

    sides = sides_on(device, tf32=tf32, graph=is_to_be_recorded(config, device))
    times = compare_with_torch(config, threads, steps, device, sides)
    best = best_of_torch(sides, times)
    return {
        "sides": {name: dataclasses.asdict(one) for name, one in times.items()},
        "better_layout": best,
        "ratio": times[best].median_seconds / times["scratchgan"].median_seconds,
    }


def _in_words(record: dict) -> str:
    lines = [
        f"{record['preset']}, batch {record['batch_size']}, {record['conv_impl']} "
        f"convolution on {record['device']} with {record['threads']} threads: "
        f"{_seconds(record)} in {record['steps']} steps, "
        f"{record['images_per_second']:.4g} images a second"
    ]
    if record["device_seconds"] is not None:
        lines.append(
            f"host: {1000 * record['host_seconds']:.4g} ms to queue a step, of which "
            f"{1000 * record['host_processor_seconds']:.4g} ms of processor time; "
            f"device: {1000 * record['device_seconds']:.4g} ms a step without waits "
            "between steps"
        )
    shares = (f"{name} {share:.0%}" for name, share in record["phases"].items())
    phases = ", ".join(shares) or "one launch of a CUDA graph a step"
    lines.append(f"phases: {phases}")
    lines.append(
        f"work: {record['gflop']:.4g} GFLOP as defined, a matrix product runs at "
        f"{record['product_gflops']:.4g} GFLOP/s, so "
        f"{record['fraction_of_product']:.0%} of it"
    )
    lines.append(f"peak memory: {_megabytes(record['peak_memory_bytes'])}")
    if "counts" in record:
        lines += _counts_in_words(record["counts"])
    if "against" in record:
        against = record["against"]
        lines.append("taking turns, each in a process of its own:")
        for side, times in against["sides"].items():
            memory = _megabytes(times["peak_memory_bytes"])
            lines.append(f"  {side:32} {_seconds(times)}, peak memory {memory}")
        lines.append(
            f"{against['ratio']:.2f} times as fast as {against['better_layout']}"
        )
    return "\n".join(lines)


def _counts_in_words(counts: dict) -> list[str]:
    by_kernel = ", ".join(f"{name} {n}" for name, n in counts["by_kernel"].items())
    return [
        f"a step starts {counts['kernels']} kernels ({by_kernel}), "
        f"{counts['products']} products and {counts['fills']} fills",
        f"its products make {counts['operations'] / 1e9:.4g} GFLOP; all together move "
        f"{counts['bytes_moved'] / 1e9:.4g} GB of the GPU's memory",
        f"it copies {counts['bytes_to_device']:,} bytes to the GPU in "
        f"{counts['copies_to_device']} copies, images apart",
        f"it takes {_megabytes(counts['device_memory_bytes'])} of the GPU's memory",
    ]


def _data_in_words(record: dict) -> str:
    return "\n".join(
        (
            f"{record['dataset'] or 'random pixels'}: {record['images']:,} images, "
            f"{record['file_bytes'] / 1e6:,.0f} MB; batches of {record['batch_size']} "
            f"at {record['height']}x{record['width']}",
            f"first batch after {record['first_batch_seconds']:.3g} s",
            f"as fast as possible: {record['images_per_second']:,.0f} images a second, "
            f"{record['megabytes_per_second']:,.0f} MB a second",
            f"steps of {record['step_seconds']:g} s: {record['wait_fraction']:.2%} of "
            f"the time spent waiting for data, in {record['steps']} steps",
        )
    )


def _seconds(times: dict) -> str:
    return (
        f"median {times['median_seconds']:.4g} s a step "
        f"({times['minimum_seconds']:.4g} to {times['maximum_seconds']:.4g})"
    )


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**20:.0f} MiB"
