import json
import sys

from click.testing import CliRunner

from scratchgan.commands import main


def run(*args):
    return CliRunner().invoke(main, ["doctor", *args])


def test_says_what_was_found():
    result = run("--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["python"].startswith(f"{sys.version_info.major}.")
    assert found["cpu_gflops"] > 0
    assert found["cores"] >= 1
    assert "numpy" in found["libraries"]
    assert found["disk_free_gib"] > 0


def test_lines_for_people():
    result = run("--device", "cpu")
    assert result.exit_code == 0
    names = {line.split()[0] for line in result.stdout.splitlines()}
    assert {"python", "blas", "gpu", "memory_gib"} <= names


def test_gpu_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = run("--device", "gpu")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "pip install" in result.stderr


def test_data_folder_need_not_exist(tmp_path):
    result = run("--device", "cpu", "--data-dir", str(tmp_path / "a" / "b"), "--json")
    assert result.exit_code == 0
