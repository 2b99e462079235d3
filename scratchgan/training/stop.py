"""Stopping a run between two steps: Ctrl-C, a signal, the time limit."""

import signal
import threading
import time
from types import FrameType
from typing import Any


class StopRequest:
    """Turn SIGINT, SIGTERM and SIGHUP into a request read between steps.

    A context manager. The first signal asks; a second one interrupts at once, and then
    the last checkpoint is what is left. Handlers are put back on exit.

    Parameters
    ----------
    max_minutes : float or None
        Ask after that time, too.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self.interrupted = False
        self._previous: dict[int, Any] = {}
        self._deadline = (
            None if max_minutes is None else time.monotonic() + 60 * max_minutes
        )

    @property
    def due(self) -> bool:
        """Whether to save and stop now."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return self.interrupted or late

    def __enter__(self) -> "StopRequest":
        # Python runs signal handlers in the main thread and lets only it set them.
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
                number = getattr(signal, name, None)
                # A background job may have been told to ignore a signal: let it.
                if number is None or signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            # None: a handler that was not set from Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
