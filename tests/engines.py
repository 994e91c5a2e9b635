"""The implementations of ``Value`` that the same tests run on, and how to reach an op on each."""

import importlib
import operator
import struct
from dataclasses import dataclass, field
from types import ModuleType

OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": operator.neg,
}


@dataclass(frozen=True)
class Engine:
    """One ``Value`` class together with the module that has its functions."""

    name: str
    module: ModuleType = field(repr=False)

    @property
    def Value(self):
        return self.module.Value

    def function(self, op):
        """The callable of an op of the table: an operator, or a function of the module."""
        return OPERATORS.get(op) or getattr(self.module, op)


MODULES = {
    "fast": "micrograd_fast",
    "reference": "reference",
    "pypi": "micrograd.engine",
}


def load(name):
    return Engine(name, importlib.import_module(MODULES[name]))


def bits(number):
    """The bytes of a float, one pattern for every nan: equal exactly if the floats are the same."""
    return struct.pack("<d", float("nan") if number != number else number)
