"""values, data_of, grads_of and set_data: numbers between arrays and Values."""

import fractions
import math
import re

import numpy as np
import pytest

from micrograd_fast import Value, data_of, grads_of, nn, set_data, values

SHAPES = [(), (0,), (1,), (5,), (2, 3), (3, 0), (0, 3), (2, 3, 4), (1,) * 10, (2,) * 8]


def numbers_of(shape):
    """Different numbers in this shape."""
    return np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)


def shape_of(nest):
    return (len(nest), *(shape_of(nest[0]) if nest else ())) if isinstance(nest, list) else ()


def leaves(nest):
    if isinstance(nest, list):
        return [leaf for inner in nest for leaf in leaves(inner)]
    return [nest]


# values


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_in_lists(shape):
    numbers = numbers_of(shape)
    made = values(numbers)
    assert shape_of(made) == (shape[: shape.index(0) + 1] if 0 in shape else shape)
    assert [v.data for v in leaves(made)] == numbers.ravel().tolist()
    assert all(type(v) is Value for v in leaves(made))
    assert len(set(leaves(made))) == numbers.size


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_in_an_array(shape):
    numbers = numbers_of(shape)
    made = values(numbers, as_array=True)
    assert (type(made), made.dtype, made.shape) == (np.ndarray, object, shape)
    assert [v.data for v in made.ravel()] == numbers.ravel().tolist()
    assert all(type(v) is Value for v in made.ravel())


def test_values_are_fresh_leaves():
    v = values([2.0])[0]
    assert (v.grad, v.label, v._op, v._prev, vars(v)) == (0.0, "", "", set(), {})


@pytest.mark.parametrize(
    "array",
    [
        [1, 2, 3],
        (1.0, 2, np.float32(3)),
        [True, 2, 3.0],
        range(1, 4),
        np.array([1, 2, 3], dtype=np.int8),
        np.array([1, 2, 3], dtype=np.uint64),
        np.array([1, 2, 3], dtype=np.float16),
        np.array([1, 2, 3], dtype=np.longdouble),
        np.array([1, 2, 3], dtype=">f8"),
        np.array([1.0, 0.0, 2.0, 0.0, 3.0])[::2],
        np.array([3.0, 2.0, 1.0])[::-1],
        np.array([1.0, fractions.Fraction(2), np.int64(3)], dtype=object),
        [fractions.Fraction(1), 2, 3],
        memoryview(np.array([1.0, 2.0, 3.0])),
    ],
    ids=lambda array: f"{type(array).__name__} {getattr(array, 'dtype', '')}",
)
def test_values_of_any_numbers(array):
    assert [v.data for v in values(array)] == [1.0, 2.0, 3.0]
    params = values(np.zeros(3))
    set_data(params, array)
    assert data_of(params).tolist() == [1.0, 2.0, 3.0]


def test_values_of_one_number():
    for number in (2, 2.0, True + 1, np.float32(2), np.array(2.0), fractions.Fraction(2)):
        v = values(number)
        assert (type(v), v.data) == (Value, 2.0)


def test_values_keep_every_bit():
    numbers = np.array([0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan])
    assert data_of(values(numbers)).tobytes() == numbers.tobytes()
    assert [v.data for v in values([2**60 + 1, 10**30])] == [float(2**60 + 1), 1e30]


def test_values_of_a_transposed_array():
    numbers = np.arange(6.0).reshape(2, 3)
    assert data_of(values(numbers.T)).tolist() == numbers.T.tolist()
    assert data_of(values(np.asfortranarray(numbers))).tolist() == numbers.tolist()


def test_values_of_a_read_only_array():
    numbers = np.arange(3.0)
    numbers.flags.writeable = False
    assert data_of(values(numbers)).tolist() == [0.0, 1.0, 2.0]


NOT_NUMBERS = [
    ("1.0", "not of str$"),
    (["1.0", "2.0"], "not of str$"),
    ([1.0, "2.0"], "not of str$"),
    (b"1", "not of bytes$"),
    ([1.0, None], r"array\[1\] is 'NoneType'"),
    (None, "array is 'NoneType'"),
    ([1j, 2.0], "complex128"),
    ([[1.0], [Value(2.0)]], r"array\[1\]\[0\] is 'Value'"),
    (Value(1.0), "array is 'Value'"),
    (np.array(["2026-01-01"], "M8[D]"), "datetime64"),
    (np.array([1], "m8[s]"), "timedelta64"),
    (np.array([1.0, "2.0"], dtype=object), r"array\[1\] is 'str'"),
    (np.zeros(2, dtype=[("a", float)]), "'a'"),
    ({1.0, 2.0}, "array is 'set'"),
    ((x for x in (1.0, 2.0)), "array is 'generator'"),
    (np.array([np.ones(2), None], dtype=object), r"array\[0\] is 'ndarray'"),
]


@pytest.mark.parametrize(("array", "named"), NOT_NUMBERS, ids=lambda x: str(x)[:30])
def test_what_is_no_array_of_numbers(array, named):
    for as_array in (False, True):
        with pytest.raises(TypeError, match=f"an array of numbers is needed.*{named}"):
            values(array, as_array=as_array)
    params = values(np.zeros(2))
    with pytest.raises(TypeError, match=f"an array of numbers is needed.*{named}"):
        set_data(params, array)
    assert data_of(params).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)], ids=str)
def test_values_fill_an_array(shape):
    numbers, old = numbers_of(shape), Value(7.0)
    out = np.full(shape, old, dtype=object)
    assert values(numbers, out=out) is out
    assert data_of(out).tolist() == numbers.tolist()
    assert len({id(v) for v in out.ravel()}) == out.size
    assert not any(v is old for v in out.ravel())
    assert values(numbers, as_array=True, out=out) is out


@pytest.mark.usefixtures("nothing_stays")
def test_what_values_take_the_place_of_is_freed():
    out = values(np.zeros(100), as_array=True)
    for _ in range(3):
        values(np.ones(100), out=out)


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty(3, object), ValueError, r"out has shape \(3,\), but \(2,\) is needed"),
        (np.empty((2, 1), object), ValueError, r"out has shape \(2, 1\)"),
        (np.empty(4, object)[::2], ValueError, "out must be C-contiguous"),
        (np.zeros(2), TypeError, r"out must be an array of objects \('O'\), not of 'd'"),
        ([None, None], TypeError, "out must be an array of objects, not 'list'"),
    ],
    ids=lambda x: str(x)[:30],
)
def test_an_out_that_values_cannot_fill(out, error, message):
    before = list(out)
    with pytest.raises(error, match=message):
        values([1.0, 2.0], out=out)
    assert all(a is b or a == b for a, b in zip(out, before))


def test_a_read_only_out_is_not_filled():
    out = np.empty(2, object)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writable"):
        values([1.0, 2.0], out=out)
    assert out.tolist() == [None, None]


def test_ragged_numbers_are_refused():
    # By numpy itself; before 1.24 it warns, and would make an array of lists of them.
    with pytest.raises((ValueError, TypeError, Warning)):
        values([[1.0, 2.0], [3.0]])


# data_of and grads_of


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 not in s[:-1]], ids=str)
def test_there_and_back(shape, as_array):
    numbers = numbers_of(shape)
    params = values(numbers, as_array=as_array)
    for v in leaves(params) if not as_array else params.ravel():
        v.grad = -v.data
    for read, sign in ((data_of, 1.0), (grads_of, -1.0)):
        found = read(params)
        assert (type(found), found.dtype, found.shape) == (np.ndarray, np.float64, shape)
        assert found.flags.c_contiguous
        assert np.array_equal(found, sign * numbers)
    set_data(params, numbers * 10.0)
    assert np.array_equal(data_of(params), numbers * 10.0)
    assert np.array_equal(grads_of(params), -numbers)


def test_new_arrays_every_time():
    params = values([1.0, 2.0])
    first, second = data_of(params), data_of(params)
    first[:] = 0.0
    assert second.tolist() == [1.0, 2.0]
    assert data_of(params).tolist() == [1.0, 2.0]


def test_out_is_written_and_returned():
    params = values(numbers_of((2, 3)))
    for read in (data_of, grads_of):
        out = np.full((2, 3), math.nan)
        assert read(params, out) is out
        assert read(params, out=out) is out
        assert np.array_equal(out, read(params))
    rows = np.zeros((4, 2, 3))
    data_of(params, out=rows[2])
    assert rows[2].tolist() == numbers_of((2, 3)).tolist()
    assert not rows[[0, 1, 3]].any()
    scalar = np.zeros(())
    assert data_of(Value(3.0), out=scalar) is scalar
    assert scalar == 3.0


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros((3, 2)), ValueError, r"out has shape \(3, 2\), but \(2, 3\) is needed"),
        (np.zeros(6), ValueError, r"out has shape \(6,\), but \(2, 3\) is needed"),
        (np.zeros((2, 3, 1)), ValueError, r"out has shape \(2, 3, 1\)"),
        (np.zeros((2, 3), np.float32), TypeError, r"out must be an array of float64 .*not of 'f'"),
        (np.zeros((2, 3), np.int64), TypeError, r"array of float64 .*not of 'l'"),
        (np.zeros((2, 3), ">f8"), TypeError, r"array of float64 .*not of '>d'"),
        (np.zeros((2, 3), object), TypeError, r"array of float64 .*not of 'O'"),
        (np.zeros((2, 3), "M8[s]"), TypeError, r"out must be an array of float64$"),
        (np.zeros((3, 2)).T, ValueError, "out must be C-contiguous"),
        (np.zeros((2, 6))[:, ::2], ValueError, "out must be C-contiguous"),
        ([[0.0] * 3] * 2, TypeError, "out must be an array of float64, not 'list'"),
        (0.0, TypeError, "out must be an array of float64, not 'float'"),
    ],
    ids=lambda x: str(x).replace("\n", "")[:40],
)
def test_an_out_that_does_not_fit(out, error, message):
    params = values(numbers_of((2, 3)))
    before = np.array(out)
    for read in (data_of, grads_of):
        with pytest.raises(error, match=message):
            read(params, out=out)
        assert np.array_equal(np.array(out), before)


def test_an_out_that_is_read_only():
    out = np.zeros(2)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writable"):
        data_of(values([1.0, 2.0]), out=out)
    assert out.tolist() == [0.0, 0.0]


def test_gradients_of_a_network_as_one_vector():
    model = nn.MLP(3, [4, 1])
    model([1.0, -2.0, 0.5]).backward()
    expected = [p.grad for p in model.parameters()]
    assert grads_of(model.parameters()).tolist() == expected
    assert grads_of(p for p in model.parameters()).tolist() == expected
    assert any(expected)


def test_a_gradient_step_in_numpy():
    params = values(np.array([[1.0, -2.0], [3.0, 0.5]]))
    (params[0][0] * params[1][1] + params[0][1] ** 2).backward()
    set_data(params, data_of(params) - 0.1 * grads_of(params))
    assert data_of(params).tolist() == [[1.0 - 0.1 * 0.5, -2.0 + 0.1 * 4.0], [3.0, 0.5 - 0.1]]


def test_nodes_and_subclasses_are_values_too():
    class Parameter(Value):
        pass

    v = Value(2.0)
    nest = [v, v * 3.0, Parameter(5.0), v]
    nest[1].backward()
    assert data_of(nest).tolist() == [2.0, 6.0, 5.0, 2.0]
    assert grads_of(nest).tolist() == [3.0, 1.0, 0.0, 3.0]
    set_data(nest, [1.0, 2.0, 3.0, 4.0])
    assert data_of(nest).tolist() == [4.0, 2.0, 3.0, 4.0]


# set_data


def test_set_data_leaves_the_rest():
    v = Value(1.0, label="v")
    v.grad, v.note = 2.0, "free"
    child = v * 2.0
    assert set_data([v], [5]) is None
    assert (v.data, v.grad, v.label, v.note, child.data) == (5.0, 2.0, "v", "free", 2.0)
    child.backward()
    assert v.grad == 4.0


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (1.0, "()"),
        ([1.0], "(1,)"),
        ([[1.0, 2.0]], "(1, 2)"),
        ([[1.0], [2.0], [3.0]], "(3, 1)"),
        (np.zeros((3, 2)), "(3, 2)"),
        (np.zeros(6), "(6,)"),
        ([], "(0,)"),
    ],
)
def test_set_data_takes_the_exact_shape_alone(array, shape):
    params = values(numbers_of((2, 3)))
    message = re.escape(f"the array has shape {shape}, but (2, 3) is needed")
    with pytest.raises(ValueError, match=f"^{message}$"):
        set_data(params, array)
    assert np.array_equal(data_of(params), numbers_of((2, 3)))


def test_set_data_sets_all_or_nothing():
    params = values([1.0, 2.0])
    with pytest.raises(TypeError, match=r"params\[2\] must be a Value"):
        set_data([*params, 3.0], [7.0, 8.0, 9.0])
    with pytest.raises(TypeError, match=r"array\[1\] is 'NoneType'"):
        set_data(params, [7.0, None])
    assert data_of(params).tolist() == [1.0, 2.0]


def test_many():
    """One native loop each, far from anything that could be slow or deep."""
    numbers = np.random.default_rng(1).normal(size=(500, 400))
    params = values(numbers)
    assert np.array_equal(data_of(params), numbers)
    set_data(params, -numbers)
    assert np.array_equal(data_of(params), -numbers)
    assert not grads_of(params).any()
