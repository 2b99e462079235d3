"""The table of published sets fits together, and with the pages about them."""

import dataclasses
import os
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scratchgan.datasets.catalogue import dataset_path
from scratchgan.datasets.download.published import PUBLISHED, find_published
from scratchgan.errors import DatasetError

PAGES = Path(__file__).parents[3] / "docs" / "data"

sets = pytest.mark.parametrize("published", PUBLISHED.values(), ids=lambda p: p.name)


@sets
def test_files_can_be_stored_and_checked(published):
    assert published.files
    assert dataset_path(published.prepared_name)
    for file in published.files:
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", file.name)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        for url in file.urls:
            assert urlsplit(url).scheme in ("http", "https")
            assert urlsplit(url).netloc
        assert len(set(file.urls)) == len(file.urls)


def test_no_checksum_twice():
    digests = [
        file.sha256 for published in PUBLISHED.values() for file in published.files
    ]
    assert len(set(digests)) == len(digests)


@sets
def test_either_downloaded_or_explained(published):
    assert published.downloadable == (not published.how)
    # All or none of the files.
    assert len({bool(file.urls) for file in published.files}) == 1


@sets
def test_the_page_has_the_facts(published):
    page = (PAGES / published.page).read_text(encoding="utf-8")
    folder = Path("data") / "downloads" / published.name
    for fact in (
        published.home,
        published.terms,
        f"{published.images:,}",
        published.prepare_line(folder),
        f"scratchgan data download {published.name}",
        *(file.name for file in published.files),
        *(f"{file.size:,}" for file in published.files),
        *(file.sha256 for file in published.files),
    ):
        assert fact in page, fact


@sets
def test_the_index_has_the_page(published):
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in index.splitlines() if f"`{published.name}`" in line]
    assert f"({published.page})" in row
    assert f"{published.images:,}" in row


@pytest.mark.skipif(os.name == "nt", reason="quotes as the shells of POSIX do")
def test_prepare_line_for_a_folder_with_a_space():
    published = PUBLISHED["lfw"]
    line = published.prepare_line(Path("my data"), "other data")
    assert shlex.split(line) == [
        *("scratchgan", "data", "prepare", "lfw", "my data/lfw.tgz"),
        *("--size", "64", "--data-dir", "other data"),
    ]


def test_prepare_line_on_windows(monkeypatch):
    folder = Path("my data")  # a path of this system, whatever os.name says
    monkeypatch.setattr("scratchgan.datasets.download.published.os.name", "nt")
    line = PUBLISHED["cifar10"].prepare_line(folder)
    monkeypatch.undo()
    assert line == subprocess.list2cmdline(
        ["scratchgan", "data", "prepare", "cifar10", "my data"]
    )
    assert '"my data"' in line


@pytest.mark.parametrize(
    ("name", "near"),
    [("cifar-10", "'cifar10'"), ("MNIST", "'mnist'"), ("fashion", "'fashion-mnist'")],
)
def test_misspelt_name(name, near):
    with pytest.raises(DatasetError, match=f"did you mean .*{near}") as error:
        find_published(name)
    assert all(known in str(error.value) for known in PUBLISHED)


def test_name_like_no_other():
    with pytest.raises(DatasetError, match="no published set 'qqq' is known; known"):
        find_published("qqq")


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PUBLISHED["lfw"].terms = "none"
