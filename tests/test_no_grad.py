"""``no_grad``: what operations give within it, and what they keep."""

import gc
import itertools

import numpy as np
import pytest
from engines import OPERATORS, load
from leaves import is_building, is_leaf, leaves_like
from nary_samples import NARY
from op_samples import OPS

import micrograd_fast
from micrograd_fast import Value, _core, nn, no_grad

fast = load("fast")


# --- every operation ---


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_gives_a_leaf(op):
    function = fast.function(op.name)
    for numbers in op.samples(5):
        for wrapped in itertools.product((True, False), repeat=op.arity):
            if not any(wrapped):
                continue
            arguments = [Value(n) if wrap else n for n, wrap in zip(numbers, wrapped)]
            expected = function(*arguments)
            with no_grad():
                assert leaves_like(function(*arguments), expected)
            if op.name not in OPERATORS and wrapped[0] and hasattr(Value, op.name):
                with no_grad():
                    assert leaves_like(getattr(arguments[0], op.name)(*arguments[1:]), expected)


@pytest.mark.parametrize("row", NARY, ids=lambda row: row.name)
@pytest.mark.parametrize("which", [lambda i: True, lambda i: i % 2 == 0], ids=["all", "mixed"])
def test_every_op_of_many_gives_a_leaf(row, which):
    function = getattr(micrograd_fast, row.name)
    for numbers in row.lists(6):
        end = len(numbers) if row.takes is None else len(numbers) + row.takes
        mixed = [Value(n) if i < end and which(i) else n for i, n in enumerate(numbers)]
        expected = function(*row.arguments(mixed))
        with no_grad():
            assert leaves_like(function(*row.arguments(mixed)), expected)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_gives_leaves(name):
    function = getattr(micrograd_fast, name)
    for values in ([Value(1.0), Value(2.0)], [Value(1000.0), 1001.0, Value(-5.0)], [3.0, Value(0)]):
        expected = function(values)
        with no_grad():
            assert leaves_like(function(values), expected)


def test_take_and_plus_give_the_operand_itself():
    v, w = Value(1.0), Value(2.0)
    with no_grad():
        assert micrograd_fast.take([v, w], 1) is w
        assert +v is v
        assert leaves_like(micrograd_fast.take([v, w], Value(0.0)), v)


def test_numbers_stay_numbers_and_errors_errors():
    with no_grad():
        assert micrograd_fast.exp(0.0) == 1.0
        assert micrograd_fast.sum([1.0, 2.0]) == 3.0
        assert micrograd_fast.softmax([0.0, 0.0]) == [0.5, 0.5]
        with pytest.raises(ZeroDivisionError):
            Value(1.0) / 0.0
        with pytest.raises(TypeError):
            Value(1.0) + "text"
    assert is_building()


def test_arrays_and_assignment_operators():
    array = np.array([Value(1.0), Value(2.0)])
    total = Value(0.0)
    with no_grad():
        assert all(map(is_leaf, np.exp(array) * array + 1.0))
        assert is_leaf(array @ array)
        for v in array:
            total += v
    assert is_leaf(total)
    assert total.data == 3.0


def test_subclasses():
    class Parameter(Value):
        pass

    with no_grad():
        assert leaves_like(Parameter(2.0) * 3.0, Value(6.0))


MODULES = {
    "Neuron": (nn.Neuron(3, seed=1), [0.5, -1.0, 2.0]),
    "Layer": (nn.Layer(3, 2, seed=1), [0.5, -1.0, 2.0]),
    "MLP": (nn.MLP(3, [4, 2], seed=1), [0.5, -1.0, 2.0]),
    "MLP of one output": (nn.MLP(3, [4, 1], "relu", seed=1), [0.5, -1.0, 2.0]),
    "Linear": (nn.Linear(3, 2, seed=1), [0.5, -1.0, 2.0]),
    "RMSNorm": (nn.RMSNorm(3), [0.5, -1.0, 2.0]),
    "Sequential": (nn.Sequential(nn.Linear(3, 2, seed=1), nn.RMSNorm(2)), [0.5, -1.0, 2.0]),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_give_leaves(name):
    module, x = MODULES[name]
    for inputs in (x, [Value(number) for number in x], np.array(x)):
        expected = module(inputs)
        with no_grad():
            assert leaves_like(module(inputs), expected)
            if hasattr(module, "_compose"):
                assert leaves_like(module._compose(list(inputs)), module._compose(list(inputs)))
    grads = [p.grad for p in module.parameters()]
    with no_grad():
        out = module(x)
        (out if isinstance(out, Value) else out[0]).backward()
    assert [p.grad for p in module.parameters()] == grads


# --- what it leaves alone ---


def test_a_leaf_is_a_leaf_to_backward():
    x = Value(3.0)
    with no_grad():
        y = x * 2.0
    assert y.grad == 0.0
    y.backward()
    assert (y.grad, x.grad) == (1.0, 0.0)
    (y * x).backward()
    assert (y.grad, x.grad) == (1.0 + 3.0, 6.0)
    y.label, y.note = "y", []
    assert y.__copy__().data == 6.0


def test_graphs_that_exist_are_differentiated():
    x = Value(3.0)
    y = x * x
    with no_grad():
        y.backward()
        assert x.grad == 6.0
        assert [child.data for child in (x + 2.0)._children] == []
    assert {child.data for child in y._prev} == {3.0}


def test_nodes_constructed_by_hand_are_nodes():
    x = Value(2.0)
    with no_grad():
        out = Value(8.0, (x,), "cube")
        given = Value(8.0, (x,), (12.0,))
    assert out._children == (x,)
    assert out._op == "cube"
    given.backward()
    assert x.grad == 12.0


# --- memory ---


def test_nothing_is_kept(nothing_stays):
    x = Value(1.0)
    before = _core.arena_info()["live_nodes"]
    with no_grad():
        y = x
        for _ in range(1000):
            y = micrograd_fast.sum([(y * 1.01).tanh() + x, 1.0])
        assert _core.arena_info()["live_nodes"] == before + 1
        assert _core.arena_info()["closures"] == 0


def test_tracked_operands():
    """Values that the cyclic collector knows do not make it know the results."""
    x = Value(1.0)
    x.note = [x]
    with no_grad():
        assert not gc.is_tracked(x * 2.0)
        assert not gc.is_tracked(micrograd_fast.sum([x, 1.0]))
    assert gc.is_tracked(x * 2.0)


def test_allocations_that_fail(nothing_stays):
    x, network = [Value(1.0), Value(2.0)], nn.MLP(2, [3, 2], seed=1)
    f = micrograd_fast.compile(lambda x: [x[0] * x[1], x[0]])
    f(x)

    def work():
        with no_grad():
            results = [x[0] * x[1], micrograd_fast.where(x[0], x[1], 2.0), micrograd_fast.sum(x)]
            return [*results, *micrograd_fast.softmax([*x, 1.0]), *network(x), *f(x)]

    work()
    gc.collect()
    before = _core.arena_info()
    for nth in range(1, 100):
        _core.fail_allocation(nth)
        try:
            results = work()
        except MemoryError:
            pass
        else:
            break
        finally:
            _core.fail_allocation(0)
        assert is_building()
        after = _core.arena_info()
        assert after["live_nodes"] == before["live_nodes"]
        assert after["blocks"] - after["pages"] == before["blocks"] - before["pages"]
    assert nth > 4
    assert all(map(is_leaf, results))


def test_the_collector_may_begin_and_end_it_anywhere():
    """A finalizer that enters or leaves a block in the middle of a call."""
    network = nn.MLP(2, [3, 3], seed=1)
    f = micrograd_fast.compile(lambda x: [x[0] * x[1], micrograd_fast.sum(x)])
    x = [Value(0.5), Value(1.5)]
    f(x)
    expected = [v.data for v in (*micrograd_fast.softmax([*x, 2.0]), *network(x), *f(x))]
    block, entered, thresholds = no_grad(), [], gc.get_threshold()

    def toggle(phase, info):
        if phase == "start":
            if entered:
                entered.pop()
                block.__exit__(None, None, None)
            else:
                entered.append(1)
                block.__enter__()

    gc.callbacks.append(toggle)
    try:
        for threshold in range(1, 40):
            gc.set_threshold(threshold)
            results = [*micrograd_fast.softmax([*x, 2.0]), *network(x), *f(x)]
            gc.set_threshold(*thresholds)
            assert [v.data for v in results] == expected
            for v in results:
                v.backward()
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(toggle)
        if entered:
            block.__exit__(None, None, None)
    assert is_building()
