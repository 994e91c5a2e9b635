"""Making a ``Value``: the four constructors, what counts as a number, data, grad, label, text."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

pure = pytest.mark.engines("reference", "pypi")
seed = pytest.mark.engines("fast", "reference")
fast = pytest.mark.engines("fast")


# The constructor


def test_one_argument(Value):
    v = Value(2.0)
    assert (v.data, v.grad, v._op, v._prev) == (2.0, 0, "", set())


def test_children_and_op_by_position(Value):
    a, b = Value(2.0), Value(3.0)
    v = Value(5.0, (a, b), "+")
    assert (v.data, v._prev, v._op) == (5.0, {a, b}, "+")


def test_children_and_op_by_keyword(Value):
    a = Value(2.0)
    v = Value(4.0, _children=(a,), _op="double")
    assert (v.data, v._prev, v._op) == (4.0, {a}, "double")


@seed
def test_label_is_the_fourth_argument(Value):
    a = Value(2.0)
    assert Value(2.0, (a,), "copy", "b").label == "b"
    assert Value(2.0, label="a").label == "a"


@fast
def test_prev_is_the_llm101n_spelling_of_children(Value):
    a, b = Value(2.0), Value(3.0)
    assert Value(5.0, _prev=(a, b), _op="+")._children == (a, b)
    assert Value(5.0, (a, b), "+")._prev == {a, b}


@fast
def test_children_and_local_grads_are_the_microgpt_spelling(Value):
    a, b = Value(2.0), Value(3.0)
    for v in (
        Value(6.0, (a, b), (3.0, 2.0)),
        Value(6.0, (a, b), [3.0, 2.0]),
        Value(6.0, children=(a, b), local_grads=(3.0, 2.0)),
    ):
        assert (v._children, v._local_grads, v._op) == ((a, b), (3.0, 2.0), "")


@fast
def test_children_may_be_any_iterable_of_values(Value):
    a, b = Value(2.0), Value(3.0)
    assert Value(5.0, [a, b])._children == (a, b)
    assert Value(5.0, {a})._children == (a,)
    assert Value(5.0, (child for child in (a, b)))._children == (a, b)


@fast
def test_empty_children_make_a_leaf(Value):
    for v in (Value(5.0, ()), Value(5.0, [], ""), Value(5.0, (), ())):
        assert (v._children, v._prev, v._op) == ((), set(), "")


@fast
@pytest.mark.parametrize("child", [2.0, None, "a", object()])
def test_children_must_be_values(Value, child):
    with pytest.raises(TypeError, match=type(child).__name__):
        Value(5.0, (Value(1.0), child))


@fast
def test_constructor_mistakes(Value):
    a = Value(1.0)
    with pytest.raises(TypeError):
        Value()
    with pytest.raises(TypeError):
        Value(1.0, (a,), "+", "label", "too many")
    with pytest.raises(TypeError, match="unknown"):
        Value(1.0, unknown=3)
    with pytest.raises(TypeError):
        Value(1.0, (a,), _children=(a,))
    with pytest.raises(TypeError, match="float"):
        Value(1.0, (a,), 3.0)
    with pytest.raises((TypeError, ValueError), match="local"):
        Value(1.0, (a,), (1.0, 2.0))
    with pytest.raises(TypeError, match="str"):
        Value(1.0, (a,), ("x",))


# What counts as a number

NUMBERS = [
    2,
    2.0,
    True,
    np.float64(2.5),
    np.float32(2.5),
    np.int64(2),
    np.array(2.5),
    Fraction(5, 2),
    Decimal("2.5"),
]


@fast
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: type(number).__name__)
def test_data_is_read_back_as_a_float(Value, number):
    for v in (Value(number), Value(0.0)):
        v.data = number
        assert type(v.data) is float
        assert v.data == float(number)


@fast
def test_index_counts_as_a_number(Value):
    class Index:
        def __index__(self):
            return 7

    assert Value(Index()).data == 7.0


@fast
def test_an_exception_from_float_comes_through(Value):
    class Broken:
        def __float__(self):
            raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        Value(Broken())
    with pytest.raises(OverflowError):
        Value(10**400)


@fast
@pytest.mark.parametrize(
    "thing",
    [
        "2",
        b"2",
        None,
        2j,
        [2.0],
        (2.0,),
        np.array([1.0, 2.0]),
        np.array([]),
        object(),
        np.complex128(1),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_no_number_is_refused_by_type(Value, thing):
    name = type(thing).__name__
    with pytest.raises(TypeError, match=name):
        Value(thing)
    v = Value(1.0)
    with pytest.raises(TypeError, match=name):
        v.data = thing
    with pytest.raises(TypeError, match=name):
        v.grad = thing
    assert (v.data, v.grad) == (1.0, 0.0)


@fast
def test_a_value_is_no_number(Value):
    with pytest.raises(TypeError, match="Value"):
        Value(Value(1.0))
    v = Value(1.0)
    with pytest.raises(TypeError, match="Value"):
        v.data = Value(2.0)
    with pytest.raises(TypeError, match="Value"):
        v.grad = Value(2.0)


def test_special_numbers_are_kept(Value):
    assert math.isnan(Value(math.nan).data)
    assert Value(-math.inf).data == -math.inf
    assert math.copysign(1.0, Value(-0.0).data) == -1.0
    assert Value(5e-324).data == 5e-324


# data and grad


def test_grad_starts_at_zero(Value):
    assert Value(3.0).grad == 0
    assert (Value(3.0) * 2).grad == 0


@fast
def test_grad_is_a_float(Value):
    v = Value(3.0)
    assert type(v.grad) is float
    v.grad = 1
    assert type(v.grad) is float
    v.grad = np.float64(0.5)
    assert type(v.grad) is float


def test_data_and_grad_are_assignable(Value):
    p = Value(1.0)
    p.grad = 2.5
    p.grad += 1
    p.data += -0.1 * p.grad
    assert (p.data, p.grad) == (1.0 - 0.1 * 3.5, 3.5)
    p.grad = 0
    assert p.grad == 0


@fast
def test_data_and_grad_cannot_be_deleted(Value):
    v = Value(1.0)
    for name in ("data", "grad"):
        with pytest.raises((AttributeError, TypeError)):
            delattr(v, name)
    assert (v.data, v.grad) == (1.0, 0.0)


# Text


@seed
def test_repr_is_the_seeds(Value):
    assert repr(Value(2.0)) == "Value(data=2.0)"
    assert str(Value(-0.5)) == "Value(data=-0.5)"
    assert f"{Value(1e300)}" == "Value(data=1e+300)"
    assert repr([Value(1.0)]) == "[Value(data=1.0)]"


@fast
def test_repr_of_an_int_shows_a_float(Value):
    assert repr(Value(2)) == "Value(data=2.0)"


@pytest.mark.engines("pypi")
def test_repr_of_the_pypi_engine_is_another(Value):
    assert repr(Value(2)) == "Value(data=2, grad=0)"


@fast
def test_repr_of_special_numbers(Value):
    assert repr(Value(math.nan)) == "Value(data=nan)"
    assert repr(Value(-math.inf)) == "Value(data=-inf)"
    assert repr(Value(-0.0)) == "Value(data=-0.0)"


@fast
def test_format_applies_to_the_data(Value):
    v = Value(2.0 / 3.0)
    assert f"{v:.4f}" == "0.6667"
    assert f"{v:+9.2e}" == "+6.67e-01"
    assert format(v, "") == repr(v)
    with pytest.raises(ValueError, match="format"):
        format(v, "no such format")


@pure
def test_format_of_the_pure_engines_refuses(Value):
    with pytest.raises(TypeError):
        format(Value(2.0), ".4f")


@fast
def test_item_is_the_data(Value):
    item = (Value(2) * 3).item()
    assert type(item) is float
    assert item == 6.0


# label


@seed
def test_label_is_empty_and_settable(Value):
    v = Value(1.0)
    assert v.label == ""
    v.label = "v"
    assert v.label == "v"
    out = v * 2
    assert out.label == ""
    out.label = "v*2"
    assert out.label == "v*2"
    assert v.label == "v"


def test_label_of_any_engine_can_be_set(Value):
    v = Value(1.0)
    v.label = "free"
    assert v.label == "free"


@fast
def test_label_survives_and_does_not_disturb_the_graph(Value):
    a = Value(2.0, label="a")
    b = a * 3.0
    b.label = "b"
    c = b + a
    c.label = "c"
    c.backward()
    assert (a.grad, a.label, b.label, c.label) == (4.0, "a", "b", "c")
    assert b._prev == {a, *(child for child in b._prev if child is not a)}
    assert c._prev == {a, b}
