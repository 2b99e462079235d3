"""``scratchgan data download``: output, exit codes, Ctrl-C, and no name at all."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("requests", reason="needs the extra download")

from scratchgan.commands import main
from scratchgan.datasets.download.published import PUBLISHED, PublishedFile
from tests.file_server import FileServer, stall_after, status

ROOT = Path(__file__).parents[2]
CONTENT = random.Random(3).randbytes(600_000)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SCRATCHGAN_DATA", str(tmp_path / "data"))
    return lambda *args: CliRunner().invoke(main, ["data", "download", *map(str, args)])


@pytest.fixture
def server():
    server = FileServer()
    server.files["/lfw.tgz"] = CONTENT
    yield server
    server.close()


@pytest.fixture
def lfw(server, monkeypatch):
    """LFW as a small file on this machine."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    urls = (server.base + "lfw.tgz",)
    file = PublishedFile("lfw.tgz", len(CONTENT), digest, urls)
    small = replace(PUBLISHED["lfw"], files=(file,))
    monkeypatch.setitem(PUBLISHED, "lfw", small)
    return small


def error_line(result):
    assert result.exit_code == 1, result.output
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def test_download_and_what_comes_next(run, lfw, tmp_path):
    folder = tmp_path / "data" / "downloads" / "lfw"
    result = run("lfw")
    assert result.exit_code == 0, result.output
    assert (folder / "lfw.tgz").read_bytes() == CONTENT
    first, last = result.stdout.splitlines()
    assert first.startswith(f"{folder / 'lfw.tgz'}: 0.6 MB, sha256 right; http://")
    assert last == f"prepare it with: {lfw.prepare_line(folder)}"
    assert "no licence is stated" in result.stderr
    assert "was there already" in run("lfw").stdout


def test_out_and_data_dir(run, lfw, tmp_path):
    result = run("lfw", "--out", tmp_path / "here", "--data-dir", tmp_path / "sets")
    assert (tmp_path / "here" / "lfw.tgz").is_file()
    assert not (tmp_path / "sets").exists()
    assert f"--data-dir {tmp_path / 'sets'}" in result.stdout
    run("lfw", "--data-dir", tmp_path / "sets")
    assert (tmp_path / "sets" / "downloads" / "lfw" / "lfw.tgz").is_file()


def test_json(run, lfw, tmp_path):
    result = run("lfw", "--json")
    facts = json.loads(result.stdout)
    assert result.stderr == ""
    assert facts["downloadable"] is True
    (file,) = facts["files"]
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert Path(file["path"]).read_bytes() == CONTENT
    assert facts["prepare"] == lfw.prepare_line(Path(facts["folder"]))


def test_failure_is_one_line(run, lfw, server):
    server.script = [status(404)]
    line = error_line(run("lfw"))
    assert "lfw.tgz could not be downloaded; 127.0.0.1" in line
    assert "404" in line


def test_skip_what_is_not_there(run, lfw):
    assert "no file 'x' to skip" in error_line(run("lfw", "--skip", "x"))


def test_list(run):
    for args in ((), ("--list",), ("lfw", "--list")):
        result = run(*args)
        assert result.exit_code == 0
        header, *rows = result.stdout.splitlines()
        assert [row.split()[0] for row in rows] == list(PUBLISHED)
        assert header.split() == ["name", "images", "size", "download", "terms"]
    (celeba,) = [row for row in rows if row.startswith("celeba")]
    assert "202,599" in celeba
    assert "by hand" in celeba


def test_list_json(run):
    facts = json.loads(run("--json").stdout)
    assert [entry["name"] for entry in facts["sets"]] == list(PUBLISHED)
    by_name = {entry["name"]: entry for entry in facts["sets"]}
    assert by_name["svhn"]["downloadable"] is True
    assert by_name["imagenet"]["downloadable"] is False


@pytest.mark.parametrize("name", ["celeba", "lsun", "imagenet"])
def test_by_hand(run, name, tmp_path):
    result = run(name)
    published = PUBLISHED[name]
    folder = tmp_path / "data" / "downloads" / name
    line = error_line(result)
    assert all(file.name in line for file in published.files)
    assert published.home in result.stdout
    assert published.terms in result.stdout
    assert f"prepare it with: {published.prepare_line(folder)}" in result.stdout
    assert not folder.exists()


def test_by_hand_json(run):
    result = run("celeba", "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert facts["complete"] is False
    assert len(facts["missing"]) == 3


def test_by_hand_once_the_files_are_there(run, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "downloads" / "celeba"
    folder.mkdir(parents=True)
    for file in PUBLISHED["celeba"].files:
        with open(folder / file.name, "wb") as sparse:
            sparse.truncate(file.size)
    result = run("celeba")
    assert result.exit_code == 0
    assert "missing" not in result.stdout


def test_unknown(run):
    line = error_line(run("cifar-10"))
    assert "did you mean 'cifar10'" in line
    assert "fashion-mnist" in line


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT as a terminal does")
def test_ctrl_c_keeps_the_beginning_and_says_so(server, lfw, tmp_path):
    server.script = [stall_after(server, 400_000)]
    code = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from scratchgan.commands import main\n"
        "from scratchgan.datasets.download.published import PUBLISHED, PublishedFile\n"
        f"file = {lfw.files[0]!r}\n"
        "PUBLISHED['lfw'] = replace(PUBLISHED['lfw'], files=(file,))\n"
        "main(['data', 'download', 'lfw', '--out', sys.argv[1]])\n"
    )
    folder = tmp_path / "here"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    partial = folder / ".lfw.tgz.partial"
    deadline = time.monotonic() + 30
    while not partial.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stdout == ""
    _, kept, last = stderr.splitlines()
    assert kept.startswith("kept: the first 0.")
    assert str(partial) in kept
    assert last == "interrupted"
    assert not (folder / "lfw.tgz").exists()
    size = partial.stat().st_size
    assert 0 < size <= 400_000
    assert (
        CliRunner()
        .invoke(main, ["data", "download", "lfw", "--out", str(folder)])
        .exit_code
        == 0
    )
    assert server.requests[-1] == ("/lfw.tgz", f"bytes={size}-")
    assert (folder / "lfw.tgz").read_bytes() == CONTENT
