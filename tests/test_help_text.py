import importlib.util
import re
from importlib.metadata import version
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_docs_show_the_help_texts_of_today():
    spec = importlib.util.spec_from_file_location("make_cli", DOCS / "make_cli.py")
    make_cli = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_cli)
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    written_with = re.search(r"with click (\d+\.\d+)", page).group(1)
    if not version("click").startswith(f"{written_with}."):
        pytest.skip(f"docs/cli.md was written with click {written_with}, which wraps")
    assert page == make_cli.render(), "run: python docs/make_cli.py"
