"""Networks where something else happens: passes that stop half way, the collector in between."""

import gc
import threading

import pytest
from nn_operators import gradients, listed, loss_of

from micrograd_fast import Value, _core
from micrograd_fast.nn import MLP, Linear, RMSNorm


def stopped_by_a_closure(outs):
    """A pass that stops at the second output, after the third has given its gradient."""

    def fails():
        raise LookupError("stop")

    outs[1]._backward = fails
    with pytest.raises(LookupError, match="stop"):
        loss_of(outs).backward()
    del outs[1]._backward


def stopped_by_a_check(outs):
    with pytest.raises(FloatingPointError, match="gradient of node 'MLP'"):
        (outs[2] * 3.0 + outs[1] * float("inf")).backward(check=True)


@pytest.mark.parametrize("stop", [stopped_by_a_closure, stopped_by_a_check])
def test_a_pass_that_stopped_leaves_nothing_behind(stop):
    network = MLP(2, [3, 3], seed=1)
    x = Value(0.5)
    leaves = [*network.parameters(), x]
    outs = network([x, -0.25])
    expected = gradients(loss_of(network([x, -0.25])), leaves)
    stop(outs)
    for out in outs:
        out.grad = 0.0
    assert gradients(loss_of(outs), leaves) == expected


def test_what_an_output_gave_before_the_stop_has_arrived():
    """As in a graph of operators: grads hold what had flowed by then."""
    network = MLP(2, [3], "linear", seed=2)
    outs = network([0.5, -0.25])
    stopped_by_a_closure(outs)
    third = network.layers[0].neurons[2]
    assert third.b.grad == outs[2].grad != 0.0
    assert network.layers[0].neurons[0].b.grad == 0.0


def test_a_closure_that_differentiates_the_same_call():
    network = MLP(2, [3, 2], seed=4)
    leaves = network.parameters()

    def total(outs):
        inner = outs[0] * outs[1]
        seen = Value(outs[0].data, (outs[0],), "seen")

        def backward():
            outs[0].grad += seen.grad
            inner.backward()

        seen._backward = backward
        return seen * 2 + outs[1]

    outs = network([0.1, 0.2])
    # An output is a function of its children, with nothing in between.
    alike = [Value(out.data, out._children, out._local_grads) for out in outs]
    expected = gradients(total(alike), leaves)
    assert gradients(total(outs), leaves) == pytest.approx(expected, rel=1e-12)
    assert any(expected)


MODULES = {
    "MLP": lambda: MLP(2, [3, 2], seed=5),
    "Linear": lambda: Linear(2, 3, seed=5),
    "RMSNorm": lambda: RMSNorm(2),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_collector_may_run_python_while_a_plan_is_made(name):
    """A callback of the collector that takes the very Values out that a plan is made of."""
    thresholds = gc.get_threshold()
    runs = []

    def replace_all(phase, info):
        if phase == "start":
            runs.append(1)
            rows = (
                [n.w for layer in module.layers for n in layer.neurons]
                if name == "MLP"
                else module.w
                if name == "Linear"
                else [module.w]
            )
            for row in rows:
                row[:] = [Value(0.5) for _ in row]

    for threshold in range(1, 30):
        module = MODULES[name]()
        gc.collect()
        gc.callbacks.append(replace_all)
        gc.set_threshold(threshold)
        try:
            outs = module([1.0, 2.0])
        finally:
            gc.set_threshold(*thresholds)
            gc.callbacks.remove(replace_all)
        loss_of(outs).backward()
        again = loss_of(module([1.0, 2.0])).data
        assert again == pytest.approx(loss_of(module._compose([1.0, 2.0])).data, rel=1e-12)
    assert runs


@pytest.mark.parametrize("module", [MLP(2, [2, 1], seed=6), MLP(2, [2, 3], seed=6), RMSNorm(2)])
def test_the_nodes_that_outputs_share_stay_what_they_are(module):
    """Only the collector's own functions lead to them."""
    out = listed(module([1.0, Value(2.0)]))[0]
    visible = {id(p) for p in (*module.parameters(), *out._children, out)}
    hidden, todo = [], [out]
    while todo:
        for one in gc.get_referents(todo.pop()):
            if isinstance(one, Value) and id(one) not in visible:
                hidden.append(one)
                visible.add(id(one))
                todo.append(one)
    assert 1 <= len(hidden) <= 2
    expected = gradients(out * 1, module.parameters())
    for node in hidden:
        with pytest.raises(TypeError, match="cannot change a node that the outputs of a network"):
            node.__init__(3.0)
        with pytest.raises(TypeError, match="cannot copy an interior node"):
            node.__copy__()
        node.backward()
        node._backward()
        assert len(node._local_grads) == len(node._children)
    out.grad = 0.0
    assert gradients(out * 1, module.parameters()) == expected


def test_threads_that_train_networks_of_their_own():
    """One at a time holds the lock; what it switches between must not be shared."""
    results = {}

    def train(seed):
        network = MLP(2, [8, 1], seed=seed)
        for _ in range(60):
            loss = sum((network([a, b]) - a * b) ** 2 for a in (-1, 1) for b in (-1, 1))
            network.zero_grad()
            loss.backward()
            for p in network.parameters():
                p.data -= 0.05 * p.grad
        results.setdefault(seed, []).append([p.data for p in network.parameters()])

    threads = [threading.Thread(target=train, args=(i % 2,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (0, 1):
        assert len(results[seed]) == 3
        assert results[seed][0] == results[seed][1] == results[seed][2]


def test_no_block_of_memory_is_left():
    gc.collect()
    blocks = _core.arena_info()["blocks"]
    for make in MODULES.values():
        module = make()
        outs = module([Value(0.5), 0.25])
        stopped_by_a_closure([outs[0], outs[-1], *outs[1:]])
        del module, outs
    gc.collect()
    assert _core.arena_info()["blocks"] == blocks
