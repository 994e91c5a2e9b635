"""No way to break it: Ctrl-C in the middle of a sweep, and signal handlers that use the graph."""

import math
import signal
import statistics
import time

import pytest
from robustness import is_sweeping, user_node

from micrograd_fast import Value, _core

pytestmark = [
    pytest.mark.usefixtures("sweeps_are_marked"),
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers"),
]


def cpu_seconds(call):
    """CPU time, because on a busy machine the clock on the wall measures the others."""
    started = time.process_time()
    call()
    return time.process_time() - started


def expensive_sum(seconds):
    """A graph whose backward pass takes that long: the cosine of a huge number is slow."""
    x, total = Value(1e300), Value(0.0)
    terms, more = 0, 50_000
    while True:
        for _ in range(more):
            total = total + x.sin()
        terms += more
        # The least: over new pages, or on a busy machine, a sweep takes more than its own time.
        taken = min(cpu_seconds(total.backward) for _ in range(3))
        if taken >= seconds:
            return x, total
        # What is missing, as far as that can be told, and a little over.
        more = int(terms * (1.1 * seconds / taken - 1.0))


@pytest.fixture(scope="module")
def older_than_long_sum():
    """A node that lies before the long sum in the log: a sweep from above both is long at it."""
    y = Value(2.0)
    return y, y * 3.0


@pytest.fixture(scope="module")
def long_sum(older_than_long_sum):
    return expensive_sum(0.2)


class Interrupted(Exception):
    pass


def latency(call, delay):
    """CPU seconds from a timer's signal to its exception leaving the call."""

    def handler(number, frame):
        raise Interrupted

    previous = signal.signal(signal.SIGPROF, handler)
    started = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, delay)
        with pytest.raises(Interrupted):
            call()
        return time.process_time() - started - delay
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, previous)


@pytest.mark.parametrize("way", ["sweep", "checked", "beside a closure", "depth first"])
def test_a_long_sweep_is_interrupted_within_50_ms(way, long_sum):
    x, total = long_sum
    beside = user_node(Value(1.0)) if way == "beside a closure" else None
    backward = {
        "checked": lambda: total.backward(check=True),
        "depth first": lambda: _core.backward_depth_first(total),
    }.get(way, total.backward)

    # the rest of the pass, were it not cut short, takes much longer than what is asserted
    latencies = [latency(backward, delay) for delay in (0.01, 0.02, 0.03)]
    assert statistics.median(latencies) < 0.05

    # the graph is usable
    x.grad = 0.0
    backward()
    assert math.isfinite(x.grad)
    assert x.grad != 0.0
    assert _core.arena_info()["closures"] == (beside is not None)


def test_keyboard_interrupt_comes_out_of_a_sweep(long_sum):
    """The real thing: SIGINT and Python's own handler, at some moment of the sweep."""
    x, total = long_sum

    def press_ctrl_c(number, frame):
        signal.raise_signal(signal.SIGINT)

    handlers = {
        signal.SIGPROF: signal.signal(signal.SIGPROF, press_ctrl_c),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.02)
        with pytest.raises(KeyboardInterrupt):
            total.backward()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert math.isfinite(x.grad)


def test_a_signal_handler_may_use_the_same_graph():
    """It runs in the middle of a sweep: its own sweep must not spoil the marks."""
    x, total = expensive_sum(0.1)
    nodes = [total]
    while nodes[-1]._prev:
        nodes.append(nodes[-1]._children[0])

    def clear():
        for node in nodes:
            for v in (node, *node._children):
                v.grad = 0.0
        x.grad = 0.0

    clear()
    total.backward()
    expected = x.grad
    clear()

    y = Value(2.0)
    small = y * y * 3.0
    seen = []

    def handler(number, frame):
        small.backward()
        for _ in range(2000):
            small * 2.0
        seen.append(y.grad)

    previous = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
        total.backward()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, previous)
    assert seen
    assert x.grad == expected


@pytest.mark.parametrize("way", ["step", "backward", "depth first"])
def test_a_signal_handler_may_touch_nodes_that_wait_for_the_sweep(
    way, older_than_long_sum, long_sum
):
    """A node reached early and due late: what the handler does to it must not take it off."""
    y, base = older_than_long_sum
    y.grad = base.grad = 0.0
    above = base * 0.0
    root = long_sum[1] + base
    act = {
        "step": lambda: above._backward(),
        "backward": lambda: above.backward(),
        "depth first": lambda: _core.backward_depth_first(above),
    }[way]
    seen = []

    def handler(number, frame):
        seen.append((base.grad, y.grad))
        act()

    previous = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.02)
        root.backward()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, previous)
    assert seen == [(1.0, 0.0)]  # in the middle: reached, and not yet handed on
    assert y.grad == (3.0 if way == "step" else 3.0 + 3.0)


@pytest.mark.parametrize("way", ["sweep", "checked", "depth first"])
def test_a_signal_handler_may_not_rewire_nodes_under_a_sweep(way):
    """What waits on a list or for its mark must stay: freeing it would be freeing it twice."""
    _, total = expensive_sum(0.1)
    first = Value(7.0) * Value(3.0)  # nobody else holds its operands
    second = (Value(5.0) * 2.0).tanh()
    root = first + total + second
    refused = []

    def handler(number, frame):
        # Only while an order is looked for, which may be over before the first signal.
        if not is_sweeping():
            return
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        for node in (first, second):
            try:
                node.__init__(0.0)
            except RuntimeError:
                refused.append(node)
        garbage = [Value(1.0) * 2.0 for _ in range(5000)]
        garbage.clear()

    previous = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.004, 0.004)
        {
            "sweep": root.backward,
            "checked": lambda: root.backward(check=True),
            "depth first": lambda: _core.backward_depth_first(root),
        }[way]()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, previous)
    assert refused == [first, second]
    assert [v.grad for v in first._children] == [3.0, 7.0]
    assert total.grad >= 1.0
