"""Learning rate schedules; ``micrograd_fast.optim`` says what they are for."""

import math
from typing import ClassVar

from ._optimizer import (
    Check,
    Number,
    Optimizer,
    Stateful,
    count,
    not_negative,
    positive_up_to_one,
    up_to_one,
)

__all__ = ["CosineSchedule", "LinearWarmup", "StepSchedule"]


class _Schedule(Stateful):
    """Sets ``optimizer.lr`` at once and with every ``step()``; ``last_epoch`` counts those."""

    _checks: ClassVar[dict[str, Check]] = {"last_epoch": count(0), "base_lr": not_negative}

    last_epoch: int
    base_lr: float

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an optimiser, not {type(optimizer).__name__!r}")
        self.optimizer = optimizer
        # Another schedule may have changed the rate already.
        if "initial_lr" not in optimizer.__dict__:
            optimizer.initial_lr = optimizer.lr
        self.base_lr = optimizer.initial_lr
        self.last_epoch = 0

    def step(self) -> None:
        """Go on to the next rate; call it after the optimiser's ``step()``."""
        self.last_epoch += 1
        self.optimizer.lr = self._next(self.optimizer.lr)

    def _next(self, lr: float) -> float:
        """The rate at ``last_epoch``, one step after it was ``lr``."""
        raise NotImplementedError


class CosineSchedule(_Schedule):
    """A cosine, torch's ``CosineAnnealingLR``: ``CosineSchedule(optimizer, T_max, eta_min=0.0)``.

    The rate falls along half a cosine from what it is to ``eta_min`` in ``T_max`` steps, then rises
    again.

    >>> from micrograd_fast import Value, optim
    >>> optimizer = optim.SGD([Value(0.0)], lr=1.0)
    >>> schedule = optim.CosineSchedule(optimizer, T_max=4)
    >>> for _ in range(4):
    ...     schedule.step()
    ...     print(f"{optimizer.lr:.4f}")
    0.8536
    0.5000
    0.1464
    0.0000
    """

    _checks: ClassVar[dict[str, Check]] = {
        **_Schedule._checks,
        "T_max": count(1),
        "eta_min": not_negative,
    }

    T_max: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: Number = 0.0) -> None:
        self._assign(T_max=T_max, eta_min=eta_min)
        super().__init__(optimizer)

    def _next(self, lr: float) -> float:
        def height(epoch: int) -> float:
            return 1.0 + math.cos(math.pi * epoch / self.T_max)

        # From the bottom no factor leads up again.
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            return lr + (self.base_lr - self.eta_min) * (1.0 - math.cos(math.pi / self.T_max)) / 2.0
        fall = height(self.last_epoch) / height(self.last_epoch - 1)
        return self.eta_min + fall * (lr - self.eta_min)


class StepSchedule(_Schedule):
    """A stair, torch's ``StepLR``: ``StepSchedule(optimizer, step_size, gamma=0.1)``.

    Every ``step_size`` steps the rate is multiplied by ``gamma``.

    >>> from micrograd_fast import Value, optim
    >>> optimizer = optim.SGD([Value(0.0)], lr=1.0)
    >>> schedule = optim.StepSchedule(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    ...     print(optimizer.lr)
    1.0
    0.5
    0.5
    0.25
    """

    _checks: ClassVar[dict[str, Check]] = {
        **_Schedule._checks,
        "step_size": count(1),
        "gamma": not_negative,
    }

    step_size: int
    gamma: float

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: Number = 0.1) -> None:
        self._assign(step_size=step_size, gamma=gamma)
        super().__init__(optimizer)

    def _next(self, lr: float) -> float:
        return lr * self.gamma if self.last_epoch % self.step_size == 0 else lr


class LinearWarmup(_Schedule):
    """A ramp, torch's ``LinearLR``: the rate starts at a part of itself and grows to the whole.

    ``LinearWarmup(optimizer, start_factor=1/3, end_factor=1.0, total_iters=5)`` multiplies the rate
    by ``start_factor`` at once, which over ``total_iters`` steps grows to ``end_factor``.

    >>> from micrograd_fast import Value, optim
    >>> optimizer = optim.SGD([Value(0.0)], lr=1.0)
    >>> schedule = optim.LinearWarmup(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.lr
    0.5
    >>> for _ in range(3):
    ...     schedule.step()
    ...     print(optimizer.lr)
    0.75
    1.0
    1.0
    """

    _checks: ClassVar[dict[str, Check]] = {
        **_Schedule._checks,
        "start_factor": positive_up_to_one,
        "end_factor": up_to_one,
        "total_iters": count(1),
    }

    start_factor: float
    end_factor: float
    total_iters: int

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: Number = 1.0 / 3.0,
        end_factor: Number = 1.0,
        total_iters: int = 5,
    ) -> None:
        self._assign(start_factor=start_factor, end_factor=end_factor, total_iters=total_iters)
        super().__init__(optimizer)
        optimizer.lr *= self.start_factor

    def _next(self, lr: float) -> float:
        if self.last_epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        # Down to 0, rounding could end just below it.
        return lr * max(0.0, 1.0 + rise / before)
