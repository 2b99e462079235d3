"""A set of several files: what is fetched, what is kept, who may work at once."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("requests", reason="needs the extra download")

from scratchgan.datasets.download.download import (
    download,
    download_folder,
    missing_files,
)
from scratchgan.datasets.download.published import PublishedFile, PublishedSet
from scratchgan.datasets.download.transfer import Partial, Patience
from scratchgan.errors import DownloadError, OutputError
from tests.file_server import FileServer, drop_after, status

ONE = random.Random(1).randbytes(50_000)
TWO = random.Random(2).randbytes(20_000)
PATIENCE = Patience(attempts=2, first_wait=0, longest_wait=0)
LOCK = ".download.lock"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    server = FileServer()
    server.files = {"/one.bin": ONE, "/two.bin": TWO}
    yield server
    server.close()


@pytest.fixture
def published(server):
    return PublishedSet(
        name="toy",
        title="Toy: two files",
        home="https://example.org",
        images=2,
        terms="none",
        paper="nothing",
        page="toy.md",
        files=tuple(
            PublishedFile(
                name,
                len(content),
                hashlib.sha256(content).hexdigest(),
                (server.base + name,),
            )
            for name, content in (("one.bin", ONE), ("two.bin", TWO))
        ),
        prepared_name="toy",
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "downloads" / "toy"


def visible(folder):
    return sorted(name for name in os.listdir(folder) if name != LOCK)


def test_folder_of_a_set(monkeypatch):
    monkeypatch.delenv("SCRATCHGAN_DATA", raising=False)
    assert download_folder("toy") == Path("data/downloads/toy")
    assert download_folder("toy", "elsewhere") == Path("elsewhere/downloads/toy")


def test_all_files_with_progress_over_all(published, folder):
    seen = []
    report = download(
        published, folder, progress=lambda done, total: seen.append((done, total))
    )
    assert [file.name for file in report.files] == ["one.bin", "two.bin"]
    assert (folder / "one.bin").read_bytes() == ONE
    assert (folder / "two.bin").read_bytes() == TWO
    assert visible(folder) == ["one.bin", "two.bin"]
    assert seen == sorted(seen)
    assert seen[-1] == (70_000, 70_000)


def test_complete_files_are_not_fetched_again(published, folder, server):
    download(published, folder)
    server.requests.clear()
    report = download(published, folder)
    assert server.requests == []
    assert [file.url for file in report.files] == [None, None]
    (folder / "one.bin").unlink()
    report = download(published, folder)
    assert [path for path, _ in server.requests] == ["/one.bin"]
    assert [file.url is None for file in report.files] == [False, True]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"short", "does not have 50,000 bytes"), (ONE[::-1], "sha256 is another")],
)
def test_a_file_of_someone_else_stays(published, folder, server, content, problem):
    folder.mkdir(parents=True)
    (folder / "one.bin").write_bytes(content)
    with pytest.raises(DownloadError, match=problem):
        download(published, folder)
    assert (folder / "one.bin").read_bytes() == content
    assert server.requests == []


def test_skip(published, folder, server):
    report = download(published, folder, skip=("one.bin",))
    assert [file.name for file in report.files] == ["two.bin"]
    assert [path for path, _ in server.requests] == ["/two.bin"]
    with pytest.raises(DownloadError, match=r"no file 'three' to skip; it has one.bin"):
        download(published, folder, skip=("three",))


def test_a_failure_says_what_is_kept(published, folder, server):
    server.script = [drop_after(30_000), status(404)]
    notes = []
    with pytest.raises(
        DownloadError, match=r"one.bin could not be .* from https://example.org"
    ):
        download(published, folder, note=notes.append, patience=PATIENCE)
    assert "kept: the first" in notes[-1]
    assert str(folder / ".one.bin.partial") in notes[-1]
    download(published, folder)
    assert ("/one.bin", "bytes=30000-") in server.requests
    assert visible(folder) == ["one.bin", "two.bin"]


def test_a_failure_in_the_second_file_keeps_the_first(published, folder, server):
    del server.files["/two.bin"]
    notes = []
    with pytest.raises(DownloadError, match=r"two.bin could not be downloaded"):
        download(published, folder, note=notes.append)
    assert visible(folder) == ["one.bin"]
    assert not any("kept" in note for note in notes)


def test_no_room(published, folder, server, monkeypatch):
    usage = shutil.disk_usage(folder.anchor)
    monkeypatch.setattr(
        "scratchgan.datasets.download.download.shutil.disk_usage",
        lambda path: usage._replace(free=69_999),
    )
    with pytest.raises(OutputError, match="make room"):
        download(published, folder)
    assert server.requests == []
    # What was received needs no room any more.
    Partial(folder / "one.bin").path.write_bytes(ONE[:1])
    download(published, folder)
    assert visible(folder) == ["one.bin", "two.bin"]


def test_two_at_once(published, folder, server):
    code = (
        "import sys\n"
        "from scratchgan.storage.files import lock_file\n"
        "with open(sys.argv[1], 'ab') as file:\n"
        "    lock_file(file)\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    folder.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder / LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DownloadError, match="another download works in"):
            download(published, folder)
        assert server.requests == []
        other.kill()
    # A process that was killed holds nothing.
    download(published, folder)
    assert visible(folder) == ["one.bin", "two.bin"]


def test_folder_that_is_a_file(published, folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("a file")
    with pytest.raises(OutputError, match="expected a folder"):
        download(published, folder)


def test_without_the_extra(published, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(DownloadError) as error:
        download(published, folder)
    assert str(error.value) == (
        "downloading needs requests: pip install 'scratchgan[download]'"
    )


def test_missing_files(published, folder):
    assert missing_files(published, folder) == ["one.bin", "two.bin"]
    download(published, folder)
    assert missing_files(published, folder) == []
    (folder / "two.bin").write_bytes(b"not all of it")
    assert missing_files(published, folder) == ["two.bin"]
