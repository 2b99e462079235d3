"""Stopping a run between two steps: Ctrl-C, a signal, the time limit."""

import signal
import threading
import time
from types import FrameType
from typing import Any


class StopRequest:
    """Turn SIGINT and SIGTERM into a request that the loop reads between steps.

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
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
