"""``Module``: what holds parameters, and what can be done with all of them together."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _archive, _core
from .engine import Value

__all__ = ["Module"]

Floats: TypeAlias = npt.NDArray[np.float64]
# One number of a state, or many: the name, the Values as a regular nest, the nest's shape.
_Entry: TypeAlias = tuple[str, Any, tuple[int, ...]]


def _is_parameter(thing: object) -> bool:
    """A Value that nothing was computed for: a result kept in an attribute is no parameter."""
    # Reading _op first: _children is a new tuple every time.
    return isinstance(thing, Value) and (not thing._op or not thing._children)


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a module or container holds, by name."""
    if isinstance(thing, Module):
        yield from thing._attributes()
    elif isinstance(thing, dict):
        yield from ((str(key), item) for key, item in thing.items())
    elif isinstance(thing, (list, tuple)):
        yield from ((str(i), item) for i, item in enumerate(thing))
    elif isinstance(thing, np.ndarray) and thing.dtype == object and thing.ndim:
        yield from ((str(i), item) for i, item in enumerate(thing.tolist()))


def _shape(thing: Any) -> tuple[int, ...] | None:
    """The shape of a regular nest of parameters, None for everything else."""
    if isinstance(thing, np.ndarray) and thing.dtype == object and thing.ndim:
        thing = thing.tolist()
    if not isinstance(thing, (list, tuple)) or not thing:
        return () if _is_parameter(thing) else None
    if all(_is_parameter(item) for item in thing):
        return (len(thing),)
    first = _shape(thing[0]) if isinstance(thing[0], (list, tuple)) else None
    if first is None or any(_shape(item) != first for item in thing[1:]):
        return None
    return (len(thing), *first)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _named(thing: Any, name: str, path: tuple[int, ...]) -> Iterator[tuple[str, Value]]:
    """The parameters in ``thing``, as often as they are met; ``path`` ends circles."""
    if isinstance(thing, Value):
        if _is_parameter(thing):
            yield name, thing
    elif id(thing) not in path:
        for child, item in _children(thing):
            yield from _named(item, _join(name, child), (*path, id(thing)))


def _entries(thing: Any, name: str, path: tuple[int, ...]) -> Iterator[_Entry]:
    """The parameters in ``thing`` as regular nests, each as large as possible."""
    if id(thing) in path:
        return
    if not isinstance(thing, Module):
        shape = _shape(thing)
        if shape is not None:
            yield name, thing, shape
            return
    for child, item in _children(thing):
        yield from _entries(item, _join(name, child), (*path, id(thing)))


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


class Module:
    """What holds parameters: the base of all of ``nn``, and of modules of your own.

    The parameters of a module are the Values in its attributes: directly, in lists, tuples, dicts
    and object arrays, and in other modules there. A Value that was computed from others (a result
    that you keep) is not among them.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(2.0), Value(1.0)
    ...     def __call__(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> line(3.0)
    Value(data=7.0)
    >>> line.named_parameters()
    [('slope', Value(data=2.0)), ('offset', Value(data=1.0))]
    """

    def _slotted(self) -> Iterator[tuple[str, Any]]:
        """The attributes in slots, by name."""
        for kind in reversed(type(self).__mro__):
            names = vars(kind).get("__slots__", ())
            for name in (names,) if isinstance(names, str) else names:
                if name.startswith("__") and not name.endswith("__"):
                    name = f"_{kind.__name__.lstrip('_')}{name}"
                # A class attribute of a subclass may have taken the slot's place.
                if name not in ("__dict__", "__weakref__", *vars(self)) and hasattr(self, name):
                    yield name, getattr(self, name)

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        """The attributes that may hold parameters, by name."""
        yield from self._slotted()
        yield from vars(self).items()

    def parameters(self) -> list[Value]:
        """The parameters in the order of the attributes, as a new list; each Value once.

        >>> from micrograd_fast.nn import Linear
        >>> linear = Linear(2, 1)
        >>> linear.parameters() == [*linear.w[0], *linear.b]
        True
        """
        return list({id(value): value for _, value in _named(self, "", ())}.values())

    def named_parameters(self) -> list[tuple[str, Value]]:
        """The parameters with their names: the way to each, from attribute to attribute.

        A Value that is shared comes once, under its first name.

        >>> from micrograd_fast.nn import Layer
        >>> [name for name, _ in Layer(1, 2).named_parameters()]
        ['neurons.0.w.0', 'neurons.0.b', 'neurons.1.w.0', 'neurons.1.b']
        """
        first: dict[int, tuple[str, Value]] = {}
        for name, value in _named(self, "", ()):
            first.setdefault(id(value), (name, value))
        return list(first.values())

    def num_parameters(self) -> int:
        """How many parameters there are, shared ones counted once.

        >>> from micrograd_fast.nn import MLP
        >>> MLP(3, [4, 4, 1]).num_parameters()
        41
        """
        return len(self.parameters())

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0, as is due between two steps of training.

        >>> from micrograd_fast.nn import Neuron
        >>> neuron = Neuron(1)
        >>> neuron([2.0]).backward()
        >>> neuron.zero_grad()
        >>> neuron.b.grad
        0.0
        """
        for p in self.parameters():
            p.grad = 0.0

    def state_dict(self) -> dict[str, Floats]:
        """The data of the parameters: a new float64 array for each attribute that holds some.

        A list of Values becomes an array of one dimension, a list of such lists one of two, a Value
        by itself one of none. What is shared appears under each of its names.

        Raises ValueError where two parameters have the same name, as ``{1: ..., "1": ...}`` makes.

        >>> from micrograd_fast.nn import Linear
        >>> {name: array.shape for name, array in Linear(3, 2).state_dict().items()}
        {'w': (2, 3), 'b': (2,)}
        """
        return {name: _core.data_of(nest, None) for name, nest, _ in self._entries()}

    def _entries(self) -> list[_Entry]:
        entries = list(_entries(self, "", ()))
        counts = Counter(name for name, _, _ in entries)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(
                f"a state cannot hold {_listed(twice)} of {type(self).__name__}: different "
                "parameters have that name"
            )
        return entries

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Set the data of the parameters to what ``state_dict()`` returned, here or elsewhere.

        state
            a mapping from the same names to arrays (or lists) of the same shapes

        Raises ValueError that names what is missing, what is too much, or both shapes, and
        TypeError for what are not real numbers; nothing has changed then.

        >>> from micrograd_fast.nn import Neuron
        >>> one, other = Neuron(2), Neuron(2)
        >>> other.load_state_dict(one.state_dict())
        >>> [w.data for w in other.w] == [w.data for w in one.w]
        True
        >>> Neuron(3).load_state_dict(one.state_dict())
        Traceback (most recent call last):
        ...
        ValueError: 'w' of Neuron(3) has shape (3,), but the state has shape (2,)
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"a state is a dict of arrays by name, not {type(state).__name__!r}")
        entries = self._entries()
        self._check_names(entries, state)
        arrays = []
        for name, _, shape in entries:
            array = np.asarray(state[name])
            if array.dtype.kind not in "biuf":
                raise TypeError(f"{name!r} of the state must be real numbers, not {array.dtype}")
            self._check_shape(name, shape, array.shape)
            arrays.append(np.asarray(array, dtype=np.float64, order="C"))
        for (_, nest, _), array in zip(entries, arrays):
            _core.set_data(nest, array)

    def _check_names(self, entries: list[_Entry], state: Collection[Any]) -> None:
        """Refuses a state with other names than the entries."""
        names = dict.fromkeys(name for name, _, _ in entries)
        missing = [name for name in names if name not in state]
        unknown = [name for name in state if name not in names]
        if missing or unknown:
            complaints = [f"lacks {_listed(missing)}"] if missing else []
            complaints += [f"has {_listed(unknown)}, which it does not know"] if unknown else []
            owner = type(self).__name__
            raise ValueError(f"the state does not fit {owner}: it " + " and it ".join(complaints))

    def _check_shape(self, name: str, shape: tuple[int, ...], given: tuple[int, ...]) -> None:
        if given != shape:
            raise ValueError(
                f"{name!r} of {self._brief()} has shape {shape}, but the state has shape {given}"
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to the file ``path``, an ``.npz`` archive that ``numpy.load`` reads too.

        The name is taken as it is. See ``load``.
        """
        _archive.write(path, self.state_dict())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Set the data of the parameters to what ``save`` wrote. Nothing in the file is executed.

        Raises OSError for a file that cannot be read, ValueError for one that is no ``.npz``
        archive, is damaged, holds other things than real numbers, or does not fit, as
        ``load_state_dict`` does; nothing has changed then.

        >>> import os, tempfile
        >>> from micrograd_fast.nn import MLP
        >>> one, other = MLP(2, [3, 1]), MLP(2, [3, 1])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     one.save(os.path.join(directory, "one.npz"))
        ...     other.load(os.path.join(directory, "one.npz"))
        >>> other([1.0, 2.0]).data == one([1.0, 2.0]).data
        True
        """
        entries = self._entries()

        def check(shapes: dict[str, tuple[int, ...]]) -> None:
            self._check_names(entries, shapes)
            for name, _, shape in entries:
                self._check_shape(name, shape, shapes[name])

        state = _archive.read(path, check)
        self.load_state_dict(state)

    def _brief(self) -> str:
        """The repr, if it is short enough for a message."""
        text = repr(self)
        return type(self).__name__ if "\n" in text else text

    def __repr__(self) -> str:
        return _describe(self, (id(self),))


def _describe(module: Module, path: tuple[int, ...]) -> str:
    """A line for each attribute with parameters or modules in it."""
    lines: list[str] = []

    def add(name: str, thing: Any) -> None:
        if isinstance(thing, Module):
            if id(thing) in path:
                text = "..."
            elif type(thing).__repr__ is Module.__repr__:
                text = _describe(thing, (*path, id(thing)))
            else:
                text = repr(thing)
            lines.extend(f"{name}: {text}".splitlines())
        elif isinstance(thing, Value):
            if _is_parameter(thing):
                lines.append(f"{name}: {thing!r}")
        elif (shape := _shape(thing)) is not None:
            lines.append(f"{name}: {' x '.join(map(str, shape))} Values")
        elif isinstance(thing, (list, tuple, dict, np.ndarray)) and not in_circle(thing):
            containers.append(id(thing))
            for child, item in _children(thing):
                add(f"{name}[{child}]", item)
            containers.pop()

    containers: list[int] = []

    def in_circle(thing: object) -> bool:
        return id(thing) in containers

    for attribute, item in module._attributes():
        add(attribute, item)
    inner = "".join(f"\n  {line}" for line in lines)
    return f"{type(module).__name__}({inner}\n)" if inner else f"{type(module).__name__}()"
