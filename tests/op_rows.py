"""What a row of the test table in op_samples.py consists of, and what can be asked of it."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
from mpmath import mpf

NUMBERS = {
    "inf": math.inf,
    "nan": math.nan,
    "tiny": 5e-324,  # the smallest positive number
    "normal": 2.2250738585072014e-308,  # the smallest normal one
    "huge": 1.7976931348623157e308,
    "below1": 1.0 - 2.0**-53,
    "above1": 1.0 + 2.0**-52,
    "pi": math.pi,
    "pi/2": math.pi / 2,
    "pi/4": math.pi / 4,
    "sqrt1/2": math.sqrt(0.5),
    "1/3": 1.0 / 3.0,
}
EXCEPTIONS = {error.__name__: error for error in (OverflowError, ValueError, ZeroDivisionError)}
UNSPECIFIED = "?"  # stands for a partial that is not promised, only that asking raises nothing


@dataclass(frozen=True)
class Op:
    """A row: name, oracle, domain, edges.

    value        the op in mpmath
    partials     its partial derivatives, one per operand, as functions of all operands
    spans        per operand, the intervals to draw arguments from
    safe         per operand, the intervals in which random programs use the op
    points       finite arguments that are tested besides the drawn ones, against the oracle
    edges        where the oracle has nothing to say, in lines of the form
                 ``arguments; more arguments -> value | partials`` or ``-> exception``
    kinks        the same, for the arguments without a derivative: documentation states these
    scale        magnitude of the terms of the partials, where they cancel at a root
    units        allowance in units of the smallest number: what an intermediate result that is
                 denormal, and so off by half a unit, is multiplied by
    """

    name: str
    value: Callable
    partials: tuple[Callable, ...]
    spans: tuple
    safe: tuple
    points: str = ""
    edges: str = ""
    kinks: str = ""
    scale: Callable | None = None
    units: float = 4.0

    @property
    def arity(self):
        return len(self.partials)

    def samples(self, count):
        """Random arguments from the domain, the same ones in every run."""
        generator = random.Random(self.name)
        return [tuple(draw(generator, spans) for spans in self.spans) for _ in range(count)]

    def finite_arguments(self, count):
        return self.samples(count) + _arguments(self.points)

    def outcomes(self):
        """(arguments, value or exception, partials or nothing) of the edges and the kinks."""
        rows = []
        for line in filter(None, map(str.strip, (self.edges + "\n" + self.kinks).splitlines())):
            before, after = line.split("->")
            outcome, _, partials = after.partition("|")
            outcome = EXCEPTIONS.get(outcome.strip()) or number(outcome)
            partials = tuple(number(word) for word in partials.split())
            rows += [(arguments, outcome, partials) for arguments in _arguments(before)]
        return rows


def number(word):
    """The number that a word of the table means; ``+-`` is left to the caller."""
    word = word.strip()
    if word == UNSPECIFIED:
        return UNSPECIFIED
    sign = -1.0 if word.startswith("-") else 1.0
    word = word.lstrip("-")
    return sign * (NUMBERS[word] if word in NUMBERS else float(word))


def _arguments(text):
    """The argument tuples of ``1 2; 3 4``; ``+-x`` stands for ``x; -x``."""
    found = []
    for part in filter(None, map(str.strip, text.replace("\n", ";").split(";"))):
        variants = [part.replace("+-", ""), part.replace("+-", "-")] if "+-" in part else [part]
        found += [tuple(number(word) for word in variant.split()) for variant in variants]
    return found


def draw(generator, spans):
    """A number from one of the spans: even over a narrow one, over the exponents of a wide one."""
    low, high = generator.choice(spans)
    if low < 0.0 < high and generator.random() < 0.5:
        low, high = (1e-300, high) if generator.random() < 0.5 else (low, -1e-300)
    if low * high > 0.0 and max(low / high, high / low) > 100.0:
        exponent = generator.uniform(*sorted((math.log2(abs(low)), math.log2(abs(high)))))
        return min(max(math.copysign(2.0**exponent, low), low), high)
    return low + (high - low) * generator.random()


def exact(function, arguments):
    """The oracle's answer at float arguments: exact to far more digits than a float has."""
    with mpmath.workdps(60):
        return function(*(mpf(argument) for argument in arguments))
