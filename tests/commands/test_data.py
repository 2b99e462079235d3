"""The data commands: what they print, where, and with which exit code."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from scratchgan.commands import main, options
from scratchgan.datasets import decode_image as images
from scratchgan.datasets import decode_many as decoding
from scratchgan.datasets.prepare import preparation
from scratchgan.datasets.sources import KINDS
from scratchgan.synthetic import prepare as synthetic

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``scratchgan data ...`` with a data folder of its own."""
    monkeypatch.setenv("SCRATCHGAN_DATA", str(tmp_path / "data"))
    return lambda *args: CliRunner().invoke(main, ["data", *map(str, args)])


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(30):
        Image.new("RGB", (16, 16), (8 * i, 0, 0)).save(folder / f"{i:02d}.png")
    return folder


def error_line(result, code=1):
    """Return the one line on stderr; nothing may have been printed beside it."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


class TestPrepare:
    def test_folder(self, run, photos, tmp_path):
        result = run("prepare", "toy", photos, "--size", "8x12")
        assert result.exit_code == 0
        assert "30 images 8x12 RGB" in result.stdout
        assert "30 RGB" in result.stdout
        assert result.stderr == ""
        assert (tmp_path / "data" / "toy.h5").is_file()

    def test_json(self, run, photos):
        (photos / "bad.jpg").write_text("no image")
        result = run("prepare", "toy", photos, "--json", "--channels", 1)
        facts = json.loads(result.stdout)
        assert facts["count"] == 30
        assert facts["channels"] == 1
        assert facts["skipped"] == [["bad.jpg", "not an image"]]

    def test_data_dir_wins(self, run, photos, tmp_path):
        run("prepare", "toy", photos, "--data-dir", tmp_path / "other")
        assert (tmp_path / "other" / "toy.h5").is_file()

    def test_skipped_files_are_listed(self, run, photos):
        for i in range(25):
            (photos / f"bad{i:02d}.jpg").write_text("no image")
        result = run("prepare", "toy", photos)
        assert result.exit_code == 0
        assert "skipped 25 files" in result.stdout
        assert result.stdout.count("not an image") == 20
        assert "and 5 more" in result.stdout

    def test_strict(self, run, photos):
        (photos / "bad.jpg").write_text("no image")
        assert "bad.jpg" in error_line(run("prepare", "toy", photos, "--strict"))

    def test_labels_are_named(self, run, photos):
        for name in ("cat", "dog"):
            (photos / name).mkdir()
        for i, path in enumerate(sorted(photos.glob("*.png"))):
            path.rename(photos / ("cat" if i % 2 else "dog") / path.name)
        result = run("prepare", "toy", photos)
        assert "30 images 16x16 RGB, labelled" in result.stdout
        assert "classes: cat, dog" in result.stdout

    def test_grey_photographs_get_a_hint(self, run, photos):
        for path in photos.iterdir():
            Image.open(path).convert("L").save(path)
        assert "--channels 1" in run("prepare", "toy", photos).stdout

    def test_existing(self, run, photos):
        run("prepare", "toy", photos)
        assert "--force" in error_line(run("prepare", "toy", photos))
        assert run("prepare", "toy", photos, "--force").exit_code == 0

    def test_misspelt_source(self, run, photos):
        line = error_line(run("prepare", "toy", photos.with_name("fotos")))
        assert "did you mean" in line

    def test_message_is_one_line_whatever_the_path(self, run, tmp_path):
        error_line(run("prepare", "toy", tmp_path / "line\nbreak"))

    @pytest.mark.parametrize("name", ["a/b", "..", ""])
    def test_bad_name(self, run, photos, name):
        assert "dataset name" in error_line(run("prepare", name, photos))

    @pytest.mark.parametrize(
        "options",
        [
            ("--size", "0"),
            ("--size", "64x"),
            ("--size", "9999"),
            ("--size", "64x64x3"),
            ("--fit", "squeeze"),
            ("--channels", "4"),
            ("--count", "5"),
            ("--seed", "5"),
        ],
    )
    def test_wrong_usage(self, run, photos, options):
        result = run("prepare", "toy", photos, *options)
        assert result.exit_code == 2
        assert options[0] in result.stderr

    def test_source_missing(self, run):
        result = run("prepare", "cats")
        assert result.exit_code == 2
        assert "SOURCE is missing" in result.stderr

    def test_file_names_cannot_steer_the_terminal(self, run, photos):
        try:
            (photos / "a\x1b[2Jb.jpg").write_text("no image")
        except OSError:
            pytest.skip("this file system refuses such names")
        result = run("prepare", "toy", photos)
        assert "a\\x1b[2Jb.jpg" in result.stdout
        assert "\x1b" not in result.stdout

    def test_interrupt(self, run, photos, tmp_path, monkeypatch):
        def interrupt(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(decoding, "decode_group", interrupt)
        assert run("prepare", "toy", photos).exit_code == 130
        assert list((tmp_path / "data").glob("*")) == []

    def test_choices_are_those_of_the_library(self):
        # Packages have the command under this name; modules are found by full name.
        command = importlib.import_module("scratchgan.commands.data.prepare")
        assert command.FITS == images.FITS
        assert set(command.KINDS) == {known.kind for known in KINDS}
        assert options.MAX_SIDE == preparation.MAX_SIDE
        assert command.DEFAULT_COUNT == synthetic.DEFAULT_COUNT


class TestPrepareBuiltIn:
    def test_faces(self, run, tmp_path):
        result = run("prepare", "faces", "--count", 5, "--size", 16, "--seed", 3)
        assert result.exit_code == 0, result.output
        assert "5 images 16x16 RGB" in result.stdout
        info = json.loads(run("info", "faces", "--json").stdout)
        assert info["synthetic"] is True
        assert "seed 3" in info["source"]

    def test_own_photographs_under_the_name(self, run, photos):
        assert run("prepare", "faces", photos).exit_code == 0
        assert json.loads(run("info", "faces", "--json").stdout)["synthetic"] is False

    @pytest.mark.parametrize(
        "options", [("--fit", "pad"), ("--channels", "1"), ("--strict",)]
    )
    def test_options_without_effect_are_refused(self, run, options):
        result = run("prepare", "faces", *options)
        assert result.exit_code == 2
        assert "needs a SOURCE" in result.stderr

    def test_sizes(self, run):
        assert run("prepare", "faces", "--size", "64x32").exit_code == 2
        assert "cannot be drawn" in error_line(run("prepare", "faces", "--size", 1))

    @pytest.mark.skipif(os.name != "posix", reason="sends SIGINT as a terminal does")
    @pytest.mark.parametrize("source", [True, False], ids=["photographs", "drawn"])
    def test_ctrl_c_in_the_middle(self, tmp_path, source):
        """All processes get the signal; 130, one line, and nothing is left."""
        folder = tmp_path / "data"
        command = [sys.executable, "cli.py", "data", "prepare", "faces"]
        if source:
            (tmp_path / "photos").mkdir()
            for i in range(60):
                Image.new("RGB", (2500, 2500)).save(tmp_path / "photos" / f"{i}.png")
            command += [str(tmp_path / "photos"), "--size", "1024"]
        else:
            command += ["--count", "200000", "--size", "16"]
        process = subprocess.Popen(
            [*command, "--data-dir", str(folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while not list(folder.glob(".*.partial")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 130, stderr
        assert stdout == ""
        assert stderr.split() == ["interrupted"]
        assert list(folder.iterdir()) == []


def test_real_photographs(run, tmp_path):
    folder = os.environ.get("SCRATCHGAN_TEST_DATA")
    if not folder or not Path(folder, "portraits.zip").is_file():
        pytest.skip("SCRATCHGAN_TEST_DATA names no folder with portraits.zip")
    source = Path(folder, "portraits.zip")
    result = run("prepare", "portraits", source, "--size", "64", "--json")
    facts = json.loads(result.stdout)
    assert facts["count"] == 1572
    assert facts["skipped"] == []
    assert run("verify", "portraits").exit_code == 0


def test_help_loads_no_arrays():
    """``--help`` answers at once, and on a machine where a library is broken."""
    code = (
        "import sys; from scratchgan.commands import data; "
        "print([m for m in ('numpy', 'h5py', 'PIL', 'tqdm') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "[]", loaded.stderr
