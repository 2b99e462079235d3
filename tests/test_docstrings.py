"""Docstrings: every public thing has one, and it names the parameters there are."""

import dataclasses
import importlib
import inspect
import pkgutil
from importlib.util import find_spec

import pytest

import scratchgan
from scratchgan import nn
from scratchgan.functional import losses
from scratchgan.functional.conv import primitives as conv
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.optim.adam import Adam
from scratchgan.testing import check_layer, gradient_errors

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(scratchgan.__path__, "scratchgan.")
    if not module.name.startswith("scratchgan.commands")  # click help texts
    and (module.name != "scratchgan.bench.torch_network" or find_spec("torch"))
)
MUST_HAVE_PARAMETERS = [
    *(layer for name in nn.__all__ if issubclass(layer := getattr(nn, name), nn.Layer)),
    conv.conv2d,
    conv.conv2d_input_grad,
    conv.conv2d_weight_grad,
    losses.bce_with_logits,
    losses.softmax_cross_entropy,
    Generator,
    Discriminator,
    Adam,
    check_layer,
    gradient_errors,
]


def section(docstring, title):
    """Return the names that a numpydoc section lists, or None without the section."""
    lines = inspect.cleandoc(docstring).splitlines()
    for number, line in enumerate(lines[:-1]):
        if line == title and set(lines[number + 1]) == {"-"}:
            break
    else:
        return None
    names = []
    for line, below in zip(
        lines[number + 2 :], [*lines[number + 3 :], ""], strict=True
    ):
        if below and set(below) == {"-"}:  # the next section's title
            break
        if line and not line.startswith(" "):
            names += [n.strip(" *") for n in line.split(" : ")[0].split(",")]
    return names


def parameters(thing):
    """Return the names in a signature; ``**settings`` of a class are its base's."""
    if not inspect.isclass(thing):
        return list(inspect.signature(thing).parameters)
    names = []
    for cls in thing.__mro__:
        if "__init__" not in vars(cls) or cls is object:
            continue
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        # A class that passes **settings on has its own name for the first one only.
        passes_on = bool(own) and own[-1].name == "settings"
        own = [parameter.name for parameter in own]
        names += own[:-1] if passes_on else own[bool(names) :]
        if not passes_on:
            break
    return names


def public_things():
    for name in MODULES:
        module = importlib.import_module(name)
        for key, thing in vars(module).items():
            if key.startswith("_") or getattr(thing, "__module__", None) != name:
                continue
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield f"{name}.{key}", thing
            if inspect.isclass(thing):
                for method_key, method in vars(thing).items():
                    if isinstance(method, property | classmethod | staticmethod):
                        method = getattr(method, "fget", None) or method.__func__
                    if inspect.isfunction(method) and not method_key.startswith("_"):
                        yield f"{name}.{key}.{method_key}", method


def problem_of(name, thing):
    """Return what is wrong with one docstring, or None."""
    text = inspect.getdoc(thing)
    if not text:
        return f"{name} has no docstring"
    documented = section(text, "Parameters")
    actual = [n for n in parameters(thing) if n not in ("self", "cls")]
    # Any order will do: what belongs together may be described together.
    if documented is not None and sorted(documented) != sorted(actual):
        return f"{name} documents {documented}, its signature has {actual}"
    attributes = section(text, "Attributes")
    if dataclasses.is_dataclass(thing) and attributes is not None:
        fields = [field.name for field in dataclasses.fields(thing)]
        if sorted(attributes) != sorted(fields):
            return f"{name} documents {attributes}, its fields are {fields}"
    return None


def test_every_public_docstring_matches_its_signature():
    things = list(public_things())
    assert len(things) > 150
    problems = [problem_of(name, thing) for name, thing in things]
    assert [problem for problem in problems if problem] == []


@pytest.mark.parametrize("thing", MUST_HAVE_PARAMETERS, ids=lambda t: t.__name__)
def test_layers_and_primitives_describe_their_parameters(thing):
    names = parameters(thing)
    if names and thing is not nn.Layer:
        documented = section(inspect.getdoc(thing), "Parameters")
        assert documented is not None
        assert sorted(documented) == sorted(names)


def test_modules_have_docstrings():
    for name in MODULES:
        module = importlib.import_module(name)
        if inspect.getsource(module).strip():
            assert module.__doc__, name


# --- the parser finds mistakes -----------------------------------------------------


def right(a, b=1, *rest, c):
    """Do it.

    Parameters
    ----------
    a, b : int
        Two numbers.
    *rest : int
        More.
    c : str
        A word.

    Returns
    -------
    int
    """


def missing(a, b):
    """Do it.

    Parameters
    ----------
    a : int
        One of two.
    """


def renamed(a, old):
    """Do it.

    Parameters
    ----------
    a : int
    new : int
    """


def twice(a, b):
    """Do it.

    Parameters
    ----------
    a, b : int
    a : int

    Raises
    ------
    ValueError
        Never.
    """


@dataclasses.dataclass
class WrongFields:
    """Values.

    Attributes
    ----------
    x : int
    """

    x: int
    y: int


def undocumented():
    pass


def test_a_right_docstring_is_no_problem():
    assert section(right.__doc__, "Parameters") == ["a", "b", "rest", "c"]
    assert section(right.__doc__, "Returns") == ["int"]
    assert section(right.__doc__, "Raises") is None
    assert problem_of("right", right) is None


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (missing, r"documents \['a'\], its signature has \['a', 'b'\]"),
        (renamed, "'new'"),
        (twice, r"documents \['a', 'b', 'a'\]"),
        (WrongFields, r"its fields are \['x', 'y'\]"),
        (undocumented, "has no docstring"),
    ],
)
def test_a_wrong_docstring_is_found(thing, words):
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(problem_of("it", thing))
