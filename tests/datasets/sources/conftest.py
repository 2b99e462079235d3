"""Every test of a source closes what it opened."""

import gc

import pytest


@pytest.fixture(autouse=True)
def nothing_stays_open():
    """Collect what is left after each test: an open file warns, and so fails it."""
    yield
    gc.collect()
