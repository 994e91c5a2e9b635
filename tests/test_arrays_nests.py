"""What counts as a nest of Values: its shape, and what is ragged, endless or no Value."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrograd_fast import Value, data_of, grads_of, set_data, values

READERS = pytest.mark.parametrize(
    "use",
    [data_of, grads_of, lambda params: set_data(params, 0.0)],
    ids=["data_of", "grads_of", "set_data"],
)


def v(number=0.0):
    return Value(number)


def objects(*elements):
    array = np.empty(len(elements), dtype=object)
    for i, element in enumerate(elements):
        array[i] = element
    return array


class Row(list):
    pass


Pair = collections.namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("nest", "expected"),
    [
        (lambda: v(1), 1.0),
        (lambda: [v(1), v(2)], [1.0, 2.0]),
        (lambda: (v(1), v(2)), [1.0, 2.0]),
        (lambda: [(v(1), v(2)), [v(3), v(4)]], [[1.0, 2.0], [3.0, 4.0]]),
        (lambda: objects(v(1), v(2)), [1.0, 2.0]),
        (lambda: [objects(v(1), v(2)), [v(3), v(4)]], [[1.0, 2.0], [3.0, 4.0]]),
        (lambda: objects([v(1)], (v(2),)), [[1.0], [2.0]]),
        (lambda: [[objects(v(1), v(2)).reshape(2, 1)]], [[[[1.0], [2.0]]]]),
        (lambda: np.array(v(1)), 1.0),
        (lambda: [np.array(v(1)), v(2)], [1.0, 2.0]),
        (lambda: Row([Row([v(1)])]), [[1.0]]),
        (lambda: Pair(v(1), v(2)), [1.0, 2.0]),
        (lambda: (x for x in [v(1), v(2)]), [1.0, 2.0]),
        (lambda: ([x] for x in [v(1), v(2)]), [[1.0], [2.0]]),
        (lambda: {"a": v(1), "b": v(2)}.values(), [1.0, 2.0]),
        (lambda: {v(1): "a"}, [1.0]),
        (lambda: collections.deque([v(1), v(2)]), [1.0, 2.0]),
        (lambda: map(Value, [1, 2]), [1.0, 2.0]),
        (lambda: memoryview(objects(v(1), v(2))), [1.0, 2.0]),
        (list, []),
        (lambda: [[], []], [[], []]),
        (lambda: [[], ()], [[], []]),
    ],
)
def test_nests(nest, expected):
    found = data_of(nest())
    assert found.tolist() == expected
    assert found.shape == np.array(expected).shape
    set_data(nest(), np.zeros(found.shape))


def test_views_of_object_arrays():
    array = values(np.arange(24.0).reshape(2, 3, 4), as_array=True)
    numbers = np.arange(24.0).reshape(2, 3, 4)
    for view, expected in (
        (array.T, numbers.T),
        (array[::-1, :, ::2], numbers[::-1, :, ::2]),
        (array[:, 1], numbers[:, 1]),
        (array[1, 2, 3:4], numbers[1, 2, 3:4]),
        (np.broadcast_to(array[0, 0], (2, 4)), np.broadcast_to(numbers[0, 0], (2, 4))),
        (np.asfortranarray(array), numbers),
    ):
        assert np.array_equal(data_of(view), expected)
        assert np.array_equal(data_of([view, view]), [expected, expected])
    set_data(array.T, -numbers.T)
    assert np.array_equal(data_of(array), -numbers)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4), (0, 0)], ids=str)
def test_empty_arrays_keep_their_shape(shape):
    empty = np.empty(shape, dtype=object)
    assert data_of(empty).shape == shape
    assert data_of([empty, empty]).shape == (2, *shape)
    assert data_of([[empty]] * 3).shape == (3, 1, *shape)
    set_data(empty, np.empty(shape))


RAGGED = [
    (lambda: [[v(), v()], [v()]], r"params\[1\] has length 1, but those before it have length 2"),
    (lambda: [[v()], [v()], [v(), v()]], r"params\[2\] has length 2, but .* have length 1"),
    (lambda: [[[v()]], [[v(), v()]]], r"params\[1\]\[0\] has length 2, but .* have length 1"),
    (lambda: [[[v()], [v()]], [[v()]]], r"params\[1\] has length 1, but .* have length 2"),
    (lambda: [v(), [v()]], r"params\[1\] has length 1, but those before it are Values"),
    (lambda: [[v()], v()], r"params\[1\] is a Value, but those before it have length 1"),
    (lambda: [[[v()]], [v()]], r"params\[1\]\[0\] is a Value, but .* have length 1"),
    (lambda: [[], [v()]], r"params\[1\] has length 1, but .* have length 0"),
    (lambda: [[v()], []], r"params\[1\] has length 0, but .* have length 1"),
    (lambda: [(), [[]]], r"params\[1\] has length 1, but .* have length 0"),
    (lambda: [objects(v(), v()), [v()]], r"params\[1\] has length 1, but .* length 2"),
    (lambda: [[v()], objects(v(), v())], r"params\[1\] has length 2, but .* length 1"),
    (lambda: objects([v()], [v(), v()]), r"params\[1\] has length 2, but .* length 1"),
    (
        lambda: [np.empty((0, 2), object), np.empty((0, 3), object)],
        r"params\[1\]\[0\] has length 3, but .* length 2",
    ),
    (lambda: [[], np.empty((0, 3), object)], r"params\[1\]\[0\] has length 3, but .* are empty"),
    (lambda: [np.array(v()), objects(v())], r"params\[1\] has length 1, but .* are Values"),
]


@READERS
@pytest.mark.parametrize(("nest", "message"), RAGGED)
def test_ragged_nests(use, nest, message):
    with pytest.raises(ValueError, match=f"params are ragged: {message}"):
        use(nest())


@READERS
@pytest.mark.parametrize(
    ("nest", "message"),
    [
        (lambda: 1.0, "params must be Values, not 'float'"),
        (lambda: None, "params must be Values, not 'NoneType'"),
        (lambda: "vw", "params must be Values, not 'str'"),
        (lambda: b"vw", "params must be a Value, not 'bytes' of type code 'B'"),
        (lambda: [v(), 1.0], r"params\[1\] must be a Value, not 'float'"),
        (lambda: [[v()], [None]], r"params\[1\]\[0\] must be a Value, not 'NoneType'"),
        (lambda: [[v()], "v"], r"params\[1\] must be a Value, not 'str'"),
        (lambda: [[v()], {v()}], r"params\[1\] must be a Value, not 'set'"),
        (lambda: [(v(),), iter([v()])], r"params\[1\] must be a Value, not 'list_"),
        (lambda: {v(), v()}, "params must have an order, but 'set' has none"),
        (lambda: np.ones((2, 2)), "params must be a Value, not 'numpy.ndarray' of type code 'd'"),
        (lambda: [[v()], np.ones(1)], r"params\[1\] must be a Value, .* of type code 'd'"),
        (lambda: objects(v(), 2), r"params\[1\] must be a Value, not 'int'"),
        (lambda: np.array([["a"]]), "params must be a Value, not 'numpy.ndarray' of type code"),
        (lambda: np.empty(2, object), r"params\[0\] must be a Value, not 'NoneType'"),
        (lambda: type("Net", (), {"parameters": 1})(), r"'Net'; pass its \.parameters\(\)"),
    ],
)
def test_what_is_no_nest_of_values(use, nest, message):
    with pytest.raises(TypeError, match=message):
        use(nest())


def boxed(thing):
    """An array without dimensions around it."""
    box = np.empty((), dtype=object)
    box[()] = thing
    return box


def test_depth():
    deep = v(1.0)
    for _ in range(32):
        deep = [deep]
    assert data_of(deep).shape == (1,) * 32
    set_data(deep, data_of(deep) * 2.0)
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        data_of([deep])
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        data_of(endless)
    array = np.empty((), dtype=object)
    array[()] = array
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        data_of(array)
    array[()] = v(3.0)
    for _ in range(31):
        array = boxed(array)
    assert data_of([array, array]).tolist() == [3.0, 3.0]
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        data_of([boxed(array)])


def test_an_exception_of_an_iterator_comes_out():
    def broken():
        yield v()
        raise KeyError("of the user's own")

    with pytest.raises(KeyError, match="of the user's own"):
        data_of(broken())


NESTS = st.recursive(
    st.floats(allow_nan=False).map(Value),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=12,
)


def shape_of(nest):
    """The shape of a nest, found another way: None where it has none."""
    if isinstance(nest, Value):
        return ()
    shapes = {shape_of(inner) for inner in nest}
    if not shapes:
        return (0,)
    return (len(nest), *shapes.pop()) if len(shapes) == 1 and None not in shapes else None


def plain(nest):
    return nest.data if isinstance(nest, Value) else [plain(inner) for inner in nest]


@given(NESTS)
def test_any_nest_of_lists_and_tuples(nest):
    shape = shape_of(nest)
    if shape is None:
        with pytest.raises(ValueError, match="params are ragged"):
            data_of(nest)
    else:
        found = data_of(nest)
        assert found.shape == shape
        assert found.tolist() == plain(nest)
