"""The tests of a source close what they open."""

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def nothing_stays_open():
    """Collect what is left after the tests of a file: an open file warns, and fails."""
    yield
    gc.collect()
