"""Runs the examples in the docstrings of the compiled module, which pytest does not collect."""

import doctest
import inspect

import pytest

from micrograd_fast import Value, _core, functional

FUNCTIONS = {name: getattr(_core, name) for name in functional.__all__}
MEMBERS = {
    f"Value.{name}": member
    for name, member in vars(Value).items()
    if ">>>" in (getattr(member, "__doc__", None) or "") and name != "__doc__"
}


def failures(name, documented):
    """What doctest has to say of the examples of one docstring, and how many there are."""
    text = inspect.getdoc(documented)
    test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    said = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said), len(test.examples)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_function(name):
    said, examples = failures(name, FUNCTIONS[name])
    assert said == ""
    assert examples >= 2


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_member(name):
    said, examples = failures(name, MEMBERS[name])
    assert said == ""
    assert examples >= 2


def test_the_members_one_would_ask_about_have_examples():
    public = {f"Value.{name}" for name in vars(Value) if not name.startswith("_")}
    assert public <= set(MEMBERS)
    assert {"Value.backward", "Value.item", "Value.data", "Value.grad", "Value.tanh"} <= public


def test_value_says_how_it_is_made_and_used():
    said, examples = failures("Value", Value)
    assert said == ""
    assert examples >= 5
    assert str(inspect.signature(Value)) == "(data, _children=(), _op='', label='')"


def test_a_wrong_example_is_found():
    def wrong():
        """
        >>> 1 + 1
        3
        """

    said, examples = failures("wrong", wrong)
    assert "Expected:\n    3\nGot:\n    2" in said
    assert examples == 1
