"""Progress of long work, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scratchgan.commands.interrupts import raise_if_interrupted


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a progress(done, total) that draws a bar on stderr, if that is a terminal.

    The bar is made at the first call, so that an error before it stands alone.
    """
    from tqdm import tqdm

    bar: tqdm | None = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        raise_if_interrupted()
        if bar is None:
            bar = tqdm(total=total, desc=what, unit=f" {unit}", disable=None)
        bar.update(done - bar.n)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()
