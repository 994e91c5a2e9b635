"""State of optimisers and schedules: round trips, what is refused, copies and pickles."""

import copy
import io
import math
import pickle

import numpy as np
import optim_rules
import pytest

from micrograd_fast import Value, data_of, nn, optim, values
from micrograd_fast.optim import SGD, Adam, AdamW

CASES = pytest.mark.parametrize("case", optim_rules.CASES, ids=optim_rules.name_of)


def made(case, start=optim_rules.START):
    name, settings = case
    params = values(start)
    return params, getattr(optim, name)(params, **settings)


def train(params, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        optim_rules.loss_of(params).backward()
        optimizer.step()


def through_npz(state):
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return np.load(file)  # refuses what needs pickle


def through_pickle(state):
    return pickle.loads(pickle.dumps(state))


def assert_same(state, other):
    assert state.keys() == other.keys()
    for name, entry in state.items():
        assert type(entry) is type(other[name]), name
        assert np.array_equal(entry, other[name]), name


@pytest.mark.parametrize("by_way_of", [dict, through_npz, through_pickle])
@CASES
def test_going_on_from_a_state_is_going_on(case, by_way_of):
    params, optimizer = made(case)
    train(params, optimizer, 20)
    saved, data = by_way_of(optimizer.state_dict()), data_of(params)
    train(params, optimizer, 20)

    name, _ = case
    again = values(data)
    other = getattr(optim, name)(again, lr=99.0)  # settings come with the state
    other.load_state_dict(saved)
    train(again, other, 20)
    assert [v.data for v in again] == [v.data for v in params]
    assert_same(other.state_dict(), optimizer.state_dict())
    assert repr(other) == repr(optimizer)


def test_what_a_state_holds():
    params, optimizer = made(("Adam", {"lr": 0.1, "weight_decay": 0.5}))
    train(params, optimizer, 3)
    state = optimizer.state_dict()
    arrays = {name: state.pop(name) for name in ("m", "v")}
    assert state == {
        "kind": "Adam",
        "lr": 0.1,
        "weight_decay": 0.5,
        "steps": 3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
    }
    for array in arrays.values():
        assert (array.dtype, array.shape) == (np.float64, (len(params),))
        assert np.any(array != 0.0)
    _, optimizer = made(("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}))
    assert optimizer.state_dict().pop("momentum_buffer").tolist() == [0.0] * len(params)
    assert optimizer.state_dict().keys() == {
        *("kind", "lr", "weight_decay", "steps", "momentum", "nesterov", "momentum_buffer")
    }


def test_a_state_is_a_copy_on_both_ways():
    params, optimizer = made(("Adam", {"lr": 0.1}))
    train(params, optimizer, 2)
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    train(params, optimizer, 1)
    assert_same(state, before)
    optimizer.load_state_dict(state)
    train(params, optimizer, 1)
    assert_same(state, before)
    state["m"][:] = math.nan
    assert np.all(np.isfinite(optimizer.m))


def test_arrays_of_any_number_type_and_order_are_loaded():
    _, optimizer = made(("Adam", {}))
    state = optimizer.state_dict()
    numbers = np.arange(len(optim_rules.START))
    state["m"], state["v"] = numbers.astype(np.int32), np.repeat(numbers, 2)[::2].astype(np.float32)
    optimizer.load_state_dict(state)
    assert optimizer.m.tolist() == optimizer.v.tolist() == numbers.tolist()
    optimizer.step()
    state["m"] = numbers.tolist()
    optimizer.load_state_dict(state)


BAD = [
    ({"m": np.zeros(3)}, ValueError, r"m has shape \(3,\), but there are 10 parameters"),
    ({"v": np.zeros((10, 1))}, ValueError, r"v has shape \(10, 1\), but there are 10"),
    ({"v": 1.0}, ValueError, r"v has shape \(\), but there are 10"),
    ({"m": np.zeros(10, complex)}, TypeError, "m must be an array of numbers, not of complex128"),
    ({"m": np.array(["0"] * 10)}, TypeError, "m must be an array of numbers"),
    ({"m": np.array([None] * 10)}, TypeError, "m must be an array of numbers, not of object"),
    ({"lr": -1.0}, ValueError, "lr must be finite"),
    ({"lr": "0.1"}, TypeError, "lr must be a real number, not 'str'"),
    ({"steps": 1.5}, TypeError, "steps must be an int, not 'float'"),
    ({"steps": -1}, ValueError, "steps must be at least 0, not -1"),
    ({"betas": (0.9, 1.0)}, ValueError, r"betas\[1\] must be in \[0, 1\)"),
    ({"kind": "SGD"}, ValueError, "Adam cannot load the state of SGD"),
    ({"momentum": 0.9}, ValueError, r"state of \w+ has unknown \['momentum'\]$"),
    ({7: 0.9}, ValueError, r"unknown \[7\]"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=lambda x: str(x)[:40])
def test_a_state_that_cannot_be_is_refused_whole(change, error, message):
    params, optimizer = made(("Adam", {"lr": 0.5}))
    train(params, optimizer, 2)
    before = optimizer.state_dict()
    _, other = made(("Adam", {"lr": 0.25}))
    with pytest.raises(error, match=message):
        optimizer.load_state_dict({**other.state_dict(), **change})
    assert_same(optimizer.state_dict(), before)


@pytest.mark.parametrize("entry", ["kind", "lr", "betas", "m", "steps"])
def test_an_entry_that_is_missing(entry):
    _, optimizer = made(("Adam", {}))
    state = optimizer.state_dict()
    del state[entry]
    with pytest.raises(ValueError, match=rf"the state of Adam lacks \['{entry}'\]$"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("state", [None, [], "state", 1])
def test_a_state_that_is_no_dict(state):
    _, optimizer = made(("Adam", {}))
    with pytest.raises(TypeError, match="the state of Adam must be a dict, not"):
        optimizer.load_state_dict(state)


def test_adam_and_adamw_do_not_load_each_other():
    """Their states have the same entries, but mean different rules."""
    params = values([1.0])
    with pytest.raises(ValueError, match="AdamW cannot load the state of Adam"):
        AdamW(params).load_state_dict(Adam(params).state_dict())


# Schedules

SCHEDULES = [
    (optim.CosineSchedule, {"T_max": 12, "eta_min": 0.01}),
    (optim.StepSchedule, {"step_size": 4, "gamma": 0.5}),
    (optim.LinearWarmup, {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 15}),
]


@pytest.mark.parametrize("by_way_of", [dict, through_npz, through_pickle])
@pytest.mark.parametrize(("make", "settings"), SCHEDULES)
def test_a_schedule_goes_on_from_its_state(make, settings, by_way_of):
    optimizer = SGD([Value(0.0)], lr=0.4)
    schedule = make(optimizer, **settings)
    for _ in range(7):
        schedule.step()
    saved = by_way_of(optimizer.state_dict()), by_way_of(schedule.state_dict())
    other_optimizer = SGD([Value(0.0)], lr=3.0)
    other = make(other_optimizer, **dict.fromkeys(settings, 1))
    other_optimizer.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    for _ in range(20):
        schedule.step()
        other.step()
        assert other_optimizer.lr == optimizer.lr
    assert_same(other.state_dict(), schedule.state_dict())


def test_what_the_state_of_a_schedule_holds():
    optimizer = SGD([Value(0.0)], lr=0.4)
    schedule = optim.LinearWarmup(optimizer, total_iters=2)
    schedule.step()
    assert schedule.state_dict() == {
        "kind": "LinearWarmup",
        "last_epoch": 1,
        "base_lr": 0.4,
        "start_factor": 1 / 3,
        "end_factor": 1.0,
        "total_iters": 2,
    }
    with pytest.raises(ValueError, match="StepSchedule cannot load the state of LinearWarmup"):
        optim.StepSchedule(optimizer, 1).load_state_dict(schedule.state_dict())
    with pytest.raises(ValueError, match="total_iters must be at least 1"):
        schedule.load_state_dict({**schedule.state_dict(), "total_iters": 0})
    assert schedule.total_iters == 2


def test_the_rate_from_before_the_schedules_is_state():
    optimizer = SGD([Value(0.0)], lr=0.4)
    assert "initial_lr" not in optimizer.state_dict()
    optim.LinearWarmup(optimizer, start_factor=0.5)
    state = optimizer.state_dict()
    assert (state["lr"], state["initial_lr"]) == (0.2, 0.4)
    other = SGD([Value(0.0)], lr=7.0)
    other.load_state_dict(state)
    assert optim.CosineSchedule(other, 10).base_lr == 0.4
    # and its absence too
    other.load_state_dict(SGD([Value(0.0)], lr=0.3).state_dict())
    assert optim.CosineSchedule(other, 10).base_lr == 0.3


# Copies


@pytest.mark.parametrize("duplicate", [copy.deepcopy, through_pickle])
def test_a_model_and_its_optimiser_are_duplicated_together(duplicate):
    model = nn.MLP(2, [2, 1])
    optimizer = Adam(model.parameters(), lr=0.1)
    schedule = optim.CosineSchedule(optimizer, T_max=5)

    def steps(network, rule, plan):
        for _ in range(3):
            rule.zero_grad()
            (network([1.0, -2.0]) - 0.5).backward()
            rule.step()
            plan.step()
        return [v.data for v in network.parameters()], rule.lr

    steps(model, optimizer, schedule)
    twins = duplicate((model, optimizer, schedule))
    assert twins[1].state_dict().keys() == optimizer.state_dict().keys()
    before = [v.data for v in model.parameters()]
    expected = steps(*twins)
    assert [v.data for v in model.parameters()] == before, "the copy moved the original"
    assert expected[0] != before
    assert steps(model, optimizer, schedule) == expected


def test_a_shallow_copy_moves_the_same_values():
    p = Value(1.0)
    optimizer = SGD([p], lr=0.5)
    p.grad = 1.0
    twin = copy.copy(optimizer)
    twin.lr = 0.25
    twin.step()
    assert (p.data, optimizer.lr, optimizer.steps) == (0.75, 0.5, 0)
