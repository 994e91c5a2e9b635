"""Compiled functions from end to end at a million operations, entered again from everywhere."""

import gc
import io
import signal
import threading

import numpy as np
import pytest
from test_compile_robustness import every_failure, interrupted_by

import micrograd_fast
from micrograd_fast import Function, RecordingError, TapeError, Value, _core, no_grad

OPERATIONS = 1_000_000


def long_function(x, w):
    for _ in range(OPERATIONS // 4):
        x = (x * 0.999 + w).sin() * 1.01
    return x


def test_a_million_operations_from_end_to_end(nothing_stays):
    def work():
        f = micrograd_fast.compile(long_function)
        value, gradients = f.value_and_grad(0.5, 0.1, argnums=(0, 1))
        assert f.stats[0]["operations"] == OPERATIONS
        x, w = Value(0.5), Value(0.1)
        eager = long_function(x, w)
        eager.backward()
        assert value == eager.data == f.value(0.5, 0.1)
        assert gradients == pytest.approx((x.grad, w.grad), rel=1e-9)

        x.grad = w.grad = 0.0
        out = f(x, w)
        out.backward()
        assert (out.data, x.grad, w.grad) == (value, *gradients)
        with no_grad():
            assert f(x, w).data == value
        assert f.jvp(0.5, 0.1, 1.0) == pytest.approx(gradients[0], rel=1e-9)

        file = io.BytesIO()
        f.save(file)
        file.seek(0)
        loaded = micrograd_fast.load(file)
        assert loaded.value_and_grad(0.5, 0.1, argnums=(0, 1)) == (value, gradients)

    work()


def test_a_sum_of_a_million_terms():
    """Longer than a chain may become as one op, in eager code and as one node."""
    x = np.linspace(0.0, 1.0, OPERATIONS)

    def chained(x):
        total = x[0]
        for v in x[1:]:
            total = total + v
        return total

    f, g = micrograd_fast.compile(chained), micrograd_fast.compile(micrograd_fast.sum)
    value, gradient = f.value_and_grad(x)
    assert 3 < f.stats[0]["operations"] < 8
    assert g.stats == []
    assert g.value(x) == value
    assert (gradient == 1.0).all()


def test_many_captured_values_keep_their_order():
    forward = [Value(float(k)) for k in range(50_000)]
    shuffled = [forward[(k * 7919) % len(forward)] for k in range(len(forward))]
    for captured in (forward, forward[::-1], shuffled):
        f = micrograd_fast.compile(lambda x, c=captured: micrograd_fast.dot(c, c) * x)
        assert f.value(2.0) == 2.0 * micrograd_fast.dot(forward, forward).data
        assert f.captured == tuple(forward)
        f(1.0).backward()
        assert forward[7].grad == 14.0
        forward[7].grad = 0.0


# --- failing allocations ---


def test_allocations_that_fail_in_saving_and_loading():
    w = Value(2.0)
    f = micrograd_fast.compile(lambda x: micrograd_fast.sum([x[0] * w, x[1], 3.0]))
    f.value([1.0, 2.0])
    content = f.to_bytes()
    assert (
        every_failure(f.to_bytes, lambda result: result == content or pytest.fail("other bytes"))
        >= 1
    )
    failed = every_failure(
        lambda: micrograd_fast.load(content).value([1.0, 2.0]),
        lambda result: result == 7.0 or pytest.fail(str(result)),
    )
    assert failed >= 10


def test_allocations_that_fail_in_a_long_backward_pass():
    """Where the adjoints of a long call have no memory, it is swept without being asked."""
    f = micrograd_fast.compile(lambda x: long_function(x, 0.1))
    x = Value(0.5)
    f.value(0.5)
    out = f(x)
    out.backward()
    expected, x.grad = x.grad, 0.0
    _core.fail_allocation(1)
    try:
        out.backward()
    finally:
        _core.fail_allocation(0)
    assert x.grad == expected


def test_allocations_that_fail_without_the_gil():
    """Passes of a long program fail as those of a short one do."""

    def fn(x):
        for _ in range(15_000):
            x = (x * 0.999).sin()
        return x

    x = Value(0.5)
    graph = fn(x)
    expected = Function([x], graph).value(0.5)
    gc.collect()
    before = _core.arena_info()
    failed = 0
    for nth in range(1, 10_000):
        _core.fail_allocation(nth)
        try:
            result = Function([x], graph).value(0.5)
        except MemoryError:
            failed += 1
        else:
            break
        finally:
            _core.fail_allocation(0)
        after = _core.arena_info()
        assert after["blocks"] == before["blocks"], nth
    assert failed > 30
    assert result == expected


# --- entered again ---


def test_a_function_called_while_it_is_recorded():
    """By itself it is inlined; its numbers are refused; another thread records it too."""
    depth = []

    def fn(x):
        if len(depth) == 3:
            return x * 2.0
        depth.append(1)
        return f(x) + 1.0

    f = micrograd_fast.compile(fn)
    assert f.value(1.0) == 5.0
    assert len(f.tapes) == 1

    asks = micrograd_fast.compile(lambda x: asks.value(1.0))
    with pytest.raises(RecordingError):
        asks(1.0)
    assert asks.tapes == {}

    inside, results = threading.Event(), []

    def slow(x):
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=lambda: results.append(g.value(2.0)))
            other.start()
            other.join()
            inside.set()
        return x * 3.0

    g = micrograd_fast.compile(slow)
    assert g.value(1.0) == 3.0
    assert inside.is_set()
    assert results == [6.0]
    assert len(g.tapes) == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_signal_handler_may_record_the_function_that_is_being_recorded():
    def fn(x):
        for _ in range(100_000):
            x = (x * 0.999).sin()
        return x

    expected = micrograd_fast.compile(fn).value_and_grad(0.5)
    seen = []

    def handler(number, frame):
        # While the function itself runs, the handler's call would be a part of it.
        seen.append(_core.is_recording() or f.value_and_grad(0.5))

    for after in (0.01, 0.03, 0.05, 0.07):
        f = micrograd_fast.compile(fn)
        error, _ = interrupted_by(lambda f=f: f.forget() or f.value(0.5), handler, after)
        assert error is None
        assert f.value_and_grad(0.5) == expected
        assert len(f.tapes) == 1
    assert len(seen) == 4
    assert set(seen) <= {True, expected}


def test_exceptions_of_every_stage_leave_no_memory(nothing_stays):
    class Mine(Exception):
        pass

    def raises(x):
        y = [x * k for k in range(1000)]
        raise Mine(y)

    def fails_at(n):
        def fn(x):
            for _ in range(n):
                x = x * 1.5
            return micrograd_fast.log(x - 1e9)

        return fn

    def unrecordable(x):
        out = Value(1.0, (x,), "hand")
        return sum([out * float(k) for k in range(1000)], x)

    w = Value(1.0)
    f = micrograd_fast.compile(lambda x: x * w)
    content = f.value(1.0) and f.to_bytes()

    def work():
        for fn, error in ((raises, Mine), (fails_at(50), ValueError), (unrecordable, TypeError)):
            with pytest.raises(error):
                micrograd_fast.compile(fn)(Value(1.0))
        for wrong in (content[:-1], content[:50] + b"x" + content[51:], b""):
            with pytest.raises(TapeError):
                micrograd_fast.load(wrong)
        with pytest.raises(TypeError):
            f.value("text")
        gc.collect()

    work()
    blocks = _core.arena_info()["blocks"]
    for _ in range(5):
        work()
    assert _core.arena_info()["blocks"] <= blocks
