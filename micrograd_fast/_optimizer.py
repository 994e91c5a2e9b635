"""What optimisers and schedules are made of: attributes that are checked, and saved as state."""

import math
import numbers
import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from ._core import Parameters
from .engine import Value

__all__ = ["Optimizer"]

# Takes the owner of an attribute, its name, and what is assigned to it; returns what it becomes.
Check: TypeAlias = Callable[[Any, str, Any], Any]
Number: TypeAlias = float | np.floating[Any] | np.integer[Any]


def number(accepts: Callable[[float], bool], words: str) -> Check:
    """The check for real numbers that ``accepts`` is true for; ``words`` says which those are."""

    def check(owner: object, name: str, given: Any) -> float:
        if isinstance(given, np.ndarray) and given.ndim == 0:  # as it comes out of an .npz file
            given = given.item()
        if not isinstance(given, numbers.Real):
            raise TypeError(f"{name} must be a real number, not {type(given).__name__!r}")
        converted = float(given)
        if not accepts(converted):
            raise ValueError(f"{name} must be {words}, not {converted!r}")
        return converted

    return check


def count(least: int) -> Check:
    """The check for ints of at least ``least``."""

    def check(owner: object, name: str, given: Any) -> int:
        try:
            converted = operator.index(given)
        except TypeError:
            raise TypeError(f"{name} must be an int, not {type(given).__name__!r}") from None
        if converted < least:
            raise ValueError(f"{name} must be at least {least}, not {converted}")
        return converted

    return check


def flag(owner: object, name: str, given: Any) -> bool:
    """The check for bools, numpy's included."""
    if np.ndim(given) != 0 or np.asarray(given).dtype != bool:
        raise TypeError(f"{name} must be a bool, not {type(given).__name__!r}")
    return bool(given)


def pair(owner: object, name: str, given: Any) -> tuple[float, float]:
    """The check for the two decay rates of Adam."""
    try:
        first, second = given
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be two numbers, not {given!r}") from None
    return below_one(owner, f"{name}[0]", first), below_one(owner, f"{name}[1]", second)


def one_each(owner: "Optimizer", name: str, given: Any) -> npt.NDArray[np.float64]:
    """The check for arrays of one number for each parameter, which it copies."""
    array = np.asarray(given)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of numbers, not of {array.dtype}")
    length = len(owner._parameters)
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}, but there are {length} parameters")
    return np.array(array, dtype=np.float64, order="C")


not_negative = number(lambda x: 0.0 <= x < math.inf, "finite and not negative")
below_one = number(lambda x: 0.0 <= x < 1.0, "in [0, 1)")
up_to_one = number(lambda x: 0.0 <= x <= 1.0, "in [0, 1]")
positive_up_to_one = number(lambda x: 0.0 < x <= 1.0, "in (0, 1]")


class Stateful:
    """An object whose state is the attributes in ``_checks``, checked when they are assigned."""

    _checks: ClassVar[dict[str, Check]] = {}
    _optional: ClassVar[frozenset[str]] = frozenset()

    def __setattr__(self, name: str, given: Any) -> None:
        check = self._checks.get(name)
        super().__setattr__(name, given if check is None else check(self, name, given))

    def _assign(self, **attributes: Any) -> None:
        """Assign each, which turns what it is given into what the attribute is."""
        for name, given in attributes.items():
            setattr(self, name, given)

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to go on from here, as a new dict.

        Its entries are numbers, a str that says what kind of object it is of, and copies of arrays.
        """
        state: dict[str, Any] = {"kind": type(self).__name__}
        for name in self._checks:
            if name in self.__dict__:
                entry = self.__dict__[name]
                state[name] = entry.copy() if isinstance(entry, np.ndarray) else entry
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that ``state_dict`` gave, all of it or, after an error, nothing.

        Raises ValueError for the state of another kind of object, missing and unknown entries,
        wrong shapes and numbers that cannot be; TypeError for entries of a wrong type.
        """
        kind = type(self).__name__
        if not isinstance(state, Mapping):
            raise TypeError(f"the state of {kind} must be a dict, not {type(state).__name__!r}")
        if str(state.get("kind", kind)) != kind:
            raise ValueError(f"{kind} cannot load the state of {state['kind']}")
        needed = {"kind", *self._checks}
        missing = sorted(needed - self._optional - set(state))
        unknown = sorted(set(state) - needed, key=str)
        if missing or unknown:
            faults = [("lacks", missing), ("has unknown", unknown)]
            said = " and ".join(f"{fault} {names}" for fault, names in faults if names)
            raise ValueError(f"the state of {kind} {said}")
        checked = {
            name: check(self, name, state[name])
            for name, check in self._checks.items()
            if name in state
        }
        for name in self._optional:
            self.__dict__.pop(name, None)
        self.__dict__.update(checked)


class Optimizer(Stateful):
    """What the optimisers have in common; make one of ``SGD``, ``Adam`` and ``AdamW``.

    ``lr`` and the other settings are attributes under the names that the constructor has for them.
    All can be assigned; ``steps`` counts the steps taken. The parameters are fixed: an optimiser
    keeps its Values alive, and one that a model no longer uses is still moved.

    Every optimiser takes as ``params`` the Values to move: an iterable of Values, such as
    ``model.parameters()``, or lists, tuples and object arrays of them inside each other. Raises
    TypeError, naming the place, for what is not a Value, and ValueError for no Values at all and
    for a Value that occurs twice, which would be moved twice.
    """

    _checks: ClassVar[dict[str, Check]] = {
        "lr": not_negative,
        "weight_decay": not_negative,
        "steps": count(0),
        "initial_lr": not_negative,
    }
    # The rate from before the first schedule; without one there is none.
    _optional = frozenset({"initial_lr"})
    _arrays: ClassVar[tuple[str, ...]] = ()

    lr: float
    weight_decay: float
    steps: int
    initial_lr: float

    def __init__(self, params: Any, lr: Number, weight_decay: Number) -> None:
        self._assign(lr=lr, weight_decay=weight_decay, steps=0)
        if isinstance(params, Value):
            raise TypeError("params must be an iterable of Values, not a single Value")
        self._parameters = Parameters(params)
        if len(self._parameters) == 0:
            raise ValueError("params must hold at least 1 Value, but there is none")
        zeros = np.zeros(len(self._parameters))
        self._assign(**dict.fromkeys(self._arrays, zeros))

    def step(self) -> None:
        """Move the data of every parameter by its grad, according to the rule and the settings.

        Never raises for a number: what is not finite follows IEEE 754.
        """
        raise NotImplementedError(f"{type(self).__name__} has no rule of its own")

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0.0.

        >>> from micrograd_fast import Value, optim
        >>> w = Value(1.0)
        >>> (w * 2).backward()
        >>> optim.SGD([w], lr=0.1).zero_grad()
        >>> w.grad
        0.0
        """
        self._parameters.zero_grads()

    def __repr__(self) -> str:
        settings = [
            f"{name}={self.__dict__[name]!r}"
            for name in self._checks
            if name not in ("steps", "initial_lr", *self._arrays)
        ]
        return f"{type(self).__name__}({len(self._parameters)} parameters, {', '.join(settings)})"
