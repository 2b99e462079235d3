"""Progress of long work, on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scratchgan.commands.interrupts import raise_if_interrupted
from scratchgan.progress import Progress


@contextmanager
def progress_bar(what: str, unit: str, *, scaled: bool = False) -> Iterator[Progress]:
    """Give a progress(done, total) that draws a bar on stderr, if that is a terminal.

    The bar is made at the first call, so that an error before it stands alone.
    ``scaled`` writes thousands and millions of the unit as k and M.
    """
    from tqdm import tqdm

    bar: tqdm | None = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        raise_if_interrupted()
        if bar is None:
            bar = tqdm(
                total=total,
                initial=done,  # not counted as speed: an earlier run did it
                desc=what,
                unit=unit if scaled else f" {unit}",
                unit_scale=scaled,
                disable=None,
            )
        bar.total = total  # may have grown
        bar.update(done - bar.n)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()


def note(line: str) -> None:
    """Print a line on stderr, above a bar if there is one."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)
