"""nn and memory: allocations that fail, circles through parameters, long-lived networks."""

import gc
import weakref

import pytest
from nn_operators import gradients, listed, loss_of

from micrograd_fast import Value, _core
from micrograd_fast.nn import MLP, Layer, Linear, RMSNorm

# More allocations than any of the calls below makes.
MOST = 60


def live():
    gc.collect()
    return _core.arena_info()["live_nodes"]


class Holder:
    """Something that a weak reference can watch, and that the collector must see through."""


MODULES = {
    "one output": lambda: MLP(2, [3, 1], seed=1),
    "several outputs": lambda: MLP(2, [3, 4], seed=1),
    "linear": lambda: Linear(2, 1, seed=1),
    "norm": lambda: RMSNorm(2),
    "tracked": lambda: tracked(MLP(2, [3, 2], seed=1)),
    "twice": lambda: shared(MLP(2, [3, 2], seed=1)),
}


def tracked(network):
    """A parameter that the collector must know, and with it all that is made from it."""
    network.layers[0].neurons[0].b.notes = []
    return network


def shared(network):
    network.layers[0].neurons[0].b = network.layers[0].neurons[1].b
    return network


@pytest.mark.parametrize("name", MODULES)
def test_a_call_survives_every_failed_allocation(name):
    network = MODULES[name]()
    x = [Value(0.5), 0.25]
    expected = [out.data for out in listed(network(x))]
    failures = 0
    for fresh in (True, False):
        # A fresh network has no plan yet.
        for nth in range(1, MOST):
            one, outs = MODULES[name]() if fresh else network, None
            before = _core.arena_info()["live_nodes"]
            _core.fail_allocation(nth)
            try:
                outs = listed(one(x))
            except MemoryError:
                failures += 1
            finally:
                _core.fail_allocation(0)
            if outs is not None:
                break
            # What a new plan keeps is its parameters node.
            assert _core.arena_info()["live_nodes"] - before in ((0, 1) if fresh else (0,))
            outs = listed(one(x))
            assert [out.data for out in outs] == expected
            assert all(gradients(loss_of(outs), one.parameters()))
            del outs, one
        assert nth < MOST - 1
    assert failures > 5


def test_failures_leak_nothing():
    before, blocks = live(), _core.arena_info()["blocks"]
    for nth in range(1, MOST):
        network, x = MLP(2, [3, 2], seed=2), [Value(0.5), 0.25]
        _core.fail_allocation(nth)
        try:
            network(x)
            network.parameters()
        except MemoryError:
            pass
        finally:
            _core.fail_allocation(0)
    del network, x
    assert live() == before
    assert _core.arena_info()["blocks"] == blocks


@pytest.mark.parametrize("nouts", [[3, 1], [3, 2]], ids=str)
def test_backward_needs_no_memory(nouts):
    network = MLP(2, nouts, seed=3)
    leaves = network.parameters()
    losses = [loss_of(network([Value(0.5), 0.25])) for _ in range(2)]
    expected = gradients(losses[0], leaves)
    for p in leaves:
        p.grad = 0.0
    _core.fail_allocation(1)
    try:
        losses[1].backward()
    finally:
        _core.fail_allocation(0)
    assert [p.grad for p in leaves] == expected


def test_the_other_orders_without_memory_change_nothing():
    network = MLP(2, [3, 2], seed=4)
    loss = loss_of(network([0.5, 0.25]))
    for nth in range(1, 4):
        _core.fail_allocation(nth)
        try:
            loss.backward(check=True)
        except MemoryError:
            assert not any(p.grad for p in network.parameters())
        finally:
            _core.fail_allocation(0)
            network.zero_grad()


class TestCircles:
    """Parameter -> attribute -> result -> network node -> parameters node -> parameter."""

    @pytest.mark.parametrize("late", [False, True], ids=["before the call", "after the call"])
    @pytest.mark.parametrize("nouts", [[3, 1], [3, 2]], ids=str)
    def test_a_parameter_that_remembers_a_result(self, nouts, late):
        before = live()
        network = MLP(2, nouts, seed=5)
        parameter = network.layers[0].neurons[0].w[0]
        if not late:
            parameter.history = []
        outs = network([Value(1.0), 2.0])
        if late:
            parameter.history = []
        parameter.history.append(outs)
        parameter.holder = holder = Holder()
        watch = weakref.ref(holder)
        del network, parameter, outs, holder
        assert live() == before
        assert watch() is None

    def test_a_parameter_that_knows_its_network(self):
        before = live()
        network = Layer(2, 3, seed=6)
        network([1.0, 2.0])
        network.neurons[0].b.owner = network
        network.neurons[0]([1.0, 2.0])
        network.neurons[0].w[1].owner = network
        watch = weakref.ref(network)
        del network
        assert live() == before
        assert watch() is None

    def test_a_closure_on_an_output_that_holds_it(self):
        before = live()
        network = MLP(2, [3, 2], seed=7)
        outs = network([1.0, 2.0])

        def holding(held):
            return lambda: held[0].grad

        outs[1]._backward = holding(list(outs))
        watch = weakref.ref(outs[1])
        del outs, network
        assert watch() is not None
        assert live() == before
        assert watch() is None

    def test_an_input_that_remembers_an_output(self):
        before = live()
        x = Value(1.0)
        network = MLP(2, [3, 2], seed=8)
        x.out = network([x, x])[1]
        watch = weakref.ref(x)
        del x
        gc.collect()
        assert watch() is None
        assert network.num_parameters() == 17
        del network
        assert live() == before

    def test_what_is_still_used_is_not_collected(self):
        """Many calls share one parameters node; the collector must count it right."""
        network = MLP(2, [3, 2], seed=9)
        parameter = network.layers[0].neurons[0].w[0]
        parameter.history = []
        calls = [network([0.1 * i, 2.0]) for i in range(100)]
        parameter.history.append(calls[3][0])
        holder = parameter.holder = Holder()
        watch = weakref.ref(holder)
        del holder
        for _ in range(3):
            gc.collect()
        assert watch() is not None
        expected = gradients(loss_of(calls[7]), network.parameters())
        # Now by the calls alone, and at last by a single output.
        values = network.parameters()
        del network, parameter
        gc.collect()
        assert watch() is not None
        out = calls[50][1]
        for v in values:
            v.grad = 0.0
        loss_of(calls[7]).backward()
        assert [v.grad for v in values] != [0.0] * len(values)
        assert len(expected) == len(values)
        del calls, values
        gc.collect()
        assert watch() is not None
        assert out._children[-1].data is not None
        del out
        gc.collect()
        assert watch() is None


def test_a_long_training_keeps_nothing():
    network = MLP(2, [4, 1], seed=10)
    points = [[0.1, 0.2], [0.3, -0.4]]
    before = None
    for step in range(300):
        loss = sum((network(x) - 1.0) ** 2 for x in points)
        network.zero_grad()
        loss.backward()
        for p in network.parameters():
            p.data -= 0.05 * p.grad
        if step == 10:
            before = live()
    assert live() == before
    assert loss.data < 0.1


def test_a_sweep_does_not_walk_down_to_an_old_network():
    """Parameters that are leaves need no visit: a sweep ends above a million unrelated nodes."""
    import time

    network = MLP(2, [4, 1], seed=11)
    network([1.0, 2.0])

    def seconds():
        loss = (network([1.0, 2.0]) - 1.0) ** 2
        start = time.thread_time()
        for _ in range(50):
            loss.backward()
        return time.thread_time() - start

    alone = min(seconds() for _ in range(3))
    unrelated = [Value(1.0)]
    for _ in range(300_000):
        unrelated.append(-unrelated[-1])
    assert min(seconds() for _ in range(3)) < 20 * alone
    # The walk over these would take a thousand times as long.
    assert len(unrelated) == 300_001


def test_a_deep_stack_of_calls_is_freed_and_differentiated():
    layer = Layer(2, 2, seed=12)
    x = [Value(0.1), Value(0.2)]
    out = x
    for _ in range(20_000):
        out = layer(out)
    sum(out).backward()
    assert all(v.grad == v.grad for v in layer.parameters())
    before = _core.arena_info()["live_nodes"]
    del out
    # A network node and two outputs for each call.
    assert _core.arena_info()["live_nodes"] <= before - 60_000


def test_outputs_may_outlive_their_network():
    network = MLP(2, [3, 2], seed=13)
    parameters = network.parameters()
    outs = network([1.0, 2.0])
    expected = gradients(loss_of(network([1.0, 2.0])), parameters)
    del network
    gc.collect()
    assert gradients(loss_of(outs), parameters) == expected
