"""Every public name says what it is.

The examples in docstrings are run elsewhere: pytest collects those of Python modules, and
test_docstrings.py runs those of the compiled one.
"""

import inspect

import pytest

import micrograd_fast


def public_members(owner):
    """(name, object) of what a class or module offers, written in this package.

    Without what Python's own classes bring, and without slots: what is in them, the docstring of
    their class says.
    """
    for name in dir(owner):
        member = getattr(owner, name)
        ours = str(getattr(member, "__module__", "micrograd_fast")).startswith("micrograd_fast")
        inherited = inspect.isclass(owner) and not any(
            name in vars(base)
            for base in owner.__mro__
            if base is not object and base.__module__ != "builtins"
        )
        slot = inspect.ismemberdescriptor(member)
        if not name.startswith("_") and ours and not inherited and not slot:
            yield name, member


def documented_names():
    for name in micrograd_fast.__all__:
        if name.startswith("__"):
            continue
        member = getattr(micrograd_fast, name)
        yield name, member
        if inspect.isclass(member):
            yield from ((f"{name}.{inner}", m) for inner, m in public_members(member))
        if inspect.ismodule(member):
            for inner in member.__all__:
                thing = getattr(member, inner)
                yield f"{name}.{inner}", thing
                if inspect.isclass(thing):
                    yield from ((f"{name}.{inner}.{i}", m) for i, m in public_members(thing))


NAMES = dict(documented_names())


@pytest.mark.parametrize("name", sorted(NAMES))
def test_docstring(name):
    if name.startswith("Value."):
        described = inspect.getattr_static(micrograd_fast.Value, name.removeprefix("Value."))
    else:
        described = NAMES[name]
    text = inspect.getdoc(described)
    assert text, f"{name} has no docstring"
    assert text[0].isupper() or text.split()[0].isidentifier() or ">>>" in text
    assert text.splitlines()[0].rstrip()[-1] in ".:", text.splitlines()[0]


def test_the_names_are_all_there():
    assert {"Value", "tanh", "where", "Value.backward", "Value.tanh", "nn.MLP"} <= set(NAMES)
    assert {"nn.MLP.parameters", "optim.Adam.step", "optim.clip_grad_norm_"} <= set(NAMES)
    assert len(NAMES) > 80


def test_all_is_what_star_gives():
    namespace = {}
    exec("from micrograd_fast import *", namespace)
    for name in micrograd_fast.__all__:
        assert namespace[name] is getattr(micrograd_fast, name)
