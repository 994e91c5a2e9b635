"""Forward values, exceptions and spellings of every op of the table.

The engines agree with each other to the last bit, and with mpmath to more digits than any mistake
would leave.
"""

import importlib
import itertools
import math

import pytest
import reference
from engines import OPERATORS, bits
from nary_samples import NARY
from op_rows import exact
from op_samples import BY_NAME, OPS
from reference_math import power

FUNCTIONS = [op for op in OPS if op.name not in OPERATORS]
UNARY_FUNCTIONS = [op for op in FUNCTIONS if op.arity == 1]
EXCEPTIONAL = [
    (op, arguments, outcome)
    for op in OPS
    for arguments, outcome, _ in op.outcomes()
    if isinstance(outcome, type)
]
SPECIAL = [
    (op, arguments, outcome)
    for op in OPS
    for arguments, outcome, _ in op.outcomes()
    if not isinstance(outcome, type)
]


def named(rows):
    return [pytest.param(*row, id=f"{row[0].name}{row[1]}") for row in rows]


def over(ops):
    return pytest.mark.parametrize("op", ops, ids=lambda op: op.name)


def test_table_names_the_ops_of_the_engine():
    core = importlib.import_module("micrograd_fast._core")
    engine_table = {row["name"]: row["arity"] for row in core.op_table()}
    # exp_difference is what softmax is made of, and tested there; take is tested in test_take.py.
    rows = {op.name: op.arity for op in OPS} | {"exp_difference": 2}
    assert engine_table == rows | {row.name: None for row in NARY} | {"take": None}


def test_every_op_has_its_reference():
    reference_names = {*OPERATORS, *reference.UNARY, *reference.BINARY, "leaky_relu", "where"}
    assert reference_names == set(BY_NAME)


@over(OPS)
@pytest.mark.engines("fast", "reference")
def test_value_agrees_with_the_oracle(engine, op):
    function = engine.function(op.name)
    for arguments in op.finite_arguments(100):
        got = function(*map(engine.Value, arguments)).data
        error = abs(exact(op.value, arguments) - got)
        assert error <= 1e-12 * abs(got) + op.units * 5e-324, (arguments, got)


@over(OPS)
@pytest.mark.engines("fast")
def test_value_equals_the_reference_to_the_last_bit(engine, op):
    ours, theirs = engine.function(op.name), getattr(reference, op.name, OPERATORS.get(op.name))
    for arguments in op.finite_arguments(1000):
        got = ours(*map(engine.Value, arguments)).data
        expected = theirs(*map(reference.Value, arguments)).data
        assert bits(got) == bits(expected), (arguments, got, expected)


@pytest.mark.parametrize(("op", "arguments", "outcome"), named(SPECIAL))
@pytest.mark.engines("fast", "reference")
def test_value_at_an_edge(engine, op, arguments, outcome):
    got = engine.function(op.name)(*map(engine.Value, arguments)).data
    assert bits(got) == bits(outcome), got


@pytest.mark.parametrize(("op", "arguments", "error"), named(EXCEPTIONAL))
@pytest.mark.engines("fast", "reference")
def test_exception_at_an_edge(engine, op, arguments, error):
    operands = tuple(map(engine.Value, arguments))
    with pytest.raises(error):
        engine.function(op.name)(*operands)
    # nothing is left behind in the operands
    assert [bits(operand.data) for operand in operands] == [bits(a) for a in arguments]
    assert all(operand.grad == 0.0 for operand in operands)


@pytest.mark.parametrize(("op", "arguments", "error"), named(EXCEPTIONAL))
@pytest.mark.engines("fast")
def test_exception_of_a_number_operand_and_of_plain_floats(engine, op, arguments, error):
    function = engine.function(op.name)
    for as_value in itertools.product((False, True), repeat=op.arity):
        operands = [
            engine.Value(argument) if wrap else argument
            for wrap, argument in zip(as_value, arguments, strict=True)
        ]
        if op.name == "pow" and error is ValueError and not any(as_value):
            continue  # Python's own ** goes complex here
        with pytest.raises(error):
            function(*operands)


@over([op for op in OPS if op.arity == 2])
@pytest.mark.engines("fast", "reference")
def test_a_number_operand_gives_the_same_value(engine, op):
    function = engine.function(op.name)
    edges = [arguments for arguments, outcome, _ in op.outcomes() if not isinstance(outcome, type)]
    for a, b in op.finite_arguments(100) + edges:
        expected = bits(function(engine.Value(a), engine.Value(b)).data)
        assert bits(function(engine.Value(a), b).data) == expected, (a, b)
        assert bits(function(a, engine.Value(b)).data) == expected, (a, b)


@over(FUNCTIONS)
@pytest.mark.engines("fast", "reference")
def test_function_takes_plain_numbers(engine, op):
    function = engine.function(op.name)
    edges = [arguments for arguments, outcome, _ in op.outcomes() if not isinstance(outcome, type)]
    for arguments in op.finite_arguments(100) + edges:
        got = function(*arguments)
        assert type(got) is float
        assert bits(got) == bits(function(*map(engine.Value, arguments)).data), arguments


@over(UNARY_FUNCTIONS)
@pytest.mark.engines("fast", "reference")
def test_function_takes_integers(engine, op):
    function = engine.function(op.name)
    for argument in (1, 2, 0):
        try:
            expected = function(float(argument))
        except ValueError:
            with pytest.raises(ValueError, match=r"domain|expected|positive"):
                function(argument)
        else:
            got = function(argument)
            assert type(got) is float
            assert bits(got) == bits(expected)


@over([op for op in FUNCTIONS if op.name != "where"])
@pytest.mark.engines("fast", "reference")
def test_method_is_the_function(engine, op):
    function = engine.function(op.name)
    for arguments in op.finite_arguments(20):
        first, *rest = map(engine.Value, arguments)
        by_method = abs(first) if op.name == "abs" else getattr(first, op.name)(*rest)
        by_function = function(*map(engine.Value, arguments))
        assert bits(by_method.data) == bits(by_function.data)
        assert by_method._op == by_function._op


@pytest.mark.engines("fast")
def test_abs_is_a_method_too(Value):
    assert Value(-2.5).abs().data == 2.5


@over([op for op in FUNCTIONS if op.arity == 2])
@pytest.mark.engines("fast", "reference")
def test_method_takes_a_number(engine, op):
    for a, b in op.finite_arguments(20):
        expected = engine.function(op.name)(engine.Value(a), engine.Value(b)).data
        assert bits(getattr(engine.Value(a), op.name)(b).data) == bits(expected)


@pytest.mark.engines("fast", "reference")
@pytest.mark.parametrize("slope", [0.2, 0.0, -0.5, 1.0, 3])
def test_leaky_relu_takes_a_slope(engine, slope):
    leaky_relu, Value = engine.module.leaky_relu, engine.Value
    for x in (-2.0, -0.0, 0.0, 3.0):
        expected = slope * x if x < 0.0 else x
        by_method = Value(x).leaky_relu(negative_slope=slope)
        assert by_method.data == leaky_relu(Value(x), negative_slope=slope).data == expected
        assert leaky_relu(Value(x), slope).data == leaky_relu(x, slope) == expected


@pytest.mark.engines("fast", "reference")
@pytest.mark.parametrize(
    ("condition", "chosen"),
    [(1, 2.0), (0, 3.0), (True, 2.0), (False, 3.0), (-0.0, 3.0), (math.nan, 2.0), (5e-324, 2.0)],
)
def test_where_takes_any_number_as_its_condition(engine, condition, chosen):
    where, Value = engine.module.where, engine.Value
    assert where(condition, Value(2.0), Value(3.0)).data == chosen
    assert where(condition, Value(2.0), 3.0).data == chosen
    assert where(condition, 2.0, Value(3.0)).data == chosen
    assert where(Value(condition), 2.0, 3).data == chosen
    assert where(condition, 2.0, 3) == chosen


@pytest.mark.engines("fast")
def test_where_takes_a_comparison(engine):
    v, w = engine.Value(1.0), engine.Value(2.0)
    assert engine.module.where(v < w, v, w).data == 1.0
    assert engine.module.where(v > w, v, w).data == 2.0


@pytest.mark.engines("fast", "reference")
@pytest.mark.parametrize("base", [-3.0, -0.0, 0.0, 0.3, 2.0, 1e100])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, 1.0, 2.0, 60, True])
def test_power_is_the_floats_power(Value, base, exponent):
    try:
        expected = power(base, float(exponent))
    except ArithmeticError as error:
        with pytest.raises(type(error)):
            Value(base) ** exponent
    except ValueError:
        with pytest.raises(ValueError, match=r"negative|domain"):
            Value(base) ** exponent
    else:
        assert bits((Value(base) ** exponent).data) == bits(expected)


@pytest.mark.engines("fast", "reference")
def test_composite_formulas_do_not_overflow_on_the_way(engine):
    for name in ("sigmoid", "softplus", "silu", "gelu", "tanh", "erf", "erfc", "atan", "asinh"):
        for x in (1e308, -1e308, 800.0, -800.0):
            assert math.isfinite(engine.function(name)(engine.Value(x)).data), (name, x)
