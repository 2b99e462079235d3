"""What is installed: every file of the package, one version, a citation that fits."""

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

import scratchgan

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "scratchgan"


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def metadata(monkeypatch):
    """Return what setup.py gives to setuptools, which need not be installed."""
    given = {}
    setuptools = ModuleType("setuptools")
    setuptools.setup = given.update
    setuptools.find_packages = lambda include: include
    monkeypatch.setitem(sys.modules, "setuptools", setuptools)
    monkeypatch.chdir(PACKAGE)  # setup.py finds its files from any folder
    runpy.run_path(str(ROOT / "setup.py"))
    return given


def test_the_version_is_in_one_place(metadata):
    assert metadata["version"] == scratchgan.__version__
    assert scratchgan.__version__ not in text_of("setup.py")
    assert scratchgan.__version__ not in text_of("pyproject.toml")


def test_every_file_of_the_package_is_installed(metadata):
    assert metadata["packages"] == ["scratchgan", "scratchgan.*"]
    files = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    others = {file for file in files if file.suffix != ".py"}
    installed = set()
    for package, patterns in metadata["package_data"].items():
        folder = Path(*package.split(".")[1:])
        for pattern in patterns:
            found = (PACKAGE / folder).glob(pattern)
            installed |= {file.relative_to(PACKAGE) for file in found}
    assert others <= installed
    assert Path("py.typed") in installed
    assert any(file.suffix == ".cu" for file in installed)
    # find_packages takes folders with an __init__.py only.
    folders = {file.parent for file in files if file.suffix == ".py"}
    assert {f for f in folders if not (PACKAGE / f / "__init__.py").is_file()} == set()


def test_the_changelog_begins_with_what_is_coming_and_has_this_version():
    headings = re.findall(r"^## (.+)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert headings[1].split()[0] == f"[{scratchgan.__version__}]"
    kinds = re.findall(r"^### (.+)$", text_of("CHANGELOG.md"), re.MULTILINE)
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(kinds) <= allowed


def test_import_paths_of_the_changelog_exist():
    """Of the second column: where a module is now."""
    rows = re.findall(r"^\| `.*? \| (`.*) \|$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        parent = ""
        for name in re.findall(r"`([\w.]+)`", row):
            if name.startswith("."):
                name = parent + name
            parent = name.rpartition(".")[0]
            path = ROOT.joinpath(*name.split("."))
            assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_the_citation_fits():
    citation = text_of("CITATION.cff")
    fields = dict(re.findall(r"^([\w-]+): (.+)$", citation, re.MULTILINE))
    assert fields["cff-version"] == "1.2.0"
    assert fields["version"] == scratchgan.__version__
    assert fields["license"] == "MIT"
    assert text_of("LICENSE").startswith("MIT License")
    assert "https://arxiv.org/abs/1511.06434" in citation.split("references:")[1]


def test_relative_links_of_the_changelog_lead_somewhere():
    for link in re.findall(r"\]\(((?!https:)[^)]+)\)", text_of("CHANGELOG.md")):
        assert (ROOT / link).is_file(), link
