"""The documentation: included code is current, examples run, links and options fit."""

import doctest
import importlib.util
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from scratchgan.commands import main
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.training.presets import PRESETS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [page.relative_to(DOCS).as_posix() for page in PAGES]

pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)
and_readmes = pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "README.md", ROOT / "data" / "README.md"],
    ids=[*NAMES, "README of all", "README of data"],
)


def load_refresh():
    spec = importlib.util.spec_from_file_location(
        "refresh_sources", DOCS / "refresh_sources.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = load_refresh()


@pages
def test_code_and_tables_are_those_of_the_source(page):
    text = page.read_text(encoding="utf-8")
    marks = re.findall(r"^<!-- (?:source|table):", text, flags=re.M)
    found = refresh._CODE.findall(text) + refresh._TABLE.findall(text)
    assert len(marks) == len(found)
    assert refresh.refresh(text) == text, "run: python docs/refresh_sources.py"


def test_a_stale_block_is_rewritten_and_a_lost_name_is_an_error():
    page = (DOCS / "layers" / "linear.md").read_text(encoding="utf-8")
    stale = page.replace("dy.T @ x  #", "dy @ x  #")
    assert stale != page
    assert refresh.refresh(stale) == page
    lost = page.replace("linear.py Linear.forward", "linear.py Linear.forwards")
    with pytest.raises(LookupError, match=r"linear.py has no Linear.forwards"):
        refresh.refresh(lost)


@pages
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCRATCHGAN_DATA", raising=False)
    # A fence would be read as the last line of the output expected above it.
    text = re.sub(r"^ *```.*$", "", page.read_text(encoding="utf-8"), flags=re.M)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    result = runner.run(test, out=report.append)
    assert not report, "".join(report)
    assert result.attempted == text.count(">>> ")


def test_every_layer_page_has_examples():
    for page in (DOCS / "layers").glob("*.md"):
        assert ">>> " in page.read_text(encoding="utf-8"), page.name


def anchors(page):
    """Return the anchors that GitHub gives a page's headings."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@and_readmes
def test_relative_links_lead_somewhere(page):
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert ROOT in (target, *target.parents), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), link


TO_BE_WRITTEN = {"scratchgan/nn/group_norm.py", "tests/nn/test_group_norm.py"}
"""Files of an example of what one may add."""


@and_readmes
def test_files_of_code_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:scratchgan|tests|docs)/[\w/]+\.(?:py|cu)\b", text))
    missing = {file for file in named - TO_BE_WRITTEN if not (ROOT / file).is_file()}
    assert missing == set()


def command_lines(page):
    """Yield the arguments of each scratchgan command in console and sh blocks."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^ *```(?:console|sh)\n(.*?)^ *```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part.strip().removeprefix("$ "), comments=True)
                if words[:1] == ["scratchgan"]:
                    yield words[1:]
                elif words[:2] == ["python", "cli.py"]:
                    yield words[2:]


def parse(words):
    """Parse a command line as click does, without running it."""
    command, name, parent = main, "scratchgan", None
    words = list(words)
    while isinstance(command, click.Group) and words and words[0][0] != "-":
        # With its parent's context, which says that -h is help too.
        settings = command.context_settings
        parent = click.Context(command, parent, name, **settings)
        name = words.pop(0)
        command = command.commands[name]
    try:
        command.make_context(name, words, parent)
    except click.exceptions.Exit:  # --help and --version are done after parsing
        pass


@and_readmes
def test_commands_have_only_options_that_exist(page):
    for words in command_lines(page):
        try:
            parse(words)
        except (click.UsageError, KeyError) as error:
            pytest.fail(f"{' '.join(words)}: {error}")


def test_a_wrong_command_line_is_noticed():
    with pytest.raises(click.UsageError):
        parse(["train", "--epoch-count", "3"])
    with pytest.raises(KeyError):
        parse(["trian"])


def test_the_quickstart_has_commands():
    assert len(list(command_lines(DOCS / "quickstart.md"))) > 5


def preset_rows():
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    table = text.split("<!-- table: presets -->")[1].split("\n\n")[1]
    header, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.strip().splitlines()
    )
    return {row[0].strip("`"): dict(zip(header, row, strict=True)) for row in rows}


def test_preset_table_has_the_numbers_of_the_presets():
    rows = preset_rows()
    assert rows.keys() == PRESETS.keys()
    for name, row in rows.items():
        preset = PRESETS[name]
        assert int(row["batch"]) == preset.batch_size
        assert float(row["lr"]) == preset.lr
        assert float(row["l2"]) == preset.l2
        length = preset.steps or preset.epochs
        assert float(row["length"].split()[0].replace(",", "")) == length
        assert row["z"].startswith(f"{preset.network.latent_dim}, ")
        assert row["order"] == preset.update_order


@pytest.mark.parametrize("name", ["dcgan64", "quick32", "tf28"])
def test_preset_table_counts_the_parameters_of_the_built_networks(name):
    row = preset_rows()[name]
    for column, kind in (("G", Generator), ("D", Discriminator)):
        parameters = kind(PRESETS[name].network).parameters().values()
        count = sum(parameter.data.size for parameter in parameters)
        assert int(row[column].replace(",", "")) == count


def test_log_fields_are_those_of_a_run(tmp_path):
    from tests.tiny import train_tiny, write_dataset

    dataset = write_dataset(tmp_path / "tiny.h5")
    _, run, _ = train_tiny(tmp_path, dataset)
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    section = text.split("## log.jsonl")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.M)
    documented = re.findall(r"`(\w+)`", " ".join(cells))
    first = run.log_file.read_text(encoding="utf-8").splitlines()[0]
    assert documented == list(json.loads(first))
