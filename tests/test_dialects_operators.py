"""The operators: every mixture of Value and number, comparison, truth, powers, refusals."""

import itertools
import math
import operator
import random

import pytest
from engines import bits

pure = pytest.mark.engines("reference", "pypi")
seed = pytest.mark.engines("fast", "reference")
fast = pytest.mark.engines("fast")

ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@pytest.mark.parametrize("symbol", ARITHMETIC)
@pytest.mark.parametrize("number", [2, 2.5, -3, True])
def test_value_and_number_in_both_orders(Value, symbol, number):
    operation = ARITHMETIC[symbol]
    for a, b in ((Value(4.0), number), (number, Value(4.0)), (Value(4.0), Value(number))):
        out = operation(a, b)
        assert isinstance(out, Value)
        expected = operation(getattr(a, "data", a), getattr(b, "data", b))
        assert out.data == pytest.approx(expected, rel=1e-15)


@seed
@pytest.mark.parametrize("symbol", ARITHMETIC)
def test_arithmetic_is_the_floats_arithmetic(Value, symbol):
    operation = ARITHMETIC[symbol]
    generator = random.Random(symbol)
    numbers = [generator.gauss(0.0, 1.0) * 10.0 ** generator.randint(-200, 200) for _ in range(40)]
    for a, b in itertools.product([*numbers, 0.0, -0.0, math.inf, -math.inf, math.nan], repeat=2):
        if symbol == "/" and b == 0.0:
            continue
        expected = bits(operation(a, b))
        assert bits(operation(Value(a), Value(b)).data) == expected
        assert bits(operation(Value(a), b).data) == expected
        assert bits(operation(a, Value(b)).data) == expected


@pytest.mark.parametrize("symbol", ARITHMETIC)
def test_gradients_next_to_numbers(Value, symbol):
    operation = ARITHMETIC[symbol]
    right, left = Value(4.0), Value(4.0)
    operation(right, 2).backward()
    operation(2, left).backward()
    expected = {"+": (1.0, 1.0), "-": (1.0, -1.0), "*": (2.0, 2.0), "/": (0.5, -0.125)}
    assert (right.grad, left.grad) == expected[symbol]


def test_negation(Value):
    a = Value(3.0)
    out = -a
    out.backward()
    assert (out.data, a.grad) == (-3.0, -1.0)


@fast
def test_plus_sign(Value):
    a = Value(3.0)
    out = +a
    out.backward()
    assert (out.data, a.grad) == (3.0, 1.0)


@seed
def test_absolute_value(Value):
    a = Value(-3.0)
    out = abs(a)
    out.backward()
    assert (out.data, a.grad, out._op) == (3.0, -1.0, "abs")


def test_in_place_operators_build_new_nodes(Value):
    a = b = Value(2.0)
    b += 1.0
    b *= 3.0
    b -= 4.0
    b /= 2.0
    assert b is not a
    assert (a.data, b.data) == (2.0, 2.5)
    b.backward()
    assert a.grad == 1.5


def test_sum_of_values(Value):
    values = [Value(float(i)) for i in range(10)]
    total = sum(values)
    assert isinstance(total, Value)
    assert total.data == 45.0
    total.backward()
    assert [v.grad for v in values] == [1.0] * 10


def test_sum_with_a_start(Value):
    w, x, b = [Value(2.0), Value(3.0)], [0.5, -1.0], Value(0.25)
    act = sum((wi * xi for wi, xi in zip(w, x)), b)
    act.backward()
    assert act.data == -1.75
    assert ([v.grad for v in w], b.grad) == ([0.5, -1.0], 1.0)


# Powers


@pytest.mark.parametrize(
    ("base", "exponent", "value", "gradient"),
    [(3.0, 2, 9.0, 6.0), (4.0, 0.5, 2.0, 0.25), (2.0, -1, 0.5, -0.25), (5.0, 1, 5.0, 1.0)],
)
def test_power_of_a_number(Value, base, exponent, value, gradient):
    a = Value(base)
    out = a**exponent
    out.backward()
    assert (out.data, a.grad) == (value, gradient)


@seed
def test_power_of_a_value(Value):
    a, b = Value(2.0), Value(3.0)
    out = a**b
    out.backward()
    assert (out.data, a.grad) == (8.0, 12.0)
    assert b.grad == 8.0 * math.log(2.0)


@seed
def test_reflected_power(Value):
    a = Value(3.0)
    out = 2**a
    out.backward()
    assert (out.data, a.grad) == (8.0, 8.0 * math.log(2.0))


@pure
def test_pure_engines_refuse_other_powers(Value):
    with pytest.raises((AssertionError, TypeError)):
        Value(2.0) ** "2"


@fast
@pytest.mark.parametrize("exponent", ["2", None, [2], 2j])
def test_power_refuses_by_type(Value, exponent):
    name = type(exponent).__name__
    with pytest.raises(TypeError, match=rf"\*\*.*{name}"):
        Value(2.0) ** exponent
    with pytest.raises(TypeError, match=rf"\*\*.*{name}"):
        exponent ** Value(2.0)


@fast
def test_power_with_a_modulus_is_refused(Value):
    with pytest.raises(TypeError):
        pow(Value(2.0), 3, 5)
    with pytest.raises(TypeError):
        pow(2, Value(3.0), 5)


# Exceptions are the floats' exceptions


def test_division_by_zero(Value):
    with pytest.raises(ZeroDivisionError):
        1 / Value(0.0)
    with pytest.raises(ZeroDivisionError):
        Value(1.0) / Value(0.0)
    with pytest.raises(ZeroDivisionError):
        Value(1.0) / 0
    with pytest.raises(ZeroDivisionError):
        Value(0.0) ** -1


def test_overflow_of_a_power(Value):
    with pytest.raises(OverflowError):
        Value(1e200) ** 2


@seed
def test_overflow_and_domain_of_functions(Value):
    with pytest.raises(OverflowError):
        Value(1000.0).exp()
    with pytest.raises(ValueError, match=r"domain|positive"):
        Value(0.0).log()
    with pytest.raises(ValueError, match=r"domain|nonnegative"):
        Value(-1.0).sqrt()
    with pytest.raises(ValueError, match=r"negative|complex|domain"):
        Value(-8.0) ** (1 / 3)


@fast
def test_messages_of_exceptions_name_the_op(Value):
    for name, argument, error in (
        ("exp", 1000.0, OverflowError),
        ("cosh", 1000.0, OverflowError),
        ("log", 0.0, ValueError),
        ("sqrt", -1.0, ValueError),
        ("asin", 2.0, ValueError),
        ("atanh", 1.0, ValueError),
        ("sin", math.inf, ValueError),
    ):
        with pytest.raises(error, match=rf"\b{name}\b"):
            getattr(Value(argument), name)()
    with pytest.raises(ZeroDivisionError, match=r"division|/"):
        Value(1.0) / 0.0
    with pytest.raises(ValueError, match=r"fractional|complex|\*\*"):
        Value(-8.0) ** 0.5


def test_sums_and_products_never_raise(Value):
    huge = Value(1e308)
    assert (huge + huge).data == math.inf
    assert (huge * 10.0).data == math.inf
    assert math.isnan((huge * math.inf * 0.0).data)
    assert math.isnan((Value(math.inf) - math.inf).data)


# Equality, hash, truth, order


def test_equality_is_identity(Value):
    a, b = Value(1.0), Value(1.0)
    assert a == a
    assert a != b
    assert not a == b
    assert a != 1.0
    assert a in [b, a]
    assert a not in [b]


def test_hash_is_identity(Value):
    a, b = Value(1.0), Value(1.0)
    table = {a: "a", b: "b"}
    assert (table[a], table[b], len({a, b, a})) == ("a", "b", 2)
    before = hash(a)
    a.data = 5.0
    assert hash(a) == before


def test_truth_is_always_true(Value):
    assert bool(Value(0.0))
    assert bool(Value(math.nan))
    assert Value(0.0) or False


@fast
@pytest.mark.parametrize("symbol", ["lt", "le", "gt", "ge"])
def test_order_compares_the_data(Value, symbol):
    compare = getattr(operator, symbol)
    numbers = (-1.0, 0.0, -0.0, 2.0, math.inf, math.nan)
    for x, y in itertools.product(numbers, repeat=2):
        for result in (
            compare(Value(x), Value(y)),
            compare(Value(x), y),
            compare(x, Value(y)),
        ):
            assert result is compare(x, y)
    assert compare(Value(1.0), True) is compare(1.0, True)


@fast
def test_order_sorts(Value):
    a, b, c = Value(3.0), Value(1.0), Value(2.0)
    assert sorted([a, b, c]) == [b, c, a]
    assert max(a, b, c) is a
    assert min(a, 0.5, b) == 0.5


@fast
@pytest.mark.parametrize("thing", ["1", None, [1.0], 1j])
def test_order_refuses_by_type(Value, thing):
    with pytest.raises(TypeError, match=rf"<.*{type(thing).__name__}"):
        Value(1.0) < thing  # noqa: B015 - raises
    assert (Value(1.0) == thing) is False


@pure
def test_pure_engines_have_no_order(Value):
    with pytest.raises(TypeError):
        Value(1.0) < Value(2.0)  # noqa: B015 - raises


# No silent way back to a float


def test_value_does_not_become_a_number(Value):
    v = Value(2.0)
    for convert in (float, int, complex, math.exp, math.floor, operator.index, round):
        if convert is math.floor and hasattr(Value, "__floor__"):
            continue  # an op of ours
        with pytest.raises(TypeError):
            convert(v)


@fast
@pytest.mark.parametrize("convert", [float, int, math.exp, math.sqrt])
def test_refusal_to_become_a_number_names_the_way_out(Value, convert):
    with pytest.raises(TypeError, match="Value"):
        convert(Value(2.0))


@fast
def test_float_says_what_to_do(Value):
    with pytest.raises(TypeError, match=r"\.data|item"):
        float(Value(2.0))


@fast
@pytest.mark.parametrize("thing", ["1", None, [1.0], (1.0,), {}, object(), 1j])
@pytest.mark.parametrize("symbol", ARITHMETIC)
def test_operators_refuse_by_type_and_name_the_op(Value, symbol, thing):
    operation, name = ARITHMETIC[symbol], type(thing).__name__
    if isinstance(thing, list | str | tuple) and symbol == "+":
        name = rf"(?:{name}|Value)"  # a list's or str's own complaint about concatenation
    with pytest.raises(TypeError, match=name) as caught:
        operation(Value(1.0), thing)
    assert symbol in str(caught.value) or symbol == "+"
    with pytest.raises(TypeError, match="Value"):
        operation(thing, Value(1.0))


@fast
@pytest.mark.parametrize("operation", [operator.mod, operator.floordiv, operator.matmul])
def test_operators_that_do_not_exist(Value, operation):
    with pytest.raises(TypeError, match="Value"):
        operation(Value(5.0), Value(2.0))
    with pytest.raises(TypeError, match="Value"):
        operation(Value(5.0), 2.0)
    with pytest.raises(TypeError, match="Value"):
        operation(5.0, Value(2.0))


@fast
def test_a_foreign_operand_may_take_over(Value):
    class Dual:
        def __radd__(self, other):
            return ("radd", other)

        def __rmul__(self, other):
            return ("rmul", other)

        def __rpow__(self, other):
            return ("rpow", other)

        def __gt__(self, other):
            return "gt"

    v = Value(1.0)
    assert (v + Dual(), v * Dual(), v ** Dual()) == (("radd", v), ("rmul", v), ("rpow", v))
    assert (v < Dual()) == "gt"


@fast
def test_numbers_with_a_float_method_are_operands(Value):
    from fractions import Fraction

    assert (Value(1.0) + Fraction(1, 2)).data == 1.5
    assert (Fraction(1, 2) * Value(3.0)).data == 1.5
    with pytest.raises(OverflowError):
        Value(1.0) + 10**400


@fast
@pytest.mark.parametrize("thing", ["1", None, [1.0], 1j])
def test_functions_refuse_by_type_and_name_the_op(engine, thing):
    name = type(thing).__name__
    for function in ("tanh", "exp", "relu"):
        with pytest.raises(TypeError, match=name) as caught:
            engine.function(function)(thing)
        assert function in str(caught.value)
    for function in ("maximum", "atan2"):
        with pytest.raises(TypeError, match=name) as caught:
            engine.function(function)(engine.Value(1.0), thing)
        assert function in str(caught.value)


@fast
def test_methods_check_their_arguments(Value):
    v = Value(1.0)
    for call in (
        lambda: v.tanh(1),
        lambda: v.maximum(),
        lambda: v.maximum(1, 2),
        lambda: v.exp(x=1),
    ):
        with pytest.raises(TypeError, match="argument"):
            call()
    with pytest.raises(TypeError, match="str"):
        v.leaky_relu("0.1")
    with pytest.raises(TypeError, match="slope"):
        v.leaky_relu(slope=0.1)
