"""Ctrl-C and SIGTERM end a command, wherever they arrive."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_received = False


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM end what runs inside as Ctrl-C does: with KeyboardInterrupt.

    Python ignores an exception that is raised while it runs a finalizer or a weak
    reference's callback, wherever it comes from. So the signal is remembered too, and
    long work asks `raise_if_interrupted` now and then.
    """
    global _received
    _received = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        global _received
        _received = True
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup and "&" set it
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal came and its exception went lost."""
    if _received:
        raise KeyboardInterrupt
