"""Makes ``import micrograd`` find this package."""

import importlib
import sys
from types import ModuleType

from .engine import Value

_PACKAGE = "micrograd"
_NAMES = (_PACKAGE, f"{_PACKAGE}.engine", f"{_PACKAGE}.nn")

# What stood in sys.modules before, and how a Value was shown; None while nothing is installed.
_before: dict[str, ModuleType] | None = None
_own_repr = Value.__repr__


def _repr(self: Value) -> str:
    """What PyPI micrograd shows; a grad that nobody has added to is its int 0."""
    return f"Value(data={self.data!r}, grad={self.grad or 0!r})"


def _ours() -> dict[str, ModuleType]:
    return {name: importlib.import_module(f"micrograd_fast.{name}") for name in _NAMES}


def _present() -> dict[str, ModuleType]:
    """The modules of any micrograd that has been imported."""
    return {
        name: module
        for name, module in sys.modules.items()
        if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")
    }


def install_as_micrograd(force: bool = False) -> None:
    """Makes ``import micrograd`` give this package's ``micrograd``, in this process from now on.

    So ``from micrograd.engine import Value`` and ``from micrograd.nn import MLP`` work unchanged,
    whether PyPI micrograd is installed or not. A Value is then shown as PyPI micrograd shows it,
    ``Value(data=2.0, grad=0)``. A second call changes nothing, ``uninstall_as_micrograd()`` undoes
    it.

    RuntimeError if another micrograd has been imported already, for whoever imported it would keep
    it; with ``force`` the imports from now on get this one nevertheless.

    >>> import micrograd_fast
    >>> micrograd_fast.install_as_micrograd(force=True)
    >>> from micrograd.engine import Value
    >>> Value is micrograd_fast.Value
    True
    >>> Value(2.0)
    Value(data=2.0, grad=0)
    >>> micrograd_fast.uninstall_as_micrograd()
    >>> Value(2.0)
    Value(data=2.0)
    """
    global _before
    ours, present = _ours(), _present()
    if _before is not None and present == ours:
        return
    foreign = {name: module for name, module in present.items() if module is not ours.get(name)}
    if foreign and not force:
        name, module = min(foreign.items())
        origin = getattr(module, "__file__", None) or "an unknown place"
        raise RuntimeError(
            f"{name} has been imported already, from {origin}: call install_as_micrograd() before "
            "that, or install_as_micrograd(force=True) if the imports from now on are enough"
        )
    if _before is None:
        _before = foreign
    for name in foreign:
        del sys.modules[name]
    sys.modules.update(ours)
    Value.__repr__ = _repr  # type: ignore[method-assign,assignment]


def uninstall_as_micrograd() -> None:
    """Undoes ``install_as_micrograd()``: imports of ``micrograd`` find what they found before.

    What has been imported already stays what it is. Without an installation this does nothing.

    >>> import micrograd_fast
    >>> micrograd_fast.uninstall_as_micrograd()
    """
    global _before
    if _before is None:
        return
    ours = _ours()
    for name, module in _present().items():
        if module is ours.get(name):
            del sys.modules[name]
    for name, module in _before.items():
        sys.modules.setdefault(name, module)
    _before = None
    Value.__repr__ = _own_repr  # type: ignore[method-assign]
