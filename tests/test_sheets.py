"""The sheets in the documentation show what is drawn now."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets.catalogue import BUILT_IN

DOCS = Path(__file__).parent.parent / "docs"


def load_make_sheets():
    spec = importlib.util.spec_from_file_location(
        "make_sheets", DOCS / "make_sheets.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_sheets_are_current(name):
    drawn = load_make_sheets().sheet(name).squeeze().astype(float)
    with Image.open(DOCS / "images" / f"{name}.png") as image:
        stored = np.asarray(image, dtype=float)
    assert stored.shape == drawn.shape, "run: python docs/make_sheets.py"
    # Other processors round some sums another way, which may move a few levels.
    assert np.abs(stored - drawn).mean() < 0.5, "run: python docs/make_sheets.py"
