"""Learning rate schedules: their closed forms, several at once, and what they refuse."""

import math

import numpy as np
import pytest

from micrograd_fast import Value, optim


def rates(make, count, lr=0.3, **settings):
    """The rate at first and after each of ``count`` steps."""
    optimizer = optim.SGD([Value(0.0)], lr=lr)
    schedule = make(optimizer, **settings)
    found = [optimizer.lr]
    for _ in range(count):
        schedule.step()
        found.append(optimizer.lr)
    assert schedule.last_epoch == count
    return found


@pytest.mark.parametrize(("T_max", "eta_min"), [(1, 0.0), (2, 0.1), (10, 0.0), (37, 0.02), (5, 1)])
def test_cosine(T_max, eta_min):
    found = rates(optim.CosineSchedule, 5 * T_max, T_max=T_max, eta_min=eta_min)
    for t, rate in enumerate(found):
        wave = (1 + math.cos(math.pi * t / T_max)) / 2
        assert rate == pytest.approx(eta_min + (0.3 - eta_min) * wave, rel=1e-12, abs=1e-15), t
    assert found[T_max] == eta_min
    assert found[0] == 0.3


@pytest.mark.parametrize(("step_size", "gamma"), [(1, 0.9), (3, 0.5), (10, 0.1), (4, 0.0), (2, 2)])
def test_stair(step_size, gamma):
    found = rates(optim.StepSchedule, 30, step_size=step_size, gamma=gamma)
    expected = [0.3 * gamma ** (t // step_size) for t in range(31)]
    assert found == pytest.approx(expected, rel=1e-14, abs=0.0)


@pytest.mark.parametrize(
    ("start", "end", "total"), [(1 / 3, 1.0, 5), (1e-3, 1.0, 100), (1.0, 0.0, 7), (0.5, 0.5, 1)]
)
def test_ramp(start, end, total):
    found = rates(
        optim.LinearWarmup, total + 10, start_factor=start, end_factor=end, total_iters=total
    )
    for t, rate in enumerate(found):
        factor = start + (end - start) * min(t, total) / total
        assert rate == pytest.approx(0.3 * factor, rel=1e-12, abs=1e-16), t


def test_a_ramp_down_to_nothing_never_goes_below():
    """The last factor is 0 but for rounding, and a negative rate would be refused."""
    for total in range(1, 300):
        found = rates(
            optim.LinearWarmup, total, start_factor=1.0, end_factor=0.0, total_iters=total
        )
        assert 0.0 <= found[-1] < 1e-15


def test_schedules_together_multiply():
    """Each goes on from the rate that it finds; all know the rate from before the first."""
    optimizer = optim.SGD([Value(0.0)], lr=0.3)
    warmup = optim.LinearWarmup(optimizer, start_factor=0.1, total_iters=10)
    cosine = optim.CosineSchedule(optimizer, T_max=40)
    stair = optim.StepSchedule(optimizer, step_size=15, gamma=0.5)
    assert warmup.base_lr == cosine.base_lr == stair.base_lr == optimizer.initial_lr == 0.3
    for t in range(1, 40):
        for schedule in (warmup, cosine, stair):
            schedule.step()
        ramp = 0.1 + 0.9 * min(t, 10) / 10
        wave = (1 + math.cos(math.pi * t / 40)) / 2
        assert optimizer.lr == pytest.approx(
            0.3 * ramp * wave * 0.5 ** (t // 15), rel=1e-12, abs=0.0
        )


def test_a_rate_that_the_user_sets_is_gone_on_from():
    optimizer = optim.SGD([Value(0.0)], lr=1.0)
    schedule = optim.StepSchedule(optimizer, step_size=1, gamma=0.5)
    schedule.step()
    optimizer.lr = 8.0
    schedule.step()
    assert optimizer.lr == 4.0


def test_the_optimiser_steps_at_the_scheduled_rate():
    p = Value(0.0)
    optimizer = optim.SGD([p], lr=1.0)
    schedule = optim.StepSchedule(optimizer, step_size=1, gamma=0.5)
    for _ in range(3):
        p.grad = -1.0
        optimizer.step()
        schedule.step()
    assert p.data == 1.75


@pytest.mark.parametrize("count", [3, np.int64(3), np.array(3)])
def test_counts_are_plain_ints(count):
    optimizer = optim.SGD([Value(0.0)], lr=1.0)
    for schedule, name in (
        (optim.CosineSchedule(optimizer, count), "T_max"),
        (optim.StepSchedule(optimizer, count), "step_size"),
        (optim.LinearWarmup(optimizer, total_iters=count), "total_iters"),
    ):
        assert type(getattr(schedule, name)) is int
        assert getattr(schedule, name) == 3


@pytest.mark.parametrize(
    ("make", "settings", "error", "message"),
    [
        (optim.CosineSchedule, {"T_max": 0}, ValueError, "T_max must be at least 1, not 0"),
        (optim.CosineSchedule, {"T_max": 2.5}, TypeError, "T_max must be an int, not 'float'"),
        (optim.CosineSchedule, {"T_max": 2, "eta_min": -1.0}, ValueError, "eta_min must be"),
        (optim.StepSchedule, {"step_size": 0}, ValueError, "step_size must be at least 1"),
        (optim.StepSchedule, {"step_size": 1, "gamma": -1}, ValueError, "gamma must be"),
        (optim.StepSchedule, {"step_size": 1, "gamma": "1"}, TypeError, "gamma must be a real"),
        (
            optim.LinearWarmup,
            {"start_factor": 0.0},
            ValueError,
            r"start_factor must be in \(0, 1\]",
        ),
        (
            optim.LinearWarmup,
            {"start_factor": 1.5},
            ValueError,
            r"start_factor must be in \(0, 1\]",
        ),
        (optim.LinearWarmup, {"end_factor": -0.1}, ValueError, r"end_factor must be in \[0, 1\]"),
        (optim.LinearWarmup, {"total_iters": 0}, ValueError, "total_iters must be at least 1"),
    ],
)
def test_settings_that_cannot_be(make, settings, error, message):
    optimizer = optim.SGD([Value(0.0)], lr=1.0)
    with pytest.raises(error, match=message):
        make(optimizer, **settings)
    assert optimizer.lr == 1.0
    assert "initial_lr" not in optimizer.state_dict()


@pytest.mark.parametrize("wrong", [None, 0.1, [Value(0.0)]])
def test_a_schedule_needs_an_optimiser(wrong):
    with pytest.raises(TypeError, match="optimizer must be an optimiser, not"):
        optim.StepSchedule(wrong, 1)


def test_rates_that_overflow_are_refused():
    optimizer = optim.SGD([Value(0.0)], lr=1e300)
    schedule = optim.StepSchedule(optimizer, step_size=1, gamma=1e10)
    with pytest.raises(ValueError, match="lr must be finite"):
        schedule.step()
    assert optimizer.lr == 1e300
