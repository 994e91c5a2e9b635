"""The n-ary rows of csrc/ops.def: what each is, once more, in mpmath and by the textbook.

The other half of the test table, see op_samples.py. A row takes one list of numbers, which
``arguments`` splits into those of the function.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from mpmath import mp, mpf
from op_rows import draw

UNIT = ((-3.0, 3.0), (-1000.0, 1000.0))
LOGITS = ((-4.0, 4.0), (-800.0, 800.0))


@dataclass(frozen=True)
class Nary:
    """A row.

    value          the op in mpmath, of the whole list
    partials       its gradient, a list
    sizes          how many numbers to draw
    arguments      splits the list into the function's arguments
    takes          which places of the list may be Values: all, or those before this one
    magnitude      the size of the terms that value is the sum of: bounds the rounding
    slopes         the same for each of the partials
    points         lists that are tested besides the drawn ones
    """

    name: str
    value: Callable
    partials: Callable
    sizes: tuple
    spans: tuple = UNIT
    arguments: Callable = lambda x: (x,)
    takes: int | None = None
    magnitude: Callable | None = None
    slopes: Callable | None = None
    points: tuple = ()

    def lists(self, count):
        """Random lists, the same ones in every run, and the points."""
        generator = random.Random(self.name)
        drawn = []
        for k in range(count):
            size = self.sizes[k % len(self.sizes)]
            numbers = [draw(generator, self.spans) for _ in range(size)]
            drawn.append(self.fix(numbers, generator))
        return drawn + [list(point) for point in self.points]

    def fix(self, numbers, generator):
        """The last number of a list with ``takes`` is an index into the others."""
        if self.takes is not None:
            numbers[self.takes] = generator.randrange(len(numbers) + self.takes)
        return numbers


def halves(x):
    middle = len(x) // 2
    return x[:middle], x[middle : 2 * middle]


def dot(x):
    w, v = halves(x)
    return mp.fsum([x[-1], *(a * b for a, b in zip(w, v))])


def dot_partials(x):
    w, v = halves(x)
    return [*v, *w, mpf(1)]


def softmax(x):
    total = mp.fsum(mp.exp(v) for v in x)
    return [mp.exp(v) / total for v in x]


def cross_entropy(x):
    """In a form that does not cancel for a confident and right answer."""
    *logits, target = x
    others = [v - logits[int(target)] for i, v in enumerate(logits) if i != int(target)]
    return mp.log1p(mp.fsum(mp.exp(v) for v in others))


def cross_entropy_partials(x):
    *logits, target = x
    shares = softmax(logits)
    # 1 - share without cancellation
    shares[int(target)] = -mp.fsum(s for i, s in enumerate(shares) if i != int(target))
    return shares


def mse_loss(x):
    p, t = halves(x)
    return mp.fsum((a - b) ** 2 for a, b in zip(p, t)) / len(p)


def mse_loss_partials(x):
    p, t = halves(x)
    slopes = [2 * (a - b) / len(p) for a, b in zip(p, t)]
    return slopes + [-slope for slope in slopes]


def hinge_loss(x):
    s, t = halves(x)
    return mp.fsum(max(mpf(0), 1 - a * b) for a, b in zip(s, t)) / len(s)


def hinge_loss_partials(x):
    s, t = halves(x)
    on = [mpf(1 - a * b > 0) for a, b in zip(s, t)]
    return [-b * k / len(s) for b, k in zip(t, on)] + [-a * k / len(s) for a, k in zip(s, on)]


def norm(x):
    return mp.sqrt(mp.fsum(v * v for v in x))


def polyval(x):
    *coefficients, at = x
    powers = range(len(coefficients) - 1, -1, -1)
    return mp.fsum(c * at**k for k, c in zip(powers, coefficients))


def polyval_partials(x):
    *coefficients, at = x
    powers = range(len(coefficients) - 1, -1, -1)
    slope = mp.fsum(k * c * at ** (k - 1) for k, c in zip(powers, coefficients) if k)
    return [at**k for k in powers] + [slope]


def absolute(function):
    return lambda x: function([abs(v) for v in x])


NARY = (
    Nary(
        "dot",
        dot,
        dot_partials,
        (3, 5, 33),
        arguments=lambda x: (*halves(x), x[-1]),
        magnitude=absolute(dot),
        points=([5.0, -0.0, 0.0], [1e200, 1e-200, 3.0]),
    ),
    Nary("sum", mp.fsum, lambda x: [mpf(1)] * len(x), (1, 2, 40), magnitude=absolute(mp.fsum)),
    Nary(
        "mean",
        lambda x: mp.fsum(x) / len(x),
        lambda x: [mpf(1) / len(x)] * len(x),
        (1, 2, 40),
        magnitude=absolute(lambda x: mp.fsum(x) / len(x)),
    ),
    Nary(
        "logsumexp",
        lambda x: mp.log(mp.fsum(mp.exp(v) for v in x)),
        softmax,
        (1, 2, 12),
        spans=LOGITS,
        magnitude=lambda x: 1 + max(abs(v) for v in x),
        points=([1e4, 1e4], [-1e4, -1e4 - 1.0], [0.0, -745.0], [1e15, 1e15 + 2.0]),
    ),
    Nary(
        "cross_entropy",
        cross_entropy,
        cross_entropy_partials,
        (2, 3, 12),
        spans=LOGITS,
        arguments=lambda x: (x[:-1], int(x[-1])),
        takes=-1,
        points=([40.0, 0.0, 0], [0.0, 700.0, 0], [1e4, -1e4, 1], [1e15, 1e15 + 2.0, 0]),
    ),
    Nary("mse_loss", mse_loss, mse_loss_partials, (2, 4, 20), arguments=halves),
    Nary(
        "hinge_loss",
        hinge_loss,
        hinge_loss_partials,
        (2, 4, 20),
        arguments=halves,
        magnitude=absolute(lambda x: 1 + mp.fsum(a * b for a, b in zip(*halves(x)))),
    ),
    Nary(
        "norm",
        norm,
        lambda x: [v / norm(x) for v in x],
        (1, 2, 12),
        points=([3e-200, 4e-200], [3e200, -4e200], [5e-324, 0.0], [1e-320, 2e-320], [1e308, 1e308]),
    ),
    Nary(
        "polyval",
        polyval,
        polyval_partials,
        (2, 3, 7),
        spans=((-3.0, 3.0),),
        arguments=lambda x: (x[:-1], x[-1]),
        magnitude=absolute(polyval),
        slopes=absolute(polyval_partials),
        points=([2.0, 0.0, 1.0, 0.0], [1.0, 5.0, 1e100]),
    ),
)

BY_NAME = {row.name: row for row in NARY}
