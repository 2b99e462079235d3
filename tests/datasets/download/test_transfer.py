"""One file from servers that break off, lie, change their minds or are slow."""

import errno
import hashlib
import os
import random

import pytest

pytest.importorskip("requests", reason="needs the extra download")

import requests

from scratchgan.datasets.download import transfer
from scratchgan.datasets.download.published import PublishedFile
from scratchgan.datasets.download.transfer import (
    Partial,
    Patience,
    Transfer,
    open_session,
)
from scratchgan.errors import DownloadError, OutputError
from tests.file_server import (
    FileServer,
    body,
    chunked,
    drop_after,
    ignore_range,
    redirect,
    silent,
    slowly,
    stall_after,
    status,
    wrong_part,
)

CONTENT = random.Random(5).randbytes(100_000)
OTHER = random.Random(6).randbytes(100_000)
PATIENCE = Patience(attempts=3, first_wait=0, longest_wait=0)
SHORT = Patience(attempts=2, read_seconds=0.5, first_wait=0, longest_wait=0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Bytes reach the disk in small pieces, so that a break leaves some there."""
    monkeypatch.setattr(transfer, "BLOCK", 1000)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server():
    server = FileServer()
    server.files["/data.bin"] = CONTENT
    yield server
    server.close()


@pytest.fixture
def mirror():
    mirror = FileServer()
    mirror.files["/data.bin"] = CONTENT
    yield mirror
    mirror.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def file_at(*servers, content=CONTENT):
    digest = hashlib.sha256(content).hexdigest()
    urls = tuple(server.base + "data.bin" for server in servers)
    return PublishedFile("data.bin", len(content), digest, urls)


def fetch(folder, *servers, patience=PATIENCE, notes=None, progress=None):
    with open_session() as session:
        return Transfer(
            file_at(*servers),
            folder,
            session,
            patience,
            progress,
            notes.append if notes is not None else None,
        ).run()


def only_the_file(folder):
    """Return whether the folder holds the right file and nothing else."""
    assert os.listdir(folder) == ["data.bin"]
    return (folder / "data.bin").read_bytes() == CONTENT


def ranges(server):
    return [asked for _, asked in server.requests]


def refusal(folder, *servers, **options):
    """Return the message of a transfer that must fail and leave no target."""
    with pytest.raises(DownloadError) as error:
        fetch(folder, *servers, **options)
    assert not (folder / "data.bin").exists()
    return str(error.value)


def test_whole_file(server, folder):
    seen = []
    assert fetch(folder, server, progress=seen.append) == server.base + "data.bin"
    assert only_the_file(folder)
    assert ranges(server) == [None]
    assert server.headers[0]["Accept-Encoding"] == "identity"
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


class TestResume:
    def test_in_the_same_run(self, server, folder):
        server.script = [drop_after(30_000), drop_after(20_000)]
        notes = []
        fetch(folder, server, notes=notes)
        assert only_the_file(folder)
        assert ranges(server) == [None, "bytes=30000-", "bytes=50000-"]
        assert "connection broke" in notes[0]

    def test_in_a_later_run(self, server, folder):
        server.script = [drop_after(30_000)]
        patience = Patience(attempts=1)
        assert "connection broke" in refusal(folder, server, patience=patience)
        assert Partial(folder / "data.bin").size == 30_000
        fetch(folder, server)
        assert ranges(server)[1:] == ["bytes=30000-"]
        assert only_the_file(folder)

    def test_by_another_mirror(self, server, mirror, folder):
        server.script = [drop_after(30_000), *3 * [status(503)]]
        # An ETag of one server would make the other begin again.
        mirror.etags = False
        seen = []
        url = fetch(folder, server, mirror, progress=seen.append)
        assert url == mirror.base + "data.bin"
        assert ranges(mirror) == ["bytes=30000-"]
        assert seen == sorted(seen)
        assert only_the_file(folder)

    def test_complete_but_not_yet_renamed(self, server, folder):
        Partial(folder / "data.bin").path.write_bytes(CONTENT)
        fetch(folder, server)
        assert ranges(server) == []
        assert only_the_file(folder)

    def test_server_without_ranges(self, server, folder):
        server.script = [drop_after(30_000), ignore_range]
        fetch(folder, server)
        assert ranges(server) == [None, "bytes=30000-"]
        assert only_the_file(folder)

    def test_server_sends_another_part(self, server, folder):
        server.script = [drop_after(30_000), wrong_part]
        fetch(folder, server)
        assert ranges(server) == [None, "bytes=30000-", None]
        assert only_the_file(folder)

    def test_file_changed_meanwhile_and_the_etag_says_so(self, server, folder):
        server.files["/data.bin"] = OTHER
        server.script = [drop_after(30_000)]
        refusal(folder, server, patience=Patience(attempts=1))
        server.files["/data.bin"] = CONTENT
        fetch(folder, server)
        # One request: the condition failed, so the server sent all of the new file.
        assert ranges(server)[1:] == ["bytes=30000-"]
        assert only_the_file(folder)

    def test_file_changed_meanwhile_and_nothing_says_so(self, server, folder):
        server.etags = False
        Partial(folder / "data.bin").path.write_bytes(OTHER[:30_000])
        notes = []
        fetch(folder, server, notes=notes)
        assert ranges(server) == ["bytes=30000-", None]
        assert "starting anew" in notes[0]
        assert only_the_file(folder)

    def test_file_is_shorter_now(self, server, folder):
        Partial(folder / "data.bin").path.write_bytes(CONTENT[:30_000])
        server.files["/data.bin"] = CONTENT[:90_000]
        message = refusal(folder, server)
        assert "has a file of 90,000 bytes, expected 100,000" in message

    def test_partial_longer_than_the_file(self, server, folder):
        Partial(folder / "data.bin").path.write_bytes(CONTENT + b"more")
        fetch(folder, server)
        assert ranges(server) == [None]
        assert only_the_file(folder)

    @pytest.mark.parametrize("note", ["{not what was writ", "[]"])
    def test_note_of_the_origin_is_damaged(self, server, folder, note):
        Partial(folder / "data.bin").path.write_bytes(CONTENT[:30_000])
        (folder / ".data.bin.origin").write_text(note)
        fetch(folder, server)
        assert ranges(server) == ["bytes=30000-"]
        assert only_the_file(folder)

    def test_progress_in_every_attempt_never_wears_out(self, server, folder):
        server.script = [drop_after(5_000)] * 15
        fetch(folder, server)
        assert only_the_file(folder)


class TestMirrors:
    def test_next_mirror_at_once_after_404(self, server, mirror, folder):
        server.files.clear()
        notes = []
        assert fetch(folder, server, mirror, notes=notes).startswith(mirror.base)
        assert len(server.requests) == 1
        assert "404 Not Found" in notes[0]
        assert only_the_file(folder)

    def test_next_mirror_after_patience(self, server, mirror, folder):
        server.script = [status(500)] * 3
        fetch(folder, server, mirror)
        assert len(server.requests) == 3
        assert only_the_file(folder)

    def test_no_server_at_all(self, mirror, folder):
        gone = FileServer()
        gone.close()
        assert "refused" in refusal(folder, gone)
        fetch(folder, gone, mirror)
        assert only_the_file(folder)

    def test_every_reason_is_told(self, server, mirror, folder):
        server.files.clear()
        mirror.script = [body(b"<!DOCTYPE html>" + CONTENT, content_type="text/html")]
        message = refusal(folder, server, mirror)
        assert "\n" not in message
        assert "HTTP 404 Not Found; 127.0.0.1" in message
        assert "sends a web page instead of the file" in message

    def test_another_file_of_the_same_length(self, server, mirror, folder):
        server.files["/data.bin"] = OTHER
        message = refusal(folder, server)
        assert hashlib.sha256(OTHER).hexdigest() in message
        assert os.listdir(folder) == []
        fetch(folder, server, mirror)
        assert only_the_file(folder)

    @pytest.mark.parametrize("length", [99_999, 100_001])
    def test_another_length(self, server, mirror, folder, length):
        server.files["/data.bin"] = (CONTENT + b"x")[:length]
        fetch(folder, server, mirror)
        assert only_the_file(folder)
        message = refusal_elsewhere(folder, server)
        assert f"has a file of {length:,} bytes" in message


def refusal_elsewhere(folder, *servers):
    other = folder.with_name("elsewhere")
    other.mkdir()
    return refusal(other, *servers)


class TestLies:
    @pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/gzip"])
    def test_web_page(self, server, folder, kind):
        page = b"\n<!DOCTYPE HTML><title>log in</title>".ljust(len(CONTENT))
        server.script = [body(page, content_type=kind)]
        assert "sends a web page instead of the file" in refusal(folder, server)
        assert len(server.requests) == 1
        assert os.listdir(folder) == []

    def test_promises_more_than_it_sends(self, server, folder):
        server.script = [body(CONTENT[:40_000], content_length=len(CONTENT))] * 9
        assert "connection broke" in refusal(folder, server)

    def test_sends_more_than_it_promises(self, server, folder):
        server.script = [body(CONTENT + b"more", content_length=len(CONTENT))]
        fetch(folder, server)
        assert only_the_file(folder)

    def test_no_length(self, server, folder):
        server.script = [chunked(CONTENT)]
        fetch(folder, server)
        assert only_the_file(folder)

    def test_no_length_and_too_short(self, server, folder):
        server.script = [chunked(CONTENT[:60_000])]
        notes = []
        fetch(folder, server, notes=notes)
        assert ranges(server) == [None, "bytes=60000-"]
        assert "sent 60,000 of 100,000 bytes" in notes[0]
        assert only_the_file(folder)

    def test_no_length_and_too_long(self, server, folder):
        """A server that never stops does not fill the disk."""
        server.script = [chunked(CONTENT + bytes(50_000))]
        assert "more than the expected 100,000 bytes" in refusal(folder, server)
        assert Partial(folder / "data.bin").size <= len(CONTENT)

    def test_compressed_on_the_way(self, server, folder):
        """Some servers call a .gz file an encoding; it is stored as it is."""
        server.script = [body(CONTENT, content_encoding="gzip")]
        fetch(folder, server)
        assert ranges(server) == [None]
        assert only_the_file(folder)

    def test_names_of_the_server_are_not_used(self, server, folder):
        disposition = 'attachment; filename="../../evil.bin"'
        server.script = [body(CONTENT, content_disposition=disposition)]
        fetch(folder, server)
        assert only_the_file(folder)
        assert os.listdir(folder.parent) == ["folder"]


class TestRedirects:
    def test_followed_with_the_range(self, server, mirror, folder):
        Partial(folder / "data.bin").path.write_bytes(CONTENT[:30_000])
        server.script = [redirect(mirror.base + "data.bin")]
        fetch(folder, server)
        assert ranges(mirror) == ["bytes=30000-"]
        assert only_the_file(folder)

    def test_without_end(self, server, folder):
        server.script = [redirect("/data.bin")] * 50
        assert "redirects more than 10 times" in refusal(folder, server)
        assert len(server.requests) == 11

    @pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
    def test_to_what_is_not_the_web(self, server, folder, where):
        server.script = [redirect(where)]
        assert "no web address" in refusal(folder, server)
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("where", "refused"),
        [
            ("http://example.org/data.bin", True),
            ("https://example.org/data.bin", False),
            ("/elsewhere", False),
            ("//example.org/data.bin", False),
        ],
    )
    def test_never_from_encrypted_to_open(self, where, refused):
        response = requests.Response()
        response.status_code = 302
        response.url = "https://example.org/"
        response.headers["Location"] = where
        with open_session() as session:
            if not refused:
                assert session.get_redirect_target(response) == where
                return
            with pytest.raises(transfer._WrongMirrorError, match="from https to"):
                session.get_redirect_target(response)


class TestWaiting:
    @pytest.fixture
    def waits(self, monkeypatch):
        waits = []
        monkeypatch.setattr(transfer.time, "sleep", waits.append)
        monkeypatch.setattr(transfer.random, "uniform", lambda low, high: high)
        return waits

    def test_longer_each_time_up_to_a_limit(self, server, folder, waits):
        server.script = [status(503)] * 5
        refusal(folder, server, patience=Patience(attempts=5, longest_wait=5))
        assert waits == [1, 2, 4, 5]

    @pytest.mark.parametrize(
        ("asked", "waited"),
        [("7", 7), ("3600", 60), ("Thu, 01 Jan 1970 00:00:00 GMT", 1), ("soon", 1)],
    )
    def test_as_the_server_asks_within_reason(
        self, server, folder, waits, asked, waited
    ):
        server.script = [status(503, retry_after=asked)]
        notes = []
        fetch(folder, server, patience=Patience(), notes=notes)
        assert waits == [waited]
        assert "503 Service Unavailable" in notes[0]
        assert only_the_file(folder)

    def test_silent_server(self, server, mirror, folder):
        server.script = [silent(server)] * 2
        notes = []
        fetch(folder, server, mirror, notes=notes, patience=SHORT)
        assert "no answer in time" in notes[0]
        assert only_the_file(folder)

    def test_server_that_falls_silent(self, server, folder):
        server.script = [stall_after(server, 30_000)]
        notes = []
        fetch(folder, server, notes=notes, patience=SHORT)
        assert ranges(server) == [None, "bytes=30000-"]
        assert "sent nothing for too long" in notes[0]
        assert only_the_file(folder)

    def test_slow_is_not_silent(self, server, folder):
        server.script = [slowly]
        fetch(folder, server, patience=SHORT)
        assert ranges(server) == [None]
        assert only_the_file(folder)


class TestStopping:
    def test_interrupt_keeps_what_came(self, server, folder):
        def interrupt(received):
            if received > 50_000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fetch(folder, server, progress=interrupt)
        assert 50_000 < Partial(folder / "data.bin").size < len(CONTENT)
        assert not (folder / "data.bin").exists()
        fetch(folder, server)
        assert ranges(server)[1].startswith("bytes=")
        assert only_the_file(folder)

    def test_full_disk(self, server, folder, monkeypatch):
        class FullDisk:
            def __init__(self, path, mode):
                self.file = open(path, mode)

            def __enter__(self):
                return self

            def __exit__(self, *error):
                self.file.close()

            def write(self, block):
                if self.file.tell() > 40_000:
                    raise OSError(errno.ENOSPC, "No space left on device")
                self.file.write(block)

        monkeypatch.setattr(transfer, "open", FullDisk, raising=False)
        with pytest.raises(OutputError, match="disk is full; make room"):
            fetch(folder, server)
        monkeypatch.delattr(transfer, "open")
        assert not (folder / "data.bin").exists()
        assert Partial(folder / "data.bin").size > 40_000
        fetch(folder, server)
        assert only_the_file(folder)
