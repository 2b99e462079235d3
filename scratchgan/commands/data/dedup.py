"""``scratchgan data dedup``: a dataset without its near-duplicates."""

from typing import TYPE_CHECKING, Any

import click

from scratchgan.commands.data.printing import print_json, print_line
from scratchgan.commands.options import (
    data_dir_option,
    device_option,
    json_option,
    options,
)
from scratchgan.commands.progress import progress_bar

if TYPE_CHECKING:
    from scratchgan.paper.dedup.deduplicate import DedupReport

# Repeated from scratchgan.paper.dedup, which loads NumPy; a test compares them.
STEPS = 2000
TRAINING_IMAGES = 50_000

_EXAMPLES = """\b
Examples:
  scratchgan data dedup portraits
  scratchgan data dedup portraits --truth-pattern '(.+)-' --out results
"""

# fmt: off
OPTIONS = (
    click.argument("name"),
    click.option("--steps", type=click.IntRange(min=1), default=STEPS, show_default=True, help="Batches of 128 images to train the autoencoder on."),
    click.option("--images", type=click.IntRange(min=1), default=TRAINING_IMAGES, show_default=True, help="Images to train it on, at most; all get a code."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of training, and of which collisions are shown."),
    click.option("--truth-pattern", metavar="REGEX", help="Source files whose matched groups are equal are true duplicates: adds precision and recall."),
    click.option("--out", metavar="DIR", help="Folder of NAME-dedup.png and .csv, the collisions.  [default: beside the new file]"),
    click.option("--force", is_flag=True, help="Replace an existing NAME-dedup.h5."),
    device_option,
    data_dir_option,
    json_option,
)
# fmt: on


@click.command(epilog=_EXAMPLES)
@options(*OPTIONS)
def dedup(
    name: str,
    steps: int,
    images: int,
    seed: int,
    device: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Write NAME-dedup.h5: the dataset NAME without near-duplicates.

    An autoencoder gives every image a code of 128 bits; of images with equal codes
    the first is kept. Labels and all else follow; the old file stays as it is. Look
    at NAME-dedup.png, which shows kept and removed images side by side.
    """
    from scratchgan.backend import resolve_device
    from scratchgan.paper.dedup.deduplicate import deduplicate
    from scratchgan.paper.dedup.training import AutoencoderSettings

    report = deduplicate(
        name,
        settings=AutoencoderSettings(steps=steps, images=images, seed=seed),
        device=resolve_device(device).use(),
        progress_bar=progress_bar,
        **settings,
    )
    if as_json:
        files = {"path": report.path, "sheet": report.sheet, "pairs": report.pairs}
        texts = {key: path and str(path) for key, path in files.items()}
        print_json(texts | report.facts)
    else:
        _print_report(report)


def _print_report(report: "DedupReport") -> None:
    facts = report.facts
    print_line(
        f"{report.path}: {facts['distinct_codes']:,} of {facts['images']:,} images "
        f"kept, {facts['removed']:,} removed ({facts['removed_share']:.1%}), in "
        f"{facts['seconds']:.1f} s"
    )
    print_line(f"images with the same code: {_sizes(facts['bucket_sizes'])}")
    for bucket in facts["largest_buckets"][:3]:
        print_line(
            f"  {bucket['size']:,} like row {bucket['row']}, "
            f"{bucket['active']} units active"
        )
    print_line(
        f"codes: {facts['mean_active_units']:.1f} units active on average, "
        f"{facts['units_in_use']} of 128 tell images apart"
    )
    few = facts["few_active"]
    if few["removed"]:
        print_line(
            f"  {few['removed']:,} were removed for codes of at most {few['at_most']} "
            "active units, which say little: look at them first"
        )
    _print_collisions(facts["collisions"])
    if truth := facts.get("truth"):
        print_line(
            f"against the truth: precision {truth['precision']:.2%} "
            f"({truth['pairs_right']:,} of {truth['pairs_found']:,} pairs), recall "
            f"{truth['recall']:.2%} (of {truth['pairs_true']:,})"
        )
    print_line(f"removed images: {report.pairs}")
    if report.sheet is not None:
        print_line(f"look at them: {report.sheet}")


def _print_collisions(collisions: dict[str, Any]) -> None:
    if not collisions["compared"]:
        return
    print_line(
        f"probably false: {collisions['estimated_false_share']:.1%} of "
        f"{collisions['compared']:,} removed images are further than "
        f"{collisions['false_distance']:g} from the kept one (median "
        f"{collisions['median_distance']:.3f}, largest "
        f"{collisions['largest_distance']:.2f})"
    )
    if collisions["random_pairs_nearer"]:
        print_line(
            f"  but so near are {collisions['random_pairs_nearer']:.1%} of random "
            "pairs too: trust the picture more than this number"
        )


def _sizes(sizes: dict[str, int]) -> str:
    """Return "700 alone, 275 pairs, 241 of 3, 12 of 4 to 9, 1 of 10 or more"."""
    groups = {"alone": (1, 1), "pairs": (2, 2), "of 3": (3, 3), "of 4 to 9": (4, 9)}
    counted = {
        name: sum(n for size, n in sizes.items() if low <= int(size) <= high)
        for name, (low, high) in groups.items()
    }
    counted["of 10 or more"] = sum(sizes.values()) - sum(counted.values())
    return ", ".join(f"{n:,} {name}" for name, n in counted.items() if n)
