"""Second derivatives over the whole domain of each row, at its extreme points and its edges.

test_compile_derivatives.py stays where programs stay; here each entry is held by itself.
"""

import math
import random

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from nary_samples import NARY
from op_samples import OPS
from test_compile_derivatives import function

from micrograd_fast.compile import compile

# Differences of exact partials, at points from 5e-324 to 1.8e308: the step is small beside the
# smallest, and there are digits for the difference that it makes to the largest.
DIGITS = 1800
STEP = mpf(10) ** -700
LARGEST = 1.7976931348623157e308


def slope(partial, point, direction):
    """The derivative of a partial along a direction; both sides of the point must agree."""
    up, down = ([x + s * STEP * v for x, v in zip(point, direction)] for s in (1, -1))
    return (partial(up) - partial(down)) / (2 * STEP)


def unit(count, i):
    return [int(i == k) for k in range(count)]


def exact_hessian(op, arguments):
    """In mpmath, or nothing where a derivative of either order is no finite double."""
    with mpmath.workdps(DIGITS):
        point = [mpf(argument) for argument in arguments]
        found = {}
        if any(abs(partial(*point)) > LARGEST for partial in op.partials):
            return None
        for i, partial in enumerate(op.partials):
            for j in range(op.arity):
                found[i, j] = slope(lambda x, p=partial: p(*x), point, unit(op.arity, j))
        return found if max(map(abs, found.values())) <= LARGEST else None


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_second_partials_of_the_rows(op):
    f = compile(lambda x: function(op.name)(*x))
    compared = 0
    for arguments in op.finite_arguments(10):
        expected = exact_hessian(op, arguments)
        if expected is None:
            continue
        hessian = f.hessian(np.array(arguments))
        # What is lost in a denormal intermediate result comes back times at most this.
        smallest = 5e-324 * op.units**2
        for place, number in expected.items():
            allowed = 1e-12 * abs(number) + smallest
            assert abs(mpf(hessian[place]) - number) <= allowed, (arguments, place)
        compared += 1
    assert compared >= 8


EDGES = [
    (op, arguments)
    for op in OPS
    for arguments, value, partials in op.outcomes()
    # An infinite slope takes the products of the chain rule with it, and so does a nan. Of a power
    # with a variable exponent the second derivatives at 0 do not exist.
    if not isinstance(value, type)
    and op.name != "pow"
    and all(type(partial) is float and math.isfinite(partial) for partial in partials)
]


@pytest.mark.parametrize(("op", "arguments"), EDGES, ids=lambda x: getattr(x, "name", str(x)))
def test_second_partials_at_the_edges(op, arguments):
    """At infinity the limit. At a kink 0, as for the one of two slopes that has been chosen."""
    hessian = compile(lambda x: function(op.name)(*x)).hessian(np.array(arguments))
    if op.name == "mul":
        assert hessian.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    elif op.name == "atan2" and math.inf not in map(abs, arguments):
        y, x = arguments
        assert hessian[0, 1] == hessian[1, 0] == (y * y - x * x) / (x * x + y * y) ** 2
        assert hessian[0, 0] == hessian[1, 1] == 0.0
    else:
        assert not hessian.any()


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [
        (0.0, 0, 0.0),
        (-2.0, 0, 0.0),
        (0.0, 1, 0.0),
        (-0.0, 1, 0.0),
        (-2.0, 1.0, 0.0),
        (0.0, 2, 2.0),
        (-3.0, 2, 2.0),
        (0.0, 2.0, 2.0),
        (0.0, 3, 0.0),
        (-2.0, 3, -12.0),
        (-2.0, -1, -0.25),
        (-2.0, -2, 0.375),
        (0.0, 1.5, math.inf),
        (0.0, 2.5, 0.0),
        (4.0, 0.5, -1.0 / 32.0),
        (math.inf, -1, 0.0),
    ],
)
def test_powers_with_a_constant_exponent(base, exponent, expected):
    assert compile(lambda x: x**exponent).hessian(base) == expected


def test_powers_with_a_constant_base_and_with_both():
    f = compile(lambda b: 2.0**b)
    assert f.hessian(3.0) == pytest.approx(8.0 * math.log(2.0) ** 2, rel=1e-15)
    assert f.hessian(-math.inf) == 0.0
    g = compile(lambda x: x[0] ** x[1])
    # Where the power vanishes it outweighs the logarithm.
    assert g.hessian(np.array([0.0, 2.0])).tolist() == [[2.0, 0.0], [0.0, 0.0]]
    assert not g.hessian(np.array([0.0, 3.0])).any()
    assert not g.hessian(np.array([math.inf, -1.0])).any()


# --- n-ary rows ---


def exact_products(row, numbers, direction):
    """Of the Hessian with a direction, in mpmath; nothing where an entry is no finite double."""
    with mpmath.workdps(DIGITS):
        takes = len(numbers) if row.takes is None else row.takes
        point, fixed = [mpf(x) for x in numbers[:takes]], numbers[takes:]
        count = len(point)
        if any(abs(p) > LARGEST for p in row.partials([*point, *fixed])[:count]):
            return None
        up, down = (
            row.partials([*(x + s * STEP * v for x, v in zip(point, direction)), *fixed])
            for s in (1, -1)
        )
        found = [(a - b) / (2 * STEP) for a, b in zip(up[:count], down[:count])]
        return found if max(map(abs, found)) <= LARGEST else None


@pytest.mark.parametrize("row", NARY, ids=lambda row: row.name)
def test_products_with_the_hessians_of_the_nary_rows(row):
    generator = random.Random(row.name)
    compared = 0
    for numbers in row.lists(12):
        point = numbers[: row.takes]
        fixed = [int(x) for x in numbers[row.takes :]] if row.takes is not None else []
        f = compile(
            lambda x, row=row, fixed=fixed: function(row.name)(*row.arguments([*x, *fixed]))
        )
        for _ in range(3):
            direction = [generator.uniform(-1.0, 1.0) for _ in point]
            expected = exact_products(row, numbers, direction)
            if expected is None:
                continue
            product = f.hvp(np.array(point), np.array(direction))
            largest = max(map(abs, expected))
            for ours, number in zip(product, expected, strict=True):
                assert abs(mpf(ours) - number) <= 1e-11 * largest + 1e-320, (numbers, direction)
            compared += 1
    assert compared >= 12


@pytest.mark.parametrize("gap", [1.0, 30.0, 200.0])
def test_confident_answers_keep_their_curvature(gap):
    """p (1 - p) of a p that rounds to 1, and of one that is lost beside 1."""
    q = math.exp(-gap) / (1.0 + math.exp(-gap)) ** 2
    expected = pytest.approx(np.array([[q, -q], [-q, q]]), rel=1e-12, abs=0.0)
    logsumexp, cross_entropy = function("logsumexp"), function("cross_entropy")
    for x in (np.array([0.0, gap]), np.array([gap, 0.0])):
        assert compile(lambda x: logsumexp(list(x))).hessian(x) == expected
        for target in (0, 1):
            f = compile(lambda x, target=target: cross_entropy(list(x), target))
            assert f.hessian(x) == expected
