"""hostcupy says why it cannot run."""

import importlib.machinery
import importlib.metadata
import importlib.util
import platform

import pytest

from tests import hostcupy
from tests.hostcupy import build


@pytest.fixture
def not_installed(monkeypatch):
    monkeypatch.setattr(hostcupy, "_runtime", None)


def test_other_systems(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "aarch64, expected Linux x86_64" in build.why_not()


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no compiler no-such-compiler; install g++ 12" in build.why_not()


def test_old_compiler(monkeypatch, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho 11.4.0\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert build.why_not() == "got g++ 11.4.0, expected 12 or newer"


def test_no_cupy(monkeypatch, not_installed):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "CuPy is not installed" in hostcupy.why_not()
    with pytest.raises(RuntimeError, match="cannot run on this CPU: CuPy is not"):
        hostcupy.install()


def test_other_version_of_cupy(monkeypatch, not_installed):
    spec = importlib.machinery.ModuleSpec("cupy", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "13.6.0")
    assert hostcupy.why_not() == "got CuPy 13.6.0, expected cupy-cuda12x 14.2.0"
