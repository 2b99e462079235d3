"""Folders that appear whole or not at all, whatever stops their making."""

import shutil
from pathlib import Path

import pytest

from scratchgan.errors import OutputError
from scratchgan.storage.files import complete_contents


def state(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def fill(folder, text="new"):
    with complete_contents(folder) as new:
        (new / "a").mkdir()
        (new / "a" / "b").write_text(text)
        (new / "c").write_text(text)


def test_new_folder(tmp_path):
    fill(tmp_path / "x" / "y")
    assert state(tmp_path) == {"x/y/a/b": "new", "x/y/c": "new"}


def test_same_names_are_replaced_and_others_stay(tmp_path):
    fill(tmp_path, "old")
    (tmp_path / "a" / "gone").write_text("old")
    (tmp_path / "d").write_text("old")
    fill(tmp_path)
    assert state(tmp_path) == {"a/b": "new", "c": "new", "d": "old"}


# Each replaced entry takes two moves, so there are four.
@pytest.mark.parametrize("error", [OSError(5, "broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("move", range(4))
def test_a_move_fails(tmp_path, monkeypatch, error, after, move):
    fill(tmp_path, "old")
    moves = iter(range(100))
    rename = Path.rename

    def failing(source, target):
        now = next(moves) == move
        if now and not after:
            raise error
        rename(source, target)
        if now:
            raise error

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(
        OutputError if isinstance(error, OSError) else KeyboardInterrupt
    ):
        fill(tmp_path)
    assert state(tmp_path) == {"a/b": "old", "c": "old"}


def test_a_thread_still_writes(tmp_path, monkeypatch):
    """A folder that gets another file while it is emptied cannot be removed yet."""
    remove = shutil.rmtree
    tries = []

    def busy(folder, ignore_errors):
        tries.append(folder)
        if len(tries) > 2:
            remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", busy)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with complete_contents(tmp_path / "x") as new:
            (new / "a").write_text("new")
            raise KeyboardInterrupt
    assert not (tmp_path / "x").exists()


def test_read_only(tmp_path, monkeypatch):
    def refuse(self, *args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        fill(tmp_path / "x")
