"""Where blocks of ``no_grad`` begin and end: nested, in threads, and as decorators."""

import asyncio
import threading

import pytest
from leaves import is_building, is_leaf, leaves_like

from micrograd_fast import Value, no_grad


def test_blocks_stand_within_each_other():
    outer = no_grad()
    with outer:
        with no_grad():
            assert not is_building()
            with outer:
                assert not is_building()
            assert not is_building()
        assert not is_building()
    assert is_building()
    with outer:
        assert not is_building()
    assert is_building()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_exceptions_end_it(error):
    with pytest.raises(error), no_grad(), no_grad():
        raise error
    assert is_building()

    @no_grad()
    def fails():
        assert not is_building()
        raise error

    with pytest.raises(error):
        fails()
    assert is_building()


def test_leaving_what_was_not_entered():
    block = no_grad()
    with pytest.raises(RuntimeError, match="left more often than it was entered"):
        block.__exit__(None, None, None)
    with block:
        pass
    with pytest.raises(RuntimeError, match="left more often"):
        block.__exit__(None, None, None)
    assert is_building()


def test_what_was_entered_and_forgotten_ends():
    def forgets():
        block = no_grad()
        block.__enter__()
        block.__enter__()
        assert not is_building()

    forgets()
    assert is_building()


def test_only_the_thread_that_entered_it_is_concerned():
    inside, done = threading.Event(), threading.Event()
    seen = []

    def work():
        with no_grad():
            inside.set()
            assert done.wait(60)
            seen.append(is_building())
        seen.append(is_building())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert inside.wait(60)
        assert is_building()
        with no_grad():
            assert not is_building()
        assert is_building()
    finally:
        done.set()
        thread.join()
    assert seen == [False, True]
    assert is_building()


def test_threads_share_one_block():
    block = no_grad()
    failures = []

    def work():
        for _ in range(300):
            with block:
                if is_building():
                    failures.append("inside")
            if not is_building():
                failures.append("outside")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert is_building()


# --- as a decorator ---


def test_functions():
    @no_grad()
    def with_parentheses(x, *, factor=2.0):
        """What it does."""
        return x * factor

    @no_grad
    def without(x):
        return x * 2.0

    assert leaves_like(with_parentheses(Value(3.0), factor=4.0), Value(12.0))
    assert leaves_like(without(Value(3.0)), Value(6.0))
    assert (with_parentheses.__name__, with_parentheses.__doc__) == (
        "with_parentheses",
        "What it does.",
    )
    assert is_building()
    for wrong in (3, "text"):
        with pytest.raises(TypeError, match="no_grad decorates a function, not"):
            no_grad(wrong)


def test_recursion():
    @no_grad()
    def power(x, n):
        return power(x, n - 1) * x if n else x

    assert leaves_like(power(Value(2.0), 3), Value(16.0))
    assert is_building()


def test_generators_are_in_it_while_they_run():
    events = []

    @no_grad()
    def items(x):
        try:
            while True:
                assert not is_building()
                try:
                    x = yield x * 2.0
                except LookupError as error:
                    events.append(error)
                    x = Value(0.0)
                if x is None:
                    return "done"
        finally:
            events.append(is_building())

    running = items(Value(1.0))
    assert leaves_like(next(running), Value(2.0))
    assert is_building()
    assert leaves_like(running.send(Value(5.0)), Value(10.0))
    assert is_building()
    assert leaves_like(running.throw(LookupError("thrown")), Value(0.0))
    with pytest.raises(StopIteration) as stop:
        running.send(None)
    assert stop.value.value == "done"
    assert [type(event) for event in events] == [LookupError, bool]
    assert events[1] is False
    assert is_building()

    closed = items(Value(1.0))
    next(closed)
    closed.close()
    assert events[2:] == [False]
    failing = items(Value(1.0))
    next(failing)
    with pytest.raises(ValueError, match="not caught"):
        failing.throw(ValueError("not caught"))
    assert is_building()


def test_coroutines_are_in_it_while_they_run():
    @no_grad()
    async def evaluate(x):
        y = x * 2.0
        await asyncio.sleep(0)
        return [y, x * 3.0]

    async def trains(x):
        for _ in range(5):
            assert is_building()
            await asyncio.sleep(0)
        return x * 2.0

    async def both():
        return await asyncio.gather(evaluate(Value(1.0)), trains(Value(1.0)))

    assert asyncio.iscoroutinefunction(evaluate)
    evaluated, trained = asyncio.run(both())
    assert leaves_like(evaluated, [Value(2.0), Value(3.0)])
    assert not is_leaf(trained)


def test_asynchronous_generators_are_refused():
    async def items():
        yield 1

    with pytest.raises(TypeError, match="cannot decorate an asynchronous generator"):
        no_grad(items)


def test_a_generator_that_another_thread_closes():
    def items():
        with no_grad():
            yield is_building()

    running = items()
    assert next(running) is False
    thread = threading.Thread(target=running.close)
    thread.start()
    thread.join()
    assert is_building()
