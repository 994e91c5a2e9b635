"""No way to break it: depth and threads.

The other files: closures that misbehave, cycles, signals, failing allocations and resident memory,
random lives.
"""

import gc
import random
import sys
import threading

import pytest
from robustness import live_nodes, user_node

from micrograd_fast import Value, _core

pytestmark = pytest.mark.usefixtures("nothing_stays")

SMALL_STACK = 256 * 1024
# From 3.12 on CPython lets its own deallocators recurse as deep as 8 MB allow, whatever the stack:
# a list nested 100,000 times overflows a small one too, and so do instances of Python classes.
PYTHONS_OWN_STACK = SMALL_STACK if sys.version_info < (3, 12) else 16 * 1024 * 1024


def on_small_stack(function, size=SMALL_STACK):
    """Runs it on a thread with so small a C stack and hands on its result or exception."""
    outcome = []

    def body():
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    before = threading.stack_size(size)
    try:
        thread = threading.Thread(target=body)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


# Depth


def test_a_chain_of_ten_million_nodes():
    def build_differentiate_free():
        before = live_nodes()
        a = v = Value(1.0)
        for _ in range(10_000_000):
            v = v + 1.0
        v.backward()
        assert (v.data, v.grad, a.grad) == (10_000_001.0, 1.0, 1.0)
        assert live_nodes() >= before + 10_000_001
        del v
        assert live_nodes() == before + 1

    on_small_stack(build_differentiate_free)


def test_a_deep_chain_by_the_depth_first_order():
    def run():
        a = v = Value(1.0)
        for _ in range(1_000_000):
            v = -v
        _core.backward_depth_first(v)
        assert a.grad == 1.0

    on_small_stack(run)


def test_a_deep_chain_of_closures_is_differentiated_and_freed():
    def run():
        before = live_nodes()
        a = v = Value(1.0)
        for _ in range(100_000):
            v = user_node(v) * 1.0
        v.backward()
        assert a.grad == 1.0
        del v
        assert live_nodes() == before + 1

    on_small_stack(run)


def test_a_deep_chain_of_attributes_is_freed():
    def run():
        before = live_nodes()
        v = Value(0.0)
        for _ in range(200_000):
            w = Value(1.0)
            w.previous = v
            v = w
        del v, w
        assert live_nodes() == before

    on_small_stack(run)


def test_a_deep_chain_of_labels_and_lists_is_freed():
    def run():
        before = live_nodes()
        v = Value(0.0)
        for i in range(100_000):
            w = v * 1.0
            w.label = f"node {i}"
            holder = Value(1.0)
            holder.history = [w]
            v = holder
        del v, w, holder
        assert live_nodes() == before

    on_small_stack(run)


def test_a_deep_chain_of_subclass_instances():
    class Node(Value):
        pass

    def run():
        before = _core.arena_info()["foreign"]
        a = v = Node(1.0)
        for _ in range(100_000):
            v = Node(v.data, (v,), (1.0,))
        v.backward()
        assert a.grad == 1.0
        del v
        gc.collect()
        assert _core.arena_info()["foreign"] == before + 1

    on_small_stack(run, PYTHONS_OWN_STACK)


def test_a_deep_chain_of_subclass_instances_between_others():
    class Node(Value):
        pass

    def run():
        before = live_nodes()
        a = v = Value(1.0)
        for i in range(100_000):
            inner = Node(v.data, (v,), (1.0,))
            inner.mark = i
            v = user_node(inner) + 1.0
        v.backward()
        assert a.grad == 1.0
        del v, inner
        gc.collect()
        assert live_nodes() == before + 1

    on_small_stack(run)


def test_deep_garbage_cycles_are_collected_without_recursion():
    def run():
        gc.collect()
        before = live_nodes()
        v = Value(1.0)
        for _ in range(50_000):
            out = Value(v.data, (v,), "cycle")
            out._backward = lambda out=out: None
            v = out * 1.0
        del v, out
        gc.collect()
        assert live_nodes() == before

    on_small_stack(run)


def test_a_node_with_a_million_operands():
    leaves = [Value(1.0) for _ in range(1_000_000)]
    out = Value(1e6, leaves, [float(i) for i in range(1_000_000)])
    out.backward()
    assert [leaves[i].grad for i in (0, 1, 999_999)] == [0.0, 1.0, 999_999.0]


# Threads


def test_threads_build_and_differentiate_at_the_same_time():
    """Independent graphs; switching often, with closures and subclasses in some of them."""

    class Parameter(Value):
        pass

    def train(seed, make):
        generator = random.Random(seed)
        w = [make(generator.uniform(-1.0, 1.0)) for _ in range(8)]
        for _ in range(60):
            x = [generator.uniform(-1.0, 1.0) for _ in w]
            act = sum((wi * xi for wi, xi in zip(w, x)), Value(0.1)).tanh()
            if seed % 3 == 0:
                act = user_node(act)
            loss = (act - 0.5) ** 2
            for wi in w:
                wi.grad = 0.0
            loss.backward()
            for wi in w:
                wi.data -= 0.1 * wi.grad
        return [wi.data for wi in w]

    makers = [Value, Parameter, Value, Value, Parameter, Value]
    alone = [train(seed, make) for seed, make in enumerate(makers)]
    results = [None] * len(makers)

    def body(seed):
        for _ in range(5):
            results[seed] = train(seed, makers[seed])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=body, args=(seed,)) for seed in range(len(makers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert results == alone
