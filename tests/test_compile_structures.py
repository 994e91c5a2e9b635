"""What arguments and results may look like, and that a structure is recorded once."""

import collections
import inspect
from fractions import Fraction

import numpy as np
import pytest

import micrograd_fast
from micrograd_fast import Value, _core

Point = collections.namedtuple("Point", "x y")


def counted(fn, **options):
    """A compiled function and a list that grows by one with every recording."""
    recordings = []

    def counting(*args, **kwargs):
        recordings.append(1)
        return fn(*args, **kwargs)

    counting.__signature__ = inspect.signature(fn)
    return micrograd_fast.compile(counting, **options), recordings


def total(nest):
    """The sum of i * leaf over the leaves of a nest, i from 1, as one expression."""
    leaves = []

    def visit(item):
        if isinstance(item, dict):
            item = list(item.values())
        if isinstance(item, (list, tuple, np.ndarray)):
            for inner in item:
                visit(inner)
        else:
            leaves.append(item)

    visit(nest)
    result = 0.0
    for i, leaf in enumerate(leaves):
        result = result + (i + 1.0) * leaf
    return result


NESTS = [
    2.0,
    [1.0, 2.0, 3.0],
    (1.0, 2.0),
    Point(1.0, 2.0),
    {"a": 1.0, "b": 2.0},
    [1.0, [2.0, (3.0, {"x": 4.0})], np.array([5.0, 6.0])],
    {"w": np.arange(6.0).reshape(2, 3), "b": [0.5, 0.25], 3: (1.0,)},
    np.arange(24.0).reshape(2, 3, 4),
    np.array([[1.0], [2.0]]),
    [[1.0, 2.0], [3.0, 4.0]],
    Point([1.0, 2.0], np.ones(2)),
    [np.ones((1, 1)), Point(1.0, (2.0,)), {"deep": {"deeper": [[[1.0]]]}}],
]


def same(a, b):
    """Whether two nests are equal, types included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def counting_up(nest):
    """The same nest with 1.0, 2.0, 3.0, ... as leaves: the gradient of `total`."""
    numbers = iter(range(1, 1000))

    def visit(item):
        if isinstance(item, dict):
            return {key: visit(inner) for key, inner in item.items()}
        if isinstance(item, np.ndarray):
            return np.array([float(next(numbers)) for _ in item.flat]).reshape(item.shape)
        if isinstance(item, Point):
            return Point(*map(visit, item))
        if isinstance(item, (list, tuple)):
            return type(item)(visit(inner) for inner in item)
        return float(next(numbers))

    return visit(nest)


@pytest.mark.parametrize("nest", NESTS, ids=repr)
def test_gradients_have_the_structure_of_the_argument(nest):
    f, recordings = counted(total)
    value, gradient = f.value_and_grad(nest)
    assert value == pytest.approx(float(total(nest)))
    assert same(gradient, counting_up(nest))
    assert same(f.grad(gradient), counting_up(nest))
    assert len(recordings) == 1


@pytest.mark.parametrize("nest", NESTS, ids=repr)
def test_results_have_the_structure_that_the_function_gave(nest):
    f = micrograd_fast.compile(lambda nest: nest)
    value = f.value(nest)
    assert same(value, nest)
    assert same(f.vjp(nest, nest), nest)
    assert same(f.jvp(nest, nest), nest)
    values = f(nest)
    leaves = _core.describe(values, "values")[1]
    assert all(type(leaf) is Value for leaf in leaves)
    assert [leaf.data for leaf in leaves] == _core.describe(nest, "nest")[1]


@pytest.mark.parametrize(
    "number",
    [
        *(2, True, np.float64(2.5), np.float32(2.5), np.int64(3), np.bool_(True)),
        *(Fraction(1, 2), Value(1.25), np.array(1.5), np.array(7)),
    ],
    ids=repr,
)
def test_numbers_of_every_kind_are_one_structure(number):
    f, recordings = counted(lambda x: x * 2.0)
    plain = number.data if isinstance(number, Value) else float(number)
    assert f.value(1.0) == 2.0
    assert f.value(number) == 2.0 * plain
    assert f(number).data == 2.0 * plain
    gradient = f.grad(number)
    assert (type(gradient), gradient) == (float, 2.0)
    assert type(f.value(number)) is float
    assert len(recordings) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).astype(">f8"),
        np.array([[True, False, True]] * 2),
        np.arange(6.0).reshape(3, 2).T,
        np.arange(12.0).reshape(2, 6)[:, ::2],
        np.arange(6.0).reshape(2, 3)[::-1, ::-1],
        np.array([[1.0, Value(2.0), 3], [Fraction(1, 2), True, np.float32(1)]], dtype=object),
    ],
    ids=lambda array: f"{array.dtype}{array.strides}",
)
def test_arrays_of_every_kind_are_one_structure(array):
    f, recordings = counted(lambda x: (x * np.arange(1.0, 7.0).reshape(2, 3)).sum())
    plain = np.array([x.data if type(x) is Value else float(x) for x in array.flat]).reshape(2, 3)
    assert f.value(np.zeros((2, 3))) == 0.0
    assert f.value(array) == (plain * np.arange(1.0, 7.0).reshape(2, 3)).sum()
    assert f(array).data == f.value(array)
    assert np.array_equal(f.grad(array), np.arange(1.0, 7.0).reshape(2, 3))
    assert len(recordings) == 1


def test_strided_vectors_are_read_in_place():
    f = micrograd_fast.compile(lambda x: x)
    numbers = np.arange(12.0)
    for view in (numbers[::3], numbers[::-1], numbers[5:5], numbers.reshape(3, 4)[:, 1]):
        assert np.array_equal(f.value(view), view)
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    assert np.array_equal(f.value(frozen), frozen)


def test_values_give_their_data_and_are_left_alone():
    f = micrograd_fast.compile(lambda x, y: x * y)
    a, b = Value(3.0), Value(4.0)
    assert f.value_and_grad(a, b, argnums=(0, 1)) == (12.0, (4.0, 3.0))
    a.data = 5.0
    assert f.value(a, 2.0) == 10.0
    assert (a.grad, b.grad) == (0.0, 0.0)


def test_another_structure_is_another_recording():
    f, recordings = counted(total)
    for number, nest in enumerate(NESTS, 1):
        f.value(nest)
        assert len(recordings) == number
    for nest in [*NESTS, *reversed(NESTS)]:
        assert f.grad(nest) is not None
    assert len(recordings) == len(NESTS) == len(f.tapes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0], (1.0,)),
        ([1.0], [1.0, 2.0]),
        ([1.0], [[1.0]]),
        (np.ones(1), [1.0]),
        (np.ones((2, 1)), np.ones((1, 2))),
        ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}),
        ({"a": 1.0}, {"b": 1.0}),
        (Point(1.0, 2.0), (1.0, 2.0)),
        ([], ()),
        ({}, []),
        (np.ones(0), np.ones((0, 3))),
    ],
)
def test_structures_that_differ(first, second):
    f, recordings = counted(lambda nest: total(nest) + 0.0)
    for nest in (first, second, first, second):
        assert f.value(nest) == float(total(nest))
    assert len(recordings) == 2


def test_keywords_and_defaults():
    f, recordings = counted(lambda x, y=3.0, *rest, scale=1.0, **more: x * y * scale)
    assert f.value(2.0) == 6.0
    assert f.value(2.0, 4.0) == 8.0
    assert len(recordings) == 2
    # The same call, however it is written.
    assert f.value(2.0, y=5.0) == f.value(x=2.0, y=5.0) == f.value(y=5.0, x=2.0) == 10.0
    assert len(recordings) == 2
    assert f.value(2.0, 3.0, scale=10.0) == 60.0
    assert f.value(2.0, scale=10.0, y=3.0) == 60.0
    assert len(recordings) == 3
    assert f.value(2.0, 3.0, 1.0, 1.0, other=2.0) == 6.0
    assert f.grad(2.0, 3.0, scale=10.0, argnums=(0, 1, 2)) == (30.0, 20.0, 6.0)
    assert f.grad(2.0, 3.0, scale=10.0, argnums=-1) == 6.0
    assert f(2.0, y=Value(7.0)).data == 14.0


def test_arguments_that_do_not_fit_the_function():
    f = micrograd_fast.compile(lambda x, y: x + y)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        f.value(1.0)
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        f.value(x=1.0)
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        f(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        f.value(1.0, 2.0, z=2.0)
    assert f.tapes == {}


def test_functions_without_arguments():
    w = Value(3.0)
    f = micrograd_fast.compile(lambda: w * w)
    assert f.value() == 9.0
    f().backward()
    assert w.grad == 6.0
    with pytest.raises(ValueError, match="argnums 0: <lambda> was called with 0 arguments"):
        f.grad()


REFUSED = [
    ("text", "x must be a number.*not 'str'"),
    (None, "x must be a number.*not 'NoneType'"),
    (1j, "not 'complex'"),
    ({1.0, 2.0}, "not 'set'"),
    (range(3), "not 'range'"),
    ([1.0, "a"], r"x\[1\] must be a number"),
    ({"a": [1.0, (2.0, None)]}, r"x\['a'\]\[1\]\[1\] must be"),
    (Point(1.0, "a"), r"x\.y must be"),
    (np.array(["a"]), "x must be an array of numbers, not of <U1"),
    (np.array([1j]), "not of complex128"),
    (np.array(["2026-01-01"], dtype="M8[D]"), "not of datetime64"),
    (
        np.array([[1.0], [1.0, 2.0]], dtype=object),
        r"x\[0\] must be a number or a Value, not 'list'",
    ),
    (np.ma.array([1.0]), "not 'MaskedArray'; pass numpy.asarray"),
    (collections.OrderedDict(a=1.0), "not 'OrderedDict'"),
    (object(), "not 'object'"),
    (collections.deque([1.0]), "not 'deque'"),
]


@pytest.mark.parametrize(("argument", "message"), REFUSED, ids=lambda case: repr(case)[:30])
def test_arguments_that_are_no_numbers(argument, message):
    f, recordings = counted(lambda x: 1.0)
    for call in (f, f.value, f.value_and_grad, f.jacobian):
        with pytest.raises(TypeError, match=message):
            call(argument)
    assert f.value(1.0) == 1.0
    with pytest.raises(TypeError, match=message):
        f.value(argument)
    assert len(recordings) == 1


@pytest.mark.parametrize(("result", "message"), REFUSED[:6], ids=lambda case: repr(case)[:30])
def test_results_that_are_no_numbers(result, message):
    f = micrograd_fast.compile(lambda x: result)
    with pytest.raises(TypeError, match="the result of <lambda>"):
        f.value(1.0)
    assert f.tapes == {}


def test_too_deep_and_too_large():
    endless = []
    endless.append(endless)
    f = micrograd_fast.compile(total)
    with pytest.raises(ValueError, match="nest is nested more than 64 deep"):
        f.value(endless)
    with pytest.raises(OverflowError):
        f.value(10**400)


def test_static_arguments():
    f, recordings = counted(
        lambda x, n, mode="sum": sum(x for _ in range(n)) if mode == "sum" else x**n,
        static_argnames=["n", "mode"],
    )
    assert f.value(2.0, 3) == 6.0
    assert f.value(5.0, 3) == 15.0
    assert f.value(2.0, n=3) == 6.0
    assert len(recordings) == 1
    assert f.value(2.0, 3, "power") == 8.0
    assert f.value(2.0, 3, mode="power") == 8.0
    assert f.value(2.0, mode="power", n=3) == 8.0
    assert len(recordings) == 2
    assert f.value(2.0, 4) == 8.0
    assert f.value_and_grad(2.0, 3) == (6.0, 3.0)
    assert len(recordings) == 3
    with pytest.raises(ValueError, match="argnums 1: argument 1 of counting is static"):
        f.grad(2.0, 3, argnums=1)


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        (2, 2.0, False),
        (1, True, False),
        (0.0, -0.0, False),
        ((1, 2), (1, 2.0), False),
        ((1, (2,)), (1, (2,)), True),
        (float("nan"), float("nan"), True),
        ("ab", "".join(["a", "b"]), True),
    ],
)
def test_what_tells_static_arguments_apart(first, second, alike):
    f, recordings = counted(lambda x, s: x * len(repr(s)), static_argnames="s")
    assert f.value(1.0, first) == len(repr(first))
    assert f.value(1.0, second) == len(repr(second))
    assert len(recordings) == 2 - alike


def test_static_arguments_must_be_hashable():
    f = micrograd_fast.compile(lambda x, s: x, static_argnames="s")
    with pytest.raises(TypeError, match=r"static argument s must be hashable.*'list'"):
        f.value(1.0, [1])
    with pytest.raises(TypeError, match=r"static argument s must be hashable.*'dict'"):
        f.value(1.0, s={})


def test_arguments_that_change_while_they_are_read():
    """Converting an unusual number runs Python, which may shorten the list it is in."""

    class Shrinks:
        def __index__(self):
            del victim[1:]
            return 1

    class Grows:
        def __index__(self):
            fickle.update(dict.fromkeys(range(1000), 0.0))
            return 1

    class KeepsGrowing:
        def __index__(self):
            endless.append(0.0)
            return 1

    f = micrograd_fast.compile(total)
    f.value([1.0, 2.0, 3.0])
    victim = [Shrinks(), 2.0, 3.0]
    assert f.value(victim) == 1.0
    f.value({"a": 1.0, "b": 2.0})
    fickle = {"a": Grows(), "b": 2.0}
    assert f.value(fickle) == 5.0
    endless = [KeepsGrowing(), 2.0]
    for call in (f, f.value, f.grad):
        with pytest.raises(TypeError, match="the arguments have changed while they were read"):
            call(endless)
    assert f.value([1.0, 2.0, 3.0]) == 14.0


def test_out():
    f = micrograd_fast.compile(lambda x, y: (x * x).sum() * y)
    x, g = np.array([1.0, 2.0]), np.empty(2)
    value, gradient = f.value_and_grad(x, 3.0, out=g)
    assert gradient is g
    assert (value, g.tolist()) == (15.0, [6.0, 12.0])
    assert f.grad(x, 2.0, out=g) is g
    assert g.tolist() == [4.0, 8.0]
    flat = np.empty(3)
    f.grad(x, 3.0, argnums=(0, 1), out=flat)
    assert flat.tolist() == [6.0, 12.0, 5.0]
    g2 = micrograd_fast.compile(lambda p: p["a"] * p["b"][0])
    room = np.empty(2)
    assert g2.grad({"a": 2.0, "b": [3.0]}, out=room).tolist() == [3.0, 2.0]
    h = micrograd_fast.compile(lambda x: np.outer(x, x))
    square = np.empty((2, 2))
    assert h.value(x, out=square) is square
    assert square.tolist() == [[1.0, 2.0], [2.0, 4.0]]
    cube = np.empty((2, 2, 2))
    h.jacobian(x, out=cube)
    assert np.array_equal(cube, h.jacobian(x))
    hessian = np.empty((2, 2))
    f.hessian(x, 3.0, out=hessian)
    assert hessian.tolist() == [[6.0, 0.0], [0.0, 6.0]]
    whole = np.empty((3, 3))
    f.hessian(x, 3.0, argnums=(0, 1), out=whole)
    assert whole.tolist() == [[6.0, 0.0, 2.0], [0.0, 6.0, 4.0], [2.0, 4.0, 0.0]]


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty(3), ValueError, r"out has shape \(3,\), but \(2,\) is needed"),
        (np.empty((2, 1)), ValueError, "out has shape"),
        (np.empty(2, dtype=np.float32), TypeError, "out must be an array of float64"),
        (np.empty(4)[::2], ValueError, "out must be C-contiguous"),
        ([0.0, 0.0], TypeError, "out must be an array of float64"),
        ("text", TypeError, "out must be an array of float64"),
    ],
)
def test_out_that_does_not_fit(out, error, message):
    f = micrograd_fast.compile(lambda x: (x * x).sum())
    x = np.array([1.0, 2.0])
    for call in (f.value_and_grad, f.grad):
        with pytest.raises(error, match=message):
            call(x, out=out)
    frozen = np.empty(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writable"):
        f.grad(x, out=frozen)
    # Nothing is left behind in the adjoints.
    assert f.grad(x).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("argnums", "error", "message"),
    [
        (2, ValueError, "argnums 2: <lambda> was called with 2 arguments"),
        (-3, ValueError, "argnums -3"),
        ((0, 0), ValueError, "names an argument twice"),
        ((0, -2), ValueError, "names an argument twice"),
        ("x", TypeError, "argnums must be an int or a tuple of ints, not 'x'"),
        (1.0, TypeError, "argnums must be"),
        (True, TypeError, "argnums must be"),
        (None, TypeError, "argnums must be"),
        ((0, "x"), TypeError, "argnums must be"),
    ],
)
def test_argnums_that_mean_nothing(argnums, error, message):
    f = micrograd_fast.compile(lambda x, y: x * y)
    for _ in range(2):
        for call in (f.value_and_grad, f.grad, f.jacobian, f.hessian):
            with pytest.raises(error, match=message):
                call(2.0, 3.0, argnums=argnums)
        for product in (f.jvp, f.vjp, f.hvp):
            with pytest.raises(error, match=message):
                product(2.0, 3.0, 1.0, argnums=argnums)
    assert f.grad(2.0, 3.0, argnums=np.int64(1)) == 2.0
    assert f.grad(2.0, 3.0, argnums=()) == ()
    assert f.grad(2.0, 3.0, argnums=[1, 0]) == (2.0, 3.0)


def test_only_one_number_has_a_gradient():
    f = micrograd_fast.compile(lambda x: [x, x])
    for call in (f.value_and_grad, f.grad, f.hessian):
        with pytest.raises(
            TypeError, match=r"one number, but that of <lambda> is .*jacobian or vjp"
        ):
            call(1.0)
    with pytest.raises(TypeError, match="hvp needs a function whose result is one number"):
        f.hvp(1.0, 1.0)
    for method in ("jvp", "vjp", "hvp"):
        for given in ((), (1.0,)):
            with pytest.raises(TypeError, match=f"{method} takes the arguments of <lambda> and"):
                getattr(f, method)(*given)
    with pytest.raises(TypeError, match="the cotangent must have the structure of the result"):
        f.vjp(1.0, 1.0)
    with pytest.raises(TypeError, match="the tangent must have the structure"):
        f.jvp(1.0, [1.0])


def test_plain_numbers_among_the_results():
    f = micrograd_fast.compile(lambda x: [x * 2.0, 3, np.ones(2), True])
    double, three, ones, true = f(1.0)
    assert (type(double), double.data) == (Value, 2.0)
    assert (type(three), three, type(true), true) == (float, 3.0, float, 1.0)
    assert ones.tolist() == [1.0, 1.0]
    assert same(f.value(1.0), [2.0, 3.0, np.ones(2), 1.0])
    constant = micrograd_fast.compile(lambda x: 7)
    assert constant.value_and_grad(2.0) == (7.0, 0.0)
    assert constant.hessian(2.0) == 0.0
    assert constant(2.0) == 7.0


def test_results_that_are_arguments_or_come_twice():
    w = Value(5.0)
    f = micrograd_fast.compile(lambda x, y: [x, x, y * x, w, y])
    assert f.value(2.0, 3.0) == [2.0, 2.0, 6.0, 5.0, 3.0]
    assert f.jacobian(2.0, 3.0, argnums=(0, 1)) == (
        [1.0, 1.0, 3.0, 0.0, 0.0],
        [0.0, 0.0, 2.0, 0.0, 1.0],
    )
    assert f.vjp(2.0, 3.0, [1.0, 10.0, 100.0, 1000.0, 1e4]) == 311.0
    a = Value(2.0)
    first, second, product, same_w, _ = f(a, 3.0)
    assert same_w is not w
    (first + second * 10.0 + product * 100.0 + same_w * 7.0).backward()
    assert (a.grad, w.grad) == (311.0, 7.0)
