"""Nothing is frozen silently: what a recording refuses, where it says so, and what it leaves."""

import math
import sys

import numpy as np
import pytest

import micrograd_fast
from micrograd_fast import RecordingError, Value, _core, nn

OUTSIDE = Value(3.0, label="outside")


def assign_data(x):
    x.data = 1.0
    return x


def add_to_outside(x):
    OUTSIDE.data += 1.0
    return x


def assign_grad(x):
    OUTSIDE.grad = 0.0
    return x


def into_array(x):
    numbers = np.zeros(3)
    numbers[0] = x
    return numbers.sum()


def step(x):
    micrograd_fast.optim.SGD([OUTSIDE], lr=0.1).step()
    return x


REFUSED = {
    "data": lambda x: x.data,
    "grad": lambda x: x.grad,
    "item": lambda x: x.item(),
    "less": lambda x: x if x < 1.0 else -x,
    "less than a Value": lambda x: x if OUTSIDE < x else -x,
    "number first": lambda x: 1.0 >= x,
    "max": lambda x: max(x, 1.0),
    "sorted": lambda x: sorted([x, x * 2.0])[0],
    "equal": lambda x: x if x == 1.0 else -x,
    "unequal": lambda x: x if 2 != x else -x,
    "equal Values": lambda x: x if x == OUTSIDE else -x,
    "in": lambda x: 1.0 if x in [1.0, 2.0] else x,
    "truth": lambda x: x or 1.0,
    "not": lambda x: -x if not x else x,
    "if": lambda x: 1.0 if x * 2.0 else 2.0,
    "float": lambda x: x * float(x),
    "int": lambda x: x * int(x),
    "complex": lambda x: complex(x),
    "math": lambda x: math.exp(x),
    "round": lambda x: round(x),
    "percent": lambda x: x * len("%d" % x),  # noqa: UP031
    "range": lambda x: sum(1.0 for _ in range(x)),
    "index": lambda x: [1.0, 2.0, 3.0][x],
    "slice": lambda x: len((1.0, 2.0, 3.0)[x:]) * 1.0,
    "array index": lambda x: np.arange(3.0)[x],
    "zeros": lambda x: np.zeros(x),
    "zeros of two": lambda x: np.zeros((x, 2)),
    "into a float array": into_array,
    "as a float array": lambda x: np.array([x], dtype=float),
    "repeat": lambda x: [1.0] * x,
    "repeat the other way": lambda x: x * (1.0,),
    "floor division": lambda x: x // 2,
    "remainder": lambda x: 5 % x,
    "bits": lambda x: 1 << x,
    "invert": lambda x: ~x,
    "target": lambda x: micrograd_fast.cross_entropy([x, x], x),
    "parameter": lambda x: micrograd_fast.leaky_relu(x, x),
    "backward": lambda x: (x * x).backward(),
    "assign data": assign_data,
    "assign data outside": add_to_outside,
    "assign grad": assign_grad,
    "data of": lambda x: micrograd_fast.data_of([x, x]).sum(),
    "outside data": lambda x: x * OUTSIDE.data,
    "outside compared": lambda x: x if OUTSIDE > 0.0 else -x,
    "zero grad": lambda x: nn.MLP(1, [1]).zero_grad(),
    "optimizer": step,
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    fn = REFUSED[name]
    f = micrograd_fast.compile(fn)
    before = OUTSIDE.data
    for call in (f, f.value, f.value_and_grad):
        with pytest.raises(RecordingError) as caught:
            call(1)
        first, second, *rest = str(caught.value).splitlines()
        assert first.endswith("which would freeze the number of this one call")
        assert second.strip().startswith(f"{__file__}:")
        line = int(second.strip().removeprefix(f"{__file__}:").partition(":")[0])
        start = fn.__code__.co_firstlineno
        assert start <= line <= start + 3
        assert "where(less(a, b), x, y)" in rest[0]
        assert "static_argnames" in rest[0]
    assert f.tapes == {}
    assert OUTSIDE.data == before
    assert not _core.is_recording()
    # Outside of a recording all of it works as before.
    assert (Value(1.0) < 2.0, float(Value(1.0).data), bool(Value(0.0))) == (True, 1.0, True)


def test_the_line_is_that_of_the_innermost_function_of_the_user():
    def inner(v):
        return v.data  # here

    f = micrograd_fast.compile(lambda x: inner(x) + 1.0)
    with pytest.raises(RecordingError, match=r"return v\.data  # here"):
        f.value(1.0)
    helper = micrograd_fast.compile(lambda n: sum(1.0 for _ in range(n)))
    with pytest.raises(RecordingError, match="static_argnames") as caught:
        helper.value(3)
    assert type(caught.value.__cause__) is TypeError


def test_what_is_allowed():
    """Constants made in the recording are the same at every call; so are identity and printing."""

    def fn(x):
        c = Value(2.0)
        assert c.data == 2.0
        assert c < 3.0
        assert c == c
        assert x is not c
        assert x != "text"
        assert x is not None
        assert len({x, c, x}) == 2
        assert f"{c.data}" == "2.0"
        assert repr(x)
        x.label = "x"
        n = len([c, c])
        return micrograd_fast.where(micrograd_fast.less(x, c), x * n, micrograd_fast.floor(x))

    f = micrograd_fast.compile(fn)
    assert f.value(1.0) == 2.0
    assert f.value(3.5) == 3.0
    assert f.captured == ()


def test_take_follows_its_index():
    f = micrograd_fast.compile(lambda values, i: micrograd_fast.take(values, i) * 10.0)
    assert [f.value([1.0, 2.0, 3.0], i) for i in (0, 1, 2, -1, -3)] == [
        10.0,
        20.0,
        30.0,
        30.0,
        10.0,
    ]
    assert f.grad([1.0, 2.0, 3.0], 1) == [0.0, 10.0, 0.0]
    for wrong in (3, -4, 0.5, float("nan"), float("inf")):
        for call in (f, f.value, f.grad, f.hessian):
            with pytest.raises(IndexError, match="does not name one of the 3 values"):
                call([1.0, 2.0, 3.0], wrong)
    assert f.value([1.0, 2.0, 3.0], 1) == 20.0


@pytest.mark.parametrize(
    ("fn", "good", "bad", "error"),
    [
        (micrograd_fast.log, 1.0, -1.0, ValueError),
        (micrograd_fast.exp, 1.0, 1000.0, OverflowError),
        (lambda x: 1.0 / x, 1.0, 0.0, ZeroDivisionError),
        (lambda x: x**-1, 1.0, 0.0, ZeroDivisionError),
        (lambda x: x**0.5, 1.0, -1.0, ValueError),
        (lambda x: x**x, 1.0, 200.0, OverflowError),
    ],
)
def test_a_replay_raises_what_eager_code_raises(fn, good, bad, error):
    with pytest.raises(error) as eager:
        fn(Value(bad))
    fresh = micrograd_fast.compile(fn)
    with pytest.raises(error) as recorded:
        fresh.value(bad)
    assert str(recorded.value) == str(eager.value)
    assert fresh.tapes == {}
    f = micrograd_fast.compile(fn)
    f.value(good)
    expected = f.value_and_grad(good)
    products = (lambda x: f.hvp(x, 1.0), lambda x: f.jvp(x, 1.0), lambda x: f.vjp(x, 1.0))
    for call in (f, f.value, f.value_and_grad, f.grad, f.jacobian, f.hessian, *products):
        with pytest.raises(error) as replayed:
            call(bad)
        assert str(replayed.value) == str(eager.value)
    assert f.value_and_grad(good) == expected


def test_user_built_nodes_are_refused():
    def with_closure(x):
        out = Value(1.0, (x,), "mine")
        out._backward = lambda: None
        return out * 2.0

    f = micrograd_fast.compile(with_closure)
    with pytest.raises(RecordingError, match=r"with_closure cannot be recorded.*'mine'.*_backward"):
        f.value(1.0)
    g = micrograd_fast.compile(lambda x: Value(1.0, (x,), (2.0,)) + x)
    with pytest.raises(RecordingError, match="local gradients of your own"):
        g(1.0)
    h = micrograd_fast.compile(lambda x: Value(1.0, (x,), "hand") + x)
    with pytest.raises(RecordingError, match="was made by hand"):
        h(1.0)
    assert f.tapes == g.tapes == h.tapes == {}


def test_closures_from_before_are_captured():
    x = Value(2.0)
    outer = Value(4.0, (x,), "square")
    seen = []
    outer._backward = lambda: seen.append(outer.grad)
    f = micrograd_fast.compile(lambda y: y * outer)
    assert f.value(3.0) == 12.0
    f(3.0).backward()
    assert seen == [3.0]
    outer._backward = lambda: None


def test_exceptions_leave_nothing_behind(nothing_stays):
    class Mine(Exception):
        pass

    def fails(x):
        y = x * 2.0 + OUTSIDE
        raise Mine(y)

    f = micrograd_fast.compile(fails)
    for _ in range(3):
        with pytest.raises(Mine):
            f(1.0)
        assert not _core.is_recording()
    for error in (KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError):

        def stops(x, error=error):
            raise error

        g = micrograd_fast.compile(stops)
        with pytest.raises(error):
            g.value(1.0)
        assert g.tapes == {}
        assert not _core.is_recording()
    assert Value(1.0) < 2.0


def test_a_failing_recording_may_succeed_later():
    ready = []

    def fn(x):
        if not ready:
            raise LookupError("not yet")
        return x * 2.0

    f = micrograd_fast.compile(fn)
    with pytest.raises(LookupError):
        f.value(1.0)
    ready.append(1)
    assert f.value(1.0) == 2.0


def test_calls_of_compiled_functions_are_inlined():
    recordings = []

    @micrograd_fast.compile
    def inner(x, w):
        recordings.append("inner")
        return {"sum": x + w, "product": x * w}

    @micrograd_fast.compile
    def outer(x):
        parts = inner(x, OUTSIDE)
        return parts["sum"] * parts["product"]

    assert inner.value(1.0, 2.0) == {"sum": 3.0, "product": 2.0}
    assert outer.value_and_grad(2.0) == (30.0, 21.0)
    assert recordings == ["inner", "inner"]
    assert outer.value(1.0) == 12.0
    assert len(recordings) == 2
    assert outer.captured == (OUTSIDE,)
    assert outer.stats[0]["operations_recorded"] == 3


def test_plain_numbers_of_compiled_functions_are_refused_while_recording():
    inner = micrograd_fast.compile(lambda x: x * OUTSIDE)
    inner.value(1.0)
    calls = [
        lambda x: inner.value(1.0),
        lambda x: inner.value_and_grad(x)[0],
        lambda x: inner.grad(1.0),
        lambda x: inner.jacobian(1.0),
        lambda x: inner.hvp(1.0, 1.0),
        lambda x: micrograd_fast.grad(inner)(1.0),
    ]
    for fn in calls:
        with pytest.raises(RecordingError, match="compiled function is asked for plain numbers"):
            micrograd_fast.compile(fn).value(1.0)


def test_recursion_ends_as_in_python():
    f = micrograd_fast.compile(lambda x: f(x) + 1.0)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        with pytest.raises(RecursionError):
            f.value(1.0)
    finally:
        sys.setrecursionlimit(limit)
    assert not _core.is_recording()
    assert f.tapes == {}


def test_recordings_within_recordings():
    """A function may compile and call another while it is being recorded."""

    def fn(x, n):
        start = x
        step = micrograd_fast.compile(lambda v: v * v + start)
        for _ in range(n):
            x = step(x)
        return x

    f = micrograd_fast.compile(fn, static_argnames="n")
    eager = fn(Value(0.5), 2)
    assert f.value(0.5, 2) == eager.data


def test_networks_are_recorded_as_their_parts():
    network = nn.MLP(3, [4, 4, 1])
    f = micrograd_fast.compile(lambda x: network(x))
    x = [0.5, -1.0, 2.0]
    expected = network(x)
    parameters = network.parameters()
    assert f.value(x) == pytest.approx(expected.data, rel=1e-15)
    assert set(f.captured) == set(parameters)
    expected.backward()
    gradients = [p.grad for p in parameters]
    network.zero_grad()
    f(x).backward()
    assert [p.grad for p in parameters] == pytest.approx(gradients, rel=1e-12)
    network.zero_grad()
    parameters[0].data += 1.0
    assert f.value(x) == pytest.approx(network(x).data, rel=1e-15)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: micrograd_fast.compile(3), TypeError, "compile needs a function, not 'int'"),
        (lambda: micrograd_fast.compile(None)(3), TypeError, "compile needs a function, not 'int'"),
        (
            lambda: micrograd_fast.compile(lambda x: x, static_argnames="n"),
            ValueError,
            "the function has no parameter 'n'; it has x",
        ),
        (
            lambda: micrograd_fast.compile(lambda: 1.0, static_argnames=["n"]),
            ValueError,
            "it has none",
        ),
        (
            lambda: micrograd_fast.compile(lambda x: x, static_argnames=0),
            TypeError,
            "static_argnames must be names, not 0",
        ),
        (
            lambda: micrograd_fast.compile(lambda x: x, static_argnames=[0]),
            TypeError,
            "static_argnames must be names, not 0",
        ),
        (
            lambda: micrograd_fast.compile(lambda x: x, passes=["fold", "melt"]),
            ValueError,
            "there is no pass 'melt'; the passes are fold",
        ),
        (lambda: micrograd_fast.compile(lambda x: x, passes="fold"), TypeError, "passes must be"),
        (lambda: micrograd_fast.compile(lambda x: x, passes=3), TypeError, "passes must be"),
        (lambda: micrograd_fast.grad(3), TypeError, "compile needs a function"),
        (
            lambda: micrograd_fast.grad(micrograd_fast.compile(lambda x: x), static_argnames="x"),
            TypeError,
            "static_argnames belong to compile",
        ),
    ],
)
def test_wrong_options(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_decorators():
    @micrograd_fast.compile
    def plain(x):
        """What it does."""
        return x * 2.0

    @micrograd_fast.compile(static_argnames="n", passes=["fold"])
    def with_options(x, n):
        return x * n

    assert (plain.__name__, plain.__doc__, plain.__module__) == (
        "plain",
        "What it does.",
        __name__,
    )
    assert plain.__wrapped__(3.0) == 6.0
    assert plain.value(3.0) == 6.0
    assert with_options.value(3.0, 4) == 12.0


def test_callables_of_every_kind():
    class Model:
        def __init__(self):
            self.w = Value(3.0)

        def __call__(self, x):
            return self.w * x

        def method(self, x):
            return self.w + x

    model = Model()
    assert micrograd_fast.compile(model).value(2.0) == 6.0
    assert micrograd_fast.compile(model.method).value(2.0) == 5.0
    assert micrograd_fast.compile(micrograd_fast.tanh).value(0.0) == 0.0
    assert micrograd_fast.compile(sum).value([1.0, 2.0]) == 3.0


def test_grad_and_value_and_grad():
    def f(x, y, n=2):
        return x**n * y

    assert micrograd_fast.grad(f)(3.0, 2.0) == 12.0
    assert micrograd_fast.grad(f, argnums=(0, 1))(3.0, 2.0) == (12.0, 9.0)
    assert micrograd_fast.value_and_grad(f, 1)(3.0, y=2.0) == (18.0, 9.0)
    both = micrograd_fast.value_and_grad(f, static_argnames="n")
    assert both(3.0, 2.0, n=1) == (6.0, 2.0)
    assert both.__name__ == "f"
