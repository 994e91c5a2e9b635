"""What an optimiser holds, when it lets go of it, and what a failing allocation leaves behind."""

import gc
import sys
import weakref

import numpy as np
import pytest
from robustness import live_nodes

from micrograd_fast import Value, _core, data_of, grads_of, nn, set_data, values
from micrograd_fast.optim import SGD, Adam, AdamW, clip_grad_norm_

pytestmark = pytest.mark.usefixtures("nothing_stays")

EVERY = pytest.mark.parametrize("make", [SGD, Adam, AdamW])


@EVERY
def test_the_parameters_live_as_long_as_their_optimiser(make):
    before = live_nodes()
    optimizer = make((Value(float(i)) for i in range(100)), lr=0.1)
    gc.collect()
    assert live_nodes() == before + 100
    optimizer.step()
    del optimizer
    assert live_nodes() == before


def test_parameters_are_held_once():
    p = Value(1.0)
    seen = weakref.ref(p)
    optimizers = [SGD([p], lr=0.1), Adam([p])]
    del p
    assert seen() is not None
    del optimizers[0]
    assert seen() is not None
    optimizers.clear()
    assert seen() is None


def test_a_graph_below_a_parameter_is_freed_with_the_optimiser():
    before = live_nodes()
    x = Value(1.0)
    chain = x
    for _ in range(10_000):
        chain = chain + 1.0
    optimizer = SGD([chain], lr=0.1)
    del chain
    assert live_nodes() == before + 10_001
    del optimizer
    assert live_nodes() == before + 1


@EVERY
def test_a_cycle_through_a_parameter_is_collected(make):
    class Owner:
        pass

    for hold in ("attribute", "label", "closure"):
        p, q = Value(1.0), Value(2.0)
        optimizer = make([p, q], lr=0.1)
        owner = Owner()
        owner.optimizer = optimizer
        if hold == "attribute":
            p.owner = owner
        elif hold == "label":
            p.label = owner
        else:
            p._backward = owner.optimizer.zero_grad
        seen = weakref.ref(owner), weakref.ref(q)
        del p, q, optimizer, owner
        assert seen[1]() is not None
        gc.collect()
        assert [ref() for ref in seen] == [None, None], hold


def test_an_optimiser_that_was_collected_is_empty_not_broken():
    """A finalizer can reach the optimiser when the collector has cleared it already."""
    outcomes = []

    class Last:
        def __del__(self):
            outcomes.append(len(self.parameters.values()))
            self.parameters.zero_grads()
            self.parameters.grad_norm(2.0)

    def cycle():
        p = Value(1.0)
        last = Last()
        last.parameters = _core.Parameters([p])
        p.last = last

    cycle()
    gc.collect()
    assert outcomes in ([0], [1])


def test_dropping_a_parameter_may_run_the_users_code():
    """... which may use the optimiser's own parts while they go."""
    order = []

    class Noisy:
        def __init__(self, optimizer):
            self.optimizer = weakref.ref(optimizer)

        def __del__(self):
            order.append(self.optimizer())
            Adam(values(np.ones(50)))

    params = values(np.zeros(10))
    optimizer = Adam(params)
    for p in params:
        p.noisy = Noisy(optimizer)
    del params, p, optimizer
    assert order == [None] * 10


def test_params_that_change_while_they_are_listed():
    trap = []

    def parameters():
        for _ in range(3):
            trap.append(Value(1.0))
            yield trap[-1]
            trap.clear()

    assert len(_core.Parameters(parameters())) == 3
    assert trap == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="only C has buffers before Python 3.12")
def test_params_that_change_while_they_are_read():
    """Asking an object for its buffer may run Python, which may change the list it stands in."""

    class Trap:
        def __buffer__(self, flags):
            del params[1:]
            gc.collect()
            return memoryview(np.array([Value(2.0)], dtype=object))

    params = [[Value(1.0)], Trap(), [Value(3.0)]]
    with pytest.raises(RuntimeError, match="changed length while they were read"):
        data_of(params)
    params = [[Value(1.0)], Trap()]
    assert data_of(params).tolist() == [[1.0], [2.0]]


# Failing allocations


def outcomes(program):
    """Runs the program with its first allocation failing, its second, ..., until none fails.

    Yields None for each failure, then what the program returned.
    """
    nth, result = 0, None
    while result is None:
        nth += 1
        _core.fail_allocation(nth)
        try:
            result = (program(),)
        except MemoryError:
            yield None
        finally:
            _core.fail_allocation(0)
    assert nth > 1, "no allocation of this program can fail"
    yield result[0]


PARAMS = 1000


def everything_with(params, out):
    yield "make", lambda: Adam(params).steps
    yield "generator", lambda: SGD((p for p in params), lr=0.1).steps
    yield "clip", lambda: clip_grad_norm_(params, 1e-3)
    yield "data", lambda: data_of(params).sum()
    yield "data into", lambda: data_of(params, out=out).sum()
    yield "grads", lambda: grads_of(params).sum()
    yield "set", lambda: set_data(params, np.arange(PARAMS) * 2.0)


def test_a_failing_allocation_changes_nothing():
    params = values(np.arange(PARAMS))
    nodes, blocks = live_nodes(), _core.arena_info()["blocks"]
    for name, program in everything_with(params, np.empty(PARAMS)):
        set_data(params, np.arange(PARAMS))
        for p in params:
            p.grad = 1.0
        for outcome in outcomes(program):
            assert (live_nodes(), _core.arena_info()["blocks"]) == (nodes, blocks), name
            if outcome is None and name != "set":
                assert data_of(params).sum() == sum(range(PARAMS)), name
                assert grads_of(params).sum() == PARAMS, name
        if name == "set":
            assert data_of(params)[-1] == 2.0 * (PARAMS - 1)
    for p in params:
        p.grad = 0.0


def test_a_failing_allocation_in_set_data_sets_nothing():
    params = values(np.zeros((4, 50)))
    seen = []
    for _ in outcomes(lambda: set_data(params, np.ones((4, 50)))):
        seen.append(data_of(params).sum())
    assert len(seen) >= 2
    assert set(seen[:-1]) == {0.0}
    assert seen[-1] == 200.0


@pytest.mark.parametrize("as_array", [False, True])
def test_a_failing_allocation_while_values_are_made(as_array):
    """... gives back those that were made before."""
    # Pages that are kept empty would serve without an allocation.
    filler = values(np.zeros(1000 * _core.arena_info()["empty_pages"]))
    numbers = np.arange(20_000.0).reshape(50, 400)
    gc.collect()
    before = live_nodes()
    for outcome in outcomes(lambda: values(numbers, as_array=as_array)):
        assert live_nodes() == before + (0 if outcome is None else numbers.size)
        if outcome is not None:
            assert np.array_equal(data_of(outcome), numbers)
    del outcome
    assert live_nodes() == before
    del filler


def test_a_failing_allocation_while_an_array_is_filled_leaves_it_as_it_was():
    filler = values(np.zeros(1000 * _core.arena_info()["empty_pages"]))
    old = object()
    out = np.full(20_000, old, dtype=object)
    gc.collect()
    before, failures = live_nodes(), 0
    for outcome in outcomes(lambda: values(np.ones(20_000), out=out)):
        if outcome is None:
            failures += 1
            assert all(item is old for item in out)
            assert live_nodes() == before
    assert failures >= 2
    assert data_of(out).sum() == 20_000.0
    del filler


def test_an_optimiser_works_on_after_failures():
    model = nn.MLP(2, [3, 1])
    optimizer = Adam(model.parameters(), lr=0.1)
    twin = nn.MLP(2, [3, 1])
    set_data(twin.parameters(), data_of(model.parameters()))
    calm = Adam(twin.parameters(), lr=0.1)
    for nth in range(1, 30):
        loss, twin_loss = model([1.0, 2.0]) ** 2, twin([1.0, 2.0]) ** 2
        optimizer.zero_grad()
        calm.zero_grad()
        loss.backward()
        twin_loss.backward()
        _core.fail_allocation(nth)
        try:
            clip_grad_norm_(model.parameters(), 1e9)
            optimizer.step()
        except MemoryError:
            optimizer.step()
        finally:
            _core.fail_allocation(0)
        calm.step()
    assert data_of(model.parameters()).tolist() == data_of(twin.parameters()).tolist()


def test_a_step_allocates_nothing_native():
    params = values(np.ones(300))
    for optimizer in (SGD(params, lr=0.1, momentum=0.9), Adam(params), AdamW(params)):
        blocks = _core.arena_info()["blocks"]
        _core.fail_allocation(1)
        try:
            optimizer.zero_grad()
            optimizer.step()
        finally:
            _core.fail_allocation(0)
        assert _core.arena_info()["blocks"] == blocks
        assert optimizer.steps == 1
