"""The optimisers, schedules and clipping next to torch's in float64, where torch is installed."""

import math

import numpy as np
import optim_rules
import pytest

from micrograd_fast import Value, optim

torch = pytest.importorskip("torch")

CASES = pytest.mark.parametrize("case", optim_rules.CASES, ids=optim_rules.name_of)


def tensors(numbers):
    return [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]


def far(ours, theirs):
    return max(abs(a.data - b.item()) / max(1.0, abs(b.item())) for a, b in zip(ours, theirs))


@CASES
def test_a_hundred_steps(case):
    name, settings = case
    ours, theirs = [Value(x) for x in optim_rules.START], tensors(optim_rules.START)
    optimizers = (
        getattr(optim, name)(ours, **settings),
        getattr(torch.optim, name)(theirs, **settings),
    )
    for _ in range(100):
        for params, optimizer in zip((ours, theirs), optimizers):
            optimizer.zero_grad()
            optim_rules.loss_of(params).backward()
            optimizer.step()
        assert far(ours, theirs) < 1e-12


@CASES
def test_gradients_that_are_not_finite(case):
    name, settings = case
    start = [1.0, -2.0, 0.0, 3.0, math.inf, 0.5]
    sequence = [
        [math.inf, 1.0, -math.inf, math.nan, 1.0, 0.25],
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.25],
        [0.0, math.inf, 1e200, 1.0, -1e200, 0.25],
        [0.0, 1.0, -1e200, 1.0, 1.0, 0.25],
    ]
    ours, theirs = [Value(x) for x in start], tensors(start)
    optimizers = (
        getattr(optim, name)(ours, **settings),
        getattr(torch.optim, name)(theirs, **settings),
    )
    for gradients in sequence:
        for a, b, gradient in zip(ours, theirs, gradients):
            a.grad, b.grad = gradient, torch.tensor(gradient, dtype=torch.float64)
        for optimizer in optimizers:
            optimizer.step()
        for a, b in zip(ours, theirs):
            assert np.isclose(a.data, b.item(), rtol=1e-12, atol=0.0, equal_nan=True)


# Schedules

SCHEDULES = {
    "CosineSchedule": "CosineAnnealingLR",
    "StepSchedule": "StepLR",
    "LinearWarmup": "LinearLR",
}


@pytest.mark.parametrize(
    "schedules",
    [
        [("CosineSchedule", {"T_max": 1})],
        [("CosineSchedule", {"T_max": 10})],
        [("CosineSchedule", {"T_max": 7, "eta_min": 0.05})],
        [("CosineSchedule", {"T_max": 9, "eta_min": 0.5})],
        [("StepSchedule", {"step_size": 1})],
        [("StepSchedule", {"step_size": 7, "gamma": 0.5})],
        [("LinearWarmup", {})],
        [("LinearWarmup", {"start_factor": 0.01, "total_iters": 13})],
        [("LinearWarmup", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 10})],
        [("LinearWarmup", {"start_factor": 0.7, "end_factor": 0.2, "total_iters": 9})],
        [("LinearWarmup", {"total_iters": 5}), ("CosineSchedule", {"T_max": 30})],
        [("CosineSchedule", {"T_max": 8, "eta_min": 0.01}), ("LinearWarmup", {"total_iters": 3})],
        [
            ("LinearWarmup", {"total_iters": 4}),
            ("StepSchedule", {"step_size": 6, "gamma": 0.3}),
            ("CosineSchedule", {"T_max": 11}),
        ],
    ],
    ids=lambda schedules: "+".join(map(optim_rules.name_of, schedules)),
)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
def test_rates(schedules):
    ours, theirs = optim.SGD([Value(0.0)], lr=0.2), torch.optim.SGD(tensors([0.0]), lr=0.2)
    our_schedules = [getattr(optim, name)(ours, **given) for name, given in schedules]
    their_schedules = [
        getattr(torch.optim.lr_scheduler, SCHEDULES[name])(theirs, **given)
        for name, given in schedules
    ]
    for step in range(60):
        assert ours.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12, abs=1e-17), step
        if step == 25:  # what a user sets is where the schedules go on from
            ours.lr = theirs.param_groups[0]["lr"] = 0.07
        for schedule in (*our_schedules, *their_schedules):
            schedule.step()


# Clipping


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, 0.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 5.0, 1e3, math.inf])
@pytest.mark.parametrize(
    "gradients",
    [
        [3.0, -4.0],
        [0.0, 0.0],
        [0.1, 0.2, -0.3, 1e-9],
        [math.inf, 1.0],
        [math.nan, 1.0],
        [math.inf, math.nan],
    ],
    ids=str,
)
def test_clip_grad_norm(gradients, max_norm, norm_type):
    ours, theirs = [Value(0.0) for _ in gradients], tensors(gradients)
    for a, b, gradient in zip(ours, theirs, gradients):
        a.grad, b.grad = gradient, torch.tensor(gradient, dtype=torch.float64)
    norm = optim.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type).item()
    assert np.isclose(norm, expected, rtol=1e-13, atol=0.0, equal_nan=True)
    for a, b in zip(ours, theirs):
        assert np.isclose(a.grad, b.grad.item(), rtol=1e-13, atol=0.0, equal_nan=True)
