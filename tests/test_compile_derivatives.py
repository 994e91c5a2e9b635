"""Jacobians, Hessians and products against mpmath, closed forms, differences, and each other."""

import math
import random

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from nary_samples import NARY
from op_rows import draw, exact
from op_samples import OPS

import micrograd_fast
from micrograd_fast import functional
from micrograd_fast.compile import compile

OPERATORS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
}


def function(name):
    return OPERATORS.get(name) or getattr(functional, name)


def second_partials(partials, arguments):
    """The Hessian by mpmath: differences of the exact partials, with digits to spare."""
    count = len(arguments)
    with mpmath.workdps(60):
        point = [mpf(argument) for argument in arguments]
        step = mpf(10) ** -20

        def difference(i, j):
            up, down = list(point), list(point)
            up[j] += step * max(1, abs(point[j]))
            down[j] -= step * max(1, abs(point[j]))
            return (partials(i, up) - partials(i, down)) / (up[j] - down[j])

        return np.array([[float(difference(i, j)) for j in range(count)] for i in range(count)])


def assert_close(ours, exact, relative=1e-9):
    size = np.abs(exact).max(initial=0.0)
    assert ours.shape == exact.shape
    assert np.abs(ours - exact).max(initial=0.0) <= relative * size + 1e-13, (ours, exact)


def away_from_kinks(name, arguments):
    if name in ("floor", "ceil"):
        return abs(arguments[0] - round(arguments[0])) > 1e-3
    if name in ("abs", "sign", "relu", "leaky_relu"):
        return abs(arguments[0]) > 1e-3
    if name in ("minimum", "maximum"):
        return abs(arguments[0] - arguments[1]) > 1e-3
    # The condition's own derivative is 0 wherever it is not on the edge.
    return name != "where" or abs(arguments[0]) > 1e-3


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_hessians_of_the_rows(op):
    f = compile(lambda x: function(op.name)(*x))
    generator = random.Random(op.name)
    compared = 0
    for _ in range(60):
        arguments = [draw(generator, spans) for spans in op.safe]
        if not away_from_kinks(op.name, arguments):
            continue
        expected = second_partials(lambda i, x: op.partials[i](*x), arguments)
        assert_close(f.hessian(np.array(arguments)), expected)
        gradient = [float(exact(partial, arguments)) for partial in op.partials]
        assert f.jvp(arguments, [1.0] * op.arity) == pytest.approx(
            sum(gradient), rel=1e-9, abs=1e-9
        )
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize("row", NARY, ids=lambda row: row.name)
def test_hessians_of_the_nary_rows(row):
    def call(x):
        if row.takes is not None:
            return function(row.name)(*row.arguments([*x, place]))
        return function(row.name)(*row.arguments(list(x)))

    compared = 0
    for numbers in row.lists(24)[:24]:  # without the points at the edges of the range
        if len(numbers) > 9 or len(set(map(abs, numbers))) < len(numbers):
            continue  # few enough for mpmath, and not at a kink
        place = int(numbers[-1]) if row.takes is not None else None
        x = numbers[: row.takes]
        if not x or (row.name == "norm" and min(map(abs, x)) < 1e-6):
            continue  # within a step of the kink

        def partials(i, x, numbers=numbers):
            return row.partials(x if row.takes is None else [*x, mpf(numbers[-1])])[i]

        expected = second_partials(partials, x)
        if not np.isfinite(expected).all():
            continue
        assert_close(compile(call).hessian(np.array(x)), expected, relative=1e-8)
        compared += 1
    assert compared >= 3


# --- whole functions ---


def rosenbrock(x):
    return sum(100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2 for i in range(len(x) - 1))


def rosenbrock_hessian(x):
    n = len(x)
    h = np.zeros((n, n))
    for i in range(n - 1):
        h[i, i] += 1200.0 * x[i] ** 2 - 400.0 * x[i + 1] + 2.0
        h[i + 1, i + 1] += 200.0
        h[i, i + 1] = h[i + 1, i] = -400.0 * x[i]
    return h


@pytest.mark.parametrize("size", [2, 3, 10])
def test_rosenbrock(size):
    f = compile(rosenbrock)
    x = np.linspace(-1.0, 1.5, size)
    expected = rosenbrock_hessian(x)
    assert np.allclose(f.hessian(x), expected, rtol=1e-12, atol=1e-10)
    v = np.cos(np.arange(size))
    assert np.allclose(f.hvp(x, v), expected @ v, rtol=1e-12, atol=1e-10)
    assert np.allclose(np.array(f.hessian(x.tolist())), expected, rtol=1e-12, atol=1e-10)
    assert f.hvp(x.tolist(), v.tolist()) == pytest.approx((expected @ v).tolist())


def hand(angles, lengths):
    x, y, direction = 0.0, 0.0, 0.0
    for angle, length in zip(angles, lengths):
        direction = direction + angle
        x = x + length * functional.cos(direction)
        y = y + length * functional.sin(direction)
    return [x, y]


def hand_jacobian(angles, lengths):
    directions = np.cumsum(angles)
    columns = range(len(angles))
    return np.array(
        [
            [-np.sum((lengths * np.sin(directions))[k:]) for k in columns],
            [np.sum((lengths * np.cos(directions))[k:]) for k in columns],
        ]
    )


def test_more_inputs_than_outputs_and_the_other_way_round():
    f = compile(hand)
    angles, lengths = np.array([0.3, -0.5, 1.1, 0.2]), np.array([1.0, 0.7, 0.5, 0.25])
    expected = hand_jacobian(angles, lengths)
    assert np.allclose(np.array(f.jacobian(angles, lengths)), expected, rtol=1e-13)
    both = f.jacobian(angles, lengths, argnums=(0, 1))
    assert np.allclose(np.array(both[0]), expected, rtol=1e-13)
    directions = np.cumsum(angles)
    assert np.allclose(np.array(both[1]), [np.cos(directions), np.sin(directions)], rtol=1e-13)

    def curve(t):
        return np.array([t, t**2, functional.sin(t), 1.0, functional.exp(t)])

    g = compile(curve)
    assert g.jacobian(0.5).tolist() == [1.0, 1.0, math.cos(0.5), 0.0, math.exp(0.5)]
    assert g.jvp(0.5, 2.0).tolist() == [2.0, 2.0, 2.0 * math.cos(0.5), 0.0, 2.0 * math.exp(0.5)]
    assert g.vjp(0.5, np.array([1.0, 10.0, 0.0, 5.0, 0.0])) == 11.0


def test_jacobians_have_the_structure_of_the_result_and_then_of_the_argument():
    w = np.arange(6.0).reshape(2, 3)
    f = compile(lambda x: {"y": x["w"] @ np.ones(3) * x["s"], "z": [x["s"] ** 2]})
    point = {"w": w, "s": 2.0}
    j = f.jacobian(point)
    assert list(j) == ["y", "z"]
    assert j["y"]["w"].shape == (2, 2, 3)
    assert j["y"]["w"].tolist() == [[[2.0] * 3, [0.0] * 3], [[0.0] * 3, [2.0] * 3]]
    assert j["y"]["s"].tolist() == [3.0, 12.0]
    assert j["z"][0]["s"] == 4.0
    assert np.array_equal(j["z"][0]["w"], np.zeros((2, 3)))
    matrix = np.empty((3, 7))
    assert f.jacobian(point, out=matrix) is matrix
    assert matrix.tolist() == [
        [2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 3.0],
        [0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 12.0],
        [0.0] * 6 + [4.0],
    ]


def test_hessians_of_several_arguments():
    f = compile(lambda x, y, z: (x * x).sum() * y + x[0] * z["a"] ** 2)
    x, y, z = np.array([1.0, 2.0]), 3.0, {"a": 4.0}
    (xx, xz), (zx, zz) = f.hessian(x, y, z, argnums=(0, 2))
    assert xx.tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert xz["a"].tolist() == [8.0, 0.0]
    assert zx["a"].tolist() == [8.0, 0.0]
    assert zz == {"a": {"a": 2.0}}
    assert f.hessian(x, y, z, argnums=1) == 0.0
    assert f.hessian(x, y, z, argnums=2) == {"a": {"a": 2.0}}
    ((zz,),) = f.hessian(x, y, z, argnums=(2,))
    assert zz == {"a": {"a": 2.0}}
    ((yy, yx), (xy, _)) = f.hessian(x, y, z, argnums=(1, 0))
    assert (yy, yx.tolist(), xy.tolist()) == (0.0, [2.0, 4.0], [2.0, 4.0])
    product = f.hvp(x, y, z, (np.array([1.0, 0.0]), {"a": 1.0}), argnums=(0, 2))
    assert product[0].tolist() == [14.0, 0.0]
    assert product[1] == {"a": 10.0}
    flat = np.empty((3, 3))
    f.hessian(x, y, z, argnums=(0, 2), out=flat)
    assert flat.tolist() == [[6.0, 0.0, 8.0], [0.0, 6.0, 0.0], [8.0, 0.0, 2.0]]


def test_products_against_differences():
    """Through everything at once: 1e-5 relative is what central differences can promise."""
    rng = np.random.default_rng(5)
    a = rng.standard_normal((6, 6))

    def fn(x):
        h = [functional.tanh(functional.dot(row.tolist(), x, 0.1)) for row in a]
        p = functional.softmax([v * 2.0 for v in h])
        chosen = functional.where(functional.less(h[0], h[1]), h[2] * h[3], h[4] / (1.5 + h[5]))
        return functional.logsumexp(h) * functional.norm(p) + chosen + functional.mean(x) ** 3

    f = compile(fn)
    x, v = rng.standard_normal(6), rng.standard_normal(6)
    step = 1e-5
    slope = (f.value(x + step * v) - f.value(x - step * v)) / (2 * step)
    assert f.jvp(x, v) == pytest.approx(slope, rel=1e-6)
    assert f.grad(x) @ v == pytest.approx(f.jvp(x, v), rel=1e-12)
    second = (f.grad(x + step * v) - f.grad(x - step * v)) / (2 * step)
    assert np.allclose(f.hvp(x, v), second, rtol=1e-5, atol=1e-8)
    hessian = f.hessian(x)
    assert np.allclose(hessian, hessian.T, rtol=1e-11, atol=1e-13)
    assert np.allclose(hessian @ v, f.hvp(x, v), rtol=1e-11, atol=1e-13)


def test_captured_values_are_constants_for_derivatives_in_the_arguments():
    w = micrograd_fast.Value(3.0)
    f = compile(lambda x: w * w * x * x)
    assert f.hessian(2.0) == 18.0
    assert f.jvp(2.0, 1.0) == 36.0
    assert f.hvp(2.0, 2.0) == 36.0
    assert w.grad == 0.0


def test_results_that_are_an_argument():
    f = compile(lambda x, y: x)
    assert f.hessian(2.0, 3.0, argnums=(0, 1)) == ((0.0, 0.0), (0.0, 0.0))
    assert f.jacobian(2.0, 3.0, argnums=(0, 1)) == (1.0, 0.0)
    assert f.hvp(2.0, 3.0, 1.0) == 0.0
    assert f.jvp(2.0, 3.0, 5.0) == 5.0


# --- scipy ---


def test_scipy_minimizes():
    optimize = pytest.importorskip("scipy.optimize")
    f = compile(rosenbrock)
    x0 = np.array([1.3, 0.7, 0.8, 1.9])
    for options in (
        {"method": "L-BFGS-B"},
        {"method": "Newton-CG", "hess": f.hessian},
        {"method": "trust-ncg", "hessp": f.hvp},
    ):
        found = optimize.minimize(f.value_and_grad, x0, jac=True, tol=1e-10, **options)
        assert np.allclose(found.x, 1.0, atol=1e-4), options
    assert len(f.tapes) == 1


def test_scipy_solves():
    optimize = pytest.importorskip("scipy.optimize")
    f = compile(lambda x: np.array([x[0] ** 2 + x[1] ** 2 - 4.0, x[0] - x[1]]))
    found = optimize.root(f.value, np.array([1.0, 0.5]), jac=f.jacobian)
    assert np.allclose(found.x, math.sqrt(2.0))
