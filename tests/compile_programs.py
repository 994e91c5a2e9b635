"""Random programs as functions to compile, shared by the tests of compiled functions."""

from engines import load
from test_programs import _constant, apply, generate, magnitudes

fast = load("fast")

__all__ = ["as_function", "generate", "magnitudes"]


def as_function(program):
    """A function of as many numbers as the program has leaves: the list of all its results."""

    def run(*leaves):
        values = list(leaves)
        for name, operands in program.instructions:
            arguments = [values[o] if type(o) is int else _constant(o) for o in operands]
            values.append(apply(fast, name, arguments))
        return values

    return run
