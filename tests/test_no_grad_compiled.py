"""``no_grad`` and compiled functions: calls within it, and recordings on both sides of it."""

import threading

import numpy as np
import pytest
from leaves import is_building, is_leaf, leaves_like

import micrograd_fast
from micrograd_fast import Function, RecordingError, Value, _core, nn, no_grad


def test_calls_give_leaves_of_the_same_structure():
    w = Value(3.0)

    def fn(x, y):
        return {"a": [w * x, 7.0], "b": np.array([x * y, y]), "c": (x, w)}

    f = micrograd_fast.compile(fn)
    x, y = Value(2.0), Value(5.0)
    expected = f(x, y)
    with no_grad():
        for got in (f(x, y), f(2.0, y=5.0)):
            assert type(got["a"]) is list
            assert type(got["c"]) is tuple
            assert got["a"][1] == 7.0
            assert type(got["a"][1]) is float
            assert got["b"].dtype == object
            for a, b in [
                (got["a"][0], expected["a"][0]),
                *zip(got["b"], expected["b"]),
                *zip(got["c"], expected["c"]),
            ]:
                assert leaves_like(a, b)
        assert leaves_like(micrograd_fast.compile(lambda x: x * w)(2.0), Value(6.0))
        assert micrograd_fast.compile(lambda x: 2.0)(1.0) == 2.0


def test_a_call_keeps_nothing():
    """A connected call keeps the partials of every operation; a leaf has none to keep."""

    def fn(x):
        for _ in range(5000):
            x = (x * 0.999).sin()
        return x

    f = micrograd_fast.compile(fn)
    x = Value(0.5)
    connected = f(x)
    f.value(0.5)  # the memory of a run for values stays, to be used again
    before = _core.arena_info()["blocks"]
    with no_grad():
        leaves = [f(x) for _ in range(3)]
    assert all(leaves_like(leaf, connected) for leaf in leaves)
    assert _core.arena_info()["blocks"] == before
    leaves[0].backward()
    assert x.grad == 0.0


def test_errors_are_those_of_eager_code():
    f = micrograd_fast.compile(micrograd_fast.log)
    f.value(1.0)
    with no_grad():
        for _ in range(2):
            with pytest.raises(ValueError, match="domain"):
                f(-1.0)
            with pytest.raises(TypeError):
                f("text")
        assert leaves_like(f(1.0), Value(0.0))
    g = Function([Value(1.0)], Value(2.0))
    with no_grad(), pytest.raises(TypeError, match="takes arguments of the structure"):
        g([1.0])


@pytest.mark.parametrize("call", ["call", "value", "value_and_grad"])
def test_the_first_call_records_as_it_does_outside(call):
    w, network = Value(3.0), nn.MLP(2, [3, 1], seed=1)

    def fn(x):
        assert _core.is_recording()
        y = network([x, w]) + micrograd_fast.softmax([x, w])[0]
        return micrograd_fast.sum([y * x, w.tanh()])

    f, fresh = micrograd_fast.compile(fn), micrograd_fast.compile(fn)
    expected = fresh.value_and_grad(0.5)
    with no_grad():
        if call == "call":
            assert leaves_like(f(0.5), Value(expected[0]))
        elif call == "value":
            assert f.value(0.5) == expected[0]
        assert f.value_and_grad(0.5) == expected
        assert not is_building()
    assert f.stats[0]["operations"] == fresh.stats[0]["operations"]
    assert len(f.tapes) == 1
    x = Value(0.5)
    f(x).backward()
    assert x.grad == expected[1]
    assert w.grad != 0.0


def test_a_recording_that_fails_leaves_the_block_as_it_was():
    def fails(x):
        raise LookupError("mine")

    with no_grad():
        with pytest.raises(LookupError, match="mine"):
            micrograd_fast.compile(fails)(1.0)
        with pytest.raises(RecordingError):
            micrograd_fast.compile(lambda x: x.data)(1.0)
        assert not is_building()
    assert is_building()


def enters(x):
    with no_grad():
        y = x * 2.0
    return y + x


@no_grad()
def decorated(x):
    return x * 2.0


@no_grad()
def generated(x):
    yield x * 2.0


@pytest.mark.parametrize(
    "fn",
    [enters, lambda x: decorated(x) + x, lambda x: sum(generated(x)), lambda x: enters(x) * x],
    ids=["block", "function", "generator", "call"],
)
def test_entering_it_while_recording_is_refused(fn):
    f = micrograd_fast.compile(fn)
    message = (
        r"no_grad\(\) is entered while a function is being recorded.*\n.*test_no_grad_compiled"
    )
    with pytest.raises(RecordingError, match=message) as refused:
        f.value(1.0)
    assert "within no_grad()" in str(refused.value)
    assert f.tapes == {}
    assert is_building()
    with no_grad(), pytest.raises(RecordingError, match="is entered"):
        f(1.0)
    assert is_building()
    assert leaves_like(decorated(Value(1.0)), Value(2.0))


def test_another_thread_may_enter_it_while_one_records():
    inside, done = threading.Event(), threading.Event()

    def fn(x):
        inside.set()
        assert done.wait(60)
        return x * 2.0

    f = micrograd_fast.compile(fn)
    thread = threading.Thread(target=f.value, args=(1.0,))
    thread.start()
    try:
        assert inside.wait(60)
        with no_grad():
            assert is_leaf(Value(1.0) * 2.0)
            assert leaves_like(micrograd_fast.compile(lambda x: x * 3.0)(1.0), Value(3.0))
            assert is_leaf(Value(1.0) * 2.0)
    finally:
        done.set()
        thread.join()
    assert f.value(2.0) == 4.0
    x = Value(1.0)
    f(x).backward()
    assert x.grad == 2.0


def test_a_block_that_ends_while_recording():
    """A generator that has begun it outside."""

    def items():
        with no_grad():
            yield

    running = items()
    next(running)

    def fn(x):
        y = x * 2.0
        running.close()
        return y * x

    f = micrograd_fast.compile(fn)
    assert f.value_and_grad(3.0) == (18.0, 12.0)
    assert is_building()


def test_functions_of_graphs_and_pictures():
    x = Value(2.0)
    out = x * x + 1.0
    with no_grad():
        f = Function([x], out)
        assert f.value_and_grad(3.0) == (10.0, 6.0)
        assert leaves_like(f(3.0), Value(10.0))
        picture = f.draw(3.0)
        assert not is_building()
    assert picture.source.count("->") == f.draw(3.0).source.count("->") > 2


def test_it_is_cheap_to_have_a_large_function_evaluated():
    """No graph, no residuals: live nodes and blocks stay the same over many calls."""
    network = nn.MLP(4, [8, 8, 1], seed=1)
    f = micrograd_fast.compile(lambda xs: sum(network(x) ** 2 for x in xs))
    xs = np.ones((10, 4))
    f.value(xs)
    with no_grad():
        f(xs)
        before = _core.arena_info()
        kept = [f(xs) for _ in range(50)]
        after = _core.arena_info()
    assert len({leaf.data for leaf in kept}) == 1
    assert after["live_nodes"] == before["live_nodes"] + 50
    assert after["blocks"] - after["pages"] == before["blocks"] - before["pages"]
