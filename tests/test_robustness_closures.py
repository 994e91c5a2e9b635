"""No way to break it: user closures that raise, and user closures that meddle with the graph."""

import gc
import math

import pytest
import reference
from robustness import live_nodes

from micrograd_fast import Value, _core

pytestmark = pytest.mark.usefixtures("nothing_stays")

# Closures that raise


class Custom(Exception):
    pass


@pytest.mark.parametrize(
    "kind", [Custom, KeyboardInterrupt, SystemExit, StopIteration, MemoryError]
)
def test_a_raising_closure_leaves_exception_and_graph_intact(kind):
    error = kind("mine")
    a, b = Value(2.0), Value(3.0)
    inner = a * b
    out = Value(inner.data, (inner,), "raises")

    def explode():
        raise error

    out._backward = explode
    root = out * 2.0 + a
    with pytest.raises(kind) as caught:
        root.backward()
    assert caught.value is error
    assert caught.value.__context__ is None
    assert caught.traceback[-1].name == "explode"
    # what had flowed by then is there, nothing below the closure is
    assert (root.grad, out.grad, inner.grad, b.grad) == (1.0, 2.0, 0.0, 0.0)

    out._backward = lambda: setattr(inner, "grad", inner.grad + out.grad)
    for v in (a, b, inner, out, root):
        v.grad = 0.0
    root._children[0].grad = 0.0
    root.backward()
    assert (a.grad, b.grad) == (7.0, 4.0)


def test_a_raising_closure_does_not_leak():
    gc.collect()
    before = live_nodes()
    for _ in range(10):
        a = Value(2.0)
        out = Value(2.0, (a,), "raises")
        out._backward = lambda: 1 / 0
        with pytest.raises(ZeroDivisionError):
            (out * 3.0).backward()
    del a, out
    gc.collect()
    assert live_nodes() == before


def test_an_exception_inside_an_exception_handler_keeps_its_context():
    out = Value(1.0, (Value(2.0),), "raises")
    out._backward = lambda: [].pop()

    def run():
        try:
            raise Custom
        except Custom:
            out.backward()

    with pytest.raises(IndexError) as caught:
        run()
    assert type(caught.value.__context__) is Custom


# Closures that meddle


def test_nested_backward_agrees_with_the_reference():
    def run(engine_value, target):
        a, b = engine_value(2.0), engine_value(3.0)
        inner = a * b
        out = engine_value(inner.data, (inner,), "nested")
        root = out * 2.0 + 1.0
        other = inner * a + 1.0
        calls = []

        def step():
            inner.grad += out.grad
            if len(calls) < 3:
                calls.append(1)
                {"root": root, "inner": inner, "leaf": a, "other": other}[target].backward()

        out._backward = step
        root.backward()
        return a.grad, b.grad, inner.grad, out.grad, root.grad, other.grad

    for target in ("root", "inner", "leaf", "other"):
        assert run(Value, target) == run(reference.Value, target), target


def test_a_closure_that_builds_and_drops_nodes():
    a = Value(2.0)
    kept = []
    v = a
    for _ in range(20):
        v = v * 1.5
        out = Value(v.data, (v,), "builds")

        def step(v=v, out=out):
            v.grad += out.grad
            for i in range(3000):  # several arena pages
                node = (v * 2.0 + 1.0) / 3.0
                if i % 500 == 0:
                    kept.append(node)
            _core.compact_log()

        out._backward = step
        v = out
    v.backward()
    assert a.grad == 1.5**20
    assert all(math.isfinite(node.data) for node in kept)
    kept[0].backward()


def test_a_closure_that_drops_the_last_references():
    gc.collect()
    before = live_nodes()
    a = Value(2.0)
    holder = {}

    def build():
        inner = a * 3.0
        out = Value(inner.data, (inner,), "drops")

        def step():
            inner.grad += out.grad
            holder.clear()
            gc.collect()

        out._backward = step
        holder.update(inner=inner, root=out * 2.0)

    build()
    Value.backward(holder.pop("root"))
    assert a.grad == 6.0
    gc.collect()
    assert live_nodes() == before + 1


def test_a_closure_that_drops_the_root_while_only_the_sweep_holds_it():
    """``Value.backward`` called so that no frame keeps the root."""
    a = Value(2.0)
    roots = [None]
    out = Value(2.0, (a,), "drops")
    seen = []

    def step():
        roots.clear()
        gc.collect()
        a.grad += out.grad
        seen.append(out.grad)

    out._backward = step
    roots[0] = out * 5.0
    list(map(Value.backward, iter(roots)))
    assert (seen, a.grad) == ([5.0], 5.0)


@pytest.mark.engines("fast", "reference")
def test_a_closure_that_replaces_closures(Value):
    a = Value(1.0)
    calls = []
    first = Value(1.0, (a,), "first")
    second = Value(1.0, (first,), "second")

    def replacement():
        calls.append("replacement")

    def second_step():
        calls.append("second")
        first._backward = replacement
        second._backward = replacement  # while it runs

    first._backward = lambda: calls.append("first")
    second._backward = second_step
    second.backward()
    assert calls == ["second", "replacement"]
    second.backward()
    assert calls == ["second", "replacement", "replacement", "replacement"]


def test_a_closure_that_deletes_itself_and_its_nodes_attributes():
    a = Value(1.0)
    out = Value(1.0, (a,), "deletes")
    out.data_for_step = list(range(100))

    def step():
        del out._backward
        out.__dict__.clear()
        out.label = "renamed"
        a.grad += 1.0

    out._backward = step
    (out * 2.0).backward()
    assert (a.grad, out.label, hasattr(out, "data_for_step")) == (1.0, "renamed", False)


@pytest.mark.engines("fast", "reference")
def test_a_closure_that_changes_data_on_the_way(Value):
    a, b = Value(2.0), Value(3.0)
    product = a * b
    out = Value(6.0, (product,), "changes")

    def step():
        product.grad += out.grad
        b.data = 100.0

    out._backward = step
    out.backward()
    assert (a.grad, b.grad) == (100.0, 2.0)


def test_a_closure_that_reinitialises_a_leaf():
    a, b = Value(2.0), Value(3.0)
    product = a * b
    out = Value(6.0, (product,), "resets")

    def step():
        product.grad += out.grad
        a.__init__(50.0)

    out._backward = step
    out.backward()
    assert (a.data, b.grad, a.grad) == (50.0, 50.0, 3.0)


def test_an_existing_node_cannot_become_its_own_ancestor():
    a = Value(1.0)
    b = a * 2.0
    with pytest.raises(ValueError, match="children that are younger"):
        a.__init__(3.0, (b,))
    b.backward()
    assert a.grad == 2.0


def test_a_subclass_instance_that_becomes_its_own_ancestor():
    """Only ``__init__`` called by hand can do this; it must not hang, crash or leak."""

    class Node(Value):
        pass

    gc.collect()
    before = _core.arena_info()
    a = Node(1.0)
    b = a * 2.0
    try:
        a.__init__(3.0, (b,), (1.0,))
    except TypeError:
        pass
    else:
        b.backward()
        a.backward()
    del a, b
    gc.collect()
    assert _core.arena_info()["foreign"] == before["foreign"]
    assert live_nodes() == before["live_nodes"]
