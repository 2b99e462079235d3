"""The figures in the documentation are what the program draws now."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parent.parent / "docs"
FIGURES = runpy.run_path(str(DOCS / "make_figures.py"))["FIGURES"]

figures = pytest.mark.parametrize("name", FIGURES)


@figures
def test_figures_are_current(name):
    stored = (DOCS / "images" / f"{name}.svg").read_bytes()
    drawn = FIGURES[name]().encode()
    assert stored == drawn, "run: python docs/make_figures.py"


@figures
def test_figures_are_well_formed_and_on_white(name):
    root = ElementTree.fromstring(FIGURES[name]())
    first = root.find("{http://www.w3.org/2000/svg}rect")
    assert first.attrib["width"] == first.attrib["height"] == "100%"
    assert first.attrib["fill"] == "#ffffff"


@figures
def test_nothing_is_drawn_outside(name):
    root = ElementTree.fromstring(FIGURES[name]())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for part in list(root)[2:]:  # after title and background
        at = part.attrib
        x, y = float(at.get("x", at.get("x2"))), float(at.get("y", at.get("y2")))
        assert 0 <= x <= x + float(at.get("width", 0)) <= width
        assert 0 <= y <= y + float(at.get("height", 0)) <= height


def test_every_figure_is_shown_on_a_page():
    pages = "".join(
        page.read_text(encoding="utf-8") for page in (DOCS / "layers").glob("*.md")
    )
    assert not [name for name in FIGURES if f"](../images/{name}.svg)" not in pages]
