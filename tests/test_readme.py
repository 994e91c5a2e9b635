"""Runs what README.md shows, so that it stays true."""

import doctest
import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def load_ci_module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python_blocks(text):
    """The ```python blocks of a Markdown text: (line number, source) of each."""
    return [
        (text.count("\n", 0, match.start(1)) + 1, match[1])
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]


def failures(text):
    """What doctest has to say of all the Python of a Markdown text, run as one session."""
    parser, runner = (
        doctest.DocTestParser(),
        doctest.DocTestRunner(verbose=False, optionflags=FLAGS),
    )
    namespace, said = {}, []
    for line, source in python_blocks(text):
        example = parser.get_doctest(source, namespace, "README.md", "README.md", line - 1)
        assert example.examples, f"README.md:{line}: a Python block without any >>>"
        runner.run(example, out=said.append, clear_globs=False)
        namespace = example.globs
    return "".join(said)


def test_python_examples(monkeypatch):
    # A reader's Python has not imported the other micrograd, as other tests have.
    for name in [name for name in sys.modules if name.partition(".")[0] == "micrograd"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert len(python_blocks(README)) >= 10
    said = failures(README)
    assert said == "", said


def test_a_wrong_example_is_found():
    text = "text\n```python\n>>> x = 1\n\n```\n```python\n>>> x\n2\n\n```\n"
    assert re.search(r"line 7.*Expected:\n    2\nGot:\n    1", failures(text), re.DOTALL)
    with pytest.raises(AssertionError, match="without any"):
        failures("```python\nx = 1\n```\n")


def test_the_quick_start_is_two_command_lines():
    """One runs the demo, one the tests, and each does its own set-up."""
    commands = load_ci_module("readme_commands").quick_start_commands(README)
    assert len(commands) == 2
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert commands[0].endswith("&& .venv/bin/python -m micrograd_fast demo")
    assert commands[1].endswith("&& .venv/bin/python -m pytest")


def test_the_quick_start_comes_first():
    assert re.search(r"^## (.*)", README, re.MULTILINE)[1] == "Quick start"


def test_files_that_are_linked_or_named_exist():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    named = re.findall(r"`((?:csrc|tests|bench|\.ci)/[\w./*]*)`", README)
    assert named
    missing = [name for name in targets + named if not (ROOT / name).exists()]
    assert missing == []


def test_every_op_is_listed():
    from micrograd_fast import functional

    lists = re.search(r"There are `([^`]+)`, and of many values `([^`]+)`", README).groups()
    assert " ".join(lists).split() == list(dict.fromkeys(" ".join(lists).split()))
    assert set(functional.__all__) == set(" ".join(lists).split())
