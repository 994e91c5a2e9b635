"""What the modules of ``nn`` are called with: sizes, inputs, where numbers are drawn from."""

import math
import operator
import random
from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex, TypeAlias

from .engine import Value

Inputs: TypeAlias = Iterable[Value | float] | Value
Init: TypeAlias = str | Callable[[], float]
Seed: TypeAlias = int | random.Random | None


# Far more than memory holds, so that a slip is an error at once instead of the end of all memory.
LARGEST_SIZE = 10**9


def size_of(size: SupportsIndex, name: str) -> int:
    """``size`` as an int of at least 1; ``name`` says in the error which argument it was."""
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(size).__name__}") from None
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    if number > LARGEST_SIZE:
        raise ValueError(f"{name} must be at most {LARGEST_SIZE:,}, got {number:,}")
    return number


def sizes_of(sizes: Iterable[SupportsIndex], name: str) -> list[int]:
    """``sizes`` as a list of ints of at least 1."""
    if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__"):
        raise TypeError(f"{name} must be a list of layer sizes, got {type(sizes).__name__}")
    checked = [size_of(size, f"{name}[{i}]") for i, size in enumerate(sizes)]
    if not checked:
        raise ValueError(f"{name} must hold at least 1 layer size, got 0")
    return checked


def generator_of(seed: Seed) -> Any:
    """Where random numbers come from: something with the methods of ``random.Random``."""
    if seed is None:
        return random
    if isinstance(seed, random.Random):
        return seed
    try:
        return random.Random(operator.index(seed))
    except TypeError:
        raise TypeError(
            f"seed must be an int, a random.Random or None, got {type(seed).__name__}"
        ) from None


_INITS = ("he", "normal", "uniform", "xavier")


def check_init(init: Init) -> None:
    """Refuses what ``drawer`` does not know."""
    if isinstance(init, str):
        if init not in _INITS:
            raise ValueError(
                f"init must be one of {', '.join(_INITS)}, or a function; got {init!r}"
            )
    elif not callable(init):
        raise TypeError(f"init must be a name or a function, got {type(init).__name__}")


def drawer(init: Init, generator: Any, nin: int, nout: int) -> Callable[[], float]:
    """What draws the first data of a weight."""
    if callable(init):
        return init
    if init == "uniform":
        return lambda: generator.uniform(-1, 1)
    if init == "xavier":
        limit = math.sqrt(6.0 / (nin + nout))
        return lambda: generator.uniform(-limit, limit)
    deviation = math.sqrt(2.0 / nin) if init == "he" else 1.0
    return lambda: generator.gauss(0.0, deviation)


def first_bias(init: Init, draw: Callable[[], float]) -> float:
    """The seed draws its biases like its weights; elsewhere they start at 0."""
    return draw() if init == "uniform" else 0.0


def inputs_of(x: Any, nin: int, taker: object) -> list[Value | float]:
    """``x`` as a list of ``nin`` inputs for ``taker``, or an error that says what it is instead."""
    if isinstance(x, Value):
        # A layer with one neuron hands its output on bare.
        x = [x]
    if getattr(x, "ndim", 1) != 1:
        raise ValueError(
            f"{taker!r} takes one sample of {nin} inputs, got an array of shape {x.shape}"
        )
    if isinstance(x, (str, bytes)) or not hasattr(x, "__iter__"):
        raise TypeError(f"{taker!r} expects a list of {nin} inputs, got {type(x).__name__}")
    inputs = list(x)
    if len(inputs) != nin:
        raise ValueError(f"{taker!r} expects {nin} inputs, got {len(inputs)}")
    return inputs
