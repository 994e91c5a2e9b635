"""The partials of every op of the table, within 1e-12 of mpmath.

What an operand receives is read off after ``backward()`` on the single node, where the root's
gradient is one.
"""

import math

import mpmath
import pytest
from engines import OPERATORS, bits
from mpmath import mpf
from op_rows import UNSPECIFIED, exact
from op_samples import BY_NAME, OPS

RELATIVE = 1e-12
HUGE = 1.7976931348623157e308
SMOOTH_EDGES = [
    (op, arguments, partials)
    for op in OPS
    for arguments, outcome, partials in op.outcomes()
    if not isinstance(outcome, type)
]


def over(ops):
    return pytest.mark.parametrize("op", ops, ids=lambda op: op.name)


def partials(engine, op, arguments, as_value=None):
    """The gradients of the operands that are Values; None for the ones that are plain numbers."""
    as_value = as_value or (True,) * op.arity
    operands = [
        engine.Value(argument) if wrap else argument
        for wrap, argument in zip(as_value, arguments, strict=True)
    ]
    engine.function(op.name)(*operands).backward()
    return [
        operand.grad if wrap else None for wrap, operand in zip(as_value, operands, strict=True)
    ]


def assert_close(op, arguments, got, oracle):
    expected = exact(oracle, arguments)
    if abs(expected) > mpf(HUGE) * (1 - mpf(2) ** -50):
        assert abs(got) >= HUGE * (1.0 - RELATIVE), (arguments, got)
        assert math.copysign(1.0, got) == mpmath.sign(expected)
        return
    scale = exact(op.scale, arguments) if op.scale else abs(expected)
    assert abs(expected - got) <= RELATIVE * scale + op.units * 5e-324, (
        arguments,
        got,
        float(expected),
    )


@over(OPS)
@pytest.mark.engines("fast", "reference")
def test_partials_agree_with_the_oracle(engine, op):
    for arguments in op.finite_arguments(200):
        for got, oracle in zip(partials(engine, op, arguments), op.partials, strict=True):
            assert_close(op, arguments, got, oracle)


@pytest.mark.parametrize(
    ("op", "arguments", "expected"),
    [pytest.param(*row, id=f"{row[0].name}{row[1]}") for row in SMOOTH_EDGES],
)
@pytest.mark.engines("fast", "reference")
def test_partials_at_an_edge(engine, op, arguments, expected):
    for got, wanted in zip(partials(engine, op, arguments), expected, strict=True):
        if wanted == UNSPECIFIED:
            continue
        if math.isnan(wanted) or math.isinf(wanted):
            assert bits(got) == bits(wanted), got
        else:
            assert math.isclose(got, wanted, rel_tol=RELATIVE, abs_tol=0.0), got


@over([op for op in OPS if op.arity == 2])
@pytest.mark.parametrize("as_value", [(True, False), (False, True)], ids=["number2", "number1"])
@pytest.mark.engines("fast", "reference")
def test_partials_next_to_a_number(engine, op, as_value):
    edges = [arguments for arguments, outcome, _ in op.outcomes() if not isinstance(outcome, type)]
    for arguments in op.finite_arguments(50) + edges:
        both = partials(engine, op, arguments)
        single = partials(engine, op, arguments, as_value)
        for got, wanted, is_value in zip(single, both, as_value, strict=True):
            assert not is_value or bits(got) == bits(wanted), (arguments, got, wanted)


@pytest.mark.engines("fast", "reference")
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.0, 10])
def test_power_with_a_number_as_written(Value, exponent):
    """The int in ``a ** 2`` means the same as the float."""
    for base in (0.3, 1.0, 2.0, 17.0):
        a = Value(base)
        (a**exponent).backward()
        expected = exponent * base ** (exponent - 1) if exponent else 0.0
        assert math.isclose(a.grad, expected, rel_tol=1e-15)


@over(OPS)
def test_oracle_is_the_derivative_of_its_value(op):
    """The table's partials are written by hand: mpmath's numerical derivative confirms them."""
    interior = [spans[-1] for spans in op.safe]
    with mpmath.workdps(40):
        for fraction in (0.2317, 0.6143):
            point = [
                mpf(low + (high - low) * (fraction + 0.031 * index))
                for index, (low, high) in enumerate(interior)
            ]
            for index, partial in enumerate(op.partials):

                def along(x, index=index, point=point):
                    return op.value(*point[:index], x, *point[index + 1 :])

                if op.name == "where" and index == 0:
                    continue  # a step in the condition
                numeric = mpmath.diff(along, point[index])
                assert abs(numeric - partial(*point)) < mpf(10) ** -15 * (1 + abs(numeric))


@over([op for op in OPS if op.kinks and op.name not in OPERATORS])
@pytest.mark.engines("fast")
def test_subgradient_is_documented(engine, op):
    text = engine.function(op.name).__doc__
    assert "gradient" in text.splitlines()[0], text


@pytest.mark.engines("fast", "reference")
@pytest.mark.parametrize("slope", [0.2, 0.0, -0.5])
def test_leaky_relu_slope(Value, slope):
    for x, expected in ((-2.0, slope), (0.0, slope), (-0.0, slope), (2.0, 1.0)):
        a = Value(x)
        a.leaky_relu(slope).backward()
        assert a.grad == expected


@pytest.mark.engines("fast", "reference")
def test_where_gives_nothing_to_the_other_branch(engine):
    """Not even zero times an infinite gradient, which would be nan."""
    where, Value = engine.module.where, engine.Value
    condition, a, b = Value(1.0), Value(2.0), Value(3.0)
    root = where(condition, a, b) * math.inf
    root.backward()
    assert (a.grad, b.grad, condition.grad) == (math.inf, 0.0, 0.0)


@pytest.mark.engines("fast", "reference")
@pytest.mark.parametrize("name", ["add", "mul", "sub", "div", "pow", "hypot", "atan2", "maximum"])
def test_both_operands_the_same(engine, name):
    """``op(a, a)``: the two partials add up."""
    op = BY_NAME[name]
    a = engine.Value(1.7)
    engine.function(name)(a, a).backward()
    expected = sum(exact(partial, (1.7, 1.7)) for partial in op.partials)
    assert math.isclose(a.grad, 1.0 if name == "maximum" else expected, abs_tol=1e-15)


@pytest.mark.engines("fast", "reference")
def test_backward_never_raises_when_the_data_have_moved_out_of_the_domain(engine):
    """Partials are taken at backward time, where the operands may be anything."""
    bad = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308, -1e308, 5e-324)
    for op in OPS:
        arguments = op.samples(1)[0]
        for number in bad:
            operands = [engine.Value(argument) for argument in arguments]
            root = engine.function(op.name)(*operands)
            for operand in operands:
                operand.data = number
            root.backward()
            assert root.grad == 1.0
