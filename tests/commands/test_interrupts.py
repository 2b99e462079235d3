"""A signal ends a command even where Python swallows the exception."""

import os
import signal
import weakref

import pytest

from scratchgan.commands.interrupts import interrupted_by_signals, raise_if_interrupted
from scratchgan.commands.progress import progress_bar

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals to itself")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_and_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with interrupted_by_signals():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is not before
    assert signal.getsignal(number) is before


@posix
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exception_lost_in_a_callback_comes_with_the_next_progress():
    class Thing:
        pass

    def callback(reference):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the handler runs between two instructions
            pass

    with interrupted_by_signals(), progress_bar("working", "things") as progress:
        progress(0, 2)
        thing = Thing()
        reference = weakref.ref(thing, callback)
        del thing  # the exception goes lost here
        assert reference() is None
        with pytest.raises(KeyboardInterrupt):
            progress(1, 2)
    with interrupted_by_signals():
        raise_if_interrupted()  # a new command has not been interrupted
