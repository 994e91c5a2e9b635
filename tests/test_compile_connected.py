"""Calls as parts of eager graphs: connected to captured Values and to those among the arguments."""

import gc
import random
import weakref

import numpy as np
import pytest
from engines import bits

import micrograd_fast
from micrograd_fast import Function, Value, _core, nn


def test_a_call_is_a_node_among_others():
    w = Value(3.0)
    f = micrograd_fast.compile(lambda x, y: w * x * y)
    a, b = Value(2.0), Value(5.0)
    before = a * a
    out = f(before, 7.0)
    after = out * b + a
    after.backward()
    assert out.data == 84.0
    assert (w.grad, a.grad, b.grad) == (4.0 * 7.0 * 5.0, 3.0 * 7.0 * 5.0 * 4.0 + 1.0, 84.0)


def test_the_data_of_captured_values_is_read_at_each_call():
    w = Value(3.0)
    f = micrograd_fast.compile(lambda x: w * x)
    assert f.value(2.0) == 6.0
    w.data = 10.0
    assert f.value(2.0) == 20.0
    assert f(2.0).data == 20.0
    assert f.value_and_grad(2.0) == (20.0, 10.0)
    assert w.grad == 0.0


def test_interior_nodes_from_outside_are_captured_and_get_gradients():
    a = Value(2.0)
    w = a * a
    f = micrograd_fast.compile(lambda x: w * x)
    f(3.0).backward()
    assert (w.grad, a.grad) == (3.0, 12.0)
    assert f.captured == (w,)


def test_backward_twice_zero_grad_and_accumulation():
    def fresh():
        w, x = Value(3.0), Value(2.0)
        return w, x, lambda v: (w * v) ** 2 + w

    w, x, fn = fresh()
    eager = fn(x)
    eager.backward()
    eager.backward()
    first = (w.grad, x.grad)
    fn(x).backward()
    second = (w.grad, x.grad)

    w, x, fn = fresh()
    f = micrograd_fast.compile(fn)
    out = f(x)
    out.backward()
    once = (w.grad, x.grad)
    out.backward()
    # No interior node accumulates on the way, so twice is exactly two times once.
    assert (w.grad, x.grad) == (2 * once[0], 2 * once[1])
    f(x).backward()
    assert (w.grad, x.grad) == (3 * once[0], 3 * once[1])
    w.grad = x.grad = 0.0
    f(x).backward()
    assert (w.grad, x.grad) == once
    assert second[0] - first[0] == once[0]


def test_the_same_value_twice_among_the_arguments():
    f = micrograd_fast.compile(lambda x, y: x * x + 3.0 * y)
    a = Value(2.0)
    f(a, a).backward()
    assert a.grad == 7.0
    g = micrograd_fast.compile(lambda xs: xs[0] * xs[1] * xs[2])
    a.grad = 0.0
    g([a, a, a]).backward()
    assert a.grad == 12.0
    # A Value that is captured and an argument too.
    h = micrograd_fast.compile(lambda x: x * a)
    a.grad = 0.0
    h(a).backward()
    assert a.grad == 4.0


def test_several_outputs_are_connected_each():
    w = Value(2.0)
    f = micrograd_fast.compile(lambda x: {"a": [w * x, w + x], "b": np.array([x * x, w * w])})
    x = Value(3.0)
    out = f(x)
    (out["a"][0] + 10.0 * out["a"][1]).backward()
    assert (x.grad, w.grad) == (12.0, 13.0)
    x.grad = w.grad = 0.0
    out["b"].sum().backward()
    assert (x.grad, w.grad) == (6.0, 4.0)
    x.grad = w.grad = 0.0
    out["b"][1].backward()
    assert (x.grad, w.grad) == (0.0, 4.0)


def test_a_training_loop_with_one_line_changed():
    inputs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    targets = [1.0, -1.0, -1.0, 1.0]

    def train(compiled):
        random.seed(3)
        network = nn.MLP(3, [4, 4, 1])

        def loss_of(inputs, targets):
            return sum((network(x) - y) ** 2 for x, y in zip(inputs, targets))

        if compiled:
            loss_of = micrograd_fast.compile(loss_of)
        losses = []
        for _ in range(50):
            loss = loss_of(inputs, targets)
            network.zero_grad()
            loss.backward()
            for p in network.parameters():
                p.data -= 0.05 * p.grad
            losses.append(loss.data)
        return losses

    assert train(True) == pytest.approx(train(False), rel=1e-9)
    assert train(True)[-1] < 0.1


def test_long_calls_are_exact_too():
    """A tape of many steps runs without the GIL."""

    def fn(x, w):
        for k in range(40_000):
            x = x * 0.99 + w * (0.001 * k)
        return x

    f = micrograd_fast.compile(fn)
    x, w = Value(1.0), Value(2.0)
    eager = fn(x, w)
    eager.backward()
    expected = (x.grad, w.grad)
    assert bits(f.value(1.0, 2.0)) == bits(eager.data)
    assert f.grad(1.0, 2.0, argnums=(0, 1)) == pytest.approx(expected, rel=1e-12)
    x.grad = w.grad = 0.0
    out = f(x, w)
    assert bits(out.data) == bits(eager.data)
    out.backward()
    assert (x.grad, w.grad) == pytest.approx(expected, rel=1e-12)


def test_calls_feed_calls():
    f = micrograd_fast.compile(lambda x: x * x)
    g = micrograd_fast.compile(lambda x, y: x * y)
    a = Value(1.5)
    out = g(f(a), f(f(a)))
    out.backward()
    assert out.data == 1.5**6
    assert a.grad == pytest.approx(6 * 1.5**5)


def test_calls_show_their_function_in_pictures():
    @micrograd_fast.compile
    def energy(x):
        return x * x

    a = Value(3.0)
    out = energy(a)
    assert out._op == "energy"
    assert a in out._prev
    assert out._local_grads[0] == 6.0
    assert "energy" in micrograd_fast.draw_dot(out).source


def test_nothing_stays_after_calls(nothing_stays):
    def work():
        w = Value(3.0)
        f = micrograd_fast.compile(lambda x: [w * x, w + x])
        a = Value(2.0)
        for _ in range(1000):
            (f(a)[0] * 2.0).backward()
            f(1.0)
            f.value(1.0)
            f.value(a)
            f.jacobian(1.0)

    work()


def test_a_function_and_what_it_captured_die_together(nothing_stays):
    class Holder:
        pass

    def make():
        holder = Holder()
        w = Value(2.0)
        f = micrograd_fast.compile(lambda x: w * x)
        out = f(3.0)
        # A circle through a captured Value.
        w.function, w.holder = f, holder
        return out, weakref.ref(holder)

    out, holder = make()
    gc.collect()
    assert holder() is not None
    out.backward()
    del out
    gc.collect()
    assert holder() is None


def test_outputs_keep_what_they_need_alive():
    w = Value(2.0)
    f = micrograd_fast.compile(lambda x, w=w: w * x)
    a = Value(3.0)
    out = f(a)
    del f
    gc.collect()
    out.backward()
    assert (a.grad, w.grad) == (2.0, 3.0)


def test_bind():
    w, b = Value(3.0), Value(1.0)
    f = micrograd_fast.compile(lambda x: w * x + b)
    f.value(2.0)
    f.value([2.0, 3.0][0])
    new = [Value(10.0), Value(20.0)]
    g = f.bind(new)
    assert f.captured == (w, b)
    assert g.captured == tuple(new)
    assert type(g) is Function
    assert (f.value(2.0), g.value(2.0)) == (7.0, 40.0)
    g(2.0).backward()
    assert [p.grad for p in (*new, w, b)] == [2.0, 1.0, 0.0, 0.0]
    assert g.bind({"w": new[1], "b": [w]}).value(1.0) == 23.0
    with pytest.raises(ValueError, match="<lambda> has captured 2 Values, but params has 1"):
        f.bind([w])
    with pytest.raises(TypeError, match="params must be Values, not 'float'"):
        f.bind([w, 1.0])
    with pytest.raises(TypeError, match=r"takes arguments of the structure .*, not"):
        g.value([1.0])


def test_bound_functions_outlive_theirs(nothing_stays):
    def make():
        w = Value(3.0)
        f = micrograd_fast.compile(lambda x: w * x)
        f.value(1.0)
        return f.bind([Value(5.0)])

    g = make()
    gc.collect()
    assert g.value(2.0) == 10.0
    assert g(2.0).data == 10.0
    assert _core.arena_info()["closures"] == 0
    del g


def test_function_from_a_graph():
    x, y, w = Value(2.0, label="x"), Value(3.0), Value(10.0)
    out = w * x + y.exp()
    f = Function([x, y], out, name="g")
    assert f.captured == (w,)
    assert f.value(1.0, 0.0) == 11.0
    assert f.value_and_grad(1.0, 0.0, argnums=(0, 1)) == (11.0, (10.0, 1.0))
    a = Value(4.0)
    f(a, 0.0).backward()
    assert (a.grad, w.grad) == (10.0, 4.0)
    assert (x.grad, y.grad) == (0.0, 0.0)
    w.data = 100.0
    assert f.value(1.0, 0.0) == 101.0
    assert str(f).splitlines()[0] == "g(number, number):"
    assert "x" in str(f)
    single = Function(x, [out, x])
    assert single.value(0.0) == [pytest.approx(20.085536923187668), 0.0]
    # What lies below an input does not matter.
    middle = w * x
    cut = Function([middle], middle * middle)
    assert cut.captured == ()
    assert cut.grad(3.0) == 6.0
    nested = Function([{"a": [x, y]}, np.array([w], dtype=object)], out)
    assert nested.value({"a": [1.0, 0.0]}, np.array([2.0])) == 3.0
    assert nested.grad({"a": [1.0, 0.0]}, np.array([2.0])) == {"a": [2.0, 1.0]}


def test_functions_keep_their_graph_no_longer_than_needed(nothing_stays):
    x = Value(2.0)
    out = x * x * x
    f = Function([x], out)
    del x, out
    gc.collect()
    before = _core.arena_info()["live_nodes"]
    assert f.value(3.0) == 27.0
    assert _core.arena_info()["live_nodes"] == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: Function([x, x], x), ValueError, "twice among the inputs"),
        (lambda x: Function([x, 1.0], x), TypeError, r"inputs\[1\] must be a Value, not 'float'"),
        (lambda x: Function(["x"], x), TypeError, r"inputs\[0\] must be a number, a Value"),
        (lambda x: Function([x], 3.0), TypeError, "outputs must be a Value, not 'float'"),
        (lambda x: Function([x], [x, None]), TypeError, r"outputs\[1\] must be"),
        (lambda x: Function([x], x, passes=["melt"]), ValueError, "there is no pass 'melt'"),
        (
            lambda x: Function([x], Value(1.0, (x,), "hand") * 2.0),
            micrograd_fast.RecordingError,
            "'hand'.*was made by hand",
        ),
        (
            lambda x: Function([x], nn.MLP(2, [2, 1])([x, x])),
            micrograd_fast.RecordingError,
            "result of a network",
        ),
        (
            lambda x: Function([x], micrograd_fast.compile(lambda v: v * v)(x)),
            micrograd_fast.RecordingError,
            "compiled function",
        ),
        (lambda x: Function([x], x).value(y=1.0), TypeError, "no recording with the keyword"),
        (lambda x: Function([x], x).value(1.0, 2.0), TypeError, "takes arguments of the structure"),
        (lambda x: Function([x], x)([1.0]), TypeError, "takes arguments of the structure"),
    ],
)
def test_wrong_functions(make, error, message):
    with pytest.raises(error, match=message):
        make(Value(1.0))


def test_instances_of_subclasses():
    class Parameter(Value):
        pass

    w = Parameter(3.0)
    f = micrograd_fast.compile(lambda x: w * x)
    x = Parameter(2.0)
    assert f.value(x) == 6.0
    f(x).backward()
    assert (w.grad, x.grad) == (2.0, 3.0)
    assert f.captured == (w,)
