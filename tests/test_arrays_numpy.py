"""Object arrays of Values in numpy: arithmetic, ufuncs, reductions and ``@``, with their gradients.

Every gradient is checked against numpy's own float arithmetic, by central differences in a high
enough order that 1e-7 is far from what a wrong rule would give.
"""

import operator

import numpy as np
import pytest

from micrograd_fast import Value, data_of, grads_of, sigmoid, tanh, values, where

RNG = np.random.default_rng(5)
A = RNG.uniform(0.5, 1.5, size=(2, 3))
B = RNG.uniform(0.5, 1.5, size=(2, 3))
ROW = RNG.uniform(0.5, 1.5, size=3)
COLUMN = RNG.uniform(0.5, 1.5, size=(2, 1))


def objects(numbers):
    return values(numbers, as_array=True)


def slopes(function, at):
    """The gradient of ``function``, float array to float, at a float array."""
    found = np.empty(at.shape)
    for position in np.ndindex(at.shape):

        def along(h, position=position):
            moved = at.copy()
            moved[position] += h
            return function(moved)

        h = 1e-3
        found[position] = (8.0 * (along(h) - along(-h)) - (along(2.0 * h) - along(-2.0 * h))) / (
            12.0 * h
        )
    return found


def check(function, *arrays, all_at_once=False):
    """Values and gradients of ``function`` on object arrays, each argument in turn and all at once.

    ``function`` is written in numpy, takes arrays and returns an array or a number.
    """
    arrays = [np.asarray(array) for array in arrays]
    expected = function(*arrays)
    weights = np.arange(1.0, 1.0 + np.size(expected)).reshape(np.shape(expected))
    together = set(range(len(arrays)))
    for chosen in [together] if all_at_once else [*({i} for i in together), together]:
        inputs = [objects(a) if i in chosen else a for i, a in enumerate(arrays)]
        out = function(*inputs)
        if np.ndim(expected) != 0:
            assert (type(out), out.dtype, out.shape) == (np.ndarray, object, expected.shape)
        elements = np.ravel(out).tolist()
        assert all(type(v) is Value for v in elements)
        total = sum(v * weight for v, weight in zip(elements, weights.ravel().tolist()))
        np.testing.assert_allclose(data_of(out), expected, rtol=1e-14)
        total.backward()
        for i in chosen:
            given = list(arrays)

            def scalar(moved, i=i, given=given):
                given[i] = moved
                return np.sum(function(*given) * weights)

            slope = slopes(scalar, arrays[i])
            np.testing.assert_allclose(grads_of(inputs[i]), slope, rtol=1e-7, atol=1e-10)


# Arithmetic

OPERATIONS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("other", [B, ROW, COLUMN, B[0, 0]], ids=["same", "row", "column", "one"])
def test_arithmetic_of_two_arrays(operation, other):
    other = np.asarray(other)
    check(operation, A, other)
    check(operation, other, A)


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), np.uint8(2)])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_arithmetic_of_an_array_and_a_number(operation, number):
    check(lambda a: operation(a, number), A)
    check(lambda a: operation(number, a), A)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_arithmetic_of_an_array_and_a_value(operation):
    """The Value takes part once for every element, whichever side it is on."""
    for array in (A, objects(A)):
        for flipped in (False, True):
            v = Value(1.25)
            out = operation(v, array) if flipped else operation(array, v)
            assert (out.dtype, out.shape) == (object, A.shape)
            numbers = operation(1.25, A) if flipped else operation(A, 1.25)
            np.testing.assert_allclose(data_of(out), numbers, rtol=1e-14)
            out.sum().backward()
            pair = (lambda x: operation(x, A)) if flipped else (lambda x: operation(A, x))
            slope = slopes(lambda x, pair=pair: np.sum(pair(x)), np.array(1.25))
            assert v.grad == pytest.approx(float(slope), rel=1e-7)


def test_signs():
    check(operator.neg, A)
    check(operator.pos, A)
    check(abs, A - 1.0)


def test_in_place():
    w = objects(A)
    before = list(w.ravel())
    w += 1.0
    w *= B
    w -= objects(B)
    w /= 2.0
    w **= 2
    expected = (((A + 1.0) * B - B) / 2.0) ** 2
    np.testing.assert_allclose(data_of(w), expected, rtol=1e-14)
    w.sum().backward()
    slope = slopes(lambda a: np.sum((((a + 1.0) * B - B) / 2.0) ** 2), A)
    np.testing.assert_allclose(grads_of(before), slope.ravel(), rtol=1e-7)


def test_comparisons_give_bool_arrays():
    w = objects(A)
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        for other in (1.0, B, objects(B)):
            found = compare(w, other)
            assert found.dtype == bool
            assert np.array_equal(found, compare(A, 1.0 if np.ndim(other) == 0 else B))
    # equality is identity, as for single Values
    twin = objects(A)
    assert (w == w).all()
    assert not (w == twin).any()
    twin[1, 2] = w[1, 2]
    assert np.argwhere(w == twin).tolist() == [[1, 2]]
    assert np.array_equal(w[data_of(w) > 1.0], w[w > 1.0])


# Functions of numpy

UFUNCS = {
    np.exp: A,
    np.expm1: A,
    np.log: A,
    np.log1p: A,
    np.log2: A,
    np.log10: A,
    np.sqrt: A,
    np.cbrt: A,
    np.sin: A,
    np.cos: A,
    np.tan: A - 0.5,
    np.arcsin: A - 0.9,
    np.arccos: A - 0.9,
    np.arctan: A,
    np.sinh: A,
    np.cosh: A,
    np.tanh: A,
    np.arcsinh: A,
    np.arccosh: A + 1.0,
    np.arctanh: A - 0.9,
    np.absolute: A - 1.6,
    np.negative: A,
    np.positive: A,
    np.square: A,
    np.reciprocal: A,
}


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda u: u.__name__)
def test_ufuncs_of_one_array(ufunc):
    check(ufunc, UFUNCS[ufunc])
    check(ufunc, UFUNCS[ufunc][0, 0])


@pytest.mark.parametrize("ufunc", [np.floor, np.ceil], ids=lambda u: u.__name__)
def test_ufuncs_without_slope(ufunc):
    w = objects(A)
    out = ufunc(w)
    assert data_of(out).tolist() == ufunc(A).tolist()
    out.sum().backward()
    assert not grads_of(w).any()


@pytest.mark.parametrize(
    "ufunc",
    [np.add, np.subtract, np.multiply, np.divide, np.power, np.true_divide],
    ids=lambda u: u.__name__,
)
def test_ufuncs_of_operators(ufunc):
    check(ufunc, A, B)
    check(ufunc, A, ROW)


@pytest.mark.parametrize("ufunc", [np.hypot, np.arctan2, np.maximum, np.minimum])
def test_ufuncs_of_two_arrays(ufunc):
    """numpy asks the elements of the first array for the first two, and picks for the others."""
    check(ufunc, A, B, all_at_once=True)
    check(ufunc, A, ROW, all_at_once=True)


def test_a_ufunc_that_value_lacks_is_a_type_error():
    with pytest.raises(TypeError, match="radians"):
        np.radians(objects(A))


def test_our_functions_of_object_arrays():
    check(lambda a: 1.0 / (1.0 + np.exp(-a)), A)
    assert data_of(sigmoid(objects(A))).tolist() == sigmoid(A).tolist()
    w = objects(A)
    tanh(w).sum().backward()
    np.testing.assert_allclose(grads_of(w), 1.0 - np.tanh(A) ** 2, rtol=1e-14)
    w, x = objects(A), objects(B)
    chosen = where(A > 1.0, w, x)
    assert np.array_equal(data_of(chosen), np.where(A > 1.0, A, B))
    chosen.sum().backward()
    assert np.array_equal(grads_of(w), (A > 1.0).astype(float))
    assert np.array_equal(grads_of(x), (A <= 1.0).astype(float))
    # numpy's own where picks the very objects
    assert np.where(A > 1.0, w, x)[0, 0] in (w[0, 0], x[0, 0])


# Reductions and products along axes


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)], ids=str)
@pytest.mark.parametrize("function", [np.sum, np.prod, np.mean], ids=lambda f: f.__name__)
def test_reductions(function, axis):
    check(lambda a: function(a, axis=axis), A)


@pytest.mark.parametrize("function", [np.cumsum, np.cumprod], ids=lambda f: f.__name__)
def test_accumulations(function):
    check(lambda a: function(a, axis=1), A)


@pytest.mark.parametrize(
    "reduce",
    [
        lambda a: np.add.reduce(a, axis=0),
        lambda a: np.multiply.accumulate(a, axis=1),
        lambda a: np.maximum.reduce(a, axis=1),
        lambda a: np.max(a, axis=0),
        lambda a: np.min(a, axis=1),
        lambda a: np.max(a) - np.min(a),
        lambda a: np.trace(a @ a.T),
        lambda a: np.diff(a, axis=1),
        lambda a: np.ptp(a, axis=1),
        lambda a: np.average(a, axis=1, weights=ROW),
        lambda a: np.sort(a, axis=1),
        lambda a: np.concatenate([a, a * 2.0]),
        lambda a: np.stack([a, -a], axis=1),
        lambda a: np.tile(a, (1, 2)),
        lambda a: a.T.reshape(-1)[::-1],
        lambda a: np.repeat(a, 2, axis=0),
        lambda a: a[[1, 0, 1]],
        lambda a: a[:, np.array([True, False, True])],
        lambda a: np.broadcast_to(a[:1], (2, 3)) * 1.0,
    ],
)
def test_what_numpy_makes_of_arithmetic_alone(reduce):
    check(reduce, A)


# Linear algebra

M = RNG.uniform(-1.0, 1.0, size=(4, 3))
N = RNG.uniform(-1.0, 1.0, size=(3, 2))
U = RNG.uniform(-1.0, 1.0, size=3)
W = RNG.uniform(-1.0, 1.0, size=4)
BATCH = RNG.uniform(-1.0, 1.0, size=(2, 4, 3))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (M, N),
        (M, U),
        (W, M),
        (U, U[::-1].copy()),
        (M[:1], N),
        (M.T, M),
        (BATCH, N),
        (M[:, :1], U[:1]),
    ],
    ids=["MN", "Mv", "vM", "vv", "row", "transposed", "batch", "outer"],
)
def test_matrix_products(a, b):
    check(operator.matmul, a, b)
    check(np.matmul, a, b)
    check(np.dot, a, b)


def test_matrix_product_gradients_are_the_transposed_products():
    """dL/dW = G x^T and dL/dx = W^T G, written out."""
    w, x = objects(M), objects(N)
    weights = RNG.uniform(size=(4, 2))
    ((w @ x) * weights).sum().backward()
    np.testing.assert_allclose(grads_of(w), weights @ N.T, rtol=1e-14)
    np.testing.assert_allclose(grads_of(x), M.T @ weights, rtol=1e-14)


def test_a_matrix_times_itself():
    """Every element is a factor on both sides."""
    square = RNG.uniform(-1.0, 1.0, size=(3, 3))
    check(lambda a: a @ a @ a, square)
    check(lambda a: a.T @ a, M)


def test_a_product_in_place():
    square = RNG.uniform(-1.0, 1.0, size=(3, 3))
    w = objects(square)
    out = np.empty((3, 3), dtype=object)
    assert np.matmul(w, square, out=out) is out
    np.testing.assert_allclose(data_of(out), square @ square, rtol=1e-13)


einsum_takes_objects = np.lib.NumpyVersion(np.__version__) >= "1.25.0"


@pytest.mark.parametrize(
    "product",
    [
        pytest.param(np.outer, id="outer"),
        pytest.param(np.inner, id="inner"),
        pytest.param(np.kron, id="kron"),
        pytest.param(np.convolve, id="convolve"),
        pytest.param(np.cross, id="cross"),
        pytest.param(lambda a, b: np.tensordot(a, b, axes=1), id="tensordot"),
        pytest.param(
            lambda a, b: np.einsum("i,i->", a, b),
            id="einsum",
            marks=pytest.mark.skipif(not einsum_takes_objects, reason="numpy before 1.25"),
        ),
        pytest.param(lambda a, b: np.multiply.outer(a, b), id="ufunc outer"),
    ],
)
def test_other_products_of_vectors(product):
    check(product, U, ROW)


def test_lists_of_lists_become_arrays():
    w = values(M)
    np.testing.assert_allclose(data_of(np.array(w) @ U), M @ U, rtol=1e-14)
    (np.array(w) @ U).sum().backward()
    np.testing.assert_allclose(grads_of(w), np.broadcast_to(U, M.shape), rtol=1e-14)


def test_a_layer_written_in_numpy_learns():
    inputs = RNG.uniform(-1.0, 1.0, size=(20, 3))
    targets = np.tanh(inputs @ np.array([1.0, -2.0, 0.5]) + 0.25)
    w, b = objects(np.zeros(3)), Value(0.0)
    losses = []
    for _ in range(100):
        loss = ((np.tanh(inputs @ w + b) - targets) ** 2).mean()
        losses.append(loss.data)
        for p in (*w, b):
            p.grad = 0.0
        loss.backward()
        for p in (*w, b):
            p.data -= 0.5 * p.grad
    assert losses[-1] < 1e-3 < losses[0]


# numpy numbers as data


@pytest.mark.parametrize(
    "number",
    [
        *(t(2) for t in (np.float16, np.float32, np.float64, np.longdouble)),
        *(t(2) for t in (np.int8, np.int64, np.uint16, np.uint64)),
        *(np.array(2.0), np.array([2]), np.array([[2.0]], dtype=np.float32)),
    ],
    ids=lambda n: f"{type(n).__name__} {n.dtype} {n.shape}",
)
def test_numpy_numbers_are_data(number):
    v = Value(number)
    assert (type(v.data), v.data) == (float, 2.0)
    v.data = v.grad = number
    assert (type(v.grad), v.data, v.grad) == (float, 2.0, 2.0)
    assert Value(np.True_).data == 1.0


@pytest.mark.parametrize(
    "array",
    [np.ones(2), np.empty(0), np.array(1j), np.array("1"), np.array(None), np.array(Value(1.0))],
    ids=["two", "none", "complex", "str", "None", "Value"],
)
def test_arrays_that_are_no_number_are_no_data(array):
    with pytest.raises(TypeError, match="the data of a Value must be a real number, not"):
        Value(array)
    v = Value(1.0)
    with pytest.raises(TypeError, match="must be a real number"):
        v.grad = array
    assert (v.data, v.grad) == (1.0, 0.0)


def test_no_function_of_numpy_drops_a_gradient_without_a_word():
    w = objects(A)
    for convert in (
        lambda: w.astype(float),
        lambda: np.asarray(w, dtype=np.float64),
        lambda: np.zeros(2).__setitem__(0, w[0, 0]),
        lambda: float(w[0, 0]),
        lambda: np.isfinite(w),
        lambda: np.linalg.inv(objects(np.eye(2))),
    ):
        with pytest.raises(TypeError):
            convert()
