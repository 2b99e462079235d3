"""The data commands that look at datasets: list, info, verify, export."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy
from click.testing import CliRunner
from PIL import Image

from scratchgan.commands import main
from scratchgan.datasets.format.dataset import open_dataset

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``scratchgan data ...`` with a data folder of its own."""
    monkeypatch.setenv("SCRATCHGAN_DATA", str(tmp_path / "data"))
    return lambda *args: CliRunner().invoke(main, ["data", *map(str, args)])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def path(folder):
    toy.write_toy(folder / "toy.h5")
    return folder / "toy.h5"


def error_line(result):
    """Return the one line on stderr of a command that failed."""
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1000])


class TestList:
    def test_table(self, run, path):
        toy.write_plain(path.parent / "grey.h5", toy.toy_pixels(1234, channels=1))
        (path.parent / "broken.h5").write_text("no HDF5")
        header, grey, sound, broken, faces, *_ = run("list").stdout.splitlines()
        assert header.split() == "name images size with MB synthetic source".split()
        assert grey.split()[:5] == ["grey", "1,234", "8x12", "grey", "-"]
        assert grey.split()[6:] == ["no", "test"]
        assert "2 classes, 2 attributes, boxes, split" in sound
        assert sound.index("8x12") == grey.index("8x12") == header.index("size")
        assert broken.startswith("broken: BROKEN: ")
        assert "not an HDF5 file" in broken
        assert "not prepared" in faces
        assert "scratchgan data prepare faces" in faces

    def test_nothing_prepared(self, run):
        lines = run("list").stdout.splitlines()
        assert lines
        assert all("not prepared" in line for line in lines)

    def test_json(self, run, path):
        cut_short(path)
        toy.write_plain(path.parent / "whole.h5", toy.toy_pixels(3))
        facts = json.loads(run("list", "--json").stdout)
        assert facts["data_dir"] == str(path.parent)
        broken, sound = facts["datasets"]
        assert broken["name"] == "toy"
        assert "is cut short" in broken["error"]
        assert (sound["name"], sound["count"], sound["error"]) == ("whole", 3, None)
        assert "faces" in facts["built_in"]

    def test_name_that_is_no_text(self, run, path):
        """A file's name may be bytes that are no UTF-8."""
        try:
            path.rename(os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9.h5"))
        except OSError:
            pytest.skip("this file system refuses such names")
        result = run("list")
        assert result.exit_code == 0
        assert "caf\\udce9" in result.stdout
        assert run("list", "--json").exit_code == 0

    def test_damaged_column_breaks_no_list(self, run, path):
        """Damage that shows only when a column is read."""
        with h5py.File(path, "r+") as file:
            split = file["split"][:]
            del file["split"]
            packed = file.create_dataset("split", split.shape, "u1", compression="gzip")
            packed.id.write_direct_chunk((0,), b"not deflated at all")
        assert "toy: BROKEN" in run("list").stdout
        assert "is damaged" in error_line(run("info", "toy"))


class TestInfo:
    def test_all_of_it(self, run, path, tmp_path):
        images = toy.toy_pixels(12)
        images[5] = images[2]
        images[7] = 255
        toy.write_toy(path, images=images)
        for name in ("toy", path):
            result = run("info", name)
            assert result.exit_code == 0
            assert result.stderr == ""
            lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
            for line in (
                "count 12",
                "images_per_chunk 12",
                f"values 0 to {images.max()}",
                f"black, white 0.00%, {100 / 12:.2f}% of all pixels",
                "single colour 1 images",
                "duplicates 1 images have the pixels of one before; "
                "1 images occur again",
                "most frequent 2 times: 2/\\udcff.png, 5/a.png",
                "class images train validation test extra",
                "0 cat 6 3 0 3 0",
                "1 dog 6 0 3 0 3",
                "attribute ones min mean max",
                "smile 33.3%",
                "bad.jpg: truncated",
            ):
                assert line in lines, line

    def test_json(self, run, path):
        facts = json.loads(run("info", "toy", "--json").stdout)
        assert facts["height"] == 8
        assert facts["skipped_files"] == [["bad.jpg", "truncated"]]
        assert facts["classes"][1]["split"]["extra"] == 3
        assert [a["name"] for a in facts["attributes"]] == ["smile", "turn"]
        values = toy.toy_pixels(12).reshape(-1, 3)
        assert facts["pixels"]["mean"] == pytest.approx(values.mean(axis=0).tolist())
        assert facts["sheet"] is None

    @pytest.mark.parametrize("count", [1, 3])
    def test_grey_without_anything(self, run, folder, count):
        toy.write_plain(folder / "a.h5", toy.toy_pixels(count, channels=1))
        result = run("info", "a")
        assert result.exit_code == 0
        assert "(grey)" in result.stdout
        assert "class " not in result.stdout
        facts = json.loads(run("info", "a", "--json").stdout)
        assert facts["classes"] is facts["attributes"] is None

    def test_quick_reads_no_pixels(self, run, path, monkeypatch):
        from scratchgan.datasets import statistics

        def fail(*args):
            raise AssertionError("pixels were read")

        monkeypatch.setattr(statistics, "pixel_statistics", fail)
        result = run("info", "toy", "--quick")
        assert result.exit_code == 0
        assert "smile" in result.stdout
        assert "duplicates" not in result.stdout
        assert (
            json.loads(run("info", "toy", "--quick", "--json").stdout)["pixels"] is None
        )

    def test_sheet(self, run, path, tmp_path):
        sheet = tmp_path / "new" / "sheet.png"
        result = run("info", "toy", "--quick", "--sheet", sheet, "--count", 4)
        assert f"contact sheet: {sheet}" in result.stdout
        with Image.open(sheet) as image:
            width, height = image.size
        assert width == 2 + 2 * (60 + 2)  # 12 pixels, five times as large

    def test_class_names_cannot_steer_the_terminal(self, run, folder):
        toy.write_toy(folder / "a.h5", class_names=["c\x1b[2Jat", "dog\nfish"])
        out = run("info", "a").stdout
        assert "\x1b" not in out
        assert "c\\x1b[2Jat" in out
        assert "dog\\nfish" in out

    def test_misspelt(self, run, path):
        for command in (["info"], ["verify"], ["export", "--out", "x"]):
            assert "did you mean 'toy'" in error_line(run(*command, "tpy"))


class TestVerify:
    def test_sound(self, run, path):
        result = run("verify", "toy")
        assert result.exit_code == 0
        (line,) = result.stdout.splitlines()
        assert "sound, 12 images" in line

    def test_json(self, run, path):
        facts = json.loads(run("verify", "toy", "--json").stdout)
        assert facts["sound"] is facts["columns_checked"] is True
        assert facts["problems"] == []
        assert (facts["count"], len(facts["sha256"])) == (12, 64)

    def test_older_file(self, run, path):
        with h5py.File(path, "r+") as file:
            del file.attrs["columns_sha256"], file.attrs["description_sha256"]
        result = run("verify", "toy")
        assert result.exit_code == 0
        assert "only the pixels have a checksum" in result.stdout
        assert not json.loads(run("verify", "toy", "--json").stdout)["columns_checked"]

    @pytest.mark.parametrize(
        ("name", "place"), [("images", (3, 2, 1, 0)), ("labels", 3)]
    )
    def test_changed(self, run, path, name, place):
        with h5py.File(path, "r+") as file:
            file[name][place] ^= 1
        result = run("verify", "toy")
        assert f"/{name}" in result.stdout
        assert "changed" in result.stdout
        assert "--force" in error_line(result)
        facts = json.loads(run("verify", "toy", "--json").stdout)
        assert facts["sound"] is False

    def test_cut_short(self, run, path):
        cut_short(path)
        result = run("verify", "toy")
        assert "is cut short" in error_line(result)
        assert result.stdout == ""


class TestExport:
    def test_there_and_back(self, run, path, tmp_path):
        result = run("export", "toy", "--out", tmp_path / "png")
        assert "12 PNG files and metadata.csv" in result.stdout
        assert run("prepare", "back", tmp_path / "png").exit_code == 0
        with open_dataset(path) as first, open_dataset(path.parent / "back.h5") as back:
            assert back.sha256 == first.sha256
            np.testing.assert_array_equal(back.labels, first.labels)
            np.testing.assert_array_equal(back.split, first.split)
            np.testing.assert_array_equal(back.attributes, first.attributes)

    def test_choice_and_json(self, run, path, tmp_path):
        out = tmp_path / "png"
        choice = ["--split", "train+test", "--rows", "1-9,11", "--count", 3]
        result = run("export", "toy", "--out", out, *choice, "--json")
        facts = json.loads(result.stdout)
        assert (facts["folder"], facts["count"]) == (str(out), 3)
        names = sorted(p.name for p in (out / "images").iterdir())
        assert names == ["000002.png", "000004.png", "000006.png"]

    @pytest.mark.parametrize("rows", ["", "a", "3-1", "-1", "1,,2", "1.5"])
    def test_rows_that_are_none(self, run, path, tmp_path, rows):
        result = run("export", "toy", "--out", tmp_path / "png", "--rows", rows)
        assert result.exit_code == 2
        assert "--rows" in result.stderr

    def test_refusals(self, run, path, tmp_path):
        out = tmp_path / "png"
        assert "row 12" in error_line(run("export", "toy", "--out", out, "--rows", 12))
        assert "choose from" in error_line(
            run("export", "toy", "--out", out, "--split", "all")
        )
        assert not out.exists()
        run("export", "toy", "--out", out)
        assert "--force" in error_line(run("export", "toy", "--out", out))
        assert run("export", "toy", "--out", out, "--force").exit_code == 0

    @pytest.mark.skipif(os.name != "posix", reason="sends SIGINT as a terminal does")
    def test_ctrl_c_in_the_middle(self, folder, tmp_path):
        toy.write_plain(folder / "big.h5", np.zeros((60_000, 16, 16, 3), np.uint8))
        command = [sys.executable, "cli.py", "data", "export", str(folder / "big.h5")]
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / "png")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if list((tmp_path / "png").glob(".*.partial/new/images/*/*.png")):
                break
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 130, stderr
        assert (stdout, stderr.split()) == ("", ["interrupted"])
        assert not (tmp_path / "png").exists()
