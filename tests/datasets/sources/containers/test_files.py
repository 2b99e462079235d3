"""Names inside archives are text, and lead nowhere."""

import pytest

from scratchgan.datasets.sources.containers.files import File, is_hidden, plain_name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.png", "a.png"),
        ("/a//b/../c.png", "a/b/c.png"),
        ("../../../etc/passwd", "etc/passwd"),
        ("..\\..\\a.png", "a.png"),
        ("C:\\Windows\\a.png", "C_/Windows/a.png"),
        ("c:a.png", "c_a.png"),
        ("//server/share/a.png", "server/share/a.png"),
        ("./a/./b.png", "a/b.png"),
        ("...", "..."),
        ("..", ""),
        ("", ""),
    ],
)
def test_plain_name_is_relative(name, plain):
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("a.png", False),
        (".a.png", True),
        ("a/.b/c.png", True),
        ("__MACOSX/a.png", True),
        ("a/__MACOSX", True),
        ("a__MACOSX/b.png", False),
    ],
)
def test_hidden(name, hidden):
    assert is_hidden(name) is hidden


def test_parts_of_a_name():
    file = File("a.b/c.D.PNG", 0, None)
    assert (file.base, file.ending) == ("c.D.PNG", ".png")
    assert File("a.b/c", 0, None).ending == ""
