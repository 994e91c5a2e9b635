"""numpy next to ``Value``: numpy numbers and arrays as operands, ufuncs, functions of arrays."""

import operator

import numpy as np
import pytest

fast = pytest.mark.engines("fast")

OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
SCALARS = [np.float64(2.0), np.float32(2.0), np.int64(2), np.int8(2), np.uint8(2), np.array(2.0)]


def data_of(array):
    return [v.data for v in array.ravel()]


@pytest.mark.parametrize("scalar", SCALARS[:4], ids=lambda scalar: type(scalar).__name__)
@pytest.mark.parametrize("symbol", ["+", "-", "*"])
def test_numpy_scalar_as_an_operand(Value, symbol, scalar):
    operation = OPERATIONS[symbol]
    for a, b in ((Value(3.0), scalar), (scalar, Value(3.0))):
        out = operation(a, b)
        assert type(out) is Value
        assert out.data == pytest.approx(
            operation(
                getattr(a, "data", 2.0) if a is not scalar else 2.0,
                getattr(b, "data", 2.0) if b is not scalar else 2.0,
            ),
            rel=1e-15,
        )


@fast
@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: type(scalar).__name__)
@pytest.mark.parametrize("symbol", OPERATIONS)
def test_numpy_scalar_gives_the_same_node_as_a_float(Value, symbol, scalar):
    operation = OPERATIONS[symbol]
    for flipped in (False, True):
        outcomes = []
        for two in (scalar, 2.0):
            a = Value(3.0)
            out = operation(two, a) if flipped else operation(a, two)
            assert type(out) is Value
            out.backward()
            outcomes.append((out.data, a.grad, [child.data for child in out._children]))
        assert outcomes[0] == outcomes[1]


@fast
def test_numpy_scalar_in_order(Value):
    assert Value(1.0) < np.float64(2.0)
    assert np.float64(2.0) > Value(1.0)
    assert not np.int64(2) < Value(1.0)


def test_numpy_scalar_on_the_right_in_place(Value):
    v = Value(1.0)
    v += np.float64(2.0)
    v *= np.int64(3)
    assert type(v) is Value
    assert v.data == 9.0


@fast
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/"])
def test_array_as_an_operand_in_both_orders(Value, symbol):
    operation, array = OPERATIONS[symbol], np.array([1.0, 2.0])
    v = Value(4.0)
    for out, expected in (
        (operation(array, v), operation(array, 4.0)),
        (operation(v, array), operation(4.0, array)),
    ):
        assert isinstance(out, np.ndarray)
        assert out.dtype == object
        assert all(type(element) is Value for element in out)
        assert data_of(out) == list(expected)
    (v * array)[1].backward()
    assert v.grad == 2.0


@pytest.mark.parametrize("symbol", ["+", "-", "*"])
def test_array_on_the_left_gives_an_object_array(Value, symbol):
    out = OPERATIONS[symbol](np.array([1.0, 2.0]), Value(4.0))
    assert out.dtype == object
    assert data_of(out) == list(OPERATIONS[symbol](np.array([1.0, 2.0]), 4.0))


@fast
@pytest.mark.parametrize(
    "array",
    [
        np.array([1, 2, 3]),
        np.arange(6.0).reshape(2, 3),
        np.array([[True], [False]]),
        np.zeros((0, 2)),
    ],
    ids=["int", "matrix", "bool", "empty"],
)
def test_arrays_of_any_shape_and_number_type(Value, array):
    for out in (Value(2.0) * array, array * Value(2.0), Value(2.0) + array):
        assert (out.shape, out.dtype) == (array.shape, object)
    assert data_of(Value(2.0) * array) == list((2.0 * array).ravel())


@fast
def test_power_with_arrays(Value):
    assert data_of(Value(3.0) ** np.array([1.0, 2.0])) == [3.0, 9.0]
    assert data_of(np.array([2.0, 3.0]) ** Value(2.0)) == [4.0, 9.0]


def test_object_arrays_of_values(Value):
    a = np.array([Value(1.0), Value(2.0)])
    b = np.array([Value(3.0), Value(4.0)])
    assert a.dtype == object
    assert data_of(a + b) == [4.0, 6.0]
    assert data_of(a * b) == [3.0, 8.0]
    assert data_of(a * 2.0) == [2.0, 4.0]
    assert data_of(2.0 - a) == [1.0, 0.0]
    assert data_of(-a) == [-1.0, -2.0]
    dot = a.dot(b)
    assert dot.data == 11.0
    dot.backward()
    assert [v.grad for v in a] == [3.0, 4.0]
    assert a.sum().data == 3.0


@fast
def test_object_arrays_in_linear_algebra(Value):
    w = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    x = np.array([10.0, 1.0])
    assert data_of(w @ x) == [12.0, 34.0]
    assert data_of(x @ w) == [13.0, 24.0]
    assert w.mean().data == 2.5
    assert w.T[0, 1] is w[1, 0]
    assert (w**2).sum().data == 30.0
    assert w.max() is w[1, 1]


UFUNCS = {
    "exp": "exp",
    "expm1": "expm1",
    "log": "log",
    "log1p": "log1p",
    "log2": "log2",
    "log10": "log10",
    "sqrt": "sqrt",
    "cbrt": "cbrt",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "absolute": "abs",
    "floor": "floor",
    "ceil": "ceil",
}


@fast
@pytest.mark.parametrize("ufunc", UFUNCS)
def test_ufunc_of_a_value_and_of_an_array(engine, ufunc):
    Value, ours = engine.Value, engine.function(UFUNCS[ufunc])
    x = 1.25 if ufunc == "arccosh" else 0.25
    function = getattr(np, ufunc)
    out = function(Value(x))
    assert type(out) is Value
    assert out.data == ours(x)
    array = function(np.array([Value(x), Value(x)]))
    assert array.dtype == object
    assert [(type(v), v.data) for v in array] == [(Value, ours(x))] * 2
    v, w = Value(x), Value(x)
    function(v).backward()
    ours(w).backward()
    assert v.grad == w.grad


@fast
@pytest.mark.parametrize(
    ("ufunc", "operation"),
    [
        ("add", operator.add),
        ("subtract", operator.sub),
        ("multiply", operator.mul),
        ("divide", operator.truediv),
        ("power", operator.pow),
    ],
)
def test_ufunc_of_an_operator(Value, ufunc, operation):
    function = getattr(np, ufunc)
    for a, b in ((Value(3.0), Value(2.0)), (Value(3.0), 2.0), (3.0, Value(2.0))):
        out = function(a, b)
        assert type(out) is Value
        assert out.data == operation(3.0, 2.0)


@fast
def test_ufuncs_of_one_and_two_operands_that_numpy_spells_otherwise(engine):
    Value = engine.Value
    assert np.negative(Value(2.0)).data == -2.0
    assert np.square(Value(3.0)).data == 9.0
    assert np.reciprocal(Value(4.0)).data == 0.25
    assert np.hypot(Value(3.0), Value(4.0)).data == 5.0
    assert np.arctan2(Value(0.0), Value(-1.0)).data == np.pi
    assert data_of(np.hypot(np.array([Value(3.0)]), np.array([Value(4.0)]))) == [5.0]


@fast
@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("arcsin", "asin"),
        ("arccos", "acos"),
        ("arctan", "atan"),
        ("arcsinh", "asinh"),
        ("arccosh", "acosh"),
        ("arctanh", "atanh"),
    ],
)
def test_numpy_names_are_methods(Value, alias, name):
    x = 1.25 if name == "acosh" else 0.25
    assert getattr(Value(x), alias)().data == getattr(Value(x), name)().data


@fast
def test_arctan2_is_a_method(Value):
    assert Value(1.0).arctan2(Value(2.0)).data == Value(1.0).atan2(2.0).data


# Our functions on arrays


@fast
def test_function_of_a_number_array_is_a_number_array(engine):
    x = np.array([[-1.0, 0.0], [0.5, 2.0]])
    out = engine.module.tanh(x)
    assert (type(out), out.dtype, out.shape) == (np.ndarray, np.float64, (2, 2))
    assert out.tolist() == [[engine.module.tanh(float(e)) for e in row] for row in x]


@fast
def test_function_of_an_object_array_is_an_object_array(engine):
    x = np.array([engine.Value(0.5), engine.Value(-0.5)])
    out = engine.module.sigmoid(x)
    assert (out.dtype, out.shape) == (object, (2,))
    out.sum().backward()
    assert x[0].grad == engine.function("sigmoid")(engine.Value(0.5))._local_grads[0]


@fast
def test_binary_function_broadcasts(engine):
    maximum, Value = engine.module.maximum, engine.Value
    assert maximum(np.array([1.0, 3.0]), 2.0).tolist() == [2.0, 3.0]
    mixed = maximum(np.array([1.0, 3.0]), Value(2.0))
    assert data_of(mixed) == [2.0, 3.0]
    grid = maximum(np.array([[1.0], [3.0]]), np.array([0.0, 2.0]))
    assert grid.tolist() == [[1.0, 2.0], [3.0, 3.0]]


@fast
def test_where_and_leaky_relu_take_arrays(engine):
    where, Value = engine.module.where, engine.Value
    out = where(np.array([True, False]), Value(1.0), Value(2.0))
    assert data_of(out) == [1.0, 2.0]
    assert engine.module.leaky_relu(np.array([-1.0, 2.0]), 0.5).tolist() == [-0.5, 2.0]


@fast
def test_function_of_a_numpy_scalar_is_a_float(engine):
    for number in (np.float64(0.5), np.float32(0.5), np.int64(1), np.array(0.5)):
        out = engine.module.tanh(number)
        assert type(out) is float
        assert out == engine.module.tanh(float(number))


@fast
def test_function_of_a_text_array_is_refused(engine):
    with pytest.raises(TypeError, match="str"):
        engine.module.tanh(np.array(["a", "b"]))


@fast
def test_the_hand_over_survives_a_subclass_of_array(Value):
    class Tagged(np.ndarray):
        pass

    array = np.array([1.0, 2.0]).view(Tagged)
    out = Value(2.0) * array
    assert data_of(np.asarray(out)) == [2.0, 4.0]
