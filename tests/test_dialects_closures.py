"""Nodes that the user builds: closures, local gradients, hooks."""

import math

import pytest

fast = pytest.mark.engines("fast")
seed = pytest.mark.engines("fast", "reference")


def cube(Value, a):
    """An op as the seed's readers add one: a node and a closure."""
    out = Value(a.data**3, (a,), "cube")

    def _backward():
        a.grad += 3.0 * a.data**2 * out.grad

    out._backward = _backward
    return out


def test_closure_of_a_user_built_node_runs(Value):
    a = Value(2.0)
    out = cube(Value, a)
    out.backward()
    assert (out.data, a.grad, out._op, out._prev) == (8.0, 12.0, "cube", {a})


def test_closure_runs_between_built_in_nodes(Value):
    a, b = Value(2.0), Value(3.0)
    inner = a * b
    out = cube(Value, inner) * b + inner
    out.backward()
    assert inner.grad == 3.0 * 36.0 * 3.0 + 1.0
    assert (a.grad, b.grad) == (325.0 * 3.0, 216.0 + 325.0 * 2.0)


def test_closures_run_in_topological_order(Value):
    order = []

    def traced(name, *children):
        out = Value(0.0, children, name)
        out._backward = lambda: order.append(name)
        return out

    leaf = traced("leaf")
    left = traced("left", leaf)
    right = traced("right", leaf)
    top = traced("top", left, right)
    root = traced("root", top, left)
    root.backward()
    assert order[0] == "root"
    assert order[1] == "top"
    assert set(order[2:4]) == {"left", "right"}
    assert order[4:] == ["leaf"]


def test_closure_order_is_independent_of_the_order_of_building(Value):
    """A node can be built first and be given its closure, or its gradient, later."""
    a = Value(2.0)
    first = Value(2.0, (a,), "first")
    second = Value(2.0, (first,), "second")

    def second_step():
        first.grad += 10.0 * second.grad

    def first_step():
        a.grad += 10.0 * first.grad

    second._backward = second_step
    first._backward = first_step
    second.backward()
    assert (first.grad, a.grad) == (10.0, 100.0)


def test_user_built_node_without_a_closure_stops_the_gradient(Value):
    a = Value(2.0)
    out = Value(4.0, (a,), "stop")
    (out * 3.0).backward()
    assert (out.grad, a.grad) == (3.0, 0.0)


def test_user_built_node_passes_visits_on(Value):
    """A closure may write to grandchildren: they are still reached in order."""
    a = Value(2.0)
    b = a * 5.0
    out = Value(1.0, (b,), "jump")

    def step():
        b.grad += 2.0

    out._backward = step
    out.backward()
    assert a.grad == 10.0


def test_closure_on_a_leaf_runs(Value):
    a = Value(2.0)
    seen = []
    a._backward = lambda: seen.append(a.grad)
    (a * 3.0).backward()
    assert seen == [3.0]


def test_closure_of_an_unreached_node_does_not_run(Value):
    a = Value(2.0)
    seen = []
    other = cube(Value, a)
    other._backward = lambda: seen.append("other")
    (a * 3.0).backward()
    assert seen == []


def test_closure_replaces_a_built_in_rule(Value):
    a, b = Value(2.0), Value(3.0)
    out = a * b
    out._backward = lambda: setattr(a, "grad", a.grad + 1000.0)
    (out + 1.0).backward()
    assert (a.grad, b.grad) == (1000.0, 0.0)


def test_closure_wraps_a_built_in_rule(Value):
    """The hook idiom: keep the old step, put one around it."""
    a, b = Value(2.0), Value(3.0)
    out = a * b
    inner, seen = out._backward, []

    def hook():
        seen.append(out.grad)
        out.grad = min(out.grad, 1.0)  # clip
        inner()

    out._backward = hook
    (out * 5.0).backward()
    assert seen == [5.0]
    assert (a.grad, b.grad) == (3.0, 2.0)


def test_closure_can_be_replaced_and_read_back(Value):
    a = Value(2.0)
    out = Value(1.0, (a,), "x")

    def first():
        a.grad += 1.0

    def second():
        a.grad += 100.0

    out._backward = first
    assert out._backward is first
    out.backward()
    out._backward = second
    assert out._backward is second
    out.backward()
    assert a.grad == 101.0


def test_closure_may_be_any_callable(Value):
    class Step:
        calls = 0

        def __call__(self):
            self.calls += 1

    step = Step()
    out = Value(1.0, (Value(2.0),), "x")
    out._backward = step
    out.backward()
    out._backward()
    assert step.calls == 2
    assert out._backward is step


@fast
@pytest.mark.parametrize("thing", [3, "step", 2.0])
def test_closure_must_be_callable(Value, thing):
    out = Value(1.0, (Value(2.0),), "x")
    with pytest.raises(TypeError, match=type(thing).__name__):
        out._backward = thing


@fast
def test_closure_can_be_taken_back(Value):
    a = Value(2.0)
    out = a * 3.0
    out._backward = lambda: None
    del out._backward
    out.backward()
    assert a.grad == 3.0


def test_closure_reads_a_live_gradient(Value):
    """``out.grad`` inside the closure is the finished sum of all consumers."""
    a = Value(1.0)
    seen = []
    mid = cube(Value, a)
    plain = mid._backward

    def step():
        seen.append(mid.grad)
        plain()

    mid._backward = step
    (mid * 2.0 + mid * 3.0).backward()
    assert seen == [5.0]
    assert a.grad == 15.0


def test_closure_node_with_children_in_a_set_or_tuple(Value):
    a, b = Value(2.0), Value(3.0)
    for children in ((a, b), [a, b], {a, b}):
        out = Value(5.0, children, "sum")
        assert out._prev == {a, b}


def test_closure_node_with_many_children(Value):
    leaves = [Value(float(i)) for i in range(100)]
    out = Value(sum(leaf.data for leaf in leaves), leaves, "sum")

    def step():
        for leaf in leaves:
            leaf.grad += out.grad

    out._backward = step
    (out * 2.0).backward()
    assert [leaf.grad for leaf in leaves] == [2.0] * 100
    assert out._prev == set(leaves)


def test_repeated_child_is_one_in_prev(Value):
    a = Value(2.0)
    out = Value(4.0, (a, a), "twice")
    assert out._prev == {a}
    calls = []
    out._backward = lambda: calls.append(1)
    (out + a).backward()
    assert (calls, a.grad) == ([1], 1.0)


def test_log_softmax_written_by_a_user(Value):
    """A user's n-ary op against its own composition."""

    def nll(logits, target):
        total = sum(math.exp(v.data) for v in logits)
        out = Value(math.log(total) - logits[target].data, tuple(logits), "nll")

        def _backward():
            for i, v in enumerate(logits):
                v.grad += (math.exp(v.data) / total - (i == target)) * out.grad

        out._backward = _backward
        return out

    logits = [Value(0.5), Value(-1.0), Value(2.0)]
    loss = nll([2.0 * v for v in logits], 1)
    loss.backward()
    assert loss.data == pytest.approx(6.0509, abs=1e-4)
    assert sum(v.grad for v in logits) == pytest.approx(0.0, abs=1e-15)
    assert logits[1].grad == pytest.approx(-1.99529, abs=1e-5)


# Local gradients that the user gives


@fast
def test_local_gradients_are_used(Value):
    a, b = Value(2.0), Value(3.0)
    out = Value(6.0, (a, b), (3.0, 2.0))
    (out * 10.0).backward()
    assert (a.grad, b.grad) == (30.0, 20.0)


@fast
def test_local_gradients_stay_frozen(Value):
    a, b = Value(2.0), Value(3.0)
    out = Value(6.0, (a, b), (3.0, 2.0))
    a.data, b.data = 100.0, 200.0
    out.backward()
    assert out._local_grads == (3.0, 2.0)
    assert (a.grad, b.grad) == (3.0, 2.0)


@fast
def test_local_gradients_with_a_repeated_child(Value):
    a = Value(2.0)
    out = Value(4.0, (a, a), (1.0, 1.5))
    out.backward()
    assert a.grad == 2.5
    assert out._children == (a, a)
    assert out._prev == {a}


@fast
def test_local_gradients_of_one_and_of_many_children(Value):
    a = Value(2.0)
    one = Value(4.0, (a,), (7.0,))
    one.backward()
    assert a.grad == 7.0
    leaves = [Value(0.0) for _ in range(50)]
    Value(0.0, leaves, [float(i) for i in range(50)]).backward()
    assert [leaf.grad for leaf in leaves] == list(map(float, range(50)))


@fast
def test_local_gradients_take_numbers_of_any_type(Value):
    a, b = Value(2.0), Value(3.0)
    out = Value(6, (a, b), [3, True])
    assert out._local_grads == (3.0, 1.0)
    out.backward()
    assert (a.grad, b.grad) == (3.0, 1.0)


@fast
def test_local_gradients_can_be_stepped_by_hand(Value):
    a = Value(2.0)
    out = Value(6.0, (a,), (3.0,))
    out.grad = 2.0
    out._backward()
    assert a.grad == 6.0


@fast
def test_a_microgpt_class_body_runs(Value):
    """microgpt's operators, as functions over its constructor."""

    def add(x, y):
        return Value(x.data + y.data, (x, y), (1, 1))

    def mul(x, y):
        return Value(x.data * y.data, (x, y), (y.data, x.data))

    def log(x):
        return Value(math.log(x.data), (x,), (1 / x.data,))

    a, b, u, v = Value(2.0), Value(3.0), Value(2.0), Value(3.0)
    ours = add(mul(a, b), log(mul(a, a)))
    built_in = u * v + (u * u).log()
    ours.backward()
    built_in.backward()
    assert ours.data == built_in.data
    assert (a.grad, b.grad) == pytest.approx((u.grad, v.grad), rel=1e-15)
