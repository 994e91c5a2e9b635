"""install_as_micrograd and uninstall_as_micrograd: what `import micrograd` finds, and when."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import micrograd_fast
from micrograd_fast import Value, install_as_micrograd, uninstall_as_micrograd

NAMES = ["micrograd", "micrograd.engine", "micrograd.nn"]


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    """Every test starts with no micrograd imported, and leaves sys.modules as it found it."""
    before = {name: module for name, module in sys.modules.items() if is_micrograd(name)}
    for name in before:
        del sys.modules[name]
    yield
    uninstall_as_micrograd()
    for name in [name for name in sys.modules if is_micrograd(name)]:
        del sys.modules[name]
    sys.modules.update(before)


def is_micrograd(name):
    return name == "micrograd" or name.startswith("micrograd.")


def is_ours(name):
    return sys.modules[name].__name__ == f"micrograd_fast.{name}"


def python(program, tmp_path):
    """What a new interpreter prints that runs ``program`` in an empty directory."""
    home = str(Path(micrograd_fast.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": home},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_way_to_import_finds_ours():
    assert install_as_micrograd() is None
    import micrograd
    import micrograd.engine
    import micrograd.nn as alias
    from micrograd import nn
    from micrograd.engine import Value as TheirValue
    from micrograd.nn import MLP

    assert TheirValue is Value
    assert micrograd.engine.Value is Value
    assert alias is nn is micrograd.nn is micrograd_fast.micrograd.nn
    assert MLP is micrograd_fast.micrograd.nn.MLP
    assert importlib.import_module("micrograd.nn") is nn
    assert importlib.util.find_spec("micrograd.engine") is not None


def test_a_module_that_micrograd_has_not_is_not_found():
    install_as_micrograd()
    with pytest.raises(ModuleNotFoundError, match=r"micrograd\.optim"):
        importlib.import_module("micrograd.optim")


def test_a_second_installation_changes_nothing():
    install_as_micrograd()
    first = {name: sys.modules[name] for name in NAMES}
    install_as_micrograd()
    install_as_micrograd(force=True)
    assert {name: sys.modules[name] for name in NAMES} == first
    uninstall_as_micrograd()
    assert not set(NAMES) & set(sys.modules)


def test_an_installation_that_was_disturbed_is_repaired():
    install_as_micrograd()
    del sys.modules["micrograd.nn"]
    install_as_micrograd()
    assert all(map(is_ours, NAMES))


def test_without_an_installation_there_is_nothing_to_undo():
    import micrograd

    assert uninstall_as_micrograd() is None
    assert sys.modules["micrograd"] is micrograd
    assert repr(Value(2.0)) == "Value(data=2.0)"


@pytest.mark.parametrize("name", NAMES)
def test_a_micrograd_that_is_imported_already_is_an_error(name):
    theirs = importlib.import_module(name)
    with pytest.raises(RuntimeError, match=r"imported already, from .*force=True") as raised:
        install_as_micrograd()
    assert sys.modules["micrograd"].__file__ in str(raised.value)
    assert sys.modules[name] is theirs
    assert repr(Value(2.0)) == "Value(data=2.0)"


def test_force_takes_the_place_of_what_is_imported_and_undo_brings_it_back():
    import micrograd.engine
    import micrograd.nn

    theirs = {name: sys.modules[name] for name in NAMES}
    install_as_micrograd(force=True)
    assert all(map(is_ours, NAMES))
    # Whoever imported the other one keeps it.
    assert micrograd.engine.Value is not Value
    uninstall_as_micrograd()
    assert {name: sys.modules[name] for name in NAMES} == theirs


def test_after_undoing_the_installed_micrograd_is_found_again():
    install_as_micrograd()
    uninstall_as_micrograd()
    import micrograd.engine

    assert micrograd.engine.Value is not Value


def test_values_are_shown_as_micrograd_shows_them_while_it_holds():
    a = Value(-4.0)
    assert repr(a) == "Value(data=-4.0)"
    install_as_micrograd()
    assert repr(a) == str(a) == f"{a}" == "Value(data=-4.0, grad=0)"
    (a * 2.5).backward()
    assert repr(a) == "Value(data=-4.0, grad=2.5)"
    a.grad = 0
    assert repr([a]) == "[Value(data=-4.0, grad=0)]"
    a.grad = float("nan")
    assert repr(a) == "Value(data=-4.0, grad=nan)"
    uninstall_as_micrograd()
    assert repr(a) == "Value(data=-4.0)"


def test_showing_agrees_with_micrograd_for_floats():
    theirs = importlib.import_module("micrograd.engine").Value
    del sys.modules["micrograd.engine"], sys.modules["micrograd"]
    install_as_micrograd()
    for number in (2.0, -0.5, 1e-300, 1e22, float("inf"), float("nan"), 1 / 3):
        assert repr(Value(number)) == repr(theirs(number))


def test_importing_the_facade_alone_installs_nothing():
    importlib.import_module("micrograd_fast.micrograd.nn")
    assert not set(NAMES) & set(sys.modules)
    assert repr(Value(2.0)) == "Value(data=2.0)"


def test_it_works_where_no_micrograd_is_installed(tmp_path):
    program = (
        "import sys\n"
        "class Blind:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'micrograd': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blind())\n"
        "import micrograd_fast\n"
        "micrograd_fast.install_as_micrograd()\n"
        "from micrograd.nn import MLP\n"
        "print(MLP(2, [2, 1]))\n"
        "micrograd_fast.uninstall_as_micrograd()\n"
        "try:\n"
        "    import micrograd\n"
        "except ModuleNotFoundError as error:\n"
        "    print('gone:', error)\n"
    )
    assert python(program, tmp_path) == (
        "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]\n"
        "gone: micrograd\n"
    )


def test_a_checkout_beside_the_script_does_not_get_in_the_way(tmp_path):
    (tmp_path / "micrograd").mkdir()
    (tmp_path / "micrograd" / "__init__.py").write_text("raise SystemExit('the checkout')")
    program = (
        "import micrograd_fast as m; m.install_as_micrograd(); import micrograd.nn as n; print(n)"
    )
    assert "micrograd_fast" in python(program, tmp_path)


def test_models_of_the_facade_can_be_pickled_by_either_name():
    import copy
    import pickle

    install_as_micrograd()
    from micrograd.nn import Neuron

    neuron = Neuron(2)
    for other in (pickle.loads(pickle.dumps(neuron)), copy.deepcopy(neuron)):
        assert [p.data for p in other.parameters()] == [p.data for p in neuron.parameters()]
        assert type(other) is Neuron


def test_a_failed_installation_leaves_no_trace(monkeypatch):
    import micrograd

    with pytest.raises(RuntimeError):
        install_as_micrograd()
    uninstall_as_micrograd()
    assert sys.modules["micrograd"] is micrograd
    assert "micrograd.nn" not in sys.modules
