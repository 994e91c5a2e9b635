"""What the contenders of the replay table have in common.

A contender prepares a program: whatever it records or compiles. What comes back is a function of
one point that returns value and gradient. arguments() says how the contender wants its points, and
result() turns what it returns into plain numbers; neither is timed.
"""

import importlib
from types import SimpleNamespace

from bench._contender import Unavailable
from bench._replay_programs import plain_logsumexp


def load(module, distribution):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(f"{distribution} is not installed") from error


class Peer:
    label = ""
    # Programs that this contender has no form of its own for.
    without = frozenset({"numbers"})

    def prepare(self, program):
        raise NotImplementedError

    def arguments(self, program):
        """What the prepared function is called with, point by point."""
        return [(x, extra) if program.extras else (x,) for x, extra in program.points]

    def result(self, made):
        value, gradient = made
        return float(value), [float(v) for v in gradient]


def scalar_functions(module, maximum):
    """The functions that programs on scalars want, from a module that has the usual names."""
    names = ("exp", "log", "sin", "tanh", "sqrt")
    m = SimpleNamespace(**{name: getattr(module, name) for name in names})
    m.relu = lambda v: maximum(v, 0.0)
    m.maximum = maximum
    m.logsumexp = lambda values: plain_logsumexp(values, m)
    return m
